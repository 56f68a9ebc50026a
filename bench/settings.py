"""Production settings with the floor's bare views added, on a database of the bench's own."""

from rally.settings import *  # noqa: F403
from rally.settings import INSTALLED_APPS as _APPS
from rally.settings import REST_FRAMEWORK as _REST

INSTALLED_APPS = [*_APPS, "bench"]
ROOT_URLCONF = "bench.urls"
# The load comes from one address; the limits themselves stay in place, only higher.
REST_FRAMEWORK = {
    **_REST,
    "DEFAULT_THROTTLE_RATES": dict.fromkeys(_REST["DEFAULT_THROTTLE_RATES"], "10000000/min"),
}
