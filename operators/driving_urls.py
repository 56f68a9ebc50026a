"""Addresses for drivers."""

from django.urls import path

from operators.views import driving

app_name = "driving"
urlpatterns = [
    path("", driving.today, name="today"),
    path("<slug:code>/", driving.run, name="run"),
    path("<slug:code>/scan/", driving.scan, name="scan"),
    path("<slug:code>/board/", driving.board, name="board"),
    path("<slug:code>/unboard/", driving.unboard, name="unboard"),
    path("<slug:code>/<slug:step>/", driving.step, name="step"),
]
