"""Addresses of the trips API."""

from django.urls import path

urlpatterns: list = []
