"""How a pledge is paid beside the card, for its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from payments.queries import Parts, given_back, had_card, parts_for
from rally.money import Money
from trips.models import Pledge, PromotionUse


@dataclass(frozen=True)
class Covered:
    """The parts of what a pledge costs, the code that was used, and what went back to credit after it was spent."""

    parts: Parts
    code: str
    credit_back: Money


def covered(pledge: Pledge) -> Covered:
    """How this pledge is paid. Asks nothing more where the card pays all of it."""
    parts = parts_for(pledge.payment, pledge.charge)
    code, back = "", Money.zero(pledge.currency)
    if pledge.payment is not None and pledge.payment.covered_minor:
        use = PromotionUse.objects.filter(pledge=pledge).select_related("promotion").first()
        code = use.promotion.code if use else ""
        back = given_back(pledge.payment).to_credit
    return Covered(parts=parts, code=code, credit_back=back)


@dataclass(frozen=True)
class Used:
    """A code that was used for seats, and whether it can be used again by whoever leaves them now."""

    code: str
    comes_back: bool


def codes_of(pledges: Sequence[Pledge]) -> list[Used]:
    """The codes used for these pledges. Asks nothing where the cards pay all of it."""
    helped = [each.id for each in pledges if each.payment is not None and each.payment.covered_minor]
    if not helped:
        return []
    uses = PromotionUse.objects.filter(pledge__in=helped, given_back_at=None)
    rows = uses.select_related("promotion", "pledge__payment").order_by("used_at", "id")
    return [
        Used(
            code=row.promotion.code,
            comes_back=row.pledge.payment is not None and not had_card(row.pledge.payment),
        )
        for row in rows
    ]
