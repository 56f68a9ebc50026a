"""Addresses of money."""

from django.urls import path

from payments import webhooks

app_name = "payments"
urlpatterns = [path("webhook/", webhooks.receive, name="webhook")]
