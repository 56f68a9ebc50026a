"""The pages of a partner: trips to its events, its share of what they brought, statements, and getting paid."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from payments.actions import payees
from payments.errors import AccountRefused, AddressRefused, ProviderUnavailable
from rally import clock
from rally.models import User
from rally.paper import handed_over, table
from trips.actions import partners
from trips.documents.partners import statement_pdf, statement_table
from trips.models import Partner
from trips.queries import partnering as look

_PAGE = 20


def _nobody_here(request: HttpRequest, asking: User) -> HttpResponse:
    """404; but whose address was made a member and is not proven yet is asked for the proof."""
    if asking.is_proven or not asking.partners.exists():
        raise Http404
    return render(request, "account/prove.html", status=403)


def member(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The page is for members of the partner, which the view is given. For everybody else, `_nobody_here`."""

    @never_cache
    @login_required
    @wraps(view)
    def partner_view(request: HttpRequest, slug: str, *args: Any, **kwargs: Any) -> HttpResponse:
        asking = User.asking(request)
        found = Partner.objects.filter(slug=slug, members=asking).select_related("payee").first()
        if found is None or not asking.is_proven:
            return _nobody_here(request, asking)
        return view(request, found, *args, **kwargs)

    return partner_view


@never_cache
@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """To the first partner of the person, by name. For people who are members of none, `_nobody_here`."""
    asking = User.asking(request)
    own = look.partners_of(asking)
    if not own:
        return _nobody_here(request, asking)
    return redirect("trips:partner", slug=own[0].slug)


@member
@require_safe
def partner(request: HttpRequest, found: Partner) -> HttpResponse:
    """Trips to the partner's events, seats, what they brought, and the months there are statements of."""
    paged = Paginator(look.trips_of(found), _PAGE).get_page(request.GET.get("page"))
    asking = User.asking(request)
    context = {
        "partner": found,
        "others": [other for other in look.partners_of(asking) if other.id != found.id],
        "paged": paged,
        "lines": look.lines_of(found, list(paged.object_list)),
        "sums": look.sums_of(found),
        "months": look.months_of(found, clock.now()),
    }
    return render(request, "trips/partnering/partner.html", context)


# ---- statements


@member
@require_safe
def statement(request: HttpRequest, found: Partner, year: int, month: int) -> HttpResponse:
    """One month: what came, what was sent, the balance before and after."""
    context = {"partner": found, "statement": _statement(found, year, month)}
    return render(request, "trips/partnering/statement.html", context)


@member
@require_safe
def statement_paper(request: HttpRequest, found: Partner, year: int, month: int) -> HttpResponse:
    """The same as a PDF."""
    of_month = _statement(found, year, month)
    return handed_over(statement_pdf(of_month), name=f"statement-{of_month.number}.pdf")


@member
@require_safe
def statement_csv(request: HttpRequest, found: Partner, year: int, month: int) -> HttpResponse:
    """The same as a table to download, safe to open in a spreadsheet."""
    of_month = _statement(found, year, month)
    return handed_over(table(statement_table(of_month)), name=f"statement-{of_month.number}.csv")


def _statement(found: Partner, year: int, month: int) -> look.Statement:
    """The statement of a month that there is one of. Raises 404 otherwise."""
    known = look.months_of(found, clock.now())
    if found.payee_id is None or not 1 <= month <= 12 or year < 1 or date(year, month, 1) not in known:
        raise Http404
    return look.statement(found, found.payee_id, date(year, month, 1))


# ---- getting paid


@member
@require_safe
def payouts(request: HttpRequest, found: Partner) -> HttpResponse:
    """How far the payment service knows whom to pay, and what waits for it."""
    context = {"partner": found, "payee": found.payee, "sums": look.sums_of(found)}
    return render(request, "trips/partnering/payouts.html", context)


@member
@require_POST
def onboard(request: HttpRequest, found: Partner) -> HttpResponse:
    """To the provider's page where the partner says who is paid and into which account."""
    return _to_the_provider(request, found)


@member
@require_safe
def onboard_again(request: HttpRequest, found: Partner) -> HttpResponse:
    """Sent here by the provider because the address of its page was over: to a fresh one."""
    return _to_the_provider(request, found)


@member
@require_safe
def onboarded(request: HttpRequest, found: Partner) -> HttpResponse:
    """Back from the provider: ask it how things stand now."""
    if found.payee is not None:
        payees.refresh(payee_id=found.payee.id, now=clock.now())
        found.payee.refresh_from_db()
    if found.payee is not None and found.payee.can_be_paid:
        messages.success(request, _("Payouts are set up."))
    else:
        messages.info(request, _("The payment service still wants something from you."))
    return redirect("trips:partner_payouts", slug=found.slug)


def _to_the_provider(request: HttpRequest, found: Partner) -> HttpResponse:
    asking = User.asking(request)
    payee = partners.payee_of(partner_id=found.id, now=clock.now(), by=asking)
    try:
        address = payees.onboard(
            payee_id=payee.id,
            return_url=settings.SITE_URL + reverse("trips:partner_onboarded", args=[found.slug]),
            refresh_url=settings.SITE_URL + reverse("trips:partner_onboard_again", args=[found.slug]),
            now=clock.now(),
        )
    except ProviderUnavailable:
        messages.error(
            request,
            _(
                "The payment service does not answer right now. Nothing is lost; please try again in a minute."
            ),
        )
        return redirect("trips:partner_payouts", slug=found.slug)
    except AddressRefused as refusal:
        messages.error(request, refusal.message)
        return redirect("account_email")
    except AccountRefused as refusal:
        messages.error(request, refusal.message)
        return redirect("trips:partner_payouts", slug=found.slug)
    return HttpResponseRedirect(address, status=303)
