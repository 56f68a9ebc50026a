"""Signed addresses that work without signing in: to pay for a pledge, to put its trip into a calendar."""

from __future__ import annotations

from django.conf import settings
from django.core.signing import Signer
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from trips.models import Pledge


def key(code: str) -> str:
    """The signature that stands for "whoever got our mail about this pledge"."""
    return Signer(salt="trips.pledge").signature(code)


def is_key(code: str, given: str) -> bool:
    """Whether `given` was made by `key` for this pledge."""
    return constant_time_compare(given.encode(), key(code).encode())


def pay_link(pledge: Pledge) -> str:
    """The absolute address at which this pledge is paid."""
    return _link("trips:pay", pledge)


def paid_link(pledge: Pledge) -> str:
    """Where the checkout page sends its payer back to."""
    return _link("trips:paid", pledge)


def calendar_link(pledge: Pledge) -> str:
    """The trip as a calendar file."""
    return _link("trips:calendar", pledge)


def _link(name: str, pledge: Pledge) -> str:
    return f"{settings.SITE_URL}{reverse(name, kwargs={'code': pledge.code})}?k={key(pledge.code)}"
