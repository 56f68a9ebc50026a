"""How a pledge is paid beside the card, for its page."""

from __future__ import annotations

from dataclasses import dataclass

from payments.queries import Parts, given_back, parts_for
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
