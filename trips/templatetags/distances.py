"""How far and how soon, in words."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils.translation import gettext, ngettext

from rally import clock
from rally.templatetags.look import KM_PER_MILE

register = template.Library()

_IN_TOWN_KM = 5


@register.filter
def away(km: float | None) -> str:
    """`in town`, `1 mile away`, `23 miles away`; nothing when it is not known."""
    if km is None:
        return ""
    if km < _IN_TOWN_KM:
        return gettext("in town")
    miles = max(1, round(km / KM_PER_MILE))
    return ngettext("%(count)d mile away", "%(count)d miles away", miles) % {"count": miles}


@register.filter
def countdown(moment: datetime) -> str:
    """`in 3 weeks`, `in 5 days`, `in a day and a bit`, `in 7 hours`, `in a moment`; nothing once it has begun."""
    ahead = moment - clock.now()
    if ahead <= timedelta(0):
        return ""
    days, hours = ahead.days, int(ahead.total_seconds() // 3600)
    if days >= 14:
        return ngettext("in %(count)d week", "in %(count)d weeks", days // 7) % {"count": days // 7}
    if days >= 2:
        return ngettext("in %(count)d day", "in %(count)d days", days) % {"count": days}
    if days == 1:
        return gettext("in a day and a bit")
    if hours:
        return ngettext("in %(count)d hour", "in %(count)d hours", hours) % {"count": hours}
    return gettext("in a moment")
