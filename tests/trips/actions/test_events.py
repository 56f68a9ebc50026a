"""Taking in what leagues publish."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rally.models import Notice
from tests.factories.events import event, partner, venue
from tests.factories.trips import NOW, proposed
from trips.actions import events
from trips.actions.events import Taken
from trips.importing.rows import FoundEvent, FoundVenue, Schedule
from trips.models import Event, Partner, Trip, Venue
from trips.states import TripState

pytestmark = pytest.mark.django_db

LAMBEAU = FoundVenue("Lambeau Field", "Green Bay", "Wisconsin", 44.501389, -88.062222, "America/Chicago")
KICK_OFF = datetime(2026, 12, 13, 18, 0, tzinfo=UTC)


def found(number: str = "1", home: str = "Green Bay Packers", away: str = "Buffalo Bills") -> FoundEvent:
    return FoundEvent(number, f"{away} at {home}", home, away, KICK_OFF, None, LAMBEAU, False, 2)


def take_in(
    *rows: FoundEvent,
    whose: Partner | None = None,
    feed: str = "nfl",
    save: bool = True,
    venues: tuple[FoundVenue, ...] = (LAMBEAU,),
    calendar: bool = False,
) -> Taken:
    return events.take_in(
        schedule=Schedule(events=list(rows), global_numbers=calendar),
        venues=list(venues),
        partner=whose,
        feed=feed,
        save=save,
        now=NOW,
    )


def test_a_new_event_has_all_it_needs() -> None:
    taken = take_in(found())
    one = Event.objects.get()
    assert (taken.new, taken.same, taken.changes, taken.venues_new) == (1, 0, [], 1)
    assert (one.name, one.slug) == (
        "Buffalo Bills at Green Bay Packers",
        "buffalo-bills-at-green-bay-packers",
    )
    assert (one.home, one.away, one.category) == ("Green Bay Packers", "Buffalo Bills", "sport")
    assert one.ends_at - one.starts_at == timedelta(hours=3, minutes=15)
    assert one.search_text == "buffalo bills at green bay packers lambeau field green bay wisconsin"
    assert (one.source, one.source_id, one.partner, one.state) == ("nfl", "1", None, "scheduled")
    assert one.venue.time_zone == "America/Chicago"


def test_a_second_time_changes_nothing() -> None:
    take_in(found(), found("2"))
    before = list(Event.objects.values())
    taken = take_in(found(), found("2"), feed="the same under another name")
    assert (taken.new, taken.same, taken.changes, taken.source) == (0, 2, [], "nfl")
    assert (taken.venues_new, taken.venues_changed) == (0, 0)
    assert list(Event.objects.values()) == before


def test_a_changed_row_updates_its_event_and_names_the_trips() -> None:
    take_in(found(), found("2", "Detroit Lions", "Chicago Bears"))
    game = Event.objects.get(source_id="1")
    trip = proposed(to=game)
    over = proposed(to=game)
    type(over).objects.filter(pk=over.pk).update(state=TripState.LAPSED)
    taken = take_in(
        replace(found(), starts_at=KICK_OFF + timedelta(hours=2)),
        found("2", "Detroit Lions", "Chicago Bears"),
    )
    (change,) = taken.changes
    assert (change.columns, change.trips, taken.same) == (("starts_at", "ends_at"), (trip.code,), 1)
    assert change.moved == (trip.code,)
    game.refresh_from_db()
    assert game.starts_at == KICK_OFF + timedelta(hours=2)
    assert Trip.objects.get(pk=trip.pk).arrives_at == trip.arrives_at + timedelta(hours=2)


def test_a_dry_run_moves_no_trip_and_says_which_it_would() -> None:
    take_in(found())
    trip = proposed(to=Event.objects.get())

    (change,) = take_in(replace(found(), starts_at=KICK_OFF + timedelta(hours=2)), save=False).changes

    assert change.moved == (trip.code,)
    assert Trip.objects.get().arrives_at == trip.arrives_at
    assert not Notice.objects.exists()


def test_another_spelling_concerns_no_trip() -> None:
    take_in(found())
    proposed(to=Event.objects.get())
    (change,) = take_in(found(away="Buffalo  BILLS")).changes
    assert (change.trips, "away" in change.columns) == ((), True)


def test_a_cancelled_event() -> None:
    take_in(found())
    (change,) = take_in(replace(found(), cancelled=True)).changes
    assert change.columns == ("state",)
    assert Event.objects.get().state == "cancelled"


def test_a_dry_run_writes_nothing_and_says_the_same() -> None:
    take_in(found())
    before = (list(Event.objects.values()), list(Venue.objects.values()))
    other = replace(LAMBEAU, name="Ford Field", city="Detroit")
    taken = take_in(
        replace(found(), cancelled=True),
        replace(found("9", "Lions", "Bears"), venue=other),
        save=False,
        venues=(LAMBEAU, other),
    )
    assert (taken.new, len(taken.changes), taken.venues_new) == (1, 1, 1)
    assert (list(Event.objects.values()), list(Venue.objects.values())) == before


def test_another_league_with_the_same_numbers_is_another_feed() -> None:
    take_in(found(), found("2", "Detroit Lions", "Chicago Bears"))
    taken = take_in(found("1", "FC Basel", "Young Boys"), found("2", "Luzern", "Thun"), feed="nfl")
    assert (taken.new, taken.changes, taken.source) == (2, [], "nfl-2")
    assert Event.objects.count() == 4


def test_a_team_that_was_corrected_is_the_same_game() -> None:
    take_in(found(), found("2", "Detroit Lions", "Chicago Bears"))
    taken = take_in(found(), found("2", "Detroit Lions", "Green Bay Packers"), feed="other")
    assert (taken.new, len(taken.changes), taken.same) == (0, 1, 1)


def test_a_calendar_is_known_by_its_uids() -> None:
    take_in(found("a@x"), calendar=True)
    taken = take_in(found("a@x", "Lions", "Bears"), calendar=True, feed="other")
    assert (taken.new, len(taken.changes), taken.source) == (0, 1, "nfl")


def test_nobody_changes_the_events_of_another_partner() -> None:
    mine, other = partner(), partner("fans-united")
    take_in(found(), whose=mine)
    taken = take_in(replace(found(), cancelled=True), whose=other)
    assert (taken.new, taken.changes) == (1, [])
    assert take_in(replace(found(), cancelled=True)).new == 1
    assert Event.objects.get(partner=mine).state == "scheduled"


def test_a_partner_takes_over_what_was_nobodys() -> None:
    take_in(found())
    (change,) = take_in(found(), whose=partner()).changes
    assert change.columns == ("partner_id",)


def test_a_changed_venue_is_mended_and_its_capacity_kept() -> None:
    venue(capacity=81_441)
    taken = take_in(found(), venues=(replace(LAMBEAU, latitude=44.5),))
    place = Venue.objects.get()
    assert (taken.venues_changed, place.latitude, place.capacity) == (1, 44.5, 81_441)
    assert take_in(found(), venues=(replace(LAMBEAU, latitude=44.5, capacity=80_000),)).venues_changed == 1


def test_known_venues_are_what_a_reader_needs() -> None:
    venue()
    assert events.known_venues() == [LAMBEAU]


def test_a_code_that_is_taken_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    event(code="AAAAAA", source_id="other")
    # Taken by an event that we have; free; taken by the one before; and, drawn again, taken and free.
    drawn = iter(["AAAAAA", "BBBBBB", "BBBBBB", "CCCCCC", "AAAAAA", "DDDDDD"])
    monkeypatch.setattr(events.codes, "short", lambda: next(drawn))
    take_in(found("1"), found("2"), found("3"))
    given = Event.objects.filter(source="nfl").values_list("source_id", "code")
    assert sorted(given) == [("1", "CCCCCC"), ("2", "BBBBBB"), ("3", "DDDDDD")]


def test_a_name_without_letters_still_has_an_address() -> None:
    take_in(replace(found(), name="音楽祭", home="", away=""))
    one = Event.objects.get()
    assert (one.slug, one.category, one.search_text.split()[0]) == ("event", "event", "音楽祭")


def test_an_event_that_a_person_adds_has_no_trips_to_take_along() -> None:
    known = event()
    added = Event(
        name="Cup Final", starts_at=known.starts_at, ends_at=known.ends_at, venue=known.venue, source_id="x"
    )
    events.save(event=added, now=NOW)
    assert Event.objects.get(pk=added.pk).slug == "cup-final"
