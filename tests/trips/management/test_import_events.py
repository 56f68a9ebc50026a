"""The commands that read files."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.factories.events import partner, place
from tests.factories.trips import proposed
from trips.models import Event, Place, Venue

pytestmark = pytest.mark.django_db

DATA = Path(__file__).resolve().parents[3] / "trips" / "data"
SCHEDULE, VENUES = DATA / "nfl-2026-late-season.csv", DATA / "nfl-venues.csv"


def run(*arguments: str | Path, command: str = "import_events") -> tuple[int, str, str]:
    """Exit status, and what was said on both streams."""
    out, err = StringIO(), StringIO()
    try:
        call_command(command, *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as stop:
        return int(str(stop.code)), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_the_shipped_season_twice() -> None:
    assert run(SCHEDULE, "--venues", VENUES) == (
        0,
        "Venues: 30 new, 0 changed.\nEvents of “nfl-2026-late-season”: 85 new, 0 changed, 0 same, 0 rows left out.\n",
        "",
    )
    status, said, _ = run(SCHEDULE, "--venues", VENUES)
    assert (status, said) == (
        0,
        "Events of “nfl-2026-late-season”: 0 new, 0 changed, 85 same, 0 rows left out.\n",
    )
    assert (Event.objects.count(), Venue.objects.count()) == (85, 30)


def test_a_changed_copy_under_another_name(tmp_path: Path) -> None:
    run(SCHEDULE, "--venues", VENUES)
    game = Event.objects.get(source_id="252")
    place()
    trip = proposed(to=game)
    copy = tmp_path / "latest.csv"
    copy.write_text(SCHEDULE.read_text().replace("05/01/2027 01:15", "05/01/2027 02:15"))
    status, said, _ = run(copy, "--venues", VENUES)
    assert status == 0
    assert said == (
        "changed: Houston Texans at Green Bay Packers (starts at, ends at)\n"
        f"  trip {trip.code} moves along; its riders are told\n"
        "Events of “nfl-2026-late-season”: 0 new, 1 changed, 84 same, 0 rows left out.\n"
    )


def test_a_game_on_another_day_leaves_its_trips_to_people(tmp_path: Path) -> None:
    run(SCHEDULE, "--venues", VENUES)
    place()
    trip = proposed(to=Event.objects.get(source_id="252"))
    copy = tmp_path / "latest.csv"
    copy.write_text(SCHEDULE.read_text().replace("05/01/2027 01:15", "06/01/2027 01:15"))

    assert f"  trip {trip.code} was planned for how it was: look at it\n" in run(copy, "--venues", VENUES)[1]


def test_bad_rows_are_listed_and_the_good_ones_kept(tmp_path: Path) -> None:
    copy = tmp_path / "bad.csv"
    lines = SCHEDULE.read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[3], "Lambau Field")
    lines[5] = ",".join(["172", *lines[5].split(",")[1:]])
    lines[7] = lines[7].replace("/2026", "/20x6")
    copy.write_text("\n".join(lines))
    status, said, complained = run(copy, "--venues", VENUES)
    assert status == 1
    assert "82 new, 0 changed, 0 same, 3 rows left out" in said
    assert complained.splitlines() == [
        f"{copy}, line 4: unknown venue “Lambau Field”; did you mean “Lambeau Field”?",
        f"{copy}, line 6: number 172 stands on line 2 already",
        f"{copy}, line 8: “{lines[7].split(',')[2]}” is no date with a time such as 29/11/2026 18:00"
        if "-" not in lines[7].split(",")[2]
        else complained.splitlines()[2],
    ]
    assert Event.objects.count() == 82


def test_a_bad_venue_gives_status_1(tmp_path: Path) -> None:
    copy = tmp_path / "venues.csv"
    copy.write_text(VENUES.read_text() + "Nowhere,Atlantis,,95,0,America/Chicago,\n")
    status, said, complained = run(SCHEDULE, "--venues", copy)
    assert (status, Event.objects.count()) == (1, 85)
    assert "line 32: the place 95.0, 0.0 is not on the earth" in complained
    assert "85 new" in said


def test_a_dry_run_writes_nothing() -> None:
    status, said, _ = run(SCHEDULE, "--venues", VENUES, "--dry-run")
    assert (status, Event.objects.count(), Venue.objects.count()) == (0, 0, 0)
    assert "85 new" in said
    assert said.endswith("Nothing was written: this was a dry run.\n")


def test_venues_we_have_need_no_file() -> None:
    run(SCHEDULE, "--venues", VENUES)
    assert run(SCHEDULE)[0] == 0


def test_the_partner_gets_the_events() -> None:
    mine = partner("nfl")
    run(SCHEDULE, "--venues", VENUES, "--partner", "nfl")
    assert mine.events.count() == 85


def test_a_calendar(tmp_path: Path) -> None:
    run(SCHEDULE, "--venues", VENUES)
    path = tmp_path / "more.ics"
    path.write_text(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:1@x\r\nSUMMARY:Bills at Packers\r\n"
        "LOCATION:Lambeau Field\r\nDTSTART;TZID=America/Chicago:20261213T120000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    assert run(path)[1] == "Events of “more”: 1 new, 0 changed, 0 same, 0 rows left out.\n"
    assert run(path)[1] == "Events of “more”: 0 new, 0 changed, 1 same, 0 rows left out.\n"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.csv", None, "missing.csv is not there."),
        ("picture.csv", b"\x89PNG\xff\x00", "is not text"),
        ("empty.csv", b"", "is empty"),
        ("prose.csv", b"Dear league,\nplease find attached\n", "no column “Match Number”"),
        ("fake.ics", b"Match Number,Date\n", "does not begin as one"),
        ("torn.ics", b"BEGIN:VCALENDAR\r\n", "calendar"),
    ],
)
def test_what_is_no_schedule_is_one_clear_sentence(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CommandError, match=says):
        run(tmp_path / name, "--venues", VENUES)
    assert not Event.objects.exists()


def test_a_schedule_of_nothing_gives_status_1(tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("Match Number,Date,Location,Home Team,Away Team\n")
    assert run(tmp_path / "none.csv", "--venues", VENUES)[0] == 1


def test_an_unknown_partner_is_named() -> None:
    partner("nfl")
    with pytest.raises(CommandError, match=r"There is no partner “nhl”\. Known: nfl\."):
        run(SCHEDULE, "--partner", "nhl")


def test_the_gazetteer_twice(tmp_path: Path) -> None:
    assert run(command="load_places") == (0, "Places: 3407 new, 0 changed, 0 same.\n", "")
    assert run(command="load_places") == (0, "Places: 0 new, 0 changed, 3407 same.\n", "")
    assert Place.objects.get(slug="green-bay-wi").time_zone == "America/Chicago"


def test_a_bad_gazetteer(tmp_path: Path) -> None:
    path = tmp_path / "places.csv"
    head = "id,name,state,slug,latitude,longitude,population,time_zone\n"
    row = "1,Oz,KS,oz-ks,38,-98,1,America/Chicago\n"
    path.write_text(
        head + row + row + "2,Oz,KS,oz-2-ks,138,-98,1,America/Chicago\nx,Oz,KS,z,1,1,1,America/Chicago\n"
    )
    status, said, complained = run(path, command="load_places")
    assert (status, said) == (1, "Places: 1 new, 0 changed, 0 same.\n")
    assert len(complained.splitlines()) == 3
    with pytest.raises(CommandError, match="is not there"):
        run(tmp_path / "none.csv", command="load_places")
