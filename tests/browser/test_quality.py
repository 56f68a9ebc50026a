"""Every page that people meet first, on a phone, by day and by night: readable, reachable, complete, without complaint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from operators.actions import runs
from rally import clock
from rally.demo.play import join
from tests.browser.conftest import Visit
from tests.factories.people import person
from tests.factories.trips import proposed
from tests.journeys.world import World
from trips.actions.pledges import Passenger
from trips.models import Pledge, Stop, Trip
from trips.states import VehicleClass

pytestmark = pytest.mark.browser

#: What a fingertip needs (WCAG 2.5.5), measured with the label of a box. Links inside a sentence are exempt there.
SMALL = """() => {
    const seen = (one) => one.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    const inline = (one) => getComputedStyle(one).display === "inline" && one.matches("a");
    const found = [];
    for (const one of document.querySelectorAll("main :is(a[href], button, input, select, textarea, summary), header :is(a[href], button, summary)")) {
        if (one.closest(".demo-bar, .sr-only, .leaflet-container") || one.matches("[type=hidden], .sr-only, .skip") || !seen(one) || inline(one)) continue;
        const area = one.closest("label") ?? document.querySelector(`label[for="${one.id}"]`);
        const boxes = [one, ...(one.matches("[type=radio], [type=checkbox]") && area ? [area] : [])].map((each) => each.getBoundingClientRect());
        if (boxes.every((box) => box.width && (box.height < 44 || box.width < 44)))
            found.push(`${one.outerHTML.slice(0, 120)} ${Math.round(boxes[0].width)}x${Math.round(boxes[0].height)}`);
    }
    return found;
}"""
AT_REST = "() => document.getAnimations().every((one) => one.playState !== 'running')"  # colours fade
FACTS = """() => ({
    description: document.querySelector("meta[name=description]")?.content ?? "",
    viewport: document.querySelector("meta[name=viewport]")?.content ?? "",
    title: document.title,
    headings: document.querySelectorAll("h1").length,
    unsized: [...document.images].filter((one) => !one.getAttribute("width") || !one.getAttribute("height")).map((one) => one.outerHTML.slice(0, 100)),
    language: document.documentElement.lang,
})"""


@pytest.fixture
def run(world: World) -> Any:
    """A van trip of one company that is certain, with Ana on it."""
    now = clock.now()
    trip = proposed(to=world.game, vehicle_class=VehicleClass.COACH, now=now)
    first = Stop.objects.get(trip=trip, position=1)
    join(
        trip,
        first,
        person("ana"),
        [Passenger("Ana Ruiz", ("wheelchair",)), Passenger("Leo Ruiz")],
        card="4242424242424242",
    )
    for number in range(6):
        party = [Passenger(f"Rider {number}.{seat}") for seat in range(4)]
        join(trip, first, person(f"other{number}"), party, card="4242424242424242")
    made = runs.commit(
        trip_id=trip.id,
        operator_id=world.company.id,
        vehicle_id=world.coach.id,
        driver_id=world.driver.id,
        now=now,
        by=world.otto,
    )
    world.pass_time(minutes=1)
    assert Trip.objects.get(id=trip.id).state == "confirmed"
    return made


def test_pages_on_a_phone(world: World, run: Any, visit: Callable[..., Visit]) -> None:
    gathering = proposed(to=world.game, now=clock.now())
    pledge = Pledge.objects.get(rider__email="ana@test.example")
    seat = pledge.passengers.earliest("id")
    pages = {
        "": ["/", world.game.get_absolute_url(), gathering.get_absolute_url(), run.trip.get_absolute_url(),
             f"/events/{world.game.code}/propose/", f"/t/{gathering.code}/pledge/", seat.get_absolute_url(),
             "/accounts/login/"],
        "ana": [pledge.get_absolute_url(), "/rides/"],
        world.otto.email.partition("@")[0]: ["/operator/", "/operator/board/", f"/operator/trips/{gathering.code}/",
             f"/operator/runs/{run.code}/", f"/operator/runs/{run.code}/manifest/"],
        world.dee.email.partition("@")[0]: ["/drive/", f"/drive/{run.code}/", f"/drive/{run.code}/scan/"],
    }  # fmt: skip
    wrongs: list[str] = []
    for who, addresses in pages.items():
        guest = visit()
        if who:
            guest.sign_in(f"{who}@test.example")
        for address in addresses:
            page = guest.open(address)
            for colours in ("dark", "light"):
                page.emulate_media(color_scheme=colours)
                page.wait_for_function(AT_REST)
                try:
                    guest.check()
                except AssertionError as problem:
                    wrongs.append(f"{colours}: {problem}")
            facts = page.evaluate(FACTS)
            wrongs += [f"{address} too small: {one}" for one in page.evaluate(SMALL)]
            wrongs += [f"{address} image without its size: {one}" for one in facts["unsized"]]
            wrongs += [
                f"{address} scrolls sideways inside: {one}"
                for one in page.evaluate(
                    "[...document.querySelectorAll('main .table-wrap')].filter(one => one.scrollWidth > one.clientWidth).map(one => one.getAttribute('aria-label'))"
                )
            ]
            if not (40 <= len(facts["description"]) <= 200 and "width=device-width" in facts["viewport"]):
                wrongs.append(f"{address} description or viewport: {facts}")
            if not facts["title"] or facts["headings"] != 1 or not facts["language"]:
                wrongs.append(f"{address} title, heading or language: {facts}")
    assert wrongs == [], "\n".join(wrongs)
