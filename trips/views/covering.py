"""What a promotion code and credit do to the sum, on the pages where seats are taken, offered or added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from payments.queries import Parts, credit_of, parts_of
from rally import rules
from rally.errors import Refusal
from rally.money import Money
from trips.actions import covering, promotions
from trips.forms.riding import CoveringForm
from trips.models import Pledge, Promotion, Trip
from trips.views.looking import anybody


@dataclass(frozen=True)
class Order:
    """What the rider has to their credit, the code in force or why there is none, and how the sum is paid."""

    credit: Money
    promotion: Promotion | None
    refused: str
    parts: Parts | None


def order(request: HttpRequest, trip: Trip, whole: Money | None, form: CoveringForm, now: datetime) -> Order:
    """How so much would be paid now, as the form stands. Sets nothing aside."""
    user = anybody(request)
    credit = credit_of(user, trip.currency) if user else Money.zero(trip.currency)
    found, refused = None, ""
    typed = str(form["promotion"].value() or "").strip()
    if typed and not (form.is_bound and form.errors.get("promotion")):
        try:
            found = promotions.guess(typed, trip=trip, rider=user, who=who(request), now=now)
        except Refusal as refusal:
            refused = refusal.message
    use_credit = bool(form["use_credit"].value())
    least = Money(rules.current().least_by_card, trip.currency)
    parts = None
    if whole is not None:
        parts = parts_of(
            whole,
            saving=promotions.saving_of(found) if found else None,
            credit=credit if use_credit else Money.zero(trip.currency),
            least_by_card=least,
        )
    return Order(credit=credit, promotion=found, refused=refused, parts=parts)


def check_code(request: HttpRequest, trip: Trip, form: CoveringForm, now: datetime) -> None:
    """Whether the typed code can be used, before seats are taken for it. Raises what `promotions.guess` raises."""
    if typed := form.cleaned_data["promotion"]:
        promotions.guess(typed, trip=trip, rider=anybody(request), who=who(request), now=now)


def cover(request: HttpRequest, pledge: Pledge, form: CoveringForm, now: datetime) -> None:
    """Use the code and the credit for a draft that was just made, if the rider wants that."""
    typed, use_credit = form.cleaned_data["promotion"], form.cleaned_data["use_credit"]
    if not typed and not use_credit:
        return
    shown = request.POST.get("credit", "")
    told = (
        Money(int(shown), pledge.currency) if shown.isascii() and shown.isdigit() and len(shown) < 9 else None
    )
    covering.cover(
        pledge_id=pledge.id,
        promotion=typed,
        use_credit=use_credit,
        credit_shown=told if use_credit else None,
        now=now,
    )


def who(request: HttpRequest) -> str:
    """Whose wrong codes are counted together: the account's, or the address's."""
    return str(request.user.pk) if request.user.is_authenticated else request.META.get("REMOTE_ADDR", "")
