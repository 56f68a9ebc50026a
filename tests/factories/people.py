"""People to test with."""

from __future__ import annotations

from typing import Any

from rally.models import User


def person(name: str, **fields: Any) -> User:
    """A new account `<name>@test.example` with the password `ride-together`; its address is proven."""
    address = f"{name}@test.example"
    known = {"name": name.capitalize(), "proven_address": address}
    return User.objects.create_user(address, "ride-together", **{**known, **fields})


def proven(user: User) -> User:
    """This account, after its owner has shown that the address is theirs."""
    User.objects.filter(pk=user.pk).update(proven_address=user.email)
    return User.objects.get(pk=user.pk)
