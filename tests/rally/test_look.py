"""What pages show is exact: the coach, money, times, colours; and the parts say what they must."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django import forms
from django.template import engines
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from rally.coach import Look, plan
from rally.money import Money
from rally.templatetags import look

KICK_OFF = datetime(2026, 12, 14, 1, 20, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_november(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rally.clock.now", lambda: datetime(2026, 11, 21, 15, 0, tzinfo=UTC))


def looks(**numbers: int) -> list[Look]:
    return [seat.look for seat in plan(**numbers).seats]  # type: ignore[arg-type]


# The coach


def test_mine_sit_in_front_and_the_newest_last() -> None:
    assert looks(capacity=14, threshold=9, taken=5, mine=2, fresh=1) == [
        *[Look.MINE] * 2,
        *[Look.TAKEN] * 2,
        Look.FRESH,
        *[Look.EMPTY] * 9,
    ]


def test_a_threshold_inside_a_row_outlines_the_needed_seats() -> None:
    coach = plan(capacity=56, threshold=25, taken=18)
    assert [seat.number for seat in coach.seats if seat.look == Look.NEEDED] == list(range(19, 26))
    assert coach.mark_is_line is False


@pytest.mark.parametrize(("capacity", "threshold"), [(56, 28), (56, 56), (28, 12), (14, 9), (14, 14)])
def test_a_threshold_at_the_end_of_a_row_is_a_line(capacity: int, threshold: int) -> None:
    coach = plan(capacity=capacity, threshold=threshold, taken=3)
    last = coach.seats[threshold - 1]
    assert coach.mark_is_line is True
    assert Look.NEEDED not in {seat.look for seat in coach.seats}
    assert coach.mark_x > last.x
    assert all(seat.x > coach.mark_x for seat in coach.seats[threshold:])


@given(
    capacity=st.integers(1, 90),
    threshold=st.integers(-3, 95),
    taken=st.integers(-3, 95),
    mine=st.integers(-3, 95),
    fresh=st.integers(-3, 95),
)
def test_every_seat_is_drawn_once_inside_the_bus(
    capacity: int, threshold: int, taken: int, mine: int, fresh: int
) -> None:
    coach = plan(capacity=capacity, threshold=threshold, taken=taken, mine=mine, fresh=fresh)
    lit = [seat for seat in coach.seats if seat.look.startswith("on")]
    assert [seat.number for seat in coach.seats] == list(range(1, capacity + 1))
    assert len({(seat.x, seat.y) for seat in coach.seats}) == capacity
    assert len(lit) == max(0, min(taken, capacity))
    assert all(0 < seat.x < coach.length and 0 < seat.y < coach.width for seat in coach.seats)
    assert sum(len([seat for seat in line if seat]) for line in coach.rows()) == capacity


def test_a_bus_needs_seats() -> None:
    with pytest.raises(ValueError, match="seats"):
        plan(capacity=0, threshold=1, taken=0)


def test_a_van_has_three_seats_in_a_row() -> None:
    lines = plan(capacity=14, threshold=9, taken=0).rows()
    assert [[seat.number if seat else None for seat in line] for line in lines] == [
        [1, 4, 7, 10, 13],
        [2, 5, 8, 11, 14],
        [3, 6, 9, 12, None],
    ]


def test_the_drawing_reads_as_text() -> None:
    drawn = look.coach_of(56, 25, 18, mine=1, fresh=1, key="K7QM2P")
    assert "<title>18 of 25 seats needed</title>" in drawn
    assert 'role="img"' in drawn
    assert 'data-coach="K7QM2P" data-taken="18"' in drawn
    assert ">goes at 25</text>" in drawn
    assert "style=" not in drawn
    assert len(re.findall(r'class="seat [^"]*"', drawn)) == 56
    assert drawn.count('class="seat on mine"') == 1
    assert drawn.count('class="seat on fresh"') == 1
    assert drawn.count('class="seat on"') == 16
    assert drawn.count('class="seat need"') == 7


def test_a_card_is_drawn_in_a_few_paths() -> None:
    drawn = look.coach_of(56, 25, 18, size="card")
    assert drawn.count('class="seat ') == 3
    assert "<text" not in drawn
    assert len(drawn) < 5500


@pytest.mark.parametrize("state", ["confirmed", "under_way", "completed", "closed"])
def test_a_bus_that_goes_shows_no_mark(state: str) -> None:
    drawn = look.coach_of(56, 25, 41, state=state)
    assert "coach-going" in drawn
    assert "goes at" not in drawn
    assert 'class="mark' not in drawn
    assert look.coach_text(56, 25, 41, state) == "41 of 56 seats taken, and it goes"


@pytest.mark.parametrize(
    ("taken", "state", "words"),
    [
        (18, "gathering", "18 of 25 seats needed"),
        (25, "settling", "25 of 25 seats needed"),
        (27, "gathering", "27 seats taken, 25 needed"),
        (0, "lapsed", "Did not run: it needed 25 seats"),
        (0, "cancelled", "Did not run: it needed 25 seats"),
    ],
)
def test_the_coach_in_words(taken: int, state: str, words: str) -> None:
    assert look.coach_text(56, 25, taken, state) == words


def test_a_key_cannot_break_out() -> None:
    assert '"><script' not in look.coach_of(14, 9, 1, key='"><script>')


# Money, times, colours


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (Money(4200, "USD"), "$42"),
        (Money(4250, "USD"), "$42.50"),
        (Money(124_000_05, "USD"), "$124,000.05"),
        (Money(-300, "USD"), "-$3"),
        (SimpleNamespace(minor=900, currency="EUR"), "€9"),
        (4205, "$42.05"),
        (None, ""),
        ("", ""),
    ],
)
def test_money(amount: Any, shown: str) -> None:
    assert look.money(amount) == shown


def test_minor_units_with_their_currency() -> None:
    assert look.money(4200, "CAD") == "CA$42"


@pytest.mark.parametrize(
    "zone", ["America/Chicago", ZoneInfo("America/Chicago"), SimpleNamespace(time_zone="America/Chicago")]
)
def test_times_are_those_of_the_place(zone: Any) -> None:
    assert look.local_time(KICK_OFF, zone) == "Sunday 13 December, 19:20"
    assert look.local_time_zoned(KICK_OFF, zone) == "Sunday 13 December, 19:20 CST"
    assert look.local_day(KICK_OFF, zone) == "Sunday 13 December"
    assert look.local_short(KICK_OFF, zone) == "Sun 13 Dec, 19:20"
    assert look.local_clock(KICK_OFF, zone) == "19:20"
    assert look.local_weekday(KICK_OFF, zone) == "Sunday"
    assert str(look.local_date(KICK_OFF, zone)) == "2026-12-13"


def test_another_year_is_named() -> None:
    assert (
        look.local_time(KICK_OFF + timedelta(days=28), "America/New_York") == "Sunday 10 January 2027, 20:20"
    )


def test_a_zone_without_a_name_is_given_by_its_offset() -> None:
    assert look.local_time_zoned(KICK_OFF, "America/Sao_Paulo") == "Sunday 13 December, 22:20 UTC-03"


@pytest.mark.parametrize("shown", [look.local_time, look.local_time_zoned, look.local_day, look.local_short])
@pytest.mark.parametrize(
    ("moment", "zone"), [(None, "UTC"), (KICK_OFF.replace(tzinfo=None), "UTC"), (KICK_OFF, "Mars/Base")]
)
def test_what_is_no_time_shows_nothing(shown: Any, moment: Any, zone: str) -> None:
    assert shown(moment, zone) == ""


def test_a_time_is_for_machines_too() -> None:
    assert look.when(KICK_OFF, "America/Chicago", "clock") == (
        '<time datetime="2026-12-13T19:20:00-06:00">19:20</time>'
    )
    assert look.when(None, "America/Chicago") == ""


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (195, "3 h 15 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(seconds=59), "0 min"),
        (45, "45 min"),
        (timedelta(days=3, hours=5), "3 days"),
        (None, ""),
    ],
)
def test_durations(length: Any, shown: str) -> None:
    assert look.duration(length) == shown


def test_a_name_keeps_its_colour() -> None:
    assert look.hue("Packers – Bills") == look.hue("  packers –  BILLS ")
    assert {look.hue(f"event {number}") for number in range(500)} == set(range(look.HUES))


# The parts


@dataclass
class FakeTrip:
    """As much of a trip as the parts ask for."""

    code: str = "K7QM2P"
    state: str = "gathering"
    capacity: int = 56
    threshold: int = 25
    seats_pledged: int = 18
    seats_left: int = 38
    seats_to_go: int = 7
    has_bus: bool = False
    origin: str = "Milwaukee"
    currency: str = "USD"
    ladder: Any = ()
    locked_percent: int | None = None
    fares_closed_at: datetime | None = None
    decides_at: datetime = datetime(2026, 12, 6, 16, tzinfo=UTC)
    arrives_at: datetime = datetime(2026, 12, 13, 23, 50, tzinfo=UTC)
    leaves_at: datetime = datetime(2026, 12, 14, 5, 20, tzinfo=UTC)
    get_state_display: str = "Gathering riders"
    get_absolute_url: str = "/t/K7QM2P/"
    event: Any = field(
        default_factory=lambda: SimpleNamespace(
            short_title="Packers – Bills",
            name="Green Bay Packers – Buffalo Bills",
            starts_at=KICK_OFF,
            get_absolute_url="/events/x/",
            venue=SimpleNamespace(
                name="Lambeau Field", city="Green Bay", time_zone="America/Chicago", coach_stop="Lot 9"
            ),
        )
    )


def words(html: str) -> str:
    """The text of a fragment, as one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.mark.parametrize(
    ("state", "more", "expected"),
    [
        ("gathering", {}, "18 of 25 seats it takes to go 7 more by Sunday 6 December, and it runs"),
        ("gathering", {"seats_to_go": 0, "seats_pledged": 26}, "Enough riders. A bus company is next"),
        ("settling", {"seats_to_go": 0, "has_bus": True}, "it runs as soon as every card is held"),
        (
            "confirmed",
            {"seats_pledged": 55, "seats_left": 1},
            "It goes with 55 of 56 seats taken One seat left",
        ),
        ("completed", {"seats_pledged": 41}, "It ran with 41 of 56 seats taken"),
        ("lapsed", {"seats_pledged": 0}, "It did not run Nobody pays for it."),
        ("cancelled", {"seats_pledged": 0}, "Called off Nobody pays for it."),
    ],
)
def test_the_coach_in_its_panel(state: str, more: dict[str, Any], expected: str) -> None:
    trip = FakeTrip(state=state, **more)
    shown = words(render_to_string("_parts/fill.html", {"trip": trip, "zone": trip.event.venue}))
    assert expected in shown


