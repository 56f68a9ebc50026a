"""Who sits on the seats: names and needs as they are kept."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from rally.errors import BadInput
from trips.errors import TooManySeats
from trips.states import Need

NAME_LENGTH = 80


@dataclass(frozen=True)
class Passenger:
    """Who sits on a seat. `seat` is the id of a seat that is kept, None for a new one."""

    name: str
    needs: tuple[str, ...] = ()
    seat: Any = None


def clean_name(typed: str) -> str:
    """A passenger's name as it is kept: any script and emoji, no control characters, single spaces.

    Raises `BadInput` when nothing is left, or more than 80 characters are.
    """
    # Other format characters shape letters (joiners) or emoji; these turn the direction of the text around them.
    turning = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
    kept = "".join(
        " " if character.isspace() else character
        for character in typed
        if character.isspace()
        or (unicodedata.category(character) not in {"Cc", "Cs", "Cn"} and character not in turning)
    )
    name = unicodedata.normalize("NFC", " ".join(kept.split()))
    if not any(unicodedata.category(character)[0] in "LNSP" for character in name):
        raise BadInput(_("Each seat needs a name."), field="passengers")
    if len(name) > NAME_LENGTH:
        raise BadInput(
            _("A name has at most %(most)s characters.") % {"most": NAME_LENGTH}, field="passengers"
        )
    return name


def checked(passengers: Sequence[Passenger], most: int) -> list[Passenger]:
    """The list with names and needs as they are kept. Raises `BadInput`, and `TooManySeats` above `most`."""
    if not passengers:
        raise BadInput(_("Name at least one passenger."), field="passengers")
    if len(passengers) > most:
        raise TooManySeats(most=most)
    known = set(Need.values)
    people = []
    for passenger in passengers:
        if not set(passenger.needs) <= known:
            raise BadInput(_("We do not know this need."), field="passengers")
        needs = tuple(dict.fromkeys(passenger.needs))
        people.append(Passenger(clean_name(passenger.name), needs, passenger.seat))
    return people
