"""The sandbox's own pages: hosted Checkout, 3-D Secure, onboarding, and what "Stripe" knows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from payments.sandbox import disputes, lists, money, runtime
from payments.sandbox.call import public
from payments.sandbox.cards import CARDS
from payments.sandbox.errors import ApiError
from payments.sandbox.forms import CardForm
from payments.sandbox.store import Json
from rally import clock

_ONWARD = HTTPStatus.SEE_OTHER


# ---- Checkout


@never_cache
@require_http_methods(["GET", "POST"])
def checkout(request: HttpRequest, session_id: str) -> HttpResponse:
    """Let a customer pay or save a card. A bad card is answered here, a good one at the success address."""
    session = _find("checkout.session", session_id)
    if session["status"] != "open":
        return render(
            request, "payments/sandbox/checkout_closed.html", {"session": session}, status=HTTPStatus.GONE
        )
    form = CardForm(request.POST or None, now=clock.now())
    if request.method == "POST" and form.is_valid():
        try:
            done = runtime.current().pay(session_id, form.typed())
        except ApiError as no:
            form.refuse(no)
        else:
            return _after_paying(done)
    context = {
        "session": session,
        "form": form,
        "items": session["_line_items"],
        "holds": session["_intent_data"].get("capture_method") == "manual",
        "trouble": None if form.is_bound else _last_error(session),
        "cards": CARDS,
        "expires_at": datetime.fromtimestamp(session["expires_at"], UTC),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return render(request, "payments/sandbox/checkout.html", context, status=status)


def _after_paying(session: Json) -> HttpResponse:
    if session["status"] == "complete":
        return _onward(_success(session))
    intent = session["setup_intent"] if session["mode"] == "setup" else session["payment_intent"]
    return _onward(reverse("sandbox:authenticate", args=[intent]))


def _success(session: Json) -> str:
    address: str = session["success_url"]
    return address.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _last_error(session: Json) -> str | None:
    """Give why the last attempt on this session failed, for who comes back from the 3-D Secure page."""
    intent = runtime.current().see(session["payment_intent"] or session["setup_intent"] or "") or {}
    error = intent.get("last_payment_error") or intent.get("last_setup_error") or {}
    message: str | None = error.get("message")
    return message


def _onward(address: str) -> HttpResponseRedirect:
    return HttpResponseRedirect(address, status=_ONWARD)


def _find(kind: str, object_id: str) -> Json:
    found = runtime.current().see(object_id)
    if found is None or found["object"] != kind:
        raise Http404
    return found


# ---- 3-D Secure


@never_cache
@require_http_methods(["GET", "POST"])
def authenticate(request: HttpRequest, intent_id: str) -> HttpResponse:
    """Stand in for the bank that asks its cardholder: complete or fail."""
    intent = runtime.current().see(intent_id)
    if intent is None or intent["object"] not in ("payment_intent", "setup_intent"):
        raise Http404
    if intent["status"] != "requires_action":
        return render(
            request, "payments/sandbox/authenticate_done.html", {"intent": intent}, status=HTTPStatus.GONE
        )
    if request.method == "GET":
        return render(request, "payments/sandbox/authenticate.html", {"intent": intent})
    passed = request.POST.get("answer") == "complete"
    try:
        runtime.current().authenticate(intent_id, passed=passed)
    except ApiError:
        passed = False
    return _onward(_after_challenge(intent, passed=passed))


def _after_challenge(intent: Json, *, passed: bool) -> str:
    session = runtime.current().see(intent.get("_session") or "")
    if session is not None:
        return _success(session) if passed else reverse("sandbox:checkout", args=[session["id"]])
    action = intent["next_action"].get("redirect_to_url")
    if action is None:
        return reverse("sandbox:overview")
    query = {
        intent["object"]: intent["id"],
        f"{intent['object']}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if passed else "failed",
    }
    address: str = action["return_url"]
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"


# ---- onboarding


@never_cache
@require_http_methods(["GET", "POST"])
def onboarding(request: HttpRequest, account_id: str, token: str) -> HttpResponse:
    """Let an operator make its account ready to be paid. A link that is over leads to where a new one is made."""
    account = _find("account", account_id)
    link = account.get("_onboarding")
    if link is None or link["token"] != token:
        raise Http404
    if link["expires_at"] <= int(clock.now().timestamp()):
        return _onward(link["refresh_url"])
    if request.method == "POST":
        runtime.current().finish_onboarding(account_id)
        return _onward(link["return_url"])
    return render(request, "payments/sandbox/onboarding.html", {"account": account, "link": link})


# ---- what "Stripe" knows


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Show the balance, the newest objects and events. In production only to staff: it shows everybody's."""
    _check_may_look(request)
    with runtime.current().looking() as call:
        balances = money.balances(call)
        kinds = (
            "charge",
            "payment_intent",
            "checkout.session",
            "refund",
            "transfer",
            "payout",
            "dispute",
            "account",
        )
        groups = [(kind, lists.listed(call, kind, {"limit": 8})["data"]) for kind in kinds]
        events = lists.events(call, {"limit": 25})["data"]
    context = {
        "balances": [(currency.upper(), *sums) for currency, sums in balances.items()],
        "groups": [
            (kind.replace("_", " ").replace(".", " "), [_row(one) for one in held])
            for kind, held in groups
            if held
        ],
        "events": [_event_row(event) for event in events],
        "now": clock.now(),
    }
    return render(request, "payments/sandbox/overview.html", context)


