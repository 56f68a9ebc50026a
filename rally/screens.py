"""What the staff screens of all apps share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
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

    #: What a line calls the thing, such as `person`: `person.change`, `person.delete`.
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
            self._note(request, form.instance, "change", facts)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """In the transaction of the deletion, which Django's view opens."""
        self._note(request, obj, "delete", {})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """One by one, so that each is written down, and all or none."""
        with transaction.atomic():
            for row in queryset:
                self.delete_model(request, row)

    def _note(self, request: HttpRequest, row: Any, deed: str, facts: dict[str, Any]) -> None:
        audit.note(
            by=User.asking(request),
            what=f"{self.audited_as}.{deed}",
            subject=f"{self.opts.model_name}:{row.pk}",
            now=clock.now(),
            **facts,
        )
