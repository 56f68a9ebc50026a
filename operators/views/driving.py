"""Pages for the driver's phone: today, the run, checking in, the next step."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from csp.constants import SELF
from csp.decorators import csp_update
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from operators.actions import boardings, driving
from operators.errors import AlreadyBoarded
from operators.forms import CodeForm
from operators.models import Boarding, Run
from operators.queries import day as look
from operators.queries.companies import with_trip
from operators.queries.manifests import Manifest, manifest
from operators.states import Leg
from operators.views.doors import nobody_here, user_of
from rally import clock
from rally.errors import NotAllowed, Refusal

#: So many done runs stand below those to come.
_DONE = 5


@never_cache
@login_required
@require_safe
def today(request: HttpRequest) -> HttpResponse:
    """The runs this person drives."""
    user = user_of(request)
    if not user.memberships.of(user).exists():
        return nobody_here(request)
    ahead = list(look.runs_ahead(user))
    context = {"ahead": ahead, "done": list(look.runs_done(user)[:_DONE]), "now": clock.now()}
    return render(request, "operators/driving/today.html", context)


@never_cache
@login_required
@require_safe
def run(request: HttpRequest, code: str) -> HttpResponse:
    """One run: what is next, who boards where."""
    return render(request, "operators/driving/run.html", _shown(manifest(_load(request, code))))


@never_cache
@login_required
@require_safe
@csp_update({"script-src": [SELF, "'wasm-unsafe-eval'"]})  # type: ignore[arg-type] # views take more than a request
def scan(request: HttpRequest, code: str) -> HttpResponse:
    """Check in by camera or typed code. The reader we ship is WebAssembly, which this page alone allows."""
    return render(
        request, "operators/driving/scan.html", {**_shown(manifest(_load(request, code))), "form": CodeForm()}
    )


@never_cache
@login_required
@require_POST
@vary_on_headers("HX-Request")
def board(request: HttpRequest, code: str) -> HttpResponse:
    """Check one seat in: by its name (`seat`) or by its code. Answers where the press came from."""
    found = _load(request, code)
    scanned = "code" in request.POST
    good, said, seat_id = False, "", ""
    try:
        boarding = _board(request, found, scanned=scanned)
    except NotAllowed as refusal:
        raise PermissionDenied(refusal.message) from refusal
    except AlreadyBoarded as refusal:
        # Pressed twice, or two phones at one door: the passenger is on board, which is what was wanted.
        good, said = not scanned, refusal.message
    except Refusal as refusal:
        said = refusal.message
    else:
        good, seat_id = True, str(boarding.seat_id)
        said = _("%(name)s is on board.") % {"name": boarding.seat.name}
    return _answer(request, code, said=said, good=good, scanned=scanned, seat_id=seat_id)


@never_cache
@login_required
@require_POST
@vary_on_headers("HX-Request")
def unboard(request: HttpRequest, code: str) -> HttpResponse:
    """Take a check-in back."""
    found = _load(request, code)
    good, said = True, _("Taken back.")
    try:
        boardings.undo(
            run_id=found.id,
            seat_id=_uuid(request.POST.get("seat", "")),
            leg=request.POST.get("leg", found.leg),
            now=clock.now(),
            by=user_of(request),
        )
    except NotAllowed as refusal:
        raise PermissionDenied(refusal.message) from refusal
    except Refusal as refusal:
        good, said = False, refusal.message
    return _answer(
        request, code, said=said, good=good, scanned=request.POST.get("from") == "scan", seat_id=""
    )


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, code: str, step: str) -> HttpResponse:
    """The next step of the run. Who would be left behind is named first; the last step asks whether the bus is empty."""
    if step not in look.STEPS:
        raise Http404
    found = _load(request, code)
    if request.method != "POST":
        return redirect("driving:run", code=code)
    sheet = manifest(found)
    asked = look.day(sheet).next
    if (
        asked
        and asked.step == step
        and not request.POST.get("sure")
        and (asked.missing or step == look.COMPLETE)
    ):
        return render(request, "operators/driving/sure.html", {**_shown(sheet), "step": step, "asked": asked})
    try:
        _take(step, found, stop=request.POST.get("stop", ""), request=request)
    except NotAllowed as refusal:
        raise PermissionDenied(refusal.message) from refusal
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect("driving:run", code=code)


def _take(step: str, found: Run, *, stop: str, request: HttpRequest) -> None:
    told: dict[str, Any] = {"run_id": found.id, "now": clock.now(), "by": user_of(request)}
    if step == look.START:
        driving.start(**told)
    elif step == look.LEAVE:
        driving.leave_stop(stop_id=_uuid(stop), **told)
    elif step == look.ARRIVE:
        driving.arrive(**told)
    elif step == look.RETURN:
        driving.head_back(**told)
    else:
        driving.complete(**told)


def _board(request: HttpRequest, found: Run, *, scanned: bool) -> Boarding:
    now = clock.now()
    leg = request.POST.get("leg", found.leg)
    told: dict[str, Any] = {"run_id": found.id, "leg": leg, "at": now, "now": now, "by": user_of(request)}
    if scanned:
        return boardings.board(code=request.POST["code"][:300], **told)
    return boardings.board_seat(seat_id=_uuid(request.POST.get("seat", "")), **told)


def _answer(
    request: HttpRequest, code: str, *, said: str, good: bool, scanned: bool, seat_id: str
) -> HttpResponse:
    """A fragment for htmx, else back to the page with a message."""
    if not getattr(request, "htmx", False):
        (messages.success if good else messages.error)(request, said)
        return redirect("driving:scan" if scanned else "driving:run", code=code)
    context = {**_shown(manifest(_load(request, code))), "said": said, "good": good, "seat_id": seat_id}
    template = "operators/driving/scan.html#result" if scanned else "operators/driving/run.html#day"
    return render(request, template, context)


def _shown(sheet: Manifest) -> dict[str, Any]:
    day, now = look.day(sheet), clock.now()
    opens_at = driving.boarding_opens_at(sheet.run.trip)
    return {
        "run": sheet.run,
        "trip": sheet.run.trip,
        "manifest": sheet,
        "day": day,
        "aboard": sheet.outbound_count if day.leg == Leg.OUTBOUND else sheet.back_count,
        "expected": sheet.total if day.leg == Leg.OUTBOUND else sheet.outbound_count or sheet.total,
        "opens_at": opens_at,
        # Nothing is offered that would be refused.
        "open": day.boards and now >= opens_at,
        "too_early": day.boards and now < opens_at,
    }


def _load(request: HttpRequest, code: str) -> Run:
    """The run, for its driver and the company's office; 404 for everybody else."""
    return get_object_or_404(with_trip(Run.objects.visible_to(user_of(request))), code=code)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
