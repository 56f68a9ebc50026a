"""The demo's credit and its code."""

from __future__ import annotations

from datetime import datetime

from payments.queries import check_ledger, credit_of
from rally.demo import gifts
from rally.models import User
from tests.factories.payments import usd
from trips.models import Promotion


def test_ana_has_credit_and_the_code_works(ana: User, now: datetime) -> None:
    for _ in range(2):
        gifts.ensure(ana=ana, now=now)
    assert credit_of(ana) == usd(1200)
    assert Promotion.objects.get().valid_from < now < Promotion.objects.get().valid_until
    assert check_ledger() == {}
