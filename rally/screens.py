"""What the staff screens of all apps share."""

from __future__ import annotations

from typing import Any


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
