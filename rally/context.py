"""What every page is told: the mode, and which areas this person has."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject


def page(request: HttpRequest) -> dict[str, Any]:
    """`demo` (None outside the demo), `sandbox`, and `areas`: the roles of the person, one query, only if asked for."""
    return {
        "demo": SimpleLazyObject(lambda: _demo(request)) if settings.DEMO else None,
        "sandbox": settings.SANDBOX,
        "source_url": settings.SOURCE_URL,
        "areas": SimpleLazyObject(lambda: _areas(request)),
    }


def _areas(request: HttpRequest) -> set[str]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return set()
    areas = {"desk"} if user.is_staff else set()
    # By name, not by import: the kernel's pages do not know the apps.
    licences = Count("papers", filter=Q(papers__kind="driving", papers__refused=False))
    places = user.memberships.filter(active=True).annotate(licences=licences)
    for role, licensed in places.values_list("role", "licences"):
        areas |= {"drive"} if role == "driver" else {"operator"}
        areas |= {"drive"} if licensed else set()
    return areas


def _demo(request: HttpRequest) -> dict[str, Any]:
    from rally.demo import bar

    return dict(bar.context(request))
