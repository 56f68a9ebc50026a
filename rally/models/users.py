"""People: one account for whoever rides, drives, dispatches, partners or works here."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from rally.ids import uuid7


class UserManager(BaseUserManager["User"]):
    """Accounts are found by e-mail address, whatever its case."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A new account. Without a password the person signs in by a code sent to the address."""
        if not email:
            raise ValueError("An account needs an e-mail address.")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """An account that may do everything in the admin. Whoever runs the server answers for its address."""
        fields = {"proven_address": email.strip().lower(), **fields}
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        """The account of this address."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractUser):
    """A person with an e-mail address. What they may do follows from what they are part of, not from a type."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=100, blank=True, help_text=_("As fellow riders see it."))
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    proven_address = models.EmailField(
        blank=True, editable=False, help_text="the address that its owner has shown to be theirs"
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    objects = UserManager()  # type: ignore[misc,assignment]

    class Meta:
        constraints = [
            models.CheckConstraint(name="user_email_lower", condition=models.Q(email=Lower("email")))
        ]

    def __str__(self) -> str:
        return self.name or "Rider"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Addresses are kept in lower case, so that equal ones are equal."""
        self.email = self.email.lower()
        super().save(*args, **kwargs)

    @classmethod
    def asking(cls, request: HttpRequest) -> User:
        """Who is signed in. For doorways that let nobody else in; should one forget to, it raises `PermissionDenied`."""
        if not isinstance(request.user, cls):
            raise PermissionDenied
        return request.user

    @property
    def is_proven(self) -> bool:
        """Whether whoever signs in has shown to read the mail of this address. Anybody can type anybody's address: what
        others send to an address is shown to proven accounts only.
        """
        return self.proven_address == self.email

    @property
    def short_name(self) -> str:
        """What strangers see: the first name, never the address."""
        return self.name.split(" ", 1)[0] if self.name else str(_("A rider"))

    def get_full_name(self) -> str:
        """The name as given."""
        return self.name

    def get_short_name(self) -> str:
        """The first name."""
        return self.short_name
