"""How often one visitor may do what costs others something: seats, mails, pages at the payment provider."""

from __future__ import annotations

import hashlib

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from rally import clock


def too_often(request: HttpRequest, what: str, *, most: int, minutes: int) -> HttpResponse | None:
    """The page to answer with (429) when this visitor did `what` more than `most` times in the last `minutes`.

    Counted by account, or by address for those we do not know. A cache that forgets lets people through.
    """
    who = str(request.user.pk) if request.user.is_authenticated else request.META.get("REMOTE_ADDR", "")
    window = int(clock.now().timestamp()) // (minutes * 60)
    key = f"limit:{what}:{window}:{hashlib.sha256(who.encode()).hexdigest()[:32]}"
    cache.add(key, 0, timeout=minutes * 60)
    try:
        count = cache.incr(key)
    except ValueError:
        return None
    if count <= most:
        return None
    page = render(request, "trips/riding/too_often.html", {"minutes": minutes}, status=429)
    page["Retry-After"] = str(minutes * 60)
    return page
