"""People to test with."""

from __future__ import annotations

from typing import Any

from rally.models import User


def person(name: str, **fields: Any) -> User:
    """A new account `<name>@test.example` with the password `ride-together`."""
    return User.objects.create_user(
        f"{name}@test.example", "ride-together", **{"name": name.capitalize(), **fields}
    )
