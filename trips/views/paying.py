"""Paying: to the hosted checkout page by a signed link, and back from it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from payments.actions import checkouts
from payments.errors import PaymentClosed, ProviderUnavailable
from rally import clock
from trips.actions import backing, pledges
from trips.errors import NotChangeable
from trips.queries import links, riding
from trips.states import PledgeState
from trips.views.limits import too_often
from trips.views.looking import SeeOther, by_link, pledge_facts


@never_cache
@require_safe
def pay(request: HttpRequest, code: str) -> HttpResponse:
    """Go to the hosted checkout page; with nothing to pay, say what happened and what to do."""
    pledge = by_link(request, code)
    if limited := too_often(request, "pay", most=60, minutes=10):
        return limited
    now = clock.now()
    key = links.key(pledge.code)
    try:
        to_pay = pledges.open_payment(pledge_id=pledge.id, now=now)
        address = checkouts.go(
            payment_id=to_pay.payment_id,
            mode=to_pay.mode,
            success_url=links.paid_link(pledge),
            cancel_url=f"{links.paid_link(pledge)}&left=1",
            now=now,
        )
    except (NotChangeable, PaymentClosed):
        if pledge.payment_id is not None:
            # Perhaps it was paid in another tab and nobody told us yet.
            checkouts.come_back(payment_id=pledge.payment_id, now=now)
        return SeeOther(f"{reverse('trips:paid', kwargs={'code': pledge.code})}?k={key}")
    except ProviderUnavailable as refusal:
        context = {"pledge": pledge, "trip": pledge.trip, "refusal": refusal, "key": key}
        page = render(request, "trips/riding/pay_later.html", context, status=503)
        page["Retry-After"] = "60"
        return page
    return SeeOther(address)


@never_cache
@require_safe
def paid(request: HttpRequest, code: str) -> HttpResponse:
    """Back from the checkout: look at once what came of it. Whoever owns the pledge goes on to its page."""
    pledge = by_link(request, code)
    if pledge.payment_id is not None:
        now = clock.now()
        checkouts.come_back(payment_id=pledge.payment_id, now=now)
        backing.follow(payment_id=pledge.payment_id, now=now)
        pledge = riding.pledges_for_page().get(id=pledge.id)
    if pledge.rider_id == request.user.pk:
        return SeeOther(f"{pledge.get_absolute_url()}{'?left=1' if 'left' in request.GET else ''}")
    context = {
        **pledge_facts(pledge, clock.now()),
        "waiting": pledge.state == PledgeState.DRAFT and "left" not in request.GET,
        "key": links.key(pledge.code),
    }
    page = render(request, "trips/riding/paid.html", context)
    if context["waiting"]:
        page["Refresh"] = "5"
    return page
