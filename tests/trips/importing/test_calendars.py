"""Schedules as calendars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from trips.importing import calendars
from trips.importing.rows import BadFile, FoundEvent, FoundVenue, Schedule, Venues

LAMBEAU = FoundVenue("Lambeau Field", "Green Bay", "Wisconsin", 44.501389, -88.062222, "America/Chicago")
KNOWN = Venues([LAMBEAU])


def calendar(*events: str) -> str:
    body = "".join(f"BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\n" for event in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//League//EN\r\n{body}END:VCALENDAR\r\n"


def vevent(**props: str | None) -> str:
    """An event with a good answer to everything; `None` leaves one out; keys may carry parameters."""
    given = {
        "UID": "g1@league.example",
        "SUMMARY": "Buffalo Bills at Green Bay Packers",
        "LOCATION": "Lambeau Field",
        "DTSTART": ":20261213T180000Z",
        **props,
    }
    lines = [
        f"{name}{value if value[0] in ':;' else ':' + value}"
        for name, value in given.items()
        if value is not None
    ]
    return "\r\n".join(lines)


def read(*events: str) -> Schedule:
    return calendars.read(calendar(*events), KNOWN)


def one(**props: str | None) -> FoundEvent:
    found = read(vevent(**props))
    assert found.problems == []
    return found.events[0]


def problem(**props: str | None) -> str:
    found = read(vevent(**props))
    assert found.events == []
    return str(found.problems[0])


def test_an_event_in_utc() -> None:
    event = one()
    assert event == FoundEvent(
        number="g1@league.example",
        name="Buffalo Bills at Green Bay Packers",
        home="Green Bay Packers",
        away="Buffalo Bills",
        starts_at=datetime(2026, 12, 13, 18, 0, tzinfo=UTC),
        ends_at=None,
        venue=LAMBEAU,
        cancelled=False,
        line=4,
    )
    assert calendars.looks_like_one(calendar(vevent()))


@pytest.mark.parametrize(
    "written",
    [
        ";TZID=America/New_York:20261213T130000",
        ";TZID=Eastern Standard Time:20261213T130000",
        ":20261213T120000",
    ],
    ids=["zone", "zone by the name Windows gives it", "the clock of the venue"],
)
def test_local_times_become_moments(written: str) -> None:
    assert one(DTSTART=written).starts_at == datetime(2026, 12, 13, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("summary", "name"),
    [
        ("Bills @ Packers", "Bills at Packers"),
        ("Packers vs Bills", "Bills at Packers"),
        ("Packers vs. Bills", "Bills at Packers"),
        ("Packers v Bills", "Bills at Packers"),
        ("🏈 Bills at Packers (Week 14)", "Bills at Packers"),
        ("Packers vs Bills at Lambeau Field", "Bills at Packers"),
    ],
)
def test_both_ways_to_write_a_game(summary: str, name: str) -> None:
    event = one(SUMMARY=summary)
    assert (event.name, event.home, event.away) == (name, "Packers", "Bills")


def test_what_is_no_game_has_a_name_alone() -> None:
    event = one(SUMMARY="Winter Carnival")
    assert (event.name, event.home, event.away) == ("Winter Carnival", "", "")


def test_a_cancelled_event_says_so() -> None:
    assert one(STATUS="CANCELLED").cancelled


def test_the_place_may_have_its_address() -> None:
    assert one(LOCATION="Lambeau Field\\, 1265 Lombardi Avenue\\, Green Bay").venue == LAMBEAU


def test_the_end_is_taken_if_told() -> None:
    assert one(DTEND=":20261213T213000Z").ends_at == datetime(2026, 12, 13, 21, 30, tzinfo=UTC)
    assert one(DURATION="PT3H").ends_at == datetime(2026, 12, 13, 21, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("props", "says"),
    [
        (
            {"DTSTART": ";TZID=America/Chicago:20270314T023000"},
            "does not exist: clocks are put forward over it",
        ),
        ({"DTSTART": ";TZID=America/Chicago:20261101T013000"}, "happens twice: clocks are put back over it"),
        ({"DTSTART": ":20270314T023000"}, "14/03/2027 02:30 in America/Chicago does not exist"),
        ({"DTSTART": ";TZID=Middle/Earth:20261213T180000"}, "“Middle/Earth” is no time zone"),
        ({"DTSTART": ";VALUE=DATE:20261213"}, "DTSTART has a date but no time yet"),
        ({"DTSTART": ":20261399T180000Z"}, "DTSTART cannot be read (“20261399T180000Z”)"),
        ({"DURATION": ":soon"}, "DURATION cannot be read (“soon”)"),
        ({"DTSTART": None}, "the start (DTSTART) is missing"),
        ({"DTSTART": ":19261213T180000Z"}, "the year 1926 cannot be right"),
        ({"DTEND": ":20261213T170000Z"}, "it does not end within a day after its start"),
        ({"DTEND": ":20261215T180000Z"}, "it does not end within a day after its start"),
        ({"DURATION": ":P9999999D"}, "it does not end within a day after its start"),
        ({"UID": None}, "the UID is missing"),
        ({"UID": "x" * 201}, "the UID has more than 200"),
        ({"SUMMARY": None}, "the name (SUMMARY) is missing"),
        ({"SUMMARY": "🏈"}, "the name (SUMMARY) is missing"),
        ({"SUMMARY": "x" * 161}, "the name has more than 160"),
        ({"SUMMARY": "at Packers"}, "the away team is missing"),
        ({"SUMMARY": "Packers vs "}, "the away team is missing"),
        ({"SUMMARY": "Packers at Packers"}, "cannot play itself"),
        ({"LOCATION": "Lambo Field"}, "did you mean “Lambeau Field”?"),
        ({"LOCATION": None}, "the venue is missing"),
        ({"RRULE": "FREQ=WEEKLY"}, "it repeats"),
        ({"DTSTART": ";VALUE=TIME:180000"}, "DTSTART is no date with a time"),
        ({"DTEND": ";VALUE=PERIOD:20261213T180000Z/PT3H"}, "DTEND is no date with a time"),
        ({"DURATION": ";VALUE=DATE:20261213"}, "DURATION is no length of time"),
        ({"DTSTART": ";TZID=Asia/Tokyo:00010101T000000"}, "in Asia/Tokyo is no date that we can use"),
        ({"DTSTART": ":99991231T235959"}, "in America/Chicago is no date that we can use"),
    ],
)
def test_a_bad_event_is_named_with_its_line(props: dict[str, str | None], says: str) -> None:
    said = problem(**props)
    assert said.startswith("line 4: ")
    assert says in said


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("UID", "g2@league.example"),
        ("SUMMARY", "Winter Carnival"),
        ("LOCATION", "Lambeau Field"),
        ("STATUS", "CONFIRMED"),
        ("DTSTART", "20261214T180000Z"),
        ("DTEND", "20261214T180000Z"),
        ("DURATION", "PT2H"),
    ],
)
def test_what_is_said_twice_is_not_guessed(name: str, second: str) -> None:
    first = {"STATUS": "CANCELLED", "DTEND": "20261213T210000Z", "DURATION": "PT3H"}.get(name)
    event = vevent(**({name: first} if first else {})) + f"\r\n{name}:{second}"
    found = read(event)
    assert found.events == []
    assert str(found.problems[0]) == f"line 4: {name} stands there more than once"


def test_one_uid_twice() -> None:
    found = read(vevent(), vevent())
    assert len(found.events) == 1
    assert str(found.problems[0]) == "line 10: the UID g1@league.example stands on line 4 already"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (calendar(), "holds no events"),
        ("BEGIN:VCALENDAR\r\nnonsense\r\n", "cannot be read: .*nonsense"),
        ("BEGIN:VCALENDAR\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "cannot be read: END encountered"),
        (calendar(vevent()).removesuffix("END:VCALENDAR\r\n"), "cannot be read: its end is missing"),
        ("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "it breaks off in the event that begins on line 2"),
    ],
)
def test_what_is_no_calendar_is_refused_as_a_whole(text: str, says: str) -> None:
    with pytest.raises(BadFile, match=says):
        calendars.read(text, KNOWN)


@pytest.mark.parametrize(
    "zone", ["America", "/usr/share/zoneinfo/America", "America/", "x" * 300, "../../etc"]
)
def test_a_zone_that_is_none_spoils_its_event_alone(zone: str) -> None:
    found = read(
        vevent(),
        vevent(UID="g2@league.example", DTSTART=f";TZID={zone}:20261213T180000"),
        vevent(UID="g3@league.example", DTEND=f';TZID="{zone}":20261213T180000'),
        vevent(UID="g4@league.example"),
    )
    assert [event.number for event in found.events] == ["g1@league.example", "g4@league.example"]
    assert [str(one) for one in found.problems] == [
        f"line {line}: “{zone[:60]}” is no time zone, such as America/Chicago" for line in (10, 16)
    ]


def test_a_zone_that_the_calendar_defines_itself() -> None:
    defined = (
        "BEGIN:VTIMEZONE\r\nTZID:Stadium\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:-0600\r\n"
        "TZOFFSETTO:-0600\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    )
    text = calendar(vevent(DTSTART=";TZID=Stadium:20261213T120000")).replace(
        "BEGIN:VEVENT", f"{defined}BEGIN:VEVENT"
    )

    (event,) = calendars.read(text, KNOWN).events

    assert (event.starts_at, event.line) == (datetime(2026, 12, 13, 18, 0, tzinfo=UTC), 12)


def test_an_event_that_cannot_be_read_spoils_no_other() -> None:
    found = read("BEGIN:VALARM\r\nEND:VTODO\r\nEND:VJOURNAL", vevent())
    assert len(found.events) == 1
    assert str(found.problems[0]).startswith("line 4: cannot be read")


def test_an_end_of_time() -> None:
    assert "cannot be right" in problem(DTSTART=":99991231T235959Z")
    assert one(DTEND=":20261213T210000Z").ends_at == one().starts_at + timedelta(hours=3)
