"""How companies are paid: the agreement in force, and its words."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from operators.models import Agreement, Operator, Run
from operators.settling.splits import Driven, Facts, Kept, Terms, split
from operators.states import AgreementKind
from rally import rules
from rally.money import Money
from trips.models import Trip


def in_force(operator: Operator, day: date) -> Agreement | None:
    """The company's agreement on a day: the one that began last. None: the usual share."""
    begun = Agreement.objects.filter(operator=operator, applies_from__lte=day)
    return begun.filter(Q(applies_until=None) | Q(applies_until__gte=day)).order_by("-applies_from").first()


def snapshot(operator: Operator, day: date) -> dict[str, Any]:
    """The terms of a run that is committed on this day, as they are kept with it: the agreement, and what it costs to
    give the run up late."""
    agreement, numbers = in_force(operator, day), rules.current()
    paid = {"kind": agreement.kind, "percent": agreement.percent} if agreement else {}
    late = [numbers.given_up_late_hours, numbers.given_up_late_cost]
    return {**paid, "given_up_late": late} if all(late) else paid


def cost_of_giving_up(kept: dict[str, Any], trip: Trip, now: datetime) -> Money:
    """What a company owes that gives a run on these terms up now."""
    hours, cost = kept.get("given_up_late", (0, 0))
    late = trip.departs_at - now < timedelta(hours=hours)
    return Money(cost if late else 0, trip.currency)


def terms_of(kept: dict[str, Any]) -> Terms:
    """The terms kept with a run; the usual share if there are none."""
    return Terms(kept.get("kind", AgreementKind.SHARE), kept.get("percent", 100))


def in_words(kept: dict[str, Any], trip: Trip) -> str:
    """How a run is paid, as a sentence that follows "You are paid:", and what it costs to give it up late."""
    hours, cost = kept.get("given_up_late", (0, 0))
    if not cost:
        return _paid_in_words(kept, trip)
    late = _("Whoever gives up a certain trip less than %(days)s days before it leaves owes %(cost)s.")
    facts = {"days": f"{hours / 24:g}", "cost": Money(cost, trip.currency)}
    return f"{_paid_in_words(kept, trip)} {late % facts}"


def _paid_in_words(kept: dict[str, Any], trip: Trip) -> str:
    terms = terms_of(kept)
    of_price = trip.cost.percent(terms.percent)
    if terms.kind == AgreementKind.FIXED:
        return _("%(price)s for the bus, whatever riders pay.") % {"price": of_price}
    if terms.kind == AgreementKind.GUARANTEE:
        return _("your share of what riders pay, and at least %(price)s.") % {"price": of_price}
    if terms.kind == AgreementKind.RESELLER:
        return _("%(percent)s %% of the fare for each seat that is sold.") % {"percent": terms.percent}
    if terms.percent == 100:
        return _("what riders pay, less our part of %(percent)s %% on top of the bus.") % {
            "percent": trip.platform_percent
        }
    return _("%(percent)s %% of the usual share of what riders pay.") % {"percent": terms.percent}


def pay_for(kept: dict[str, Any], trip: Trip, gross: Money) -> Money:
    """What a run on these terms earns when riders pay `gross` in full fares and both ways are driven."""
    facts = Facts(
        kept=(Kept(gross.minor, fares=gross.minor),),
        driven=(Driven(terms_of(kept)),),
        bus_price=trip.cost_minor,
        platform_percent=trip.platform_percent,
    )
    return Money(split(facts).operators[0].total, gross.currency)


def runs_to_settle(trip: Trip) -> list[Run]:
    """The runs of a trip that drove at least one way, in the order in which they were committed."""
    drove = Q(state="completed") | Q(state__in=["failed", "replaced"], arrived_at__isnull=False)
    return list(trip.runs.filter(drove).order_by("committed_at", "id"))
