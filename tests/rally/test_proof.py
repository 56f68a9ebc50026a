"""The proof itself: stories that hold, that can be told again, and that catch what is built wrongly."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from payments.models import Wallet
from rally.ids import uuid7
from rally.proof import (
    companies,
    ground,
    machine,
    more_seats,
    moves,
    owing,
    riders,
    running,
    safety,
    saving,
    story,
    wrong,
)
from rally.proof.ground import Ground
from rally.proof.story import Verdict
from rally.proof.truth import Sent
from rally.proof.world import Broken, GaveUp, World
from trips.models import Pledge, Promotion, PromotionUse, Trip
from trips.queries import links


@pytest.fixture
def here(transactional_db: None) -> Iterator[Ground]:
    with ground.prepared() as made:
        yield made


def test_every_property_holds(here: Ground) -> None:
    """In one story; `prove_money` tells many, and every tenth day in several ways."""
    told = story.tell(9, here)
    assert (told.broken, told.what) == ("", "")
    assert told.steps >= 30


def test_the_same_seed_is_the_same_story(here: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is: the second time it is told, hours go by."""
    first, other = (story.tell(seed, here, steps=story.SHORT) for seed in (11, 9))
    monkeypatch.setattr(time, "monotonic", itertools.count(time.monotonic(), 60).__next__)
    again = story.tell(11, here, steps=story.SHORT)
    assert first.log == again.log != other.log


#: The others need up to a minute each: `make prove` looks for all six.
QUICKLY_CAUGHT = ("key-per-send", "no-metadata", "capture-as-you-go")


@pytest.mark.parametrize("name", QUICKLY_CAUGHT)
def test_a_wrong_design_is_caught(here: Ground, name: str) -> None:
    """By a short, stormy story, as `prove_money --wrong all` tells them, while the right design comes through it."""
    design = wrong.DESIGNS[name]
    seen: list[Verdict] = []
    for seed in range(1, 201):
        with wrong.built_in(name):
            seen.append(story.tell(seed, here, steps=story.SHORT))
        if seen[-1].broken in design.caught:
            break
    assert seen[-1].broken in design.caught, [f"{each.seed} {each.broken} {each.what}" for each in seen]
    right = story.tell(seen[-1].seed, here, steps=story.SHORT)
    assert (right.broken, right.what) == ("", "")


def test_what_is_lost_comes_back_from_the_backup(here: Ground) -> None:
    here.reset()
    before = Trip.objects.get(id=here.cast.trip).threshold
    here.back_up()
    Trip.objects.update(threshold=before + 1)
    here.restore()
    assert Trip.objects.get(id=here.cast.trip).threshold == before


def test_a_fault_that_is_only_logged_breaks_the_story(here: Ground) -> None:
    here.reset()
    world = World(1, here)

    with world.told():
        logging.getLogger("trips.tasks").error("trips.sweep_failed", exc_info=ValueError("nobody saw this"))
        with pytest.raises(Broken, match="nobody saw this"):
            safety.check(world)


def test_what_the_ladder_keeps_is_reckoned_to_the_cent() -> None:
    gave_up = GaveUp(uuid7(), seats=2, of=3, price=3400, paid=10_001, percent=75)
    assert gave_up.shares == [3334, 3334, 3333]
    assert gave_up.kept == [834, 833]  # a quarter of 66.68, the odd cent to the rider
    assert gave_up.rest == 3333
    assert replace(gave_up, percent=100).kept == []


@pytest.fixture
def world(here: Ground) -> Iterator[World]:
    here.reset()
    made = World(1, here)
    with made.told():
        yield made


def test_credit_that_vanishes_breaks_a_story(world: World) -> None:
    assert saving.give_to(world, world.cast.riders[0], 2_500)
    saving.agree(world)
    saving.check(world)
    Wallet.objects.update(balance_minor=2_499)
    with pytest.raises(Broken, match="P19: Rider0 was given 2500, has 2499"):
        saving.check(world)


def test_a_code_that_is_counted_wrongly_breaks_a_story(world: World) -> None:
    saving.limits_hold(world)
    Promotion.objects.filter(code="TEN").update(uses=1)
    with pytest.raises(Broken, match="P18: TEN counts 1"):
        saving.limits_hold(world)


def test_a_code_that_is_free_again_or_not_against_what_was_given_breaks_a_story(world: World) -> None:
    pledge = saving.join_with(world, world.cast.riders[0], seats=1, typed="TEN", use_credit=False)
    assert pledge is not None
    riders.leave_with(world, pledge.id)
    machine.everything(world)
    saving.check(world)
    PromotionUse.objects.update(given_back_at=None)
    with pytest.raises(Broken, match=r"P18: TEN .* no card was ever given, free again: False"):
        saving.check(world)
    PromotionUse.objects.update(given_back_at=world.now)
    payment_id = Pledge.objects.values_list("payment_id", flat=True).get(id=pledge.id)
    assert payment_id is not None
    world.truth.took_card(payment_id)
    with pytest.raises(Broken, match=r"P18: TEN .* a card was given, free again: True"):
        saving.check(world)


def test_a_company_that_is_not_paid_breaks_a_story(world: World) -> None:
    companies.check(world)
    companies.ask_to_pay_by_hand(world)
    saving.agree(world)
    with pytest.raises(Broken, match=r"P21: .* got 0, is due"):
        companies.check(world)


def test_a_transfer_out_of_our_balance_that_nobody_decided_breaks_a_story(world: World) -> None:
    with pytest.raises(Broken, match="P6: 1 transfers out of our balance"):
        safety.no_more_than_booked([Sent("acct_1", "", "trip:1", 500, 0)])
    with pytest.raises(Broken, match="P6: 500 sent to acct_1, booked 0"):
        safety.no_more_than_booked([Sent("acct_1", "ch_1", "trip:1", 500, 0)])


def test_a_link_that_opens_another_asking_breaks_a_story(world: World) -> None:
    pledge = riders.join_as(world, world.cast.riders[0], seats=1)
    assert pledge is not None
    world.links = [(pledge.id, links.pay_key(pledge), "another asking")]
    with pytest.raises(Broken, match="P20"):
        more_seats.open_link(world)


def test_who_leaves_a_certain_trip_is_remembered(world: World) -> None:
    Trip.objects.update(threshold=2)
    story.make_certain(world, full=True)
    pledge = Pledge.objects.get(rider=world.cast.riders[0])
    riders.change_by(world, pledge.id, -1)
    (gave_up,) = world.memory.gave_up
    assert (gave_up.pledge, gave_up.seats, gave_up.of) == (pledge.id, 1, 2)
    machine.everything(world)
    owing.check(world)
    world.memory.gave_up = [replace(gave_up, percent=gave_up.percent - 1)]
    with pytest.raises(Broken, match="P13"):
        owing.check(world)


def test_no_two_moves_have_one_name() -> None:
    names = [each.name for each in moves.MOVES]
    assert len(set(names)) == len(names)


def test_progress_counts_what_was_told(capsys: pytest.CaptureFixture[str]) -> None:
    progress = running.Progress(2)
    progress.add(Verdict(1, 40, "closed"))
    progress.add(Verdict(2, 50, "lapsed", "P2", "double hold"))
    assert "2/2 stories, 90 steps" in capsys.readouterr().err
    assert [each.seed for each in progress.failures] == [2]
