"""Several small forms of one kind below each other: as many as were sent, with room for some more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from django import forms

#: A form never grows beyond this many lines, whatever is sent; the rules of trips and riders are lower.
MOST_LINES = 20

Line = TypeVar("Line", bound=forms.Form)


class Lines(Generic[Line]):
    """The lines in order, each named by `letter` and its number; the field `counted_by` says how many were sent."""

    kind: type[Line]
    letter: ClassVar[str]
    counted_by: ClassVar[str]

    def __init__(
        self, data: Mapping[str, Any] | None, *, most: int, initial: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.most = most
        self.forms: list[Line] = (
            [self.kind(prefix=self._name(n), initial=dict(given)) for n, given in enumerate(initial or [{}])]
            if data is None
            else [self.kind(data, prefix=self._name(n)) for n in range(self._sent(data))]
        )

    def is_valid(self) -> bool:
        """Every line is; all of them are looked at."""
        return not [form for form in self.forms if not form.is_valid()]

    @property
    def may_add(self) -> bool:
        """Whether another line fits."""
        return len(self.forms) < self.most

    def _name(self, number: int) -> str:
        return f"{self.letter}{number}"

    def _sent(self, data: Mapping[str, Any]) -> int:
        try:
            return max(1, min(MOST_LINES, int(data.get(self.counted_by, "1"))))
        except (TypeError, ValueError):
            return 1
