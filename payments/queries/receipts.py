"""What was paid and given back for one payment, with the days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payments.models import Account, Contribution, Invoice, LedgerTransfer, Payment, Refund
from payments.queries.worth import paid_by_payer
from payments.states import ContributionState, RefundState
from rally.money import Money


@dataclass(frozen=True)
class Returned:
    """Money on its way back: `why` in our words for reasons, `arrived` once the provider has sent it."""

    at: datetime
    amount: Money
    why: str
    arrived: bool


@dataclass(frozen=True)
class Receipt:
    """What one payment came to. All of it is what the payer put in, but for the promotion, which is ours."""

    payment: Payment
    paid_at: datetime | None
    card: Money  #: taken from the card
    credit: Money  #: taken from the payer's credit
    promotion: Money  #: what a code took off
    returned: tuple[Returned, ...]
    credit_returned: Money  #: given back as credit
    kept: Money  #: what the payer has paid in the end

    @property
    def price(self) -> Money:
        """What it cost before credit and code."""
        return self.card + self.credit + self.promotion


def receipt(payment: Payment) -> Receipt | None:
    """The receipt of a payment; None when nothing was ever taken."""
    if not payment.captured_minor:
        return None
    nothing = Money.zero(payment.currency)
    spent = {
        each.source: each
        for each in Contribution.objects.filter(payment=payment, state=ContributionState.SPENT)
    }

    def part(source: str, name: str) -> Money:
        return Money(getattr(spent[source], name), payment.currency) if source in spent else nothing

    paid_at = (
        LedgerTransfer.objects.filter(payment=payment, event_key__startswith="capture:")
        .order_by("occurred_at")
        .values_list("occurred_at", flat=True)
        .first()
    )
    return Receipt(
        payment=payment,
        paid_at=paid_at or payment.changed_at,
        card=payment.captured,
        credit=part(Account.RIDER_CREDIT, "amount_minor"),
        promotion=part(Account.PROMOTION, "amount_minor"),
        returned=tuple(
            Returned(
                each.created_at,
                Money(each.amount_minor, payment.currency),
                each.reason,
                each.state == RefundState.SUCCEEDED,
            )
            for each in Refund.objects.filter(attempt__payment=payment, attempt__unwanted=False)
            .exclude(reason__startswith="auto:")
            .order_by("created_at")
        ),
        credit_returned=part(Account.RIDER_CREDIT, "returned_minor"),
        kept=paid_by_payer(payment),
    )


def invoices_of(payment: Payment) -> list[Invoice]:
    """The invoices and credit notes of a payment, oldest first."""
    return list(
        Invoice.objects.filter(payment=payment)
        .select_related("cancels", "cancelled_by")
        .order_by("issued_at", "number")
    )
