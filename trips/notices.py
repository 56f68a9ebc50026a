"""Messages about trips and pledges: facts in, one row of the outbox out. Asked for twice, sent once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from payments.queries import Back, parts_for
from rally import outbox
from rally.models import User
from rally.money import Money
from rally.templatetags.look import local_day, local_time_zoned
from trips.models import Friend, Pledge, Seat, Trip
from trips.models.pledges import Instrument
from trips.queries import handed, links, riding, stranded
from trips.queries.leaving import Leaving
from trips.states import JOINABLE, PledgeState


def day_of(trip: Trip) -> str:
    """`Sunday 13 December`, where the event is."""
    return local_day(trip.event.starts_at, trip.event.venue)


def pledged(pledge: Pledge, now: datetime) -> None:
    """Your card is in: what happens to your money now."""
    _tell(pledge, "pledged", now, state=pledge.state, **_paid_by(pledge))


def still_needed(pledge: Pledge, now: datetime) -> None:
    """Two weeks to go and seats missing: send the link on."""
    _tell(
        pledge,
        "still_needed",
        now,
        missing=pledge.trip.seats_to_go,
        days=max(1, (pledge.trip.departs_at - now).days),
    )


def confirmed(pledge: Pledge, now: datetime) -> None:
    """It goes."""
    mending = pledge.state == PledgeState.NEEDS_CARD
    _tell(
        pledge,
        "confirmed",
        now,
        **_paid_by(pledge),
        mending=mending,
        pay_url=links.pay_link(pledge) if mending else "",
        fell=pledge.price < pledge.fare,
        locked=pledge.price_minor is not None,
        price=str(pledge.price),
        fare=str(pledge.fare),
    )


def fare_fell(pledge: Pledge, *, was: Money, back: Back, now: datetime) -> None:
    """Others joined after you: what you paid, what a seat costs now, what comes back."""
    _tell(
        pledge,
        "fare_fell",
        now,
        paid=str(was * pledge.seats),
        was=str(was),
        price=str(pledge.price),
        **_back(back),
    )


def lapsed(pledge: Pledge, now: datetime) -> None:
    """It does not run; nothing was taken."""
    _tell(pledge, "lapsed", now, why=pledge.trip.why_ended)


def lapsed_holders(trip: Trip, pledges: Sequence[Pledge], now: datetime) -> None:
    """The same to those who hold seats of these pledges."""
    _tell_holders(pledges, "lapsed", now, why=trip.why_ended)


def lapsed_captain(trip: Trip, now: datetime) -> None:
    """The same to a captain who has no seat on it."""
    facts = {**_facts(trip), "why": trip.why_ended, "url": _absolute(trip.get_absolute_url()), "seats": 0}
    if not trip.pledges.filter(rider_id=trip.captain_id).exists():
        outbox.put(to=trip.captain, kind="trips.lapsed", subject=f"trip:{trip.id}", facts=facts, now=now)


def cancelled(parts: Sequence[Pledge], back: Back, now: datetime) -> None:
    """Somebody called it off; what was paid for a ride and all that was added to it comes back: `back`."""
    states, why = {part.state for part in parts}, parts[0].trip.why_ended
    paid, taking = PledgeState.WITHDRAWING in states, PledgeState.CAPTURING in states
    _tell(parts[0], "cancelled", now, paid=paid, taking=taking, why=why, **_back(back))


def cancelled_holders(trip: Trip, pledges: Sequence[Pledge], now: datetime) -> None:
    """The same without money, to those who hold seats of these pledges."""
    _tell_holders(pledges, "cancelled", now, why=trip.why_ended)


def rest_back(pledge: Pledge, back: Back, now: datetime, *, about: str = "") -> None:
    """The trip was called off: what had stayed here of your payment comes back too."""
    _tell(pledge, "rest_back", now, about=f"pledge:{pledge.id}:{about}".rstrip(":"), **_back(back))


def card_needs_you(pledge: Pledge, now: datetime) -> None:
    """The bank said no: a link that works without signing in, and until when."""
    _tell(pledge, "card_needs_you", now, about=_asking(pledge), **_card_facts(pledge))


def card_reminder(pledge: Pledge, hours: int, now: datetime) -> None:
    """The same again, a day and two and a half days later."""
    _tell(pledge, "card_reminder", now, about=f"{_asking(pledge)}:{hours}", **_card_facts(pledge))


def withdrawn(pledge: Pledge, look: Leaving, now: datetime) -> None:
    """You left; this comes back, and that much more if the seats are sold again."""
    _tell(pledge, "withdrawn", now, seats=sum(part.seats for part in look.parts), **_going(look))


def fewer_seats(pledge: Pledge, fewer: int, look: Leaving, now: datetime) -> None:
    """You gave up some of your seats; this comes back."""
    about = f"pledge:{pledge.id}:{int(now.timestamp())}"
    _tell(pledge, "fewer_seats", now, about=about, fewer=fewer, **_going(look))


def resold(pledge: Pledge, n: int, back: Back, now: datetime) -> None:
    """A seat that you gave up was sold again: the rest of its price comes back."""
    _tell(pledge, "resold", now, about=f"pledge:{pledge.id}:{n}", **_back(back))


def waiting(pledge: Pledge, now: datetime) -> None:
    """You are on the waiting list; nothing is taken."""
    _tell(pledge, "waiting", now)


def seats_offered(pledge: Pledge, now: datetime) -> None:
    """Seats became free and are kept for you until then: the way to pay for them."""
    _tell(
        pledge,
        "seats_offered",
        now,
        pay_url=links.pay_link(pledge),
        until=local_time_zoned(pledge.reserved_until, pledge.stop),
        charged=pledge.instrument == Instrument.CHARGE,
    )


def offer_over(pledge: Pledge, now: datetime) -> None:
    """You did not take the seats that were kept for you; the next one is asked."""
    _tell(pledge, "offer_over", now)


def waiting_ended(pledge: Pledge, now: datetime) -> None:
    """No seat became free for you before the end; nothing was taken."""
    _tell(pledge, "waiting_ended", now, why=pledge.trip.why_ended)


def leg_failed(pledge: Pledge, leg: str, back: Back, now: datetime, *, about: str) -> None:
    """One way was not driven; this comes back. Once for each refund, whose reason is `about`."""
    about = f"pledge:{pledge.id}:{about}"
    _tell(pledge, "leg_failed", now, about=about, way_back=leg == "return", **_back(back))


def leg_failed_holders(pledges: Sequence[Pledge], leg: str, now: datetime) -> None:
    """The same without money, to those who hold seats of these pledges. Once for each way."""
    _tell_holders(pledges, "leg_failed", now, event=leg, way_back=leg == "return")


def goodwill(pledge: Pledge, amount: Money, now: datetime) -> None:
    """We are sorry: credit for your next ride."""
    _tell(pledge, "goodwill", now, credit=str(amount))


def bus_lost(trip: Trip, pledges: Sequence[Pledge], now: datetime) -> None:
    """The company that was to drive cannot; another one is being asked, until then."""
    ends_at = stranded.called_off_at(trip)
    until = local_time_zoned(ends_at, trip.event.venue) if ends_at > now else ""
    _tell_everybody(pledges, "bus_lost", now, until=until)


def refund_late(pledge: Pledge, amount: Money, about: str, now: datetime) -> None:
    """The bank sent a refund back to us: it is still yours, and we see to it."""
    _tell(pledge, "refund_late", now, about=about, back=str(amount))


def dropped(pledge: Pledge, now: datetime) -> None:
    """No card in time: the seats are given up, nothing was taken. The way to join again, if seats are left."""
    again = pledge.trip.state in JOINABLE and pledge.trip.seats_left >= pledge.seats
    _tell(pledge, "dropped", now, again=again)


def _going(look: Leaving) -> dict[str, Any]:
    return {
        **_back(look.back),
        "kept": str(look.kept) if look.kept else "",
        "by_the_bank": look.by_the_bank,
        "others_short": look.others_short,
    }


def _back(back: Back) -> dict[str, str]:
    """What goes back in all, and where, for `trips/_back.txt`; empty what is nothing."""
    parts = {"back": back.whole, "to_card": back.to_card, "to_credit": back.to_credit}
    return {name: str(part) if part else "" for name, part in parts.items()}


def came_late(pledge: Pledge, now: datetime) -> None:
    """The card came in after the seats were given up; it was let go at once."""
    _tell(pledge, "came_late", now)


def all_back(pledge: Pledge, now: datetime) -> None:
    """All that you paid was given back to you before the bus left: your seats are free for others."""
    _tell(pledge, "all_back", now)


def boarding_pass(pledge: Pledge, now: datetime) -> None:
    """Tomorrow: where to stand, and the code of each seat. Handed seats go to those who hold them."""
    seats = list(pledge.passengers.select_related("holder"))
    mine = [seat for seat in seats if seat.holder_id is None]
    if mine:
        _tell(pledge, "boarding_pass", now, passes=_passes(mine), calendar_url=links.calendar_link(pledge))
    for seat in seats:
        if seat.holder_id is not None:
            seat.pledge = pledge
            _tell_holder(
                seat, "boarding_pass", now, about=f"seat:{seat.code}", passes=_passes([seat]), calendar_url=""
            )


def run_changed(pledges: Sequence[Pledge], now: datetime) -> None:
    """Another bus comes."""
    _tell_everybody(pledges, "run_changed", now)


def times_moved(pledges: Sequence[Pledge], now: datetime) -> None:
    """The event starts at another time, and the bus moves along."""
    _tell_everybody(pledges, "times_moved", now, by_trip=True)


def event_moved(pledges: Sequence[Pledge], now: datetime) -> None:
    """The event is at another time or place; the bus keeps its times until somebody has decided."""
    _tell_everybody(pledges, "event_moved", now, by_trip=True)


def event_moved_captain(trip: Trip, now: datetime, *, moved: bool) -> None:
    """The same to a captain who has no seat on it."""
    first = trip.stops.get(position=1)
    facts = {
        **_facts(trip),
        "url": _absolute(trip.get_absolute_url()),
        "seats": 0,
        "stop": first.name,
        "departs": local_time_zoned(first.departs_at, first),
        "returns": local_time_zoned(first.returns_at, first),
    }
    kind = "trips.times_moved" if moved else "trips.event_moved"
    # To a captain who is told as a rider already this is the same notice.
    outbox.put(to=trip.captain, kind=kind, subject=_moved(trip, now), facts=facts, now=now)


def _moved(trip: Trip, now: datetime) -> str:
    """An event may move more than once; each time is news. Staff find its trips by this."""
    return f"trip:{trip.id}:{int(now.timestamp())}"


def handed_over(seat: Seat, *, giver: User, now: datetime) -> None:
    """A seat is yours now."""
    _tell_holder(seat, "handed_over", now, about=f"seat:{seat.code}", giver=giver.short_name)


def seats_gone(seats: Iterable[Seat], now: datetime, *, taken_back: bool = False) -> None:
    """To whoever holds one of these seats: it was given up, or taken back, and its boarding pass is worth nothing. Each
    holder once; seats that nobody else holds are passed over."""
    by_holder: dict[UUID, list[Seat]] = {}
    for seat in seats:
        if seat.holder_id is not None:
            by_holder.setdefault(seat.holder_id, []).append(seat)
    for theirs in by_holder.values():
        names = [seat.name for seat in theirs]
        about = f"seat:{theirs[0].code}"  # another one each time a seat changes hands
        _tell_holder(theirs[0], "seat_gone", now, about=about, names=names, taken_back=taken_back)


def captain_rewarded(pledge: Pledge, amount: Money, now: datetime) -> None:
    """You started it and it ran: your own seat comes back as credit."""
    _tell(pledge, "captain_rewarded", now, credit=str(amount), credit_url=_absolute(reverse("trips:credit")))


def friend_rode(row: Friend, reward: Money, now: datetime) -> None:
    """To whoever brought a friend who has ridden, and to the friend. Neither is told the other's name."""
    facts = {
        "credit": str(reward),
        "credit_url": _absolute(reverse("trips:credit")),
        "home_url": _absolute(reverse("trips:home")),
    }
    about = f"friend:{row.friend_id}"
    outbox.put(to=row.inviter, kind="trips.friend_rode", subject=about, facts=facts, now=now)
    outbox.put(to=row.friend, kind="trips.first_ride", subject=about, facts=facts, now=now)


