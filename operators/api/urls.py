"""Addresses of the operators API."""

from django.urls import path

from operators.api import running, supply

urlpatterns = [
    path("operator/board", supply.Board.as_view(), name="api-operator-board"),
    path("operator/vehicles", supply.Vehicles.as_view(), name="api-operator-vehicles"),
    path("operator/drivers", supply.Drivers.as_view(), name="api-operator-drivers"),
    path("trips/<str:code>/runs", supply.TripRuns.as_view(), name="api-trip-runs"),
    path("runs/<str:code>", running.RunDetail.as_view(), name="api-run"),
    path("runs/<str:code>/withdraw", supply.Withdraw.as_view(), name="api-run-withdraw"),
    path("runs/<str:code>/manifest", running.RunManifest.as_view(), name="api-run-manifest"),
    path("runs/<str:code>/boardings", running.Boardings.as_view(), name="api-run-boardings"),
    path("runs/<str:code>/start", running.Start.as_view(), name="api-run-start"),
    path("runs/<str:code>/arrive", running.Arrive.as_view(), name="api-run-arrive"),
    path("runs/<str:code>/return", running.Return.as_view(), name="api-run-return"),
    path("runs/<str:code>/complete", running.Complete.as_view(), name="api-run-complete"),
]
