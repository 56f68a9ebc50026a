"""Addresses for drivers."""

from django.urls import path

app_name = "driving"
urlpatterns: list = []
