"""Start-up of the payments app."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """The side of money."""

    name = "payments"
