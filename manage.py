#!/usr/bin/env python3
"""The one door to every command of Rally: demo, test, servers and Django's own."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    python = HERE / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix) != HERE / ".venv":
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.execv(python, [str(python), str(HERE / "manage.py"), *sys.argv[1:]])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rally.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
