"""Paying: to the hosted checkout page by a signed link, and back from it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
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
from trips.errors import NotChangeable, PledgesClosed
from trips.forms.riding import CoveringForm
from trips.models import Pledge
from trips.queries import covering as paid_by
from trips.queries import links, riding
from trips.queries.links import Link
from trips.queries.terms import Terms
from trips.queries.waiting import words_to_show
from trips.states import PledgeState
from trips.views import covering
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
    try:
        words = words_to_show(pledge, now)
        if words is not None and (asked := _agree(request, pledge, words, now)):
            return asked
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
    except PledgesClosed as refusal:
        return _later(request, pledge, refusal, status=409)
    except ProviderUnavailable as refusal:
        page = _later(request, pledge, refusal, status=503)
        page["Retry-After"] = "60"
        return page
    return unlisted(SeeOther(address))


def _later(request: HttpRequest, pledge: Pledge, refusal: Refusal, *, status: int) -> HttpResponse:
    """Nobody can pay at this moment, for a reason that may pass."""
    context = {"pledge": pledge, "trip": pledge.trip, "refusal": refusal, "pay_url": pay_url(pledge)}
    return unlisted(render(request, "trips/riding/pay_later.html", context, status=status))


def _agree(request: HttpRequest, pledge: Pledge, words: Terms, now: datetime) -> HttpResponse | None:
    """Seats offered from the waiting list: today's words first, and to their own rider a code and credit, as on joining.
    None once they are agreed to. Raises `PledgesClosed` while there is no bus to agree to.
    """
    pledges.check_bus(pledge.trip)
    chooses = pledge.payment_id is None and pledge.rider_id == request.user.pk
    if request.method != "POST" or request.POST.get("do") == "sum":
        form = CoveringForm.as_typed(request.POST) if chooses else None
        return _agree_page(request, pledge, words, form, now)
    form = CoveringForm(request.POST) if chooses else None
    if form is not None and not form.is_valid():
        return _agree_page(request, pledge, words, form, now, status=422)
    agreed = request.POST.get("consent") == "on" and request.POST.get("shown") == print_of(words)
    try:
        if form is not None:
            covering.check_code(request, pledge.trip, form, now)
        with transaction.atomic():
            waiting.agree(pledge_id=pledge.id, shown=words.text if agreed else "", now=now)
            if form is not None:
                covering.cover(request, pledge, form, now)
    except Refusal as refusal:
        return _agree_page(request, pledge, words, form, now, refused=refusal.message, status=409)
    return None


def _agree_page(
    request: HttpRequest,
    pledge: Pledge,
    words: Terms,
    form: CoveringForm | None,
    now: datetime,
    *,
    refused: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "pledge": pledge,
        "trip": pledge.trip,
        "stop": pledge.stop,
        "seats": pledge.seats,
        "sum": pledge.charge,
        "terms": words,
        "shown": print_of(words),
        "changed": words.text != pledge.consent_text,
        "agreed": request.POST.get("consent") == "on",
        "form": form,
        "order": covering.order(request, pledge.trip, pledge.charge, form, now) if form else None,
        "covered": None if form else paid_by.covered(pledge),
        "sign_in": pledge.payment_id is None and not request.user.is_authenticated,
        "next": request.get_full_path(),
        "refused": refused,
    }
    return unlisted(render(request, "trips/riding/agree.html", context, status=status))


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
