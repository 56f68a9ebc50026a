"""The card's part of a pledge, in templates."""

from __future__ import annotations

from django import template

from rally.money import Money
from trips.models import Pledge

register = template.Library()


@register.filter
def by_card(pledge: Pledge) -> Money:
    """What a bank is asked to hold for a pledge at most: its amount less what a code and credit pay of it."""
    if pledge.payment is None:
        return pledge.amount
    return Money(pledge.payment.amount_minor - pledge.payment.covered_minor, pledge.currency)
