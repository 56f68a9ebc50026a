"""The small words everything stands on: ids, codes, states, refusals, rules, the clock, distances."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.db.models import TextChoices
from django.db.utils import ProgrammingError

from rally import clock, codes, journal, rules
from rally.errors import BadInput, Refusal
from rally.geo import Point, distance_km
from rally.ids import uuid7
from rally.models import RuleValue, StaffAction, StateChange, User
from rally.states import IllegalMove, table
from tests.factories.people import person
from tests.racing import at_once


def test_ids_are_version_7_and_ordered_by_time() -> None:
    made = [uuid7() for _ in range(50)]
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert [one.int >> 80 for one in made] == sorted(one.int >> 80 for one in made)
    assert len(set(made)) == 50


def test_codes_use_letters_nobody_confuses() -> None:
    for code, length in ((codes.short(), 6), (codes.long(), 10), (codes.secret(), 16)):
        assert len(code) == length
        assert set(code) <= set(codes.ALPHABET)
    assert not set("01OILUAE") & set(codes.ALPHABET)


def test_a_typed_code_is_forgiven_its_dashes_and_case() -> None:
    assert codes.clean(" k7qm-2p\n") == "K7QM2P"


class Light(TextChoices):
    RED = "red"
    GREEN = "green"


def test_a_table_knows_its_moves() -> None:
    light = table("light", Light, Light.RED, {Light.RED: {Light.GREEN}})
    light.check("red", "green")
    assert light.ends() == {"green"}
    with pytest.raises(IllegalMove):
        light.check("green", "red")


def test_a_table_with_an_unknown_state_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown"):
        table("light", Light, Light.RED, {"blue": {Light.RED}})
    with pytest.raises(ValueError, match="each state once"):
        table("light", Light, Light.RED, {Light.RED: {"blue"}})


def test_the_journal_is_never_rewritten(ana: User, now: datetime) -> None:
    StateChange.objects.create(noun="light", subject=ana.id, old="", new="red", at=now, by=None)
    for deed in (
        lambda: StateChange.objects.update(new="green"),
        lambda: StateChange.objects.all().delete(),
    ):
        with pytest.raises(ProgrammingError), transaction.atomic():
            deed()
    assert StateChange.objects.get().new == "red"


def test_a_refusal_has_a_code_and_a_sentence() -> None:
    class Full(Refusal):
        code = "full"
        text = "Only %(left)s left."

    refusal = Full(left=2, field="seats")
    assert (refusal.code, refusal.message, refusal.field) == ("full", "Only 2 left.", "seats")
    assert BadInput("100 % wrong", field="x").message == "100 % wrong"


def test_a_rule_can_be_changed_and_is_checked(sam: User, now: datetime) -> None:
    rules.change("decide_days_before", 5, now=now, by=sam)
    rules.change("decide_days_before", 5, now=now, by=sam)
    assert rules.current().decide_days_before == 5
    assert rules.current().max_stops == rules.DEFAULTS.max_stops
    assert RuleValue.objects.get().changed_by == sam
    rules.reset("decide_days_before", now=now, by=sam)
    rules.reset("decide_days_before", now=now, by=sam)
    assert rules.current().decide_days_before == rules.DEFAULTS.decide_days_before == 7
    notes = StaffAction.objects.filter(by=sam, subject="rule:decide_days_before")
    assert sorted((note.what, note.facts["before"], note.facts["value"]) for note in notes) == [
        ("rule.change", 7, 5),
        ("rule.reset", 5, 7),
    ]
    for name, value in (("no_such_rule", 1), ("max_stops", -1), ("max_stops", "8"), ("max_stops", True)):
        with pytest.raises(BadInput):
            rules.change(name, value, now=now, by=sam)


def test_accounts_are_one_per_address(db: None) -> None:
    person("ana")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("ANA@test.example", None, name="Other")
    with pytest.raises(ValueError, match="e-mail"):
        User.objects.create_user("")
    assert User.objects.get_by_natural_key("Ana@Test.example").short_name == "Ana"


def test_the_clock_stands_still_for_everybody_but_the_demo() -> None:
    with pytest.raises(clock.ClockIsFixed):
        clock.move(timedelta(hours=1))


def test_the_demo_clock_moves_forward_only(settings: object, tmp_path: Path) -> None:
    settings.CLOCK_FILE = str(tmp_path / "clock.json")  # type: ignore[attr-defined]
    before = clock.now()
    clock.move(timedelta(days=7))
    clock.move(timedelta(hours=1))
    assert timedelta(days=7, hours=1) <= clock.now() - before < timedelta(days=7, hours=1, minutes=1)
    with pytest.raises(ValueError, match="forward"):
        clock.move(timedelta(seconds=-1))


def test_a_time_needs_a_zone() -> None:
    assert clock.parse("2026-12-13T19:20:00-06:00") == datetime(2026, 12, 14, 1, 20, tzinfo=UTC)
    for wrong in ("2026-12-13T19:20:00", "soon"):
        with pytest.raises(ValueError, match=r"zone|Invalid"):
            clock.parse(wrong)


def test_distances() -> None:
    milwaukee, lambeau = Point(43.0389, -87.9065), Point(44.5013, -88.0622)
    # 163.1 km by the haversine formula on the mean radius, computed apart.
    assert distance_km(milwaukee, lambeau) == pytest.approx(163.1, abs=0.2)
    assert distance_km(Point(0, 179.5), Point(0, -179.5)) == pytest.approx(111.2, abs=0.1)
    for wrong in ((91, 0), (0, 181), (float("nan"), 0), (0, float("inf"))):
        with pytest.raises(ValueError, match="between"):
            Point(*wrong)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_accounts_for_one_address_at_once(db: None) -> None:
    answers = at_once(*[lambda: person("twin")] * 2)
    assert sorted(type(answer).__name__ for answer in answers) == ["IntegrityError", "User"]


def test_moving_writes_the_journal(ana: User, now: datetime) -> None:
    class Row:
        id = ana.id
        state = "red"

        def save(self, *, update_fields: list[str]) -> None:
            self.saved = update_fields

    light = table("light", Light, Light.RED, {Light.RED: {Light.GREEN}})
    row = Row()
    journal.begin(row, light, now=now, by=ana)
    journal.move(row, light, Light.GREEN, now=now, by=None, why="it was time", also=("changed_at",))
    assert row.saved == ["state", "changed_at"]
    lines = list(StateChange.objects.order_by("id").values_list("old", "new", "by", "why"))
    assert lines == [("", "red", ana.id, ""), ("red", "green", None, "it was time")]
    with pytest.raises(IllegalMove):
        journal.move(row, light, Light.RED, now=now, by=None)
