"""The parts of a payment that no card pays: set aside when it is opened, spent with the card, given back otherwise.

What a part should be is decided on its row while the payment is locked, in whatever transaction that is. What is set
aside and not needed any more then goes back in a transaction of the payment's own (`hand_back`), because many payments
are decided in one transaction and two of those would wait for each other's wallets. A wallet is therefore the last lock
that anybody takes, and nobody waits for a second one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from payments import locks
from payments.actions import bearers, credit_ledger, journal, ledger
from payments.models import Account, Contribution, Payment, Wallet
from payments.queries.parts import Saving, parts_of
from payments.queries.worth import saving_of
from payments.states import ContributionState
from rally import rules
from rally.later import later
from rally.money import Money


def set_aside(payment: Payment, *, saving: Saving | None, use_credit: bool, now: datetime) -> None:
    """Take what a promotion and the payer's credit pay of a fresh payment, so that nobody else can spend it.

    Called once, in the transaction that opens it. The wallet is held until that ends.
    """
    whole = payment.amount
    wallet = locks.locked_wallet(payment.payer_id, whole.currency) if use_credit else None
    credit = wallet.balance if wallet else Money.zero(whole.currency)
    parts = parts_of(whole, saving=saving, credit=credit, least_by_card=_least(whole.currency))
    if saving is not None and parts.by_code:
        fixed = 0 if saving.percent or saving.amount is None else saving.amount.minor
        _begin(payment, Account.PROMOTION, parts.by_code, percent=saving.percent, at_most=fixed, now=now)
    if wallet is not None and parts.from_credit:
        wallet.balance_minor -= parts.from_credit.minor
        wallet.save(update_fields=["balance_minor"])
        _begin(payment, Account.RIDER_CREDIT, parts.from_credit, percent=0, at_most=credit.minor, now=now)
    if parts.covered:
        payment.covered_minor = parts.covered.minor
        payment.save(update_fields=["covered_minor"])


def fit(payment: Payment, *, whole: Money, may_grow: bool, now: datetime) -> int:
    """Make the parts of a locked payment fit this amount; what a card pays of it, in minor units. Harmless to repeat.

    A share follows the amount, and what there is no room for goes back. A smaller amount never asks more of the card
    than before. With `may_grow` (the payer wants more) credit pays more again, as far as it was wanted and is there;
    not if somebody else is at the wallet at this moment: nobody waits for it here. Sets `covered_minor`, unsaved.
    """
    if not payment.covered_minor or payment.captured_minor:
        return whole.minor - payment.covered_minor
    rows = {each.source: each for each in _open_rows(payment)}
    promotion, credit = rows.get(Account.PROMOTION), rows.get(Account.RIDER_CREDIT)
    least = min(_least(whole.currency), Money(payment.amount_minor - payment.covered_minor, whole.currency))
    wallet = None
    if credit is not None and may_grow and whole > payment.amount:
        wallet = locks.free_wallet(payment.payer_id, payment.currency)
    parts = parts_of(
        whole,
        saving=saving_of(promotion) if promotion else None,
        credit=Money(_most_credit(credit, wallet), whole.currency),
        least_by_card=least,
    )
    if credit is not None and wallet is not None and parts.from_credit.minor > credit.aside_minor:
        wallet.balance_minor -= parts.from_credit.minor - credit.aside_minor
        wallet.save(update_fields=["balance_minor"])
    _resize(payment, promotion, parts.by_code, now)
    _resize(payment, credit, parts.from_credit, now)
    payment.covered_minor = parts.covered.minor
    return parts.by_card.minor


def spend(payment: Payment, *, now: datetime) -> None:
    """The card was charged: what is set aside for a locked payment is now part of its deposit. Twice is once."""
    for each in _open_rows(payment):
        each.state = ContributionState.SPENT
        each.aside_minor -= each.amount_minor
        each.save(update_fields=["state", "aside_minor"])
        credit_ledger.spent(each, payment=payment, now=now)
        _send_back_later(each)


def let_go(payment: Payment) -> None:
    """Nothing came of a locked payment: what is set aside for it goes back. Twice is once."""
    for each in _open_rows(payment):
        each.state = ContributionState.RETURNED
        each.save(update_fields=["state"])
        _send_back_later(each)
    if payment.covered_minor:
        payment.covered_minor = 0
        payment.save(update_fields=["covered_minor"])


def credit_left(payment: Payment) -> int:
    """What the payer's credit has paid and was not given back, in minor units."""
    if not payment.covered_minor:
        return 0
    return sum(each.kept_minor for each in _rows(payment) if each.source == Account.RIDER_CREDIT)


def refund_credit(payment: Payment, *, amount: int, reason: str, now: datetime) -> None:
    """Give `amount` minor units of what credit paid back to it. The caller has seen that there is so much."""
    row = next(each for each in _rows(payment) if each.source == Account.RIDER_CREDIT)
    _refund(row, payment=payment, amount=amount, key=credit_ledger.refund_key(payment.id, reason), now=now)


