"""What only a browser can show of the look: seats that light up, the place search by keyboard, the scanner, contrast."""

from __future__ import annotations

import json
import mimetypes
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import segno
from django.contrib.staticfiles import finders
from django.template import engines
from django.test import RequestFactory

pytest.importorskip("playwright.sync_api")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not os.environ.get("RALLY_CHROMIUM"), reason="no browser on this machine"),
]

#: As strict as the product's own; reading codes needs WebAssembly on the page that scans.
POLICY = "default-src 'self'; img-src 'self' data:; script-src 'self' 'wasm-unsafe-eval'"

FILL = '{{% load look %}}<div id="fill">{{% coach_of 56 25 {taken} mine=2 key="K7QM2P" %}}</div>'


def page(body: str, *modules: str) -> str:
    """A page in our frame with this body and these modules of ours."""
    scripts = "".join(
        f'<script src="{{% static \'js/{name}.js\' %}}" type="module"></script>' for name in modules
    )
    source = (
        '{% extends "base.html" %}{% load static look %}{% block title %}Look{% endblock %}'
        '{% block head %}<link rel="stylesheet" href="{% static \'css/work.css\' %}">{% endblock %}'
        f'{{% block content %}}<div class="wrap section stack"><h1>Look</h1>{body}</div>{{% endblock %}}'
        f"{{% block scripts %}}{scripts}{{% endblock %}}"
    )
    return str(engines["django"].from_string(source).render({}, RequestFactory().get("/")))


def fragment(source: str) -> str:
    return str(engines["django"].from_string(source).render({}))


