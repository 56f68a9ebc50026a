"""Doorways for programs of bus companies: the board, the fleet, committing and giving back."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from operators.actions import runs
from operators.api.serializers import (
    BoardQuery,
    DriverList,
    DriverOut,
    OfferOut,
    OfWhich,
    RunIn,
    RunOut,
    VehicleList,
    VehicleOut,
    WithdrawIn,
)
from operators.models import Operator, Run
from operators.queries import agreements, companies
from operators.queries import board as look
from rally import clock, rules
from rally.errors import BadInput
from rally.models import User
from rally.rest import Pages, repeatable
from trips.models import Trip


def office_of(request: Request, code: str | None) -> Operator:
    """The company in whose office the caller works; `code` chooses among several. 404 for nobody's, 400 if unclear."""
    offices = [member.operator for member in companies.offices_of(User.asking(request))]
    if code:
        offices = [operator for operator in offices if operator.code == code]
    if not offices:
        raise Http404
    if len(offices) > 1:
        raise BadInput(_("You work for several companies; say for which one."), field="operator")
    return offices[0]


def run_of(request: Request, code: str) -> Run:
    """The run, for its driver and its company's office. 404 for everybody else."""
    return get_object_or_404(companies.with_trip(Run.objects.visible_to(User.asking(request))), code=code)


class Board(APIView):
    """Trips that look for a bus."""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="operator_board",
        parameters=[BoardQuery],
        responses={
            200: OfferOut(many=True),
            404: OpenApiResponse(description="You work in no company's office."),
        },
    )
    def get(self, request: Request) -> Response:
        """Nearest first unless asked otherwise; `within_km` counts from the depot (241, which is 150 miles, if left out)."""
        query = BoardQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked: dict[str, Any] = query.validated_data
        operator = office_of(request, asked.pop("operator", None))
        pages = Pages()
        stops = pages.paginate_queryset(
            look.open_stops(operator, look.Wanted(**asked), clock.now()), request, view=self
        )
        terms = agreements.snapshot(operator, companies.today_at(operator, clock.now()))
        offers = look.offers(operator, stops or [], rules.current(), terms=terms)
        return pages.get_paginated_response(OfferOut(offers, many=True).data)


class Vehicles(APIView):
    """Your vehicles in service."""

    permission_classes = [IsAuthenticated]

    @extend_schema(operation_id="operator_vehicles", parameters=[OfWhich], responses={200: VehicleList})
    def get(self, request: Request) -> Response:
        """By name. `?operator=` chooses the company."""
        which = OfWhich(data=request.query_params)
        which.is_valid(raise_exception=True)
        operator = office_of(request, which.validated_data.get("operator"))
        vehicles = operator.vehicles.filter(active=True).order_by("name", "id")
        return Response({"results": VehicleOut(vehicles, many=True).data})


class Drivers(APIView):
    """Who may drive for you."""

    permission_classes = [IsAuthenticated]

    @extend_schema(operation_id="operator_drivers", parameters=[OfWhich], responses={200: DriverList})
    def get(self, request: Request) -> Response:
        """By name. `?operator=` chooses the company."""
        which = OfWhich(data=request.query_params)
        which.is_valid(raise_exception=True)
        operator = office_of(request, which.validated_data.get("operator"))
        return Response({"results": DriverOut(companies.drivers(operator), many=True).data})


class TripRuns(APIView):
    """Committing a vehicle and a driver to a trip."""

    permission_classes = [IsAuthenticated]

    @extend_schema(operation_id="trip_commit", request=RunIn, responses={201: RunOut})
    @repeatable
    def post(self, request: Request, code: str) -> Response:
        """Owners and dispatchers. The same commitment once more is answered with the run that is there."""
        given = RunIn(data=request.data)
        given.is_valid(raise_exception=True)
        operator = office_of(request, given.validated_data.get("operator"))
        trip = get_object_or_404(Trip, code=code)
        run = runs.commit(
            trip_id=trip.id,
            operator_id=operator.id,
            vehicle_id=given.validated_data["vehicle"],
            driver_id=given.validated_data["driver"],
            now=clock.now(),
            by=User.asking(request),
        )
        return Response(RunOut(run).data, status=201)


class Withdraw(APIView):
    """Giving a trip back before it is confirmed."""

    permission_classes = [IsAuthenticated]

    @extend_schema(operation_id="run_withdraw", request=WithdrawIn, responses={200: RunOut})
    @repeatable
    def post(self, request: Request, code: str) -> Response:
        """Owners and dispatchers. Twice is once."""
        given = WithdrawIn(data=request.data)
        given.is_valid(raise_exception=True)
        run = run_of(request, code)
        runs.withdraw(
            run_id=run.id,
            why=given.validated_data.get("why", ""),
            now=clock.now(),
            by=User.asking(request),
        )
        return Response(RunOut(run_of(request, code)).data)
