"""Partners as those who are paid: their account, opened when they first earn something or ask for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from payments.actions import payees
from payments.models import Payee
from rally.errors import NotAllowed
from rally.models import User
from trips.locks import locked_partner


@transaction.atomic
def payee_of(*, partner_id: Any, now: datetime, by: User | None = None) -> Payee:
    """Who is paid for a partner: the one that is there, else a new one, who cannot be paid before a member has told the
    payment service into which account. Twice is once.

    With `by`, who is about to tell it, the payment service is told that member's address; raises `NotAllowed` for people
    who are not members of the partner.
    """
    partner = locked_partner(partner_id)
    if by is not None and not partner.members.filter(id=by.id).exists():
        raise NotAllowed

    if partner.payee is not None and by is not None:
        return payees.correct(payee_id=partner.payee.id, name=partner.name, email=by.email)
    if partner.payee is not None:
        return partner.payee
    first = by or partner.members.filter(is_active=True).order_by("id").first()
    partner.payee = payees.open(name=partner.name, email=first.email if first else "", now=now)
    partner.save(update_fields=["payee"])
    return partner.payee
