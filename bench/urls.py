"""The product's addresses, and the floor's."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from bench.models import BareRow
from rally.urls import urlpatterns as product


@csrf_exempt
def insert(request: HttpRequest) -> JsonResponse:
    """A bare view that inserts one row."""
    return JsonResponse({"id": BareRow.objects.create(word="bare").pk}, status=201)


def page(request: HttpRequest) -> HttpResponse:
    """A bare view: one row read, one sentence answered."""
    row = BareRow.objects.order_by("pk").first()
    return HttpResponse(f"<!doctype html><title>Bare</title><p>{row}</p>")


urlpatterns = [*product, path("bare/insert", insert), path("bare/page", page)]
