"""`manage.py prove_money`: the stories of `rally.proof` on servers of their own, never on those of the demo."""

import os
import signal
import subprocess
import sys

from rally.launcher import processes, servers
from rally.launcher.testing import PROJECT, own_folder


def run(argv: list[str]) -> int:
    """Run Django's command of the same name with `argv`; its exit status."""
    state = own_folder(servers.state_folder(), "proof")
    lease = servers.start(state, mode="test")
    env = {
        **os.environ,
        **lease.addresses.environment(),
        "RALLY_MODE": "test",
        "RALLY_STATE_DIR": str(state),
        "DJANGO_SETTINGS_MODULE": "rally.settings",
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",  # the same seed is the same story, down to the order in sets
    }
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "django", "prove_money", *argv],
            cwd=PROJECT,
            env=env,
            preexec_fn=processes.dying_with_us(signal.SIGTERM),  # noqa: PLW1509 - we have one thread
        )
        try:
            return child.wait()
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait(10)
    finally:
        lease.stop()
