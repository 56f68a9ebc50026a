"""Promotion codes: looking one up, using it for a pledge, and giving the use back.

A use counts until it is given back: when the trip lapses or is called off, when the seats were given up for want of a
card, or when their rider left before any card was saved or held. Who leaves after that has used the code. The limits are
the database's own (a trigger counts, constraints say no), so they hold whoever comes at the same moment.
"""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from payments.queries import Saving, had_card
from rally import codes
from rally.models import StateChange, User
from rally.money import Money
from rally.templatetags.look import local_time_zoned
from rally.throttles import Guesses
from trips.errors import (
    CodeElsewhere,
    CodeNotValid,
    CodeUsedByYou,
    CodeUsedUp,
    TooManyGuesses,
    UnknownCode,
)
from trips.models import Pledge, Promotion, PromotionUse, Trip
from trips.states import PledgeState


def find(typed: str, *, trip: Trip, rider: User | None, now: datetime) -> Promotion:
    """The promotion of a typed code, if this rider may use it for a pledge on this trip now. Changes nothing.

    Raises `UnknownCode`, `CodeNotValid`, `CodeElsewhere`, `CodeUsedUp`, `CodeUsedByYou`.
    """
    found = Promotion.objects.select_related("event", "partner").filter(code=codes.clean(typed)[:30]).first()
    if found is None or found.currency != trip.currency:
        raise UnknownCode
    if now < found.valid_from:
        raise CodeNotValid(why=_("is not valid before %(when)s") % {"when": _moment(found.valid_from, trip)})
    if now >= found.valid_until:
        raise CodeNotValid(why=_("was valid until %(when)s") % {"when": _moment(found.valid_until, trip)})
    if found.event is not None and found.event_id != trip.event_id:
        raise CodeElsewhere(what=found.event)
    if found.partner is not None and found.partner_id != trip.event.partner_id:
        raise CodeElsewhere(what=_("events of %(partner)s") % {"partner": found.partner})
    if found.uses >= found.max_uses:
        raise CodeUsedUp
    if rider is not None and _free_number(found, rider) is None:
        raise CodeUsedByYou
    return found


def guess(typed: str, *, trip: Trip, rider: User | None, who: str, now: datetime) -> Promotion:
    """`find` for what somebody types. `who` (an account or an address) is told no more after ten codes in ten minutes that
    do not exist: raises `TooManyGuesses` then, else what `find` raises.
    """
    tries = Guesses("promotion", who)
    if tries.over:
        raise TooManyGuesses(minutes=tries.minutes)
    try:
        return find(typed, trip=trip, rider=rider, now=now)
    except UnknownCode:
        tries.wrong()
        raise


def saving_of(promotion: Promotion) -> Saving:
    """What it takes off."""
    return Saving(percent=promotion.percent, amount=promotion.amount if promotion.amount_minor else None)


def use(*, pledge: Pledge, typed: str, now: datetime) -> Promotion:
    """Use a code for a locked draft. Inside the transaction that opens its payment; holds the promotion's row until then.

    Raises what `find` raises. One pledge, one code.
    """
    promotion = find(typed, trip=pledge.trip, rider=pledge.rider, now=now)
    saved: Money = saving_of(promotion).of(pledge.charge)
    try:
        with transaction.atomic():
            PromotionUse.objects.create(
                promotion=promotion,
                pledge=pledge,
                rider=pledge.rider,
                n=_free_number(promotion, pledge.rider) or 1,
                saved_minor=saved.minor,
                used_at=now,
            )
    except IntegrityError as crossed:
        # Somebody was quicker by a moment; the constraint that says so tells which limit it was.
        if "promotionuse_numbered" in str(crossed):
            raise CodeUsedByYou from crossed
        if "promotion_never_overused" in str(crossed):
            raise CodeUsedUp from crossed
        raise
    return promotion


#: What the journal says of a paid pledge whose trip did not run.
_DID_NOT_RUN = ("lapsed", "cancelled", "over")


def give_back(*, pledge: Pledge, now: datetime) -> bool:
    """Count the use no longer, if nothing came of a locked pledge and its rider did not leave a card behind. Twice is once.

    The last thing in a transaction of one pledge, because it waits for the promotion's row. Answers whether it did.
    """
    if not _came_to_nothing(pledge):
        return False
    return bool(PromotionUse.objects.filter(pledge=pledge, given_back_at=None).update(given_back_at=now))


def _came_to_nothing(pledge: Pledge) -> bool:
    if pledge.state in {PledgeState.EXPIRED, PledgeState.RELEASED}:
        return True
    if pledge.state == PledgeState.WITHDRAWN:
        # Else accounts that never pay would use up a code for everybody, and who picks another stop their own.
        return pledge.payment is None or not had_card(pledge.payment)
    ended = StateChange.objects.filter(subject=pledge.id, new=PledgeState.WITHDRAWING, why__in=_DID_NOT_RUN)
    return ended.exists()


def _free_number(promotion: Promotion, rider: User) -> int | None:
    """The first free number among the rider's uses, None when all that one rider has are taken."""
    uses = PromotionUse.objects.filter(promotion=promotion, rider=rider, given_back_at=None)
    taken = set(uses.values_list("n", flat=True))
    return next((n for n in range(1, promotion.max_uses_per_rider + 1) if n not in taken), None)


def _moment(when: datetime, trip: Trip) -> str:
    return local_time_zoned(when, trip.event.venue)
