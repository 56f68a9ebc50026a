"""Files of venues."""

from __future__ import annotations

import pytest

from trips.importing import venues
from trips.importing.rows import FoundVenue, merged

HEAD = "name,city,state,latitude,longitude,time_zone,capacity\n"


def test_a_venue() -> None:
    found = venues.read(HEAD + "Lambeau Field,Green Bay,Wisconsin,44.5,-88.06,America/Chicago,81441\n")
    assert found.problems == []
    assert found.known == [
        FoundVenue("Lambeau Field", "Green Bay", "Wisconsin", 44.5, -88.06, "America/Chicago", 81_441)
    ]


def test_other_headings_and_no_capacity() -> None:
    found = venues.read("Stadium,Town,Lat,Lng,Timezone\nSan Siro,Milano,45.478,9.124,Europe/Rome\n")
    assert found.known == [FoundVenue("San Siro", "Milano", "", 45.478, 9.124, "Europe/Rome", None)]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (",Green Bay,WI,44.5,-88.06,America/Chicago,", "the name is missing"),
        ("Lambeau Field,,WI,44.5,-88.06,America/Chicago,", "the city is missing"),
        ("Lambeau Field,Green Bay,WI,,-88.06,America/Chicago,", "the latitude is missing"),
        ("Lambeau Field,Green Bay,WI,north,-88.06,America/Chicago,", "the latitude “north” is no number"),
        ("Lambeau Field,Green Bay,WI,144.5,-88.06,America/Chicago,", "is not on the earth"),
        ("Lambeau Field,Green Bay,WI,44.5,nan,America/Chicago,", "is not on the earth"),
        ("Lambeau Field,Green Bay,WI,44.5,-88.06,,", "the time zone is missing"),
        ("Lambeau Field,Green Bay,WI,44.5,-88.06,Chicago,", "“Chicago” is no time zone"),
        ("Lambeau Field,Green Bay,WI,44.5,-88.06,../etc/passwd,", "is no time zone"),
        ("Lambeau Field,Green Bay,WI,44.5,-88.06,America,", "is no time zone"),
        (
            "Lambeau Field,Green Bay,WI,44.5,-88.06,America/Chicago,-5",
            "the capacity “-5” is no number of seats",
        ),
        ("Lambeau Field,Green Bay,WI,44.5,-88.06,America/Chicago,99999999", "is no number of seats"),
        (f"{'x' * 121},Green Bay,WI,44.5,-88.06,America/Chicago,", "the name has more than 120 characters"),
        ("ford FIELD,Detroit,MI,42,-83,America/Detroit,", "“ford FIELD” in Detroit stands on line 2 already"),
    ],
)
def test_a_bad_row_is_named_with_its_line(row: str, says: str) -> None:
    found = venues.read(HEAD + "Ford Field,Detroit,MI,42,-83,America/Detroit,\n" + row + "\n")
    (problem,) = found.problems
    assert problem.line == 3
    assert says in problem.reason
    assert len(found.known) == 1


def test_a_file_of_its_own_wins_over_what_we_had() -> None:
    ours = FoundVenue("Ford Field", "Detroit", "MI", 42.0, -83.0, "America/Detroit", 65_000)
    theirs = FoundVenue("Ford  field", "Detroit", "MI", 42.34, -83.04, "America/Detroit")
    assert merged([theirs], [ours]) == [theirs]
