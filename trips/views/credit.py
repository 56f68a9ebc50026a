"""A rider's credit: what there is, where it came from, and the link that brings more."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from payments.queries import credit_of
from rally import clock, rules
from rally.models import User
from rally.money import Money
from trips.actions import invitations
from trips.queries import credit, inviting

_MOST = 100


@never_cache
@require_safe
@login_required
def my_credit(request: HttpRequest) -> HttpResponse:
    """The balance, its history, the personal link, and what came of it."""
    user = User.asking(request)
    code = invitations.code_of(inviter=user, now=clock.now())
    context = {
        "balance": credit_of(user),
        "moves": credit.history(user, limit=_MOST),
        "reward": Money(rules.current().referral, "USD"),
        "least": Money(rules.current().least_by_card, "USD"),
        "link": inviting.link(code),
        "brought": inviting.brought_by(user),
    }
    return render(request, "trips/riding/credit.html", context)