def _paid_by(pledge: Pledge) -> dict[str, Any]:
    """How the amount is paid: by card, and what a code and credit pay of it."""
    parts = parts_for(pledge.payment, pledge.charge)
    return {
        "by_card": str(parts.by_card),
        "by_code": str(parts.by_code) if parts.by_code else "",
        "from_credit": str(parts.from_credit) if parts.from_credit else "",
    }


def _asking(pledge: Pledge) -> str:
    """One asking is one message, however often the bank says no in it."""
    asked = int(pledge.card_asked_at.timestamp()) if pledge.card_asked_at else 0
    return f"pledge:{pledge.id}:{asked}"


def _card_facts(pledge: Pledge) -> dict[str, Any]:
    return {
        "pay_url": links.pay_link(pledge),
        "until": local_time_zoned(pledge.card_due_at, pledge.stop),
        "owed": pledge.state == PledgeState.PAYMENT_DUE,
        "runs": pledge.trip.decided_at is not None,
    }


def _passes(seats: list[Seat]) -> list[dict[str, str]]:
    return [
        {"name": seat.name, "code": seat.code, "url": _absolute(seat.get_absolute_url())} for seat in seats
    ]


def _tell_everybody(
    pledges: Sequence[Pledge], kind: str, now: datetime, *, by_trip: bool = False, **more: Any
) -> None:
    """News of one moment to the riders of these pledges, each once whatever they added, and to those who hold seats of
    theirs. Drafts may never come: they are told nothing. With `by_trip` all of it is about the trip."""
    certain = [pledge for pledge in pledges if pledge.state != PledgeState.DRAFT]
    for pledge, *_added in riding.by_ride(certain):
        about = _moved(pledge.trip, now) if by_trip else f"pledge:{pledge.id}:{int(now.timestamp())}"
        _tell(pledge, kind, now, about=about, **more)
    _tell_holders(certain, kind, now, event=str(int(now.timestamp())), **more)


