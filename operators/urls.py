"""Addresses of supply."""

from django.urls import path

app_name = "operators"
urlpatterns: list = []
