"""Start-up of the trips app."""

from django.apps import AppConfig


class TripsConfig(AppConfig):
    """The side of demand."""

    name = "trips"

    def ready(self) -> None:
        """Listen to the news of lower apps."""
        from trips import receivers  # noqa: F401