def _tell_holders(
    pledges: Sequence[Pledge], kind: str, now: datetime, *, event: str = "", **more: Any
) -> None:
    """The same news to those who hold seats of these pledges: without money, which is not theirs (`held`). Each once, and
    not who is told as a rider of one of them."""
    told: set[UUID | None] = {pledge.rider_id for pledge in pledges}
    for seat in handed.held(pledges):
        if seat.holder_id not in told:
            told.add(seat.holder_id)
            about = f"trip:{seat.pledge.trip_id}:{event}".rstrip(":")
            _tell_holder(seat, kind, now, about=about, held=True, **more)


def _tell(pledge: Pledge, kind: str, now: datetime, *, about: str = "", **more: Any) -> None:
    facts = {
        **_ride_facts(pledge),
        "seats": pledge.seats,
        "amount": str(pledge.charge),
        "url": _absolute(pledge.get_absolute_url()),
        **more,
    }
    outbox.put(
        to=pledge.rider,
        kind=f"trips.{kind}",
        subject=about or f"pledge:{pledge.id}",
        facts=facts,
        now=now,
    )


def _tell_holder(seat: Seat, kind: str, now: datetime, *, about: str, **more: Any) -> None:
    """To whoever a seat was handed to; nothing about what it costs."""
    assert seat.holder is not None  # noqa: S101 - the caller has looked
    facts = {**_ride_facts(seat.pledge), "url": _absolute(seat.get_absolute_url()), **more}
    outbox.put(to=seat.holder, kind=f"trips.{kind}", subject=about, facts=facts, now=now)


def _ride_facts(pledge: Pledge) -> dict[str, Any]:
    stop = pledge.stop
    return {
        **_facts(pledge.trip),
        "stop": stop.name,
        "address": stop.address,
        "departs": local_time_zoned(stop.departs_at, stop),
        "returns": local_time_zoned(stop.returns_at, stop),
    }


def _facts(trip: Trip) -> dict[str, Any]:
    event = trip.event
    return {
        "trip": str(trip),
        "trip_state": trip.state,
        "event": event.name,
        "starts": local_time_zoned(event.starts_at, event.venue),
        "day": day_of(trip),
        "venue": f"{event.venue.name}, {event.venue.city}",
        "decides": local_time_zoned(trip.decides_at, event.venue),
        "operator": trip.operator_name,
        "capacity": trip.capacity,
        "threshold": trip.threshold,
        "taken": trip.seats_pledged,
        "trip_url": _absolute(trip.get_absolute_url()),
        "event_url": _absolute(event.get_absolute_url()),
        "rides_url": _absolute(reverse("trips:rides")),
    }


def _absolute(path: str) -> str:
    return f"{settings.SITE_URL}{path}"
