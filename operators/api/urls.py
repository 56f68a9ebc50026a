"""Addresses of the operators API."""

from django.urls import path

urlpatterns: list = []