def test_a_trip_in_a_list() -> None:
    shown = words(render_to_string("_parts/trip_card.html", {"trip": FakeTrip(), "fare": Money(4200, "USD")}))
    assert shown == (
        "Sun 13 Dec, 19:20 Milwaukee to Packers – Bills Lambeau Field, Green Bay 18 of 25 seats needed "
        "7 more seats by Sunday 6 December, and it goes $42 a seat, there and back"
    )


def test_the_way_there_and_back() -> None:
    stop = SimpleNamespace(
        name="Intermodal Station",
        address="",
        departs_at=datetime(2026, 12, 13, 20, 5, tzinfo=UTC),
        returns_at=datetime(2026, 12, 14, 8, 30, tzinfo=UTC),
        time_zone="America/Chicago",
        fare_minor=4200,
        riders=1,
        trip=FakeTrip(),
    )
    shown = {"trip": stop.trip, "stops": [stop]}
    assert words(render_to_string("_parts/route.html", shown)) == (
        "14:05 Intermodal Station One rider boards here $42 17:50 Lambeau Field, Lot 9 The bus leaves again at 23:20."
    )
    assert words(render_to_string("_parts/route.html", {**shown, "back": True})) == (
        "23:20 Lot 9 02:30 Intermodal Station"
    )


@pytest.mark.parametrize(
    ("instrument", "expected"),
    [
        ("saved_card", "Your card is saved. Nothing is charged."),
        ("hold", "Your bank sets the money aside. Nothing is charged."),
        ("charge", "It goes, so your card is charged now."),
    ],
)
def test_what_happens_to_my_money(instrument: str, expected: str) -> None:
    shown = words(render_to_string("_parts/money_steps.html", {"threshold": 25, "instrument": instrument}))
    assert expected in shown


