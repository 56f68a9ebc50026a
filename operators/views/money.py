"""What runs have earned, and getting paid out."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from operators import permissions
from operators.models import Member
from operators.queries import earned
from operators.views import doors
from payments.actions import payees
from payments.errors import ProviderUnavailable
from rally import clock

_PAGE = 20


@doors.office
@require_safe
def money(request: HttpRequest, member: Member) -> HttpResponse:
    """Runs with their pay and where it is, sums, and whether payouts are set up."""
    paged = Paginator(earned.completed_runs(member.operator), _PAGE).get_page(request.GET.get("page"))
    context = {
        "payee": member.operator.payee,
        "paged": paged,
        "rows": earned.pay_of(member.operator, list(paged.object_list)),
        "sums": earned.sums(member.operator),
    }
    return doors.page(request, "operators/money/money.html", member, context)


@doors.office
@require_POST
def onboard(request: HttpRequest, member: Member) -> HttpResponse:
    """To the provider's page where the company says who is paid and into which account. Owners only."""
    permissions.check_can_own(doors.user_of(request), member.operator)
    try:
        address = payees.onboard(
            payee_id=member.operator.payee_id,
            return_url=settings.SITE_URL + reverse("operators:onboarded"),
            now=clock.now(),
        )
    except ProviderUnavailable:
        # Its own words are for riders, whose seats stay reserved.
        messages.error(
            request,
            _(
                "The payment service does not answer right now. What you earned is safe; please try again in a minute."
            ),
        )
        return redirect("operators:money")
    return HttpResponseRedirect(address, status=303)


@doors.office
@require_safe
def onboarded(request: HttpRequest, member: Member) -> HttpResponse:
    """Back from the provider: ask it how things stand now."""
    payees.refresh(payee_id=member.operator.payee_id, now=clock.now())
    member.operator.payee.refresh_from_db()
    if member.operator.payee.can_be_paid:
        messages.success(request, _("Payouts are set up."))
    else:
        messages.info(request, _("The payment service still wants something from you."))
    return redirect("operators:money")
