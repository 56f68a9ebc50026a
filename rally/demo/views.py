"""Pages of the demo: becoming somebody, moving the clock, reading the mails, the two-minute tour."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from rally.demo import bar, cast, clock
from rally.demo import mails as sent
from rally.demo import tour as sights
from rally.errors import BadInput
from rally.models import Notice, User

_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
_MAILS_A_PAGE = 30
#: A mail draws with its own styles and runs nothing. It is shown in a frame of our page and nowhere else.
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'; base-uri 'self'"

View = Callable[..., HttpResponse]


def only_in_demo(view: View) -> View:
    """The address is not even there in other modes; should it ever be, it leads nowhere."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.DEMO:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


@only_in_demo
@require_safe
def tour(request: HttpRequest) -> HttpResponse:
    """Two minutes with Rally: who is who and what to try, in which order."""
    return render(
        request,
        "rally/demo/tour.html",
        {"cast": cast.CAST, "password": cast.PASSWORD, "sights": sights.sights(), "cards": sights.cards()},
    )


@only_in_demo
@require_POST
def become(request: HttpRequest) -> HttpResponse:
    """Sign in as one of the cast, without a password, and come back to the page."""
    key = request.POST.get("persona", "")
    if key == "nobody":
        logout(request)
        return redirect(_back(request))
    persona = cast.BY_KEY.get(key)
    if persona is None:
        return _tell(request, [_("Nobody of that name is in the demo.")])
    login(request, User.objects.get(email=persona.email), backend=_BACKEND)
    return redirect(_back(request))


@only_in_demo
@require_POST
def move_clock(request: HttpRequest) -> HttpResponse:
    """Move the clock, do what is due, come back to the page and say what happened."""
    try:
        moment = clock.when(request.POST.get("move", ""), trip=request.POST.get("trip", ""))
        news = clock.forward(to=moment)
    except BadInput as refusal:
        news = [refusal.message]
    return _tell(request, news)


@only_in_demo
@require_safe
def mails(request: HttpRequest) -> HttpResponse:
    """The mails of the cast, newest first; `?to=all` shows those of the fellow riders as well."""
    to = request.GET.get("to", "")
    found = [mail for mail in sent.newest() if _is_asked_for(mail, to)]
    page = Paginator(found, _MAILS_A_PAGE).get_page(request.GET.get("page"))
    times = dict(Notice.objects.filter(id__in=_ids(page.object_list)).values_list("id", "sent_at"))
    rows = [
        (mail, {str(key): at for key, at in times.items()}.get(mail.notice_id)) for mail in page.object_list
    ]
    return render(
        request,
        "rally/demo/mails.html",
        {
            "page": page,
            "rows": rows,
            "to": to,
            "cast": cast.CAST,
            "query": f"to={to}&" if to in {"all", *cast.BY_KEY} else "",
        },
    )


@only_in_demo
@require_safe
def mail(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """One mail, drawn in a sealed frame, and its text."""
    return render(request, "rally/demo/mail.html", {"mail": _mail_or_404(name, number)})


@only_in_demo
@require_safe
@xframe_options_sameorigin
def mail_html(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """The drawn version of a mail, for the frame. Its links open in the whole window."""
    html = _mail_or_404(name, number).html.replace("<head>", '<head><base target="_top">', 1)
    return HttpResponse(html, headers={"Content-Security-Policy": _MAIL_POLICY})


def _tell(request: HttpRequest, news: list[str]) -> HttpResponse:
    request.session[bar.NEWS] = news
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    """The page one came from, if it is one of ours; else the first page."""
    address = request.POST.get("next", "")
    return address if url_has_allowed_host_and_scheme(address, {request.get_host()}) else "/"


def _mail_or_404(name: str, number: int) -> sent.Mail:
    found = sent.find(name, number)
    if found is None:
        raise Http404
    return found


def _is_asked_for(mail: sent.Mail, to: str) -> bool:
    if to in cast.BY_KEY:
        return mail.to == cast.BY_KEY[to].email
    return to == "all" or not cast.is_fellow(mail.to)


def _ids(shown: Any) -> list[str]:
    """Ids of notices among the mails; mails of the sign-in pages have none."""
    return [mail.notice_id for mail in shown if len(mail.notice_id) == 36]
