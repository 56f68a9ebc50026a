"""The manifest: the seats of a run by stop, with needs and who is on board on which leg."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Prefetch, QuerySet
from django.utils.translation import gettext as _

from operators.models import Boarding, Run
from operators.states import Leg
from rally.paper import harmless
from trips.models import Seat, Stop
from trips.states import PLEDGED, RIDING, Need


@dataclass(frozen=True, slots=True)
class Passenger:
    """One seat of a run. `name` is empty while the operator may not know it."""

    seat: Seat
    name: str
    needs: tuple[str, ...]
    outbound: Boarding | None
    back: Boarding | None

    def boarding(self, leg: str) -> Boarding | None:
        """When and by whom this seat was checked in on that leg."""
        return self.outbound if leg == Leg.OUTBOUND else self.back

    @property
    def need_words(self) -> list[str]:
        """What the passenger needs, in words."""
        return [str(Need(need).label) for need in self.needs]


@dataclass(frozen=True, slots=True)
class StopList:
    """Who gets on at one stop (and off there on the way back)."""

    stop: Stop
    passengers: list[Passenger] = field(default_factory=list)

    @property
    def outbound_count(self) -> int:
        """How many are checked in on the way there."""
        return sum(1 for passenger in self.passengers if passenger.outbound)

    @property
    def back_count(self) -> int:
        """How many are checked in on the way back."""
        return sum(1 for passenger in self.passengers if passenger.back)


@dataclass(frozen=True, slots=True)
class Manifest:
    """All seats of a run, in the order of the stops."""

    run: Run
    stops: list[StopList]

    @property
    def passengers(self) -> list[Passenger]:
        """Everybody, stop by stop."""
        return [passenger for stop in self.stops for passenger in stop.passengers]

    @property
    def total(self) -> int:
        """Seats expected on board."""
        return len(self.passengers)

    @property
    def outbound_count(self) -> int:
        """How many are checked in on the way there."""
        return sum(stop.outbound_count for stop in self.stops)

    @property
    def back_count(self) -> int:
        """How many are checked in on the way back."""
        return sum(stop.back_count for stop in self.stops)

    @property
    def needs(self) -> list[tuple[str, int]]:
        """What is needed on board, in words and numbers."""
        counts: dict[str, int] = {}
        for passenger in self.passengers:
            for word in passenger.need_words:
                counts[word] = counts.get(word, 0) + 1
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))

    def missing(self, leg: str, stop: Stop | None = None) -> list[Passenger]:
        """Who is not checked in on that leg; of one stop only, if one is given.

        On the way back only those are missed who came: whoever did not ride out is not left behind.
        """
        lists = [entry for entry in self.stops if stop is None or entry.stop.id == stop.id]
        everybody = [passenger for entry in lists for passenger in entry.passengers]
        if leg == Leg.RETURN:
            return [passenger for passenger in everybody if passenger.outbound and not passenger.back]
        return [passenger for passenger in everybody if not passenger.outbound]


def seats_of(run: Run) -> QuerySet[Seat]:
    """The seats of a run: of everybody pledged until the trip is certain, then of everybody riding; none once it ended."""
    if not run.is_live:
        return Seat.objects.none()
    states = RIDING if run.names_riders else PLEDGED
    return Seat.objects.filter(pledge__trip_id=run.trip_id, pledge__state__in=states)


def manifest(run: Run) -> Manifest:
    """The manifest of a run, in three queries however many ride. Names only once the trip is certain."""
    standing = Boarding.objects.filter(undone_at=None).select_related("by")
    seats = (
        seats_of(run)
        .select_related("pledge")
        .prefetch_related(Prefetch("boardings", queryset=standing, to_attr="standing"))
        .order_by("pledge__stop__position", "name", "id")
    )
    lists = {stop.id: StopList(stop) for stop in Stop.objects.filter(trip_id=run.trip_id)}
    for seat in seats:
        lists[seat.pledge.stop_id].passengers.append(_passenger(seat, named=run.names_riders))
    return Manifest(run=run, stops=list(lists.values()))


def seat_counts(runs: list[Run]) -> dict[Any, dict[str, int]]:
    """For each run's id how many are checked in, by leg. One query."""
    counts: dict[Any, dict[str, int]] = {run.id: dict.fromkeys(Leg.values, 0) for run in runs}
    standing = Boarding.objects.filter(run__in=runs, undone_at=None).order_by()
    for run_id, leg, n in standing.values_list("run_id", "leg").annotate(n=Count("id")):
        counts[run_id][leg] = n
    return counts


def table(sheet: Manifest) -> Iterator[list[str]]:
    """The manifest as rows of text, headings first, for spreadsheets. Cells are safe to open there."""
    yield [_("Stop"), _("Leaves"), _("Name"), _("Needs"), _("Boarded out"), _("Boarded back")]
    for entry in sheet.stops:
        leaves = _clock(entry.stop.departs_at, entry.stop)
        for passenger in entry.passengers:
            yield [
                harmless(entry.stop.name),
                leaves,
                harmless(passenger.name),
                harmless(", ".join(passenger.need_words)),
                _clock(passenger.outbound.at if passenger.outbound else None, entry.stop),
                _clock(passenger.back.at if passenger.back else None, entry.stop),
            ]


def _passenger(seat: Any, *, named: bool) -> Passenger:
    by_leg = {boarding.leg: boarding for boarding in seat.standing}
    return Passenger(
        seat=seat,
        name=seat.name if named else "",
        needs=tuple(seat.needs),
        outbound=by_leg.get(Leg.OUTBOUND),
        back=by_leg.get(Leg.RETURN),
    )


def _clock(moment: datetime | None, stop: Stop) -> str:
    return f"{moment.astimezone(ZoneInfo(stop.time_zone)):%Y-%m-%d %H:%M}" if moment else ""
