"""What every page is told: the mode, and which areas this person has."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Count, Q, Value
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject


def page(request: HttpRequest) -> dict[str, Any]:
    """`demo` (None outside the demo), `sandbox`, `source_url`, `site_url` (our own address, without a slash at its end), and
    `areas`: the roles of the person, one query, only if asked for.
    """
    return {
        "demo": SimpleLazyObject(lambda: _demo(request)) if settings.DEMO else None,
        "sandbox": settings.SANDBOX,
        "source_url": settings.SOURCE_URL,
        "site_url": settings.SITE_URL,
        "areas": SimpleLazyObject(lambda: _areas(request)),
    }


#: Where somebody in this role is at home; owners and dispatchers are in the office.
_AREAS = {"driver": "drive", "partner": "partner"}


def _areas(request: HttpRequest) -> set[str]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return set()
    areas = {"desk"} if user.is_staff else set()
    if not user.is_proven:
        return areas
    # By name, not by import: the kernel's pages do not know the apps.
    licences = Count("papers", filter=Q(papers__kind="driving", papers__refused=False))
    places = user.memberships.filter(active=True).annotate(licences=licences)
    partners = user.partners.order_by().values_list(Value("partner"), Value(0))
    for role, licensed in places.order_by().values_list("role", "licences").union(partners):
        areas |= {_AREAS.get(role, "operator")}
        areas |= {"drive"} if licensed else set()
    return areas


def _demo(request: HttpRequest) -> dict[str, Any]:
    from rally.demo import bar

    return dict(bar.context(request))
