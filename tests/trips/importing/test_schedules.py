"""Schedules as tables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from trips.importing import files, schedules, venues
from trips.importing.rows import BadFile, FoundVenue, Schedule, Venues

DATA = Path(__file__).resolve().parents[3] / "trips" / "data"
LAMBEAU = FoundVenue("Lambeau Field", "Green Bay", "Wisconsin", 44.501389, -88.062222, "America/Chicago")
FORD = FoundVenue("Ford Field", "Detroit", "Michigan", 42.34, -83.04, "America/Detroit")
KNOWN = Venues([LAMBEAU, FORD])
HEAD = "Match Number,Round Number,Date,Location,Home Team,Away Team\n"


def read(text: str, known: Venues = KNOWN) -> Schedule:
    return schedules.read(text, known)


def problems(*rows: str) -> list[str]:
    return [str(problem) for problem in read(HEAD + "\n".join(rows)).problems]


def test_the_shipped_schedule_has_no_bad_row() -> None:
    known = venues.read(files.read_text(DATA / "nfl-venues.csv"))
    found = read(files.read_text(DATA / "nfl-2026-late-season.csv"), known)
    assert (len(known.known), known.problems) == (30, [])
    assert (len(found.events), found.problems) == (85, [])
    last = found.events[-1]
    assert last.name == "Houston Texans at Green Bay Packers"
    assert last.starts_at == datetime(2027, 1, 5, 1, 15, tzinfo=UTC)
    assert (last.number, last.venue.city, last.line, last.cancelled) == ("252", "Green Bay", 86, False)


def test_a_leagues_other_file() -> None:
    """Other order, case, extra columns, mark, CRLF, quotes, empty lines, semicolons."""
    text = (
        "﻿GROUP;away team;HOME TEAM; Location ;Date;match_number;Result\r\n"
        "\r\n"
        'NFC;"Bills; Buffalo";Packers;"LAMBEAU  field";13/12/2026 18:00;7;\r\n'
        ";;;;;;\r\n"
        "AFC;Lions;Bears;Ford Field, Detroit;2026-12-14T01:15:00-05:00;8;24 - 7\r\n"
    ).removeprefix("\ufeff")
    found = read(text)
    assert found.problems == []
    first, second = found.events
    assert (first.away, first.home, first.venue, first.line) == ("Bills; Buffalo", "Packers", LAMBEAU, 3)
    assert second.starts_at == datetime(2026, 12, 14, 6, 15, tzinfo=UTC)
    assert second.venue == FORD


def test_a_date_and_a_time_may_stand_apart() -> None:
    found = read("No,Date,Time,Venue,Home,Away\n1,13/12/2026,18:30,Ford Field,Lions,Bears\n")
    assert found.events[0].starts_at == datetime(2026, 12, 13, 18, 30, tzinfo=UTC)


GOOD = "1,1,13/12/2026 18:00,Lambeau Field,Packers,Bills"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            "2,1,13/12/2026 18:00,Lambau Feild,Packers,Bills",
            "unknown venue “Lambau Feild”; did you mean “Lambeau Field”?",
        ),
        ("2,1,13/12/2026 18:00,Camp Nou,Packers,Bills", "unknown venue “Camp Nou”"),
        ("2,1,13/12/2026 18:00,,Packers,Bills", "the venue is missing"),
        ("2,1,31/02/2026 18:00,Ford Field,Packers,Bills", "there is no date “31/02/2026 18:00”"),
        ("2,1,12/25/2026 18:00,Ford Field,Packers,Bills", "there is no date “12/25/2026 18:00”"),
        ("2,1,13/12/2026 24:30,Ford Field,Packers,Bills", "there is no date “13/12/2026 24:30”"),
        ("2,1,13/12/2026,Ford Field,Packers,Bills", "is no date with a time"),
        ("2,1,TBD,Ford Field,Packers,Bills", "“TBD” is no date with a time"),
        ("2,1,,Ford Field,Packers,Bills", "the date is missing"),
        ("2,1,13/12/1926 18:00,Ford Field,Packers,Bills", "the year 1926 cannot be right"),
        ("2,1,9999-12-31 23:59-10:00,Ford Field,Packers,Bills", "there is no date"),
        ("2,1,13/12/2026 18:00,Ford Field,,Bills", "the home team is missing"),
        ("2,1,13/12/2026 18:00,Ford Field,Packers,", "the away team is missing"),
        ("2,1,13/12/2026 18:00,Ford Field,Packers", "the away team is missing"),
        ("2,1,13/12/2026 18:00,Ford Field,Packers,TBD", "the away team is not known yet"),
        ("2,1,13/12/2026 18:00,Ford Field,Packers,--", "the away team is not known yet"),
        ("2,1,13/12/2026 18:00,Ford Field,Packers,PACKERS", "“Packers” cannot play itself"),
        (f"2,1,13/12/2026 18:00,Ford Field,Packers,{'x' * 79}", "the away team has more than 78 characters"),
        (",1,13/12/2026 18:00,Ford Field,Packers,Bills", "the match number is missing"),
        (f"{'9' * 201},1,13/12/2026 18:00,Ford Field,Packers,Bills", "the match number has more than 200"),
        ("1,1,13/12/2026 18:00,Ford Field,Packers,Bills", "number 1 stands on line 2 already"),
    ],
)
def test_a_bad_row_is_named_with_its_line(row: str, says: str) -> None:
    (problem,) = problems(GOOD, row)
    assert problem.startswith("line 3: ")
    assert says in problem


def test_good_rows_are_kept() -> None:
    found = read(
        HEAD
        + f"{GOOD}\n2,1,31/02/2026 18:00,Ford Field,Packers,Bills\n3,1,1/1/2027 9:05,Ford Field,Lions,Bears\n"
    )
    assert [event.number for event in found.events] == ["1", "3"]
    assert len(found.problems) == 1


def test_two_venues_of_a_name_need_their_city() -> None:
    twins = Venues([FORD, FoundVenue("Ford Field", "Dearborn", "Michigan", 42.3, -83.2, "America/Detroit")])
    found = read(
        HEAD + "1,1,13/12/2026 18:00,Ford Field,A,B\n2,1,13/12/2026 18:00,Ford Field Dearborn,A,B\n", twins
    )
    assert str(found.problems[0]) == (
        "line 2: there are venues named “Ford Field” in Detroit and Dearborn; write the city too"
    )
    assert found.events[0].venue.city == "Dearborn"


def test_a_quoted_cell_over_two_lines_does_not_shift_the_count() -> None:
    found = read(HEAD + '1,1,13/12/2026 18:00,Ford Field,"Detroit\nLions",Bears\n2,1,x,Ford Field,A,B\n')
    assert found.events[0].home == "Detroit Lions"
    assert found.problems[0].line == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "Match Number,Date,Location,Home Team\n1,2,3,4\n",
            "line 1: no column “Away Team”; the columns here are: Match",
        ),
        ("hello world\n", "no column “Match Number”"),
        (HEAD + '1,1,13/12/2026 18:00,"Ford Field,A,B\n', "line 2: the table breaks off here"),
        (HEAD + "1,1,13/12/2026 18:00," + "x" * 140_000 + ",A,B\n", "line 2: the table breaks off here"),
    ],
)
def test_what_is_no_schedule_is_refused_as_a_whole(text: str, says: str) -> None:
    with pytest.raises(BadFile) as problem:
        read(text)
    assert says in str(problem.value)


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_ROWS", 1)
    with pytest.raises(BadFile, match="line 3: more than 1 rows"):
        read(HEAD + GOOD + "\n" + GOOD)
