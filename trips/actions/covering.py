"""Paying a part of a draft with a promotion code or from one's credit, before its rider goes to give a card.

The same for seats that were just taken, for those offered from the waiting list, and for those added to a paid ride.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from payments.queries import Parts, credit_of, parts_paid
from rally.models import GivenAnswer
from rally.money import Money
from trips.actions import paying, promotions
from trips.errors import ConsentMissing, CreditChanged, NotChangeable
from trips.locks import locked_pledge
from trips.queries.waiting import words_to_agree
from trips.states import PledgeState


@transaction.atomic
def cover(
    *,
    pledge_id: Any,
    promotion: str = "",
    use_credit: bool = False,
    now: datetime,
    credit_shown: Money | None = None,
    answer: Callable[[Parts], GivenAnswer | None] = lambda _parts: None,
) -> Parts:
    """Use a code and the rider's credit for a draft whose payment is opened with it: both are set aside until its card is charged, and
    come back when nothing comes of it. Answers how the pledge is paid then.

    In the transaction that makes the draft, or agrees to an offer, so that a refused code leaves nothing behind. The order of locks is trip →
    pledge → promotion → payment → wallet. `credit_shown` is what the rider was told there is; if it is less by now,
    raises `CreditChanged`. `answer` gives the row that keeps what is answered, written with it. Raises what
    `promotions.find` raises, `ConsentMissing` for offered seats whose words of today were not agreed to, and
    `NotChangeable` once there is a payment: the second time is refused.
    """
    trip, pledge = locked_pledge(pledge_id)

    if pledge.payment_id is not None or pledge.state != PledgeState.DRAFT:
        raise NotChangeable(why=_("a code and credit are used before the card is given"))
    if words_to_agree(pledge, now) is not None:
        raise ConsentMissing

    saving = None
    if promotion.strip():
        saving = promotions.saving_of(promotions.use(pledge=pledge, typed=promotion, now=now))
    pledge.payment = paying.begin(trip, pledge, saving=saving, use_credit=use_credit, now=now)
    pledge.save(update_fields=["payment"])
    parts = parts_paid(pledge.payment)
    had = credit_of(pledge.rider, pledge.currency) + parts.from_credit
    if credit_shown is not None and had < credit_shown:
        raise CreditChanged(credit=had)
    if row := answer(parts):
        row.save(force_insert=True)
    return parts