def was_refunded(payment: Payment, reason: str) -> bool:
    """Whether credit was given back for this reason already."""
    return bool(payment.covered_minor) and ledger.posted(credit_ledger.refund_key(payment.id, reason))


def credit_refunded(payment: Payment, reasons: str) -> int:
    """What was given back to credit for each reason that begins with `reasons`, in minor units."""
    if not payment.covered_minor:
        return 0
    return ledger.moved(credit_ledger.refund_key(payment.id, reasons), payment_id=payment.id)


def refund_promotion(payment: Payment, *, now: datetime, amount: int | None = None, reason: str = "") -> None:
    """So much (minor units) of what a promotion paid is ours again; all that is left of it where the payer has everything
    back. Once per `reason`."""
    key = credit_ledger.promotion_key(payment.id, reason)
    for row in _rows(payment):
        part = row.kept_minor if amount is None else min(amount, row.kept_minor)
        if row.source == Account.PROMOTION and part and not ledger.posted(key):
            _refund(row, payment=payment, amount=part, key=key, now=now)


@transaction.atomic
def hand_back(*, payment_id: UUID, now: datetime) -> None:
    """Give back what is set aside for a payment and not needed: credit to its owner, a promotion to us. Twice is once."""
    # Spent, let go or made to fit at the same moment, the same sum would move twice.
    payment = locks.locked_payment(payment_id)
    for each in _rows(payment):
        amount = each.too_much_minor
        if amount <= 0:
            continue
        if each.source == Account.RIDER_CREDIT:
            wallet = locks.locked_wallet(payment.payer_id, payment.currency)
            wallet.balance_minor += amount
            wallet.save(update_fields=["balance_minor"])
        each.aside_minor -= amount
        each.save(update_fields=["aside_minor"])
        credit_ledger.back(each, payment=payment, amount=amount, now=now)


def hand_back_due(*, now: datetime, limit: int = 200) -> int:
    """Give back what nobody has given back yet, one payment after the other. Answers for how many payments."""
    needed = Q(state=ContributionState.SET_ASIDE, aside_minor__gt=F("amount_minor"))
    ended = ~Q(state=ContributionState.SET_ASIDE) & Q(aside_minor__gt=0)
    found = (
        Contribution.objects.filter(needed | ended)
        .order_by("payment_id")
        .values_list("payment_id", flat=True)
    )
    due = list(found.distinct()[:limit])
    for payment_id in due:
        hand_back(payment_id=payment_id, now=now)
    return len(due)


# ---- rows


def _rows(payment: Payment) -> list[Contribution]:
    return list(Contribution.objects.filter(payment=payment).order_by("source"))


def _open_rows(payment: Payment) -> Iterable[Contribution]:
    """What is set aside and neither spent nor returned."""
    if not payment.covered_minor:
        return []
    return [each for each in _rows(payment) if each.state == ContributionState.SET_ASIDE]


def _begin(
    payment: Payment, source: Account, amount: Money, *, percent: int, at_most: int, now: datetime
) -> None:
    row = Contribution.objects.create(
        payment=payment,
        source=source,
        amount_minor=amount.minor,
        aside_minor=amount.minor,
        percent=percent,
        at_most_minor=at_most,
        currency=amount.currency,
        created_at=now,
    )
    credit_ledger.aside(row, payment=payment, amount=amount.minor, now=now)


def _resize(payment: Payment, row: Contribution | None, to: Money, now: datetime) -> None:
    """Let a part pay this much. What it lacks is set aside at once; what it does not need goes back by itself."""
    if row is None or row.amount_minor == to.minor:
        return
    row.amount_minor = to.minor
    lacks = to.minor - row.aside_minor
    if lacks > 0:
        row.aside_minor = to.minor
        credit_ledger.aside(row, payment=payment, amount=lacks, now=now)
    row.save(update_fields=["amount_minor", "aside_minor"])
    _send_back_later(row)


def _most_credit(row: Contribution | None, wallet: Wallet | None) -> int:
    """What credit may pay: no more than now, or with the wallet what is there and was wanted when it was begun."""
    if row is None:
        return 0
    return (
        row.amount_minor if wallet is None else min(row.at_most_minor, row.aside_minor + wallet.balance_minor)
    )


def _refund(row: Contribution, *, payment: Payment, amount: int, key: str, now: datetime) -> None:
    sources = bearers.borne_by(
        payment=payment,
        amount=amount,
        subject=journal.subject_of(key),
        by_promotion=row.source == Account.PROMOTION,
        now=now,
    )
    row.returned_minor += amount
    row.aside_minor += amount
    row.save(update_fields=["returned_minor", "aside_minor"])
    credit_ledger.refunded(payment=payment, sources=sources, key=key, now=now)
    _send_back_later(row)


def _send_back_later(row: Contribution) -> None:
    if row.too_much_minor > 0:
        later("payments.hand_back", payment_id=row.payment_id)


def _least(currency: str) -> Money:
    return Money(rules.current().least_by_card, currency)
