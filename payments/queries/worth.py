"""What a payment is worth to whoever drives, what its payer put in, and what a rider has to their credit."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import F, Sum

from payments.models import Account, Contribution, Payment, Wallet
from payments.queries.parts import Back, Parts, Saving, parts_of
from payments.states import AttemptState, ContributionState
from rally import rules
from rally.models import User
from rally.money import Money


def worth(payment: Payment) -> Money:
    """What is kept for whoever drives: taken from the card and spent from credit and promotions, less what was given
    back of either. A promotion counts like money: we bear it, the driver does not."""
    return worths([payment])[payment.id]


def worths(payments: Iterable[Payment]) -> dict[UUID, Money]:
    """`worth` of each of these payments, by id, with one query for all."""
    return _kept(payments, Contribution.SOURCES)


def paid_by_payer(payment: Payment) -> Money:
    """What the payer put in and was not given back by us: by card and from their own credit. A promotion is not theirs.
    What a bank gave back is still in it; `left_to_refund` is without that."""
    return paid_by_payers([payment])[payment.id]


def paid_by_payers(payments: Iterable[Payment]) -> dict[UUID, Money]:
    """`paid_by_payer` of each of these payments, by id, with one query for all."""
    return _kept(payments, (Account.RIDER_CREDIT,))


def paid_by_promotion(payment: Payment) -> Money:
    """What a promotion has paid of a payment and was not taken back. Asks nothing where a card paid all of it."""
    if not payment.covered_minor:
        return Money.zero(payment.currency)
    spent = _spent([payment.id], (Account.PROMOTION,)).get(payment.id, 0)
    return Money(spent, payment.currency)


def given_back(payment: Payment) -> Back:
    """What was given back of a payment so far, and where it went. Asks nothing more where a card paid all of it."""
    credit = 0
    if payment.covered_minor:
        rows = payment.contributions.filter(source=Account.RIDER_CREDIT)
        credit = sum(rows.values_list("returned_minor", flat=True))
    return Back(
        to_card=Money(payment.refunded_minor, payment.currency), to_credit=Money(credit, payment.currency)
    )


def had_card(payment: Payment) -> bool:
    """Whether a card was ever there for a payment: saved, held or charged, whatever became of it. A refused one was not."""
    there = payment.attempts.filter(state__in=(AttemptState.HELD, AttemptState.CAPTURED))
    was_held = payment.ledger.filter(debit=Account.HOLD_RIDER)
    return bool(payment.card) or there.exists() or was_held.exists()


def parts_paid(payment: Payment | None, whole: Money | None = None) -> Parts:
    """How a payment is or will be paid: by a promotion, from credit, by card. All by card where nothing else helps, and
    `whole` by card where nothing was opened yet."""
    if payment is None:
        nothing = Money.zero(whole.currency if whole else "USD")
        return Parts(by_code=nothing, from_credit=nothing, by_card=whole or nothing)
    amounts: dict[str, int] = {str(source): 0 for source in Contribution.SOURCES}
    if payment.covered_minor:
        rows = payment.contributions.exclude(state=ContributionState.RETURNED)
        amounts |= dict(rows.values_list("source", "amount_minor"))
    by_code, from_credit = (
        Money(amounts[str(source)], payment.currency) for source in (Account.PROMOTION, Account.RIDER_CREDIT)
    )
    return Parts(by_code=by_code, from_credit=from_credit, by_card=payment.amount - by_code - from_credit)


def parts_for(payment: Payment | None, whole: Money) -> Parts:
    """How `whole` would be paid with what is set aside for the payment: as `parts_paid`, for another amount.

    The parts of a payment fit themselves to the amount when it is asked for; this says before what will come of it.
    """
    if payment is None or not payment.covered_minor:
        return parts_paid(None, whole)
    if payment.captured_minor or whole == payment.amount:
        return parts_paid(payment)
    rows = {row.source: row for row in payment.contributions.exclude(state=ContributionState.RETURNED)}
    promotion, credit = rows.get(Account.PROMOTION), rows.get(Account.RIDER_CREDIT)
    by_card = Money(payment.amount_minor - payment.covered_minor, whole.currency)
    return parts_of(
        whole,
        saving=saving_of(promotion) if promotion else None,
        credit=credit.amount if credit else Money.zero(whole.currency),
        least_by_card=min(Money(rules.current().least_by_card, whole.currency), by_card),
    )


def promotions_part(payment: Payment, *, was: Money, becomes: Money) -> Money:
    """What a promotion would have paid less of a payment that costs `becomes` and not what it `was`, as far as it paid:
    a share is a share of what is paid in the end, and a card pays the least in any case. What it pays no more, because
    seats were given up, does not become less once again."""
    nothing = Money.zero(payment.currency)
    rows = payment.contributions.filter(source=Account.PROMOTION) if payment.covered_minor else ()
    row = next(iter(rows), None)
    if row is None:
        return nothing
    least = Money(rules.current().least_by_card, payment.currency)
    then, now = (
        parts_of(each, saving=saving_of(row), credit=nothing, least_by_card=least).by_code
        for each in (was, becomes)
    )
    return max(nothing, min(then, Money(row.kept_minor, payment.currency)) - now)


def saving_of(row: Contribution) -> Saving:
    """What the promotion behind a part takes off."""
    return (
        Saving(percent=row.percent) if row.percent else Saving(amount=Money(row.at_most_minor, row.currency))
    )


def credit_of(user: User, currency: str = "USD") -> Money:
    """What the user can spend: what is set aside for pledges has left it already."""
    held = Wallet.objects.filter(user=user, currency=currency).values_list("balance_minor", flat=True).first()
    return Money(held or 0, currency)


def _kept(payments: Iterable[Payment], sources: Iterable[str]) -> dict[UUID, Money]:
    """What is left of each payment by card and by these other sources."""
    rows = list(payments)
    spent = _spent([each.id for each in rows], sources)
    return {each.id: each.refundable + Money(spent.get(each.id, 0), each.currency) for each in rows}


def _spent(payment_ids: list[UUID], sources: Iterable[str]) -> dict[UUID, int]:
    rows = Contribution.objects.filter(
        payment_id__in=payment_ids, state=ContributionState.SPENT, source__in=list(sources)
    )
    kept = rows.values_list("payment_id").annotate(kept=Sum(F("amount_minor") - F("returned_minor")))
    return dict(kept)
