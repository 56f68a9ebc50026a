"""Whether the process lives, and whether everything it needs does."""

from __future__ import annotations

from collections.abc import Callable

from celery import current_app
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from rally.tasks import HEARTBEAT


@require_GET
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is looked at, so that a broken database does not restart it."""
    return JsonResponse({"status": "ok"})


@require_GET
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Database, broker, and a worker seen within the last minute; 503 names what is missing."""
    checks = {"database": _works(_database), "broker": _works(_broker), "worker": _works(_worker)}
    ready = all(checks.values())
    words = {name: "ok" if fine else "missing" for name, fine in checks.items()}
    return JsonResponse({"status": "ready" if ready else "not ready", **words}, status=200 if ready else 503)


def _works(look: Callable[[], bool]) -> bool:
    try:
        return look()
    except Exception:  # noqa: BLE001 - whatever is wrong, the answer is "missing"
        return False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _broker() -> bool:
    with current_app.connection_for_read() as broker:
        broker.ensure_connection(max_retries=0, timeout=2)
    return True


def _worker() -> bool:
    """One has reported lately."""
    return cache.get(HEARTBEAT) is not None
