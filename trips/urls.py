"""Addresses of demand."""

from django.urls import path

app_name = "trips"
urlpatterns: list = []