def _row(body: Json) -> dict[str, Any]:
    amount = body.get("amount", body.get("amount_total"))
    return {
        "id": body["id"],
        "amount": amount,
        "currency": (body.get("currency") or "usd").upper(),
        "status": _status(body),
        "at": datetime.fromtimestamp(body["created"], UTC),
    }


def _status(body: Json) -> str:
    if body["object"] == "account":
        return "can be paid" if body["payouts_enabled"] else "not onboarded"
    if body["object"] == "transfer":
        return "reversed" if body["reversed"] else "paid"
    if body["object"] == "charge":
        for word in ("disputed", "refunded"):
            if body[word]:
                return word
        if body["status"] == "succeeded":
            return "captured" if body["captured"] else "authorized"
    return str(body["status"])


def _event_row(event: Json) -> dict[str, Any]:
    return {
        "id": event["id"],
        "type": event["type"],
        "about": event["data"]["object"].get("id"),
        "at": datetime.fromtimestamp(event["created"], UTC),
        "waiting": event["pending_webhooks"],
    }


@require_GET
def see(request: HttpRequest, object_id: str) -> HttpResponse:
    """Show one object as the API gives it, with what someone could do to it in Stripe's dashboard."""
    _check_may_look(request)
    return _shown(request, object_id)


def _shown(request: HttpRequest, object_id: str, *, trouble: str | None = None) -> HttpResponse:
    with runtime.current().looking() as call:
        found = call.rows.get(object_id)
        if found is None:
            raise Http404
        answer = lists.shown(call, found)
    refundable = (
        found["object"] == "charge" and found["captured"] and not found["disputed"] and not found["refunded"]
    )
    context = {
        "body": public(found),
        "undecided": disputes.outcomes(found) if found["object"] == "dispute" else (),
        "text": json.dumps(answer, indent=2, ensure_ascii=False),
        "refundable": refundable,
        "trouble": trouble,
    }
    status = HTTPStatus.CONFLICT if trouble else HTTPStatus.OK
    return render(request, "payments/sandbox/object.html", context, status=status)


@require_POST
def refund(request: HttpRequest, object_id: str) -> HttpResponse:
    """Refund a charge past our application, as someone might in the dashboard."""
    _check_may_look(request)
    _find("charge", object_id)
    try:
        made = runtime.current().refund_in_dashboard(object_id)
    except ApiError as no:
        return _shown(request, object_id, trouble=str(no))
    return redirect("sandbox:object", made["id"])


@require_POST
def dispute(request: HttpRequest, object_id: str) -> HttpResponse:
    """Let the cardholder dispute a charge."""
    _check_may_look(request)
    _find("charge", object_id)
    try:
        opened = runtime.current().open_dispute(object_id)
    except ApiError as no:
        return _shown(request, object_id, trouble=str(no))
    return redirect("sandbox:object", opened["id"])


@require_POST
def decide(request: HttpRequest, object_id: str) -> HttpResponse:
    """Let the bank decide a dispute: `outcome` is `won` or `lost`, as seen from us."""
    _check_may_look(request)
    _find("dispute", object_id)
    try:
        runtime.current().decide_dispute(object_id, won=request.POST.get("outcome") == "won")
    except ApiError as no:
        return _shown(request, object_id, trouble=str(no))
    return redirect("sandbox:object", object_id)


def _check_may_look(request: HttpRequest) -> None:
    if settings.PRODUCTION and not request.user.is_staff:
        raise Http404