class Site:
    """A web server for pages that a test writes itself, and for our static files."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, str]] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, body = site.find(urlsplit(self.path).path)
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Security-Policy", POLICY)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_words: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def find(self, path: str) -> tuple[str, bytes]:
        if path in self.answers:
            kind, text = self.answers[path]
            return kind, text.encode()
        found = finders.find(path.removeprefix("/static/")) if path.startswith("/static/") else None
        if not isinstance(found, str):
            return "text/plain", b""
        kind = "text/javascript" if found.endswith(".js") else mimetypes.guess_type(found)[0]
        return kind or "application/octet-stream", Path(found).read_bytes()


@pytest.fixture
def site() -> Iterator[Site]:
    own = Site()
    thread = threading.Thread(target=own.server.serve_forever, daemon=True)
    thread.start()
    yield own
    own.server.shutdown()
    own.server.server_close()
    thread.join(5)


@pytest.fixture
def chromium() -> Iterator[Callable[..., Browser]]:
    with sync_playwright() as playwright:
        started: list[Browser] = []

        def start(*more: str) -> Browser:
            quiet = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
            browser = playwright.chromium.launch(
                executable_path=os.environ["RALLY_CHROMIUM"], args=[*quiet, *more]
            )
            started.append(browser)
            return browser

        yield start
        for browser in started:
            browser.close()


def opened(browser: Browser, *, bypass: bool = False, scheme: str = "light") -> tuple[Page, list[str]]:
    """A page, and the faults it will have reported."""
    tab = browser.new_context(
        viewport={"width": 390, "height": 844},
        bypass_csp=bypass,
        color_scheme=scheme,  # type: ignore[arg-type]
    ).new_page()
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    return tab, faults


def test_seats_taken_meanwhile_light_up(site: Site, chromium: Callable[..., Browser]) -> None:
    hooks = 'data-live-url="/stream" data-live-fragment="/fill" data-live-target="#fill"'
    site.answers = {
        "/": ("text/html", page(f"<div {hooks}></div>" + fragment(FILL.format(taken=18)), "coach", "live")),
        "/fill": ("text/html", fragment(FILL.format(taken=21))),
        "/stream": ("text/event-stream", "event: trip\ndata: K7QM2P\n\n"),
    }
    tab, faults = opened(chromium())
    tab.goto(site.address)
    expect(tab.get_by_role("img", name="21 of 25 seats needed")).to_be_visible()
    lit = tab.evaluate(
        "[...document.querySelectorAll('.seat')].flatMap((s, i) => s.matches('.lit-now') ? [i + 1] : [])"
    )
    assert lit == [19, 20, 21]
    assert faults == []


def test_a_place_is_found_by_keyboard(site: Site, chromium: Callable[..., Browser]) -> None:
    box = (
        '<label for="from">From</label><div class="combo" data-places-url="/places/" data-place-id="#place">'
        '<input id="from"></div><input type="hidden" id="place">'
    )
    places = [
        {"id": 7, "name": "Milwaukee", "detail": "Wisconsin"},
        {"id": 8, "name": "Mills", "detail": "Wyoming"},
    ]
    site.answers = {
        "/": ("text/html", page(box, "place-search")),
        "/places/": ("application/json", json.dumps({"results": places})),
    }
    tab, faults = opened(chromium())
    tab.goto(site.address)
    field = tab.get_by_role("combobox", name="From")
    field.press_sequentially("mil")
    expect(tab.get_by_role("option")).to_have_count(2)
    field.press("ArrowDown")
    field.press("ArrowDown")
    expect(tab.get_by_role("option", name="Mills")).to_have_attribute("aria-selected", "true")
    field.press("Enter")
    expect(field).to_have_value("Mills, Wyoming")
    expect(tab.locator("#place")).to_have_value("8")
    expect(field).to_have_attribute("aria-expanded", "false")
    field.press("x")
    expect(tab.locator("#place")).to_have_value("")
    assert faults == []


def test_the_mark_on_the_map_is_moved_by_mouse_keys_and_numbers(
    site: Site, chromium: Callable[..., Browser]
) -> None:
    body = (
        '<link rel="stylesheet" href="/static/vendor/leaflet/leaflet.css">'
        '<div class="map" data-stop-map data-latitude="#lat" data-longitude="#lon" data-mark="Your stop"></div>'
        '<label>Latitude <input id="lat"></label><label>Longitude <input id="lon"></label>'
        '<script src="/static/vendor/leaflet/leaflet.js" defer></script>'
    )
    site.answers = {"/": ("text/html", page(body, "stop-map"))}
    tab, faults = opened(chromium())
    tab.goto(site.address)
    latitude, longitude = tab.locator("#lat"), tab.locator("#lon")
    mark = tab.get_by_role("button", name="Your stop")

    def at() -> tuple[float, float]:
        return float(latitude.input_value()), float(longitude.input_value())

    tab.locator(".map").focus()
    tab.keyboard.press("Enter")
    expect(mark).to_be_focused()
    middle = at()
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("ArrowRight")
    keyed = at()
    assert keyed[0] > middle[0]
    assert keyed[1] > middle[1]
    tab.keyboard.press("Shift+ArrowLeft")
    assert middle[1] < at()[1] < keyed[1]

    box = mark.bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 44
    tab.mouse.move(box["x"] + 22, box["y"] + 22)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 62, box["y"] + 62, steps=4)
    tab.mouse.up()
    assert at()[0] < middle[0]
    assert at()[1] > keyed[1]

    latitude.fill("43.03446")
    longitude.fill("-87.91614")
    longitude.press("Tab")
    tab.mouse.move(1, 1)
    mark.press("ArrowDown")
    assert at()[0] == pytest.approx(43.03446, abs=0.01)
    assert at()[1] == pytest.approx(-87.91614, abs=0.01)
    assert faults == []


def _film(path: Path, text: str) -> None:
    """A camera's film of one QR code, as the browser's false camera wants it (YUV4MPEG2)."""
    matrix = [list(row) for row in segno.make(text, error="m").matrix_iter(scale=7, border=4)]
    width, height = 640, 480
    left, top = (width - len(matrix[0])) // 2, (height - len(matrix)) // 2
    picture = bytearray([180]) * (width * height)
    for y, row in enumerate(matrix):
        start = (top + y) * width + left
        picture[start : start + len(row)] = bytes(16 if dark else 235 for dark in row)
    frame = b"FRAME\n" + bytes(picture) + bytes([128]) * (width * height // 2)
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + frame * 5)


def test_a_pass_is_read_by_camera(site: Site, chromium: Callable[..., Browser], tmp_path: Path) -> None:
    _film(tmp_path / "pass.y4m", "https://rally.example/pass/K7QM2PXW9/")
    scanner = (
        '<div class="scan" data-scan data-scan-into="#code" data-zxing="/static/vendor/zxing-wasm/reader.js"'
        ' data-zxing-wasm="/static/vendor/zxing-wasm/zxing_reader.wasm"></div>'
        '<form action="/checked"><label for="code">Code</label><input id="code" name="code"></form>'
    )
    site.answers = {"/": ("text/html", page(scanner, "scan")), "/checked": ("text/html", page("Aboard"))}
    browser = chromium(
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={tmp_path / 'pass.y4m'}",
    )
    tab, faults = opened(browser)
    tab.goto(site.address)
    tab.get_by_role("button", name="Scan with the camera").click()
    tab.wait_for_url("**/checked?code=K7QM2PXW9")
    assert faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_parts_can_be_read_by_everybody(
    site: Site, chromium: Callable[..., Browser], scheme: str
) -> None:
    badges = "".join(
        f'{{% include "_parts/state_badge.html" with state="{state}" label="{state}" %}}'
        for state in ("gathering", "confirmed", "settling", "lapsed", "closed")
    )
    heads = "".join(f'<div class="hue-{hue}"><p class="ticket-head">Packers</p></div>' for hue in range(24))
    body = (
        f"<h2>Parts</h2><p>{badges}</p>{heads}{{% coach_of 56 25 18 mine=1 fresh=1 %}}{{% coach_of 14 9 3 size='card' %}}"
        '{% include "_parts/money_steps.html" with threshold=25 %}'
        '{% include "_parts/empty.html" with title="No rides yet" text="Find one." action_url="/" action="Find" %}'
        '<p class="soft">Soft</p><p class="note note-going">Goes</p><p class="note note-stop">Late</p>'
        '<p><button type="button" class="btn">Go</button> <button type="button" class="btn btn-danger">Leave</button>'
        ' <button type="button" class="btn btn-seat">Find</button></p>'
    )
    site.answers = {"/": ("text/html", page(body))}
    tab, faults = opened(chromium(), bypass=True, scheme=scheme)
    tab.goto(site.address)
    violations = [
        (rule["id"], [node["target"] for node in rule["nodes"]])
        for rule in Axe().run(tab).response["violations"]
    ]
    assert violations == []
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert faults == []
