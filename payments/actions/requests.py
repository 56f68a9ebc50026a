"""Money out by hand: one of the staff asks, another one agrees, and then it is done.

Nothing moves before a second person agreed; the database holds that against us too (`moneyrequest_two_persons`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import assert_never
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from payments import gateway, locks
from payments.actions import bearers, by_hand, payments
from payments.actions import credits as wallets
from payments.errors import AskedAlready, RequestDecided, SecondPersonNeeded, TooMuchByHand
from payments.models import Account, MoneyRequest, Payee, Payment, Transfer
from payments.states import REQUEST, RequestState
from rally import audit, rules
from rally import journal as changes
from rally.errors import BadInput, NotAllowed
from rally.models import User
from rally.money import Money

What = MoneyRequest.What


@transaction.atomic
def ask(*, what: str, subject: UUID, amount: Money, why: str, now: datetime, by: User) -> MoneyRequest:
    """Ask for money to go out. `subject`: the payment (refund), the user (credit), the payee (pay, write off).

    The same asked for twice while it is open is one request; somebody else who asks for it is told so (`AskedAlready`).
    Raises `NotAllowed` for people who are not staff, `BadInput` without a reason or for what is not there,
    `TooMuchByHand` above `rules.by_hand_most` or what there is.
    """
    _check_staff(by)
    if what not in What.values:
        raise BadInput(_("There is no such request."), field="what")
    if not why.strip():
        raise BadInput(_("Say why; it is kept."), field="why")
    if amount.minor <= 0:
        raise BadInput(_("An amount is more than nothing."), field="amount")
    most = Money(rules.current().by_hand_most, amount.currency)
    if amount > most:
        raise TooMuchByHand(field="amount", most=most)
    _check_fits(What(what), subject, amount)

    row, fresh = MoneyRequest.objects.get_or_create(
        what=what,
        subject=subject,
        amount_minor=amount.minor,
        currency=amount.currency,
        state=RequestState.ASKED,
        defaults={"asked_by": by, "why": why.strip()[:200], "asked_at": now},
    )
    if row.asked_by_id != by.id:
        raise AskedAlready
    if fresh:
        changes.begin(row, REQUEST, now=now, by=by, why=row.why)
        audit.note(
            by=by, what="request.ask", subject=f"request:{row.id}", now=now, why=row.why, **_facts(row)
        )
    return row


@transaction.atomic
def agree(*, request_id: UUID, now: datetime, by: User) -> MoneyRequest:
    """Agree, and do it. Two at once do it once: the second one is told that it was decided.

    Raises `NotAllowed`, `SecondPersonNeeded` for whoever asked, `RequestDecided`, and whatever the deed refuses, such as
    `NothingToRefund`, `DisputeOpen`, `TooMuchByHand`: then the request stays open.
    """
    row = _locked(request_id)

    _check_staff(by)
    if row.state != RequestState.ASKED:
        raise RequestDecided
    if row.asked_by_id == by.id:
        raise SecondPersonNeeded

    _DEEDS[What(row.what)](row, now, by)
    _decide(row, RequestState.DONE, now, by)
    return row


@transaction.atomic
def refuse(*, request_id: UUID, why: str, now: datetime, by: User) -> MoneyRequest:
    """Say no, or take one's own request back. Raises `NotAllowed`, `RequestDecided`."""
    row = _locked(request_id)

    _check_staff(by)
    if row.state != RequestState.ASKED:
        raise RequestDecided

    _decide(row, RequestState.REFUSED, now, by, why=why)
    return row


def _decide(row: MoneyRequest, to: RequestState, now: datetime, by: User, *, why: str = "") -> None:
    row.decided_by, row.decided_at = by, now
    changes.move(row, REQUEST, to, now=now, by=by, why=why, also=("decided_by", "decided_at"))
    verb = "request.agree" if to == RequestState.DONE else "request.refuse"
    audit.note(by=by, what=verb, subject=f"request:{row.id}", now=now, why=why or row.why, **_facts(row))


# ---- what there is


def _check_fits(what: What, subject: UUID, amount: Money) -> None:
    """Raises `BadInput` for what is not there or is in another currency, `TooMuchByHand` for more than there is."""
    kept: Money | None = None
    match what:
        case What.REFUND:
            payment = Payment.objects.filter(id=subject).first()
            kept = payments.left_to_refund(payment) if payment else None
            there = payment is not None
        case What.CREDIT:
            there = User.objects.filter(id=subject, is_active=True).exists()
        case What.PAY:
            there = Payee.objects.filter(id=subject, provider=gateway.provider()).exists()
        case What.WRITE_OFF:
            there = Payee.objects.filter(id=subject).exists()
            kept = _debt(subject, amount.currency)
        case _:
            assert_never(what)
    if not there:
        raise BadInput(_("There is no such thing."), field="subject")
    if kept is not None and kept.currency != amount.currency:
        raise BadInput(_("It is in %(currency)s.") % {"currency": kept.currency}, field="amount")
    if kept is not None and amount > kept:
        raise TooMuchByHand(field="amount", most=kept)


# ---- the deeds


def _refund(row: MoneyRequest, now: datetime, by: User) -> None:
    payments.refund(payment_id=row.subject, amount=row.amount, reason=f"by_hand:{row.id}", now=now, by=by)


def _credit(row: MoneyRequest, now: datetime, by: User) -> None:
    wallets.give(
        user_id=row.subject,
        amount=row.amount,
        source=Account.GOODWILL,
        reference=f"by_hand:{row.id}",
        now=now,
        by=by,
    )


def _pay(row: MoneyRequest, now: datetime, _by: User) -> None:
    """Owed to the payee from now on, and sent like everything that is due to them."""
    payee = locks.locked_payee(row.subject)
    by_hand.owed(payee, request_id=row.id, amount=row.amount_minor, currency=row.currency, now=now)
    bearers.loose(
        payee.id,
        group=f"by_hand:{row.id}",
        amount=row.amount,
        reference=f"by_hand:{row.id}",
        due_at=now,
        purpose=Transfer.Purpose.BY_HAND,
        now=now,
    )


def _write_off(row: MoneyRequest, now: datetime, _by: User) -> None:
    # Without the lock what is kept from the next transfer would be given up at the same moment.
    payee = locks.locked_payee(row.subject)
    owed = _debt(payee.id, row.currency)
    if row.amount > owed:
        raise TooMuchByHand(most=owed)
    by_hand.written_off(payee, request_id=row.id, amount=row.amount_minor, currency=row.currency, now=now)


def _debt(payee_id: UUID, currency: str) -> Money:
    """What a payee owes us and the provider is not being asked to take back."""
    return Money(bearers.debt_of(payee_id, currency), currency)


_DEEDS: dict[What, Callable[[MoneyRequest, datetime, User], None]] = {
    What.REFUND: _refund,
    What.CREDIT: _credit,
    What.PAY: _pay,
    What.WRITE_OFF: _write_off,
}


# ---- inside


def _locked(request_id: UUID) -> MoneyRequest:
    """The request, held until this is over: two who agree at once must not send twice."""
    return MoneyRequest.objects.select_for_update(of=("self",)).get(id=request_id)


def _check_staff(by: User) -> None:
    if not by.is_staff or not by.is_active:
        raise NotAllowed


def _facts(row: MoneyRequest) -> dict[str, object]:
    return {"kind": row.what, "about": str(row.subject), "amount": row.amount_minor, "currency": row.currency}
