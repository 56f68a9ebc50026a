"""What runs have earned, getting paid out, and the statements of each month."""

from __future__ import annotations

from datetime import date

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from operators import permissions
from operators.documents.statements import statement_pdf, statement_table
from operators.models import Member
from operators.queries import agreements, earned, statements
from operators.queries.companies import today_at
from operators.views import doors
from payments.actions import payees
from payments.errors import AccountRefused, AddressRefused, ProviderUnavailable
from payments.queries import statements as books
from rally import clock
from rally.paper import handed_over, table

_PAGE = 20


@doors.office
@require_safe
def money(request: HttpRequest, member: Member) -> HttpResponse:
    """Runs with their pay and where it is, sums, whether payouts are set up, and the months there are statements of."""
    company, now = member.operator, clock.now()
    paged = Paginator(earned.completed_runs(company), _PAGE).get_page(request.GET.get("page"))
    context = {
        "payee": company.payee,
        "paged": paged,
        "rows": earned.pay_of(company, list(paged.object_list)),
        "sums": earned.sums(company),
        "months": books.months_of(company.payee_id, company.time_zone, now),
        "agreement": agreements.in_force(company, today_at(company, now)),
    }
    return doors.page(request, "operators/money/money.html", member, context)


# ---- statements


@doors.office
@require_safe
def statement(request: HttpRequest, member: Member, year: int, month: int) -> HttpResponse:
    """One month: what the runs earned, the account line by line, the balance before and after."""
    context = {"statement": _statement(member, year, month)}
    return doors.page(request, "operators/money/statement.html", member, context)


@doors.office
@require_safe
def statement_paper(request: HttpRequest, member: Member, year: int, month: int) -> HttpResponse:
    """The same as a PDF."""
    found = _statement(member, year, month)
    return handed_over(statement_pdf(found), name=f"statement-{found.number}.pdf")


@doors.office
@require_safe
def statement_csv(request: HttpRequest, member: Member, year: int, month: int) -> HttpResponse:
    """The same as a table to download, safe to open in a spreadsheet."""
    found = _statement(member, year, month)
    return handed_over(table(statement_table(found)), name=f"statement-{found.number}.csv")


def _statement(member: Member, year: int, month: int) -> statements.Statement:
    """The company's own statement of a month that there is one of. Raises 404 otherwise."""
    company = member.operator
    known = books.months_of(company.payee_id, company.time_zone, clock.now())
    if not 1 <= month <= 12 or year < 1 or date(year, month, 1) not in known:
        raise Http404
    return statements.statement(company, date(year, month, 1))


# ---- getting paid out


@doors.office
@require_safe
def payouts(request: HttpRequest, member: Member) -> HttpResponse:
    """How far the payment service knows whom to pay, what it wants, and what waits for it."""
    company = member.operator
    context = {"payee": company.payee, "sums": earned.sums(company)}
    return doors.page(request, "operators/money/payouts.html", member, context)


@doors.office
@require_POST
def onboard(request: HttpRequest, member: Member) -> HttpResponse:
    """To the provider's page where the company says who is paid and into which account. Owners only."""
    return _to_the_provider(request, member)


@doors.office
@require_safe
def onboard_again(request: HttpRequest, member: Member) -> HttpResponse:
    """Sent here by the provider because the address of its page was over: to a fresh one. Owners only."""
    return _to_the_provider(request, member)


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
    return redirect("operators:payouts")


def _to_the_provider(request: HttpRequest, member: Member) -> HttpResponse:
    permissions.check_can_own(doors.user_of(request), member.operator)
    try:
        address = payees.onboard(
            payee_id=member.operator.payee_id,
            return_url=settings.SITE_URL + reverse("operators:onboarded"),
            refresh_url=settings.SITE_URL + reverse("operators:onboard_again"),
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
        return redirect("operators:payouts")
    except AddressRefused as refusal:
        messages.error(request, refusal.message)
        return redirect("operators:company")
    except AccountRefused as refusal:
        messages.error(request, refusal.message)
        return redirect("operators:payouts")
    return HttpResponseRedirect(address, status=303)
