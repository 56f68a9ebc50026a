"""A real browser on a real server: Chromium against uvicorn, at the size of a phone unless told otherwise."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from django.db import connections
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, sync_playwright

from rally.demo import clock
from tests.journeys.world import World

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


#: Django under ASGI reads static files and request bodies in other threads and leaves closing them to the collector.
_OF_THE_SERVER = (
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:StreamingHttpResponse must consume synchronous iterators:Warning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives a browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            for warning in _OF_THE_SERVER:
                item.add_marker(pytest.mark.filterwarnings(warning))


def chromium() -> str:
    """The browser to drive. Without one the journey is not run, and says so."""
    found = os.environ.get("RALLY_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("BROWSER JOURNEYS NOT RUN: Chromium is missing")
    return found


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """The driver, one for each module: its loop runs in this thread for as long as it lives.

    Tests that come after in the same process have async views of their own, which refuse to run inside another loop.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # or Django refuses its database beside that loop
        with sync_playwright() as driver:
            yield driver
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One browser for all journeys of a module."""
    started = playwright.chromium.launch(executable_path=chromium(), args=list(SWITCHES))
    yield started
    started.close()


@pytest.fixture
def site(settings: Any, tmp_path: Path, transactional_db: None) -> Iterator[str]:
    """The address of the product, served by the demo's server, with a sandbox and a clock of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings.SITE_URL = f"http://127.0.0.1:{port}"
    settings.STATE_DIR = tmp_path
    from rally.asgi import application

    server = uvicorn.Server(
        uvicorn.Config(
            application, host="127.0.0.1", port=port, log_level="critical", lifespan="off", ws="none"
        )
    )
    server.force_exit = False
    thread = threading.Thread(target=server.run, daemon=True)
    with clock.played_from(datetime(2026, 11, 21, 15, 0, tzinfo=UTC)):
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield settings.SITE_URL
        server.should_exit = server.force_exit = True
        thread.join(10)
    connections.close_all()
    gc.collect()


@pytest.fixture
def world(site: str) -> World:
    """The schedule, the towns and a bus company."""
    return World.make()


#: What htmx says when a page is left while it asks for a fragment of it.
_LEFT_BEHIND = ("htmx:afterRequest", "htmx:sendError", "htmx:sendAbort")


class Visit:
    """A person at a browser who notices everything that goes wrong in it."""

    def __init__(self, page: Page, site: str) -> None:
        self.page = page
        self.site = site
        self.wrongs: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.wrongs.append(f"{page.url}: {error}"))
        page.on("response", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_LEFT_BEHIND):
            self.wrongs.append(f"{self.page.url}: {message.text}")

    def _see(self, response: Any) -> None:
        if response.status >= 500:
            self.wrongs.append(f"{response.url}: {response.status}")

    def open(self, address: str) -> Page:
        """Go to an address of the site."""
        self.page.goto(address if address.startswith("http") else self.site + address)
        return self.page

    def sign_in(self, email: str, password: str = "ride-together") -> None:
        """By the sign-in page."""
        self.open("/accounts/login/")
        self.page.get_by_label("E-mail").or_(self.page.get_by_label("Email")).first.fill(email)
        self.page.get_by_label("Password").first.fill(password)
        self.page.get_by_role("button", name="Sign in").first.click()
        self.page.wait_for_load_state()

    def check(self) -> None:
        """No serious barrier on this page (axe-core: WCAG 2 A and AA), and nothing wider than the screen."""
        found = Axe().run(self.page).response["violations"]
        serious = [
            f"{one['id']}: {one['help']}: " + " | ".join(node["html"][:160] for node in one["nodes"][:3])
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]
        assert not serious, f"{self.page.url}\n" + "\n".join(serious)
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{self.page.url} is {wide}px wider than the screen"

    def pay(self, number: str = "4242424242424242", *, name: str = "Ana Ruiz") -> None:
        """Fill the provider's page and press its button."""
        self.page.wait_for_url("**/sandbox/checkout/**")
        self.page.locator("[name=number]").fill(number)
        self.page.locator("[name=expiry]").fill("12 / 34")
        self.page.locator("[name=cvc]").fill("123")
        self.page.locator("[name=name]").fill(name)
        self.page.locator("form:has([name=number]) button[type=submit]").first.click()


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Callable[..., Visit]]:
    """Somebody comes: `visit()` on a phone, `visit(desk=True)`, `visit(scripts=False)`, `visit(dark=True)`."""
    visits: list[Visit] = []
    contexts = []

    def come(*, desk: bool = False, scripts: bool = True, dark: bool = False) -> Visit:
        context = browser.new_context(
            viewport=DESK if desk else PHONE,  # type: ignore[arg-type]
            java_script_enabled=scripts,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            permissions=["camera"],
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        visits.append(Visit(context.new_page(), site))
        return visits[-1]

    yield come
    for context in contexts:
        context.close()
    assert [wrong for one in visits for wrong in one.wrongs] == []
