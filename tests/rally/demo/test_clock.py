"""Moving the clock of the demo."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from rally import clock as time
from rally import outbox
from rally.demo import clock
from rally.errors import BadInput
from rally.models import User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("demo_mode")]

_A_MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("+7d", timedelta(days=7)),
        ("+2h", timedelta(hours=2)),
        ("+90m", timedelta(minutes=90)),
        ("+1w", timedelta(weeks=1)),
        ("hour", timedelta(hours=1)),
        ("day", timedelta(days=1)),
    ],
)
def test_steps(text: str, step: timedelta) -> None:
    assert abs(clock.when(text) - time.now() - step) < _A_MINUTE


def test_a_time_with_its_zone() -> None:
    assert clock.when("2031-12-13T19:20:00-06:00") == datetime(2031, 12, 14, 1, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "+7", "7d", "+7y", "-1d", "2031-12-13T19:20:00", "+999999d"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        clock.when(text)


@pytest.mark.parametrize("text", ["decision", "departure"])
def test_without_a_trip_there_is_nothing_to_move_to(text: str) -> None:
    with pytest.raises(clock.NothingAhead):
        clock.when(text)


def test_moving_on_tells_the_time_and_that_nothing_was_due() -> None:
    before = time.now()

    news = clock.forward(to=before + timedelta(days=1))

    assert timedelta(days=1) <= time.now() - before < timedelta(days=1) + _A_MINUTE
    assert news[0].startswith("It is now ")
    assert news[1:] == ["Nothing was due."]


def test_back_is_refused_and_so_is_too_far() -> None:
    now = time.now()

    with pytest.raises(BadInput, match="only moves forward"):
        clock.forward(to=now - _A_MINUTE)
    with pytest.raises(BadInput, match="at most 400 days"):
        clock.forward(to=now + timedelta(days=401))
    assert time.now() - now < _A_MINUTE


def test_what_is_due_on_the_way_is_done_at_its_time(ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.now()
    facts: dict[str, Any] = {}
    monkeypatch.setattr(
        outbox, "message", lambda notice: mail.EmailMessage(notice.kind, "", to=[notice.recipient.email])
    )
    first = outbox.put(
        to=ana, kind="demo.one", subject="a", facts=facts, now=now, due_at=now + timedelta(days=1)
    )
    second = outbox.put(
        to=ana, kind="demo.two", subject="a", facts=facts, now=now, due_at=now + timedelta(days=3)
    )
    later = outbox.put(
        to=ana, kind="demo.three", subject="a", facts=facts, now=now, due_at=now + timedelta(days=30)
    )

    news = clock.forward(to=now + timedelta(days=7))

    for notice in (first, second, later):
        notice.refresh_from_db()
    assert first.sent_at is not None
    assert second.sent_at is not None
    assert timedelta(0) <= first.sent_at - first.due_at < timedelta(minutes=6)
    assert timedelta(0) <= second.sent_at - second.due_at < timedelta(minutes=6)
    assert later.state == "waiting"
    assert news[1:] == ["2 mails were sent."]


def test_the_past_is_played_by_this_process_alone(settings: Any) -> None:
    then = time.now() - timedelta(days=30)
    real = settings.CLOCK_FILE

    with clock.played_from(then):
        assert abs(time.now() - then) < _A_MINUTE
        time.move(timedelta(days=5))
        assert abs(time.now() - then - timedelta(days=5)) < _A_MINUTE

    assert real == settings.CLOCK_FILE
    assert time.now() - then >= timedelta(days=30)


def test_the_command_moves_and_tells(capsys: pytest.CaptureFixture[str]) -> None:
    before = time.now()

    call_command("demo_clock", "+2h")

    assert time.now() - before >= timedelta(hours=2)
    assert capsys.readouterr().out.splitlines()[1:] == ["Nothing was due."]


def test_the_command_says_what_it_does_not_understand() -> None:
    with pytest.raises(CommandError, match="Say how far"):
        call_command("demo_clock", "soon")


def test_elsewhere_the_command_refuses(settings: Any) -> None:
    settings.DEMO = False

    with pytest.raises(CommandError, match="only in the demo"):
        call_command("demo_clock", "+1h")
    with pytest.raises(CommandError, match="demo only"):
        call_command("demo_market")
