"""Start-up of the ground and roof."""

from django.apps import AppConfig


class RallyConfig(AppConfig):
    """The kernel and the shell."""

    name = "rally"

    def ready(self) -> None:
        """Bind tasks to our Celery application, and hear who proves an address, in every process."""
        from rally import accounts, celery  # noqa: F401
