"""What staff did, for colleagues and auditors."""

from __future__ import annotations

from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from payments.queries import desk
from payments.views import doors
from rally.models import User

_PAGE = 50


@doors.staff
@require_safe
def audit(request: HttpRequest, _user: User) -> HttpResponse:
    """Everything, newest first; of one person, or about one thing."""
    chosen = {name: request.GET.get(name, "").strip() for name in ("who", "about")}
    paged = Paginator(desk.staff_actions(**chosen), _PAGE).get_page(request.GET.get("page"))
    query = urlencode({name: text for name, text in chosen.items() if text})
    context = {"paged": paged, "query": f"{query}&" if query else "", **chosen}
    return render(request, "payments/desk/audit.html", context)
