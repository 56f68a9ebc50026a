"""Addresses of the operators API."""

from django.urls import path

from operators.api import running, supply

urlpatterns = [
    path("operator/board", supply.Board.as_view(), name="api-operator-board"),
    path("operator/vehicles", supply.Vehicles.as_view(), name="api-operator-vehicles"),
    path("operator/drivers", supply.Drivers.as_view(), name="api-operator-drivers"),
    path("trips/<slug:code>/runs", supply.TripRuns.as_view(), name="api-trip-runs"),
    path("runs/<slug:code>", running.RunDetail.as_view(), name="api-run"),
    path("runs/<slug:code>/withdraw", supply.Withdraw.as_view(), name="api-run-withdraw"),
    path("runs/<slug:code>/manifest", running.RunManifest.as_view(), name="api-run-manifest"),
    path("runs/<slug:code>/boardings", running.Boardings.as_view(), name="api-run-boardings"),
    path("runs/<slug:code>/start", running.Start.as_view(), name="api-run-start"),
    path("runs/<slug:code>/arrive", running.Arrive.as_view(), name="api-run-arrive"),
    path("runs/<slug:code>/return", running.Return.as_view(), name="api-run-return"),
    path("runs/<slug:code>/complete", running.Complete.as_view(), name="api-run-complete"),
]
