"""How staff come to the desk: nobody else finds it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache

from rally.errors import Refusal
from rally.models import User


def staff(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The page is for staff: the view is given the person. 404 for everybody else who is signed in."""

    @never_cache
    @login_required
    @wraps(view)
    def desk_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = request.user
        if not isinstance(user, User) or not user.is_staff:
            raise Http404
        return view(request, user, *args, **kwargs)

    return cast("Callable[..., HttpResponse]", desk_view)


def done(request: HttpRequest, act: Callable[[], object], *, said: str, to: str, **ids: Any) -> HttpResponse:
    """Do it, say so or why not, and go back to where the button was, else to the page `to`."""
    try:
        act()
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, said)
    back = request.POST.get("back", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/desk/"):
        return redirect(back)
    return HttpResponseRedirect(reverse(to, kwargs=ids))
