"""Start-up of the operators app."""

from django.apps import AppConfig


class OperatorsConfig(AppConfig):
    """The side of supply."""

    name = "operators"

    def ready(self) -> None:
        """Listen to the news of lower apps."""
        from operators import receivers  # noqa: F401
