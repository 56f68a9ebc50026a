"""Signed addresses that work without signing in: to pay for a pledge, to put its trip into a calendar.

Each is for one pledge and one purpose. The link to pay is bound to one asking besides (these reserved seats, this offer,
this refused card) and is worth nothing once that is over, so an old mail that is passed on opens nothing.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from functools import cache
from urllib.parse import quote

from django.conf import settings
from django.core import signing
from django.urls import reverse

from trips.models import Pledge
from trips.states import PledgeState, TripState


class Link(Enum):
    """What a signed link is worth now."""

    NONE = "none"  #: not made by us for this pledge and purpose
    OVER = "over"  #: made by us, but what it was for is done or too late
    GOOD = "good"


def pay_key(pledge: Pledge) -> str:
    """The signature that stands for "whoever was asked to pay for this pledge this time"."""
    return _sign("pay", pledge, _asking(pledge))


def pay_standing(pledge: Pledge, given: str, now: datetime) -> Link:
    """What a key made by `pay_key` for this pledge is worth at this moment."""
    asking = _read("pay", pledge, given)
    if asking is None:
        return Link.NONE
    return Link.GOOD if asking == _asking(pledge) and _is_asked(pledge, now) else Link.OVER


def paid_key(pledge: Pledge) -> str:
    """The signature for coming back from the checkout page."""
    return _sign("paid", pledge, _asking(pledge))


def paid_standing(pledge: Pledge, given: str, now: datetime) -> Link:
    """What a key made by `paid_key` is worth: while it is good, its payer may still go on to the card."""
    asking = _read("paid", pledge, given)
    if asking is None:
        return Link.NONE
    return Link.GOOD if asking == _asking(pledge) and _is_asked(pledge, now) else Link.OVER


def is_calendar_key(pledge: Pledge, given: str) -> bool:
    """Whether `given` is in our mail with the calendar of this pledge. It shows when and where, and never ends."""
    return _read("calendar", pledge, given) == ""


def pay_link(pledge: Pledge) -> str:
    """The absolute address at which this pledge is paid."""
    return _link("trips:pay", pledge, pay_key(pledge))


def paid_link(pledge: Pledge) -> str:
    """Where the checkout page sends its payer back to."""
    return _link("trips:paid", pledge, paid_key(pledge))


def calendar_link(pledge: Pledge) -> str:
    """The trip as a calendar file."""
    return _link("trips:calendar", pledge, _sign("calendar", pledge, ""))


def _asking(pledge: Pledge) -> str:
    """Which asking it is. A second refusal of the bank within one grace is the same asking."""
    if pledge.card_asked_at is not None:
        return f"card:{int(pledge.card_asked_at.timestamp())}"
    return f"seats:{int((pledge.offered_at or pledge.created_at).timestamp())}"


def _is_asked(pledge: Pledge, now: datetime) -> bool:
    """Whether a card is asked for, and still in time."""
    if pledge.card_asked_at is not None:
        return pledge.card_due_at is not None and (now < pledge.card_due_at or _is_kept(pledge, now))
    return pledge.state == PledgeState.DRAFT


def _is_kept(pledge: Pledge, now: datetime) -> bool:
    """Beyond the time that was told, a refused card may still be mended until its trip is decided or others take the seats."""
    trip = pledge.trip
    if pledge.state != PledgeState.NEEDS_CARD or trip.state != TripState.SETTLING:
        return False
    return trip.grace_ends_at is not None and now < trip.grace_ends_at


def _sign(purpose: str, pledge: Pledge, asking: str) -> str:
    return signing.Signer(salt=f"trips.{purpose}").sign_object([pledge.code, asking])


def _read(purpose: str, pledge: Pledge, given: str) -> str | None:
    try:
        code, asking = signing.Signer(salt=f"trips.{purpose}").unsign_object(given)
    except (signing.BadSignature, ValueError):
        return None
    return str(asking) if code == pledge.code else None


def _link(name: str, pledge: Pledge, key: str) -> str:
    return f"{settings.SITE_URL}{_path(name).replace(_CODE, pledge.code)}?k={quote(key)}"


_CODE = "CODE-OF-THE-PLEDGE"


@cache
def _path(name: str) -> str:
    """The path with a word in the place of the code: every claim gives such an address, and looking one up is slow."""
    return reverse(name, kwargs={"code": _CODE})
