"""What the staff screens of all apps share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from rally import audit, clock
from rally.models import User


class ReadOnly:
    """Rows to look at, beside `ModelAdmin` or an inline: they are added, changed and deleted by actions alone."""

    def has_add_permission(self, *_args: Any) -> bool:
        """Nobody adds by hand."""
        return False

    def has_change_permission(self, *_args: Any) -> bool:
        """Nobody changes by hand."""
        return False

    def has_delete_permission(self, *_args: Any) -> bool:
        """Nobody deletes by hand."""
        return False


class Audited(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Rows that staff change in a form: a change of what gives power or money leaves a line in the audit trail."""

    #: What a line says that was done, such as `person.change`.
    audited_as: ClassVar[str]
    #: The fields that are written down. For one that holds many rows: which column of theirs tells them, no names of people.
    audited: ClassVar[Mapping[str, str]]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """In the transaction of the save, which Django's view opens."""
        super().save_related(request, form, formsets, change)
        facts: dict[str, Any] = {
            name: sorted(str(getattr(row, told)) for row in form.cleaned_data[name])
            if told
            else form.cleaned_data[name]
            for name, told in self.audited.items()
            if name in form.changed_data
        }
        if facts:
            audit.note(
                by=User.asking(request),
                what=self.audited_as,
                subject=f"{self.opts.model_name}:{form.instance.pk}",
                now=clock.now(),
                **facts,
            )
