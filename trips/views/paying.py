"""Paying: to the hosted checkout page by a signed link, and back from it."""

from __future__ import annotations

from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from payments.actions import checkouts
from payments.errors import PaymentClosed, ProviderUnavailable
from rally import clock, codes
from rally.errors import Refusal
from trips.actions import backing, pledges, waiting
from trips.errors import NotChangeable
from trips.models import Pledge
from trips.queries import links, riding
from trips.queries.links import Link
from trips.queries.waiting import words_to_agree
from trips.states import PledgeState
from trips.views.limits import too_often
from trips.views.looking import SeeOther, pay_url, pledge_facts, print_of, unlisted


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, code: str) -> HttpResponse:
    """Go to the hosted checkout page; with nothing to pay, say what happened and what to do.

    Whoever has the link may pay, and nothing else; once what it asked for is over it opens a plain page.
    """
    pledge = get_object_or_404(riding.pledges_for_page(), code=codes.clean(code))
    now = clock.now()
    if pledge.rider_id != request.user.pk:
        standing = links.pay_standing(pledge, request.GET.get("k", ""), now)
        if standing is Link.NONE:
            raise Http404
        if standing is Link.OVER:
            return _over(request, pledge)
    if limited := too_often(request, "pay", most=60, minutes=10):
        return limited
    if words_to_agree(pledge, now) is not None and (asked := _agree(request, pledge, now)):
        return asked
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
        return SeeOther(_paid_url(pledge))
    except ProviderUnavailable as refusal:
        context = {"pledge": pledge, "trip": pledge.trip, "refusal": refusal, "pay_url": pay_url(pledge)}
        page = render(request, "trips/riding/pay_later.html", context, status=503)
        page["Retry-After"] = "60"
        return unlisted(page)
    return unlisted(SeeOther(address))


def _agree(request: HttpRequest, pledge: Pledge, now: datetime) -> HttpResponse | None:
    """Seats offered from the waiting list: today's words first. None once they are agreed to."""
    words = words_to_agree(pledge, now)
    assert words is not None  # noqa: S101 - asked before
    refused = ""
    if request.method == "POST":
        agreed = request.POST.get("consent") == "on" and request.POST.get("shown") == print_of(words)
        try:
            waiting.agree(pledge_id=pledge.id, shown=words.text if agreed else "", now=now)
        except Refusal as refusal:
            refused = refusal.message
        else:
            return None
    context = {
        "pledge": pledge,
        "trip": pledge.trip,
        "stop": pledge.stop,
        "terms": words,
        "shown": print_of(words),
        "refused": refused,
    }
    return unlisted(render(request, "trips/riding/agree.html", context, status=409 if refused else 200))


def _over(request: HttpRequest, pledge: Pledge) -> HttpResponse:
    """The link has done its work or comes too late: no word about whose seats these are."""
    done = pledge.state in {
        PledgeState.BACKED,
        PledgeState.AUTHORIZING,
        PledgeState.HELD,
        PledgeState.CAPTURING,
        PledgeState.PAID,
    }
    context = {"trip": pledge.trip, "done": done}
    return unlisted(render(request, "trips/riding/pay_over.html", context, status=410))


def _paid_url(pledge: Pledge) -> str:
    way = reverse("trips:paid", kwargs={"code": pledge.code})
    return f"{way}?{urlencode({'k': links.paid_key(pledge)})}"


@never_cache
@require_safe
def paid(request: HttpRequest, code: str) -> HttpResponse:
    """Back from the checkout: look at once what came of it. Whoever owns the pledge goes on to its page."""
    pledge = get_object_or_404(riding.pledges_for_page(), code=codes.clean(code))
    now = clock.now()
    mine = pledge.rider_id == request.user.pk
    standing = links.paid_standing(pledge, request.GET.get("k", ""), now)
    if not mine and standing is Link.NONE:
        raise Http404
    if pledge.payment_id is not None:
        checkouts.come_back(payment_id=pledge.payment_id, now=now)
        backing.follow(payment_id=pledge.payment_id, now=now)
        pledge = riding.pledges_for_page().get(id=pledge.id)
    if mine:
        return SeeOther(f"{pledge.get_absolute_url()}{'?left=1' if 'left' in request.GET else ''}")
    facts = pledge_facts(pledge, now)
    context = {
        **facts,
        "owes": facts["owes"] and standing is Link.GOOD,
        "waiting": pledge.state == PledgeState.DRAFT and "left" not in request.GET,
    }
    page = render(request, "trips/riding/paid.html", context)
    if context["waiting"]:
        page["Refresh"] = "5"
    return unlisted(page)
