"""Addresses for drivers."""

from django.urls import path

from operators.views import driving

app_name = "driving"
urlpatterns = [
    path("", driving.today, name="today"),
    path("<str:code>/", driving.run, name="run"),
    path("<str:code>/scan/", driving.scan, name="scan"),
    path("<str:code>/board/", driving.board, name="board"),
    path("<str:code>/unboard/", driving.unboard, name="unboard"),
    path("<str:code>/<slug:step>/", driving.step, name="step"),
]
