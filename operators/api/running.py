"""Doorways for the day: the run, its manifest, check-ins, the steps."""

from __future__ import annotations

from collections.abc import Callable

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from operators.actions import boardings, driving
from operators.api.serializers import BoardingIn, BoardingOut, ManifestOut, RunOut
from operators.api.supply import run_of
from operators.models import Run
from operators.queries.manifests import manifest
from rally import clock
from rally.models import User
from rally.rest import repeatable


class RunDetail(APIView):
    """One run."""

    permission_classes = [IsAuthenticated]

    @extend_schema(operation_id="run", responses={200: RunOut})
    def get(self, request: Request, code: str) -> Response:
        """For its driver and its company's office."""
        return Response(RunOut(run_of(request, code)).data)


class RunManifest(APIView):
    """Who rides, by stop."""

    permission_classes = [IsAuthenticated]

    @extend_schema(operation_id="run_manifest", responses={200: ManifestOut})
    def get(self, request: Request, code: str) -> Response:
        """For its driver and its company's office. Names and boarding codes stand in it once the trip is confirmed."""
        return Response(ManifestOut(manifest(run_of(request, code))).data)


class Boardings(APIView):
    """Checking seats in."""

    permission_classes = [IsAuthenticated]

    @extend_schema(operation_id="run_board", request=BoardingIn, responses={201: BoardingOut})
    @repeatable
    def post(self, request: Request, code: str) -> Response:
        """One seat on one leg. The same device repeating the same `at` gets the same answer; else twice is a 409."""
        run = run_of(request, code)
        given = BoardingIn(data=request.data)
        given.is_valid(raise_exception=True)
        now = clock.now()
        boarding = boardings.board(
            run_id=run.id,
            code=given.validated_data["seat"],
            leg=given.validated_data["leg"],
            at=given.validated_data.get("at", now),
            device=given.validated_data["device"],
            now=now,
            by=User.asking(request),
        )
        return Response(BoardingOut(boarding).data, status=201)


class _Step(APIView):
    """One step of the day. Twice is once; out of its turn it is refused with 409."""

    permission_classes = [IsAuthenticated]
    take: Callable[..., Run]

    def _taken(self, request: Request, code: str) -> Response:
        run = run_of(request, code)
        type(self).take(run_id=run.id, now=clock.now(), by=User.asking(request))
        return Response(RunOut(run_of(request, code)).data)


class Start(_Step):
    """The bus leaves its first stop."""

    take = staticmethod(driving.start)

    @extend_schema(operation_id="run_start", request=None, responses={200: RunOut})
    @repeatable
    def post(self, request: Request, code: str) -> Response:
        """Once boarding is open."""
        return self._taken(request, code)


class Arrive(_Step):
    """The bus is at the venue."""

    take = staticmethod(driving.arrive)

    @extend_schema(operation_id="run_arrive", request=None, responses={200: RunOut})
    @repeatable
    def post(self, request: Request, code: str) -> Response:
        """After `start`."""
        return self._taken(request, code)


class Return(_Step):
    """The bus leaves the venue for home."""

    take = staticmethod(driving.head_back)

    @extend_schema(operation_id="run_return", request=None, responses={200: RunOut})
    @repeatable
    def post(self, request: Request, code: str) -> Response:
        """After `arrive`."""
        return self._taken(request, code)


class Complete(_Step):
    """Everybody is back."""

    take = staticmethod(driving.complete)

    @extend_schema(operation_id="run_complete", request=None, responses={200: RunOut})
    @repeatable
    def post(self, request: Request, code: str) -> Response:
        """After `return`; the pay is booked."""
        return self._taken(request, code)
