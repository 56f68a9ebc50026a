"""Refusals: how the business says no. A refusal is an answer with a code, not a fault."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _


class Refusal(Exception):
    """The business says no, in words for people (`message`) and for programs (`code`).

    Pages show it beside the form; the API answers 409 with `code` and `message`. Subclasses set `code` and
    `text`; `text` may hold `%(name)s` places filled by the keyword arguments, which are kept as `facts`.
    `field` names the input it is about, if there is one; `hints` tell programs what they can do instead.
    """

    code = "refused"
    text: Any = _("That is not possible.")
    field: str | None = None
    hints: ClassVar[dict[str, Any]] = {}

    def __init__(self, field: str | None = None, **facts: Any) -> None:
        super().__init__(self.code)
        self.facts = facts
        if field is not None:
            self.field = field

    @property
    def message(self) -> str:
        """The sentence to show."""
        return str(self.text) % self.facts if self.facts else str(self.text)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class NotAllowed(Refusal):
    """The person may see it but may not do this (API: 403)."""

    code = "not_allowed"
    text = _("You may not do this.")


class BadInput(Refusal):
    """What was given does not make sense in itself (API: 400, naming the field)."""

    code = "bad_input"
    text = _("%(why)s")

    def __init__(self, why: Any, field: str | None = None) -> None:
        super().__init__(field=field, why=why)
