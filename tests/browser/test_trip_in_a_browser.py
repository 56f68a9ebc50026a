"""The main story on a phone in a real browser: propose, join, pay, commit, confirm, board by camera, come home."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import segno
from playwright.sync_api import Playwright, expect

from rally import clock as time
from rally.demo import clock
from rally.demo.play import join
from tests.browser.conftest import SWITCHES, Visit, chromium
from tests.factories.people import person
from tests.factories.trips import proposed
from tests.journeys.world import World
from trips.actions.pledges import Passenger
from trips.models import Pledge, Seat, Stop, Trip

pytestmark = pytest.mark.browser

Visits = Callable[..., Visit]
GOOD, LATER_REFUSED, ASKS_THE_BANK = "4242424242424242", "4000000000000341", "4000002500003155"


def _propose(world: World, cleo: Visit) -> Trip:
    page = cleo.open("/?q=packers")
    cleo.check()
    page.get_by_role("link", name=re.compile("Buffalo Bills")).first.click()
    cleo.check()
    page.locator("a[href$='/propose/']").first.click()
    town = page.get_by_role("combobox", name="Town of stop 1")
    town.press_sequentially("Milwau", delay=20)
    page.get_by_role("option", name=re.compile("Milwaukee")).first.click()
    expect(page.locator("#preview")).to_contain_text("It goes at 25 of 56 seats")
    cleo.check()
    page.locator("#preview [name=stop]").first.check()
    page.locator("#preview [name=consent]").check()
    page.get_by_role("button", name=re.compile("Start it")).click()
    cleo.check()
    cleo.pay(name="Cleo")
    page.wait_for_url("**/p/**")
    cleo.check()
    return Trip.objects.get()


def _proposed(world: World) -> Trip:
    """What `_propose` clicks together, without a browser: a coach that Cleo has started and sits in."""
    trip = proposed(to=world.game, captain=person("cleo"), now=time.now())
    join(trip, trip.stops.get(), trip.captain, [Passenger("Cleo")], card=GOOD)
    return trip


def _others(trip: Trip, seats: int, *, refused: int = 0) -> None:
    """Others come by themselves, four at a time; the last of them with cards that are refused later."""
    stop = Stop.objects.get(trip=trip, position=1)
    number = Pledge.objects.count()
    while seats:
        party = min(4, seats)
        number += 1
        people = [Passenger(f"Rider {number}.{seat}") for seat in range(party)]
        card = LATER_REFUSED if seats <= refused * 4 else GOOD
        join(trip, stop, person(f"other{number}"), people, card=card)
        seats -= party


def test_a_trip_from_the_proposal_to_the_pay(world: World, visit: Visits) -> None:
    person("cleo")
    cleo = visit()
    cleo.sign_in("cleo@test.example")
    cleo.check()
    trip = _propose(world, cleo)
    _others(trip, 22)

    # Ana has no account yet. She watches the coach fill, joins, and her bank asks her once.
    ana = visit()
    page = ana.open(trip.get_absolute_url())
    expect(page.get_by_role("link", name="Take a seat").first).to_be_in_viewport()
    ana.check()
    watching = visit(desk=True)
    watching.open(trip.get_absolute_url())
    expect(watching.page.locator("#live svg.coach").first).to_have_attribute("data-taken", "23")
    page.get_by_role("link", name="Take a seat").first.click()
    page.get_by_label("Name of passenger 1").fill("Ana Ruiz")
    page.get_by_role("button", name="Add a passenger").click()
    page.get_by_label("Name of passenger 2").fill("Leo Ruiz")
    page.get_by_label("Your name").fill("Ana Ruiz")
    page.locator("[name=email]").fill("ana@new.example")
    ana.check()
    page.locator("#id_consent").check()
    page.get_by_role("button", name=re.compile("Go on")).last.click()
    ana.check()
    ana.pay(ASKS_THE_BANK)
    page.get_by_role("button", name="Complete").click()
    page.wait_for_url(re.compile(r"/p/"))
    ana.check()
    expect(watching.page.locator("#live svg.coach").first).to_have_attribute("data-taken", "25")
    trip.refresh_from_db()
    assert (trip.state, trip.seats_pledged) == ("gathering", 25)

    # Otto commits coach and driver; every card is asked, and it is certain at once.
    otto = visit()
    otto.sign_in(world.otto.email)
    page = otto.open("/operator/board/")
    otto.check()
    page.locator(f"a[href*='/operator/trips/{trip.code}/']").first.click()
    otto.check()
    page.locator(f"label[for='vehicle-{world.coach.id}']").click()
    page.locator(f"label[for='driver-{world.driver.id}']").click()
    page.get_by_role("button", name="Commit vehicle and driver").click()
    page.wait_for_load_state()
    clock.work()
    otto.open("/operator/runs/")
    otto.check()
    trip.refresh_from_db()
    assert trip.state == "confirmed"
    expect(watching.page.locator("#live")).to_contain_text("It goes")
    watching.check()
    page = ana.open("/rides/")
    ana.check()
    seat = Seat.objects.get(name="Ana Ruiz")
    ana.open(seat.get_absolute_url())
    ana.check()

    # Dee's day.
    clock.forward(to=clock.when("departure"))
    dee = visit()
    dee.sign_in(world.dee.email)
    page = dee.open("/drive/")
    dee.check()
    page.get_by_role("link", name=re.compile("Open")).click()
    dee.check()
    page.get_by_role("button", name=re.compile("Leo Ruiz")).click()
    expect(page.get_by_text("Leo Ruiz is on board.")).to_be_visible()
    page.get_by_role("link", name="Scan boarding passes").click()
    dee.check()
    page.get_by_label("Boarding code").fill(seat.code)
    page.get_by_role("button", name="Check in").click()
    expect(page.get_by_text("Ana Ruiz is on board.")).to_be_visible()
    page.get_by_role("link", name="Back to the list").click()
    page.get_by_role("button", name=re.compile("^Leave")).click()
    dee.check()
    page.get_by_role("button", name="Leave anyway").click()
    page.get_by_role("button", name="We have arrived").click()
    clock.forward(to=trip.leaves_at)
    page.reload()
    page.get_by_role("button", name="Head back").click()
    if page.get_by_role("button", name="Leave anyway").count():
        page.get_by_role("button", name="Leave anyway").click()
    clock.forward(to=trip.returns_at)
    page.reload()
    while page.locator(".drive-foot button").count():
        page.locator(".drive-foot button").click()
        page.wait_for_load_state()
        if page.get_by_role("button", name="The bus is empty").count():
            page.get_by_role("button", name="The bus is empty").first.click()
            page.wait_for_load_state()
    trip.refresh_from_db()
    assert trip.state == "completed"

    clock.forward(to=time.now() + (clock.when("+3d") - time.now()) + (clock.when("+1h") - time.now()))
    trip.refresh_from_db()
    assert trip.state == "closed"
    page = otto.open("/operator/money/")
    expect(page.locator("main")).to_contain_text("$")
    otto.check()


def test_the_twin_lapses_and_nobody_was_charged(world: World, visit: Visits) -> None:
    trip = _proposed(world)
    cleo = visit(dark=True)
    cleo.sign_in("cleo@test.example")
    _others(trip, 6)

    clock.forward(to=clock.when("decision", trip=trip.code))

    page = cleo.open(trip.get_absolute_url())
    expect(page.locator("main")).to_contain_text("Too few came together in time.")
    cleo.check()
    page = cleo.open(Pledge.objects.get(rider__email="cleo@test.example").get_absolute_url())
    cleo.check()
    assert not Pledge.objects.exclude(state="released").exists()


def test_joining_works_with_scripts_off(world: World, visit: Visits) -> None:
    trip = _proposed(world)

    ana = visit(scripts=False)
    page = ana.open(trip.get_absolute_url())
    page.get_by_role("link", name="Take a seat").first.click()
    page.get_by_label("Name of passenger 1").fill("Ana Ruiz")
    page.get_by_label("Your name").fill("Ana Ruiz")
    page.locator("[name=email]").fill("ana@new.example")
    page.locator("#id_consent").check()
    page.get_by_role("button", name=re.compile("Go on")).last.click()
    ana.pay()
    page.wait_for_url(re.compile(r"/p/"))
    trip.refresh_from_db()
    assert trip.seats_pledged == 2


def test_joining_works_by_keyboard(world: World, visit: Visits) -> None:
    """From the skip link to the button: everything is reached by Tab, and what has the focus can be seen."""
    trip = _proposed(world)

    ana = visit(desk=True)
    page = ana.open(trip.get_absolute_url())
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    for _press in range(20):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")
        if page.locator(":focus").inner_text().strip() == "Take a seat":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/pledge/")
    expect(page.get_by_role("heading", name="Take a seat")).to_be_visible()


@pytest.fixture
def camera(playwright: Playwright, tmp_path: Path) -> Callable[[str], str]:
    """Something that writes a film for the fake camera: a code held still in front of it."""

    def film(text: str) -> str:
        size, border = 480, 4
        rows = [list(row) for row in segno.make(text, error="m").matrix_iter(border=border)]
        scale = size // len(rows)
        margin = (size - scale * len(rows)) // 2
        light = bytearray(b"\xeb" * (size * size))
        for y, row in enumerate(rows):
            for x, dark in enumerate(row):
                if dark:
                    for line in range(scale):
                        start = (margin + y * scale + line) * size + margin + x * scale
                        light[start : start + scale] = b"\x10" * scale
        grey = b"\x80" * (size * size // 4)
        frame = b"FRAME\n" + bytes(light) + grey + grey
        path = tmp_path / "pass.y4m"
        path.write_bytes(f"YUV4MPEG2 W{size} H{size} F10:1 Ip A1:1 C420jpeg\n".encode() + frame * 10)
        return str(path)

    return film


def test_boarding_by_camera(
    world: World, site: str, visit: Visits, camera: Callable[[str], str], playwright: Playwright
) -> None:
    """The pass on a rider's phone is held before the driver's camera, and the seat is checked in."""
    trip = _proposed(world)
    _others(trip, 24)
    from operators.actions import runs

    runs.commit(
        trip_id=trip.id,
        operator_id=world.company.id,
        vehicle_id=world.coach.id,
        driver_id=world.driver.id,
        now=time.now(),
        by=world.otto,
    )
    clock.work()
    clock.forward(to=clock.when("departure"))
    seat = Seat.objects.get(pledge__rider__email="cleo@test.example")
    run = trip.runs.get()

    film = camera(f"{site}{seat.get_absolute_url()}")
    eyes = playwright.chromium.launch(
        executable_path=chromium(), args=[*SWITCHES, f"--use-file-for-fake-video-capture={film}"]
    )
    try:
        context = eyes.new_context(viewport={"width": 390, "height": 844}, permissions=["camera"])
        dee = Visit(context.new_page(), site)
        dee.sign_in(world.dee.email)
        page = dee.open(f"/drive/{run.code}/scan/")
        page.get_by_role("button", name="Scan with the camera").click()
        expect(page.get_by_text("Cleo is on board.")).to_be_visible(timeout=30_000)
        assert dee.wrongs == []
    finally:
        eyes.close()
    assert seat.boardings.count() == 1
