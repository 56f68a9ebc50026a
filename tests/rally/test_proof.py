"""The proof itself: stories that hold, that can be told again, and that catch what is built wrongly."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from rally.proof import ground, moves, running, safety, story, twins, wrong
from rally.proof.ground import Ground
from rally.proof.story import Verdict
from rally.proof.world import Broken, World
from trips.models import Trip


@pytest.fixture
def here(transactional_db: None) -> Iterator[Ground]:
    with ground.prepared() as made:
        yield made


@pytest.mark.parametrize("seed", [4, 9, 12])
def test_every_property_holds(here: Ground, seed: int) -> None:
    told = story.tell(seed, here)
    assert (told.broken, told.what) == ("", "")
    assert told.steps >= 30


def test_the_same_seed_is_the_same_story(here: Ground) -> None:
    first = story.tell(11, here)
    story.tell(9, here)
    again = story.tell(11, here)
    assert first.log == again.log
    assert story.tell(8, here).log != first.log


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


def test_a_day_ends_the_same_however_it_is_heard_of(here: Ground) -> None:
    log: list[str] = []
    twins.check(3, here, log)
    assert sum(line.startswith("== ") for line in log) == len(twins.EARS)


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


def test_no_two_moves_have_one_name() -> None:
    names = [each.name for each in moves.MOVES]
    assert len(set(names)) == len(names)


def test_progress_counts_what_was_told(capsys: pytest.CaptureFixture[str]) -> None:
    progress = running.Progress(2)
    progress.add(Verdict(1, 40, "closed"))
    progress.add(Verdict(2, 50, "lapsed", "P2", "double hold"))
    assert "2/2 stories, 90 steps" in capsys.readouterr().err
    assert [each.seed for each in progress.failures] == [2]