class Question(forms.Form):
    """One field of each kind that the field part draws."""

    name = forms.CharField(label="Name", help_text="As on their ID.")
    stop = forms.ChoiceField(label="Stop", choices=[("1", "Milwaukee")], widget=forms.RadioSelect)
    sure = forms.BooleanField(label="Sure")
    code = forms.CharField(widget=forms.HiddenInput, required=False)


def test_errors_and_hints_belong_to_their_field() -> None:
    form = Question({})
    html = "".join(render_to_string("_parts/field.html", {"field": field}) for field in form)
    described = re.findall(r'aria-describedby="([^"]+)"', html)
    ids = set(re.findall(r'id="([^"]+)"', html))
    assert described[0] == "id_name_helptext id_name_error"
    assert {name for names in described for name in names.split()} <= ids
    assert set(re.findall(r'for="([^"]+)"', html)) <= ids
    assert html.count("This field is required.") == 3
    assert "<legend>Stop</legend>" in html


def test_a_form_says_first_what_is_wrong() -> None:
    html = render_to_string("_parts/form_errors.html", {"form": Question({})})
    assert "3 answers need another look." in html
    assert 'role="alert"' in html
    assert render_to_string("_parts/form_errors.html", {"form": Question()}).strip() == ""


def test_a_mail_says_what_why_and_one_thing_to_do() -> None:
    html = (
        engines["django"]
        .from_string(
            '{% extends "_parts/email_base.html" %}{% block heading %}It goes{% endblock %}'
            '{% block coach %}{% include "_parts/email_coach.html" with capacity=56 threshold=25 taken=31 mine=2 '
            'state="confirmed" %}{% endblock %}{% block button_url %}https://rally.example/p/1/{% endblock %}'
            "{% block button %}Your pass{% endblock %}{% block why %}You took a seat.{% endblock %}"
        )
        .render({})
    )
    assert html.startswith("<!doctype html>")
    assert html.count('class="mine"') == 2
    assert html.count("background:#f0c300;") == 29
    assert '<a class="button" href="https://rally.example/p/1/"' in html
    assert "31 of 56 seats taken, and it goes" in html
    assert "You took a seat." in html


def test_a_mail_in_text_begins_with_its_subject() -> None:
    text = (
        engines["django"]
        .from_string(
            '{% extends "_parts/email_base.txt" %}{% block subject %}Ben & Ana{% endblock %}'
            "{% block body %}Hello.{% endblock %}{% block button %}Go{% endblock %}"
            "{% block button_url %}https://rally.example/?a=1&b={{ x }}{% endblock %}"
        )
        .render({"x": "<2>"})
    )
    assert text.splitlines()[0] == "Ben & Ana"
    assert "Go: https://rally.example/?a=1&b=<2>" in text
