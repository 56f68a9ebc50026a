"""Pictures of every page of a running demo, on a phone and on a desk, light and dark: `make screens DIR=… SITE=…`.

Looks only; what it changes is who is signed in, in windows of its own, and that Max keeps a seat until he has not paid.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

SIZES = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1440, "height": 900}}


def main() -> int:
    """Shoot what the demo at `--site` shows; 1 if any page complained in the browser's console."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--site", default="http://127.0.0.1:8000")
    parser.add_argument("--only", default="", help="names of pages, separated by commas")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with urlopen(options.site + "/healthz") as answer:
        assert answer.status == 200
    wrongs: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        only = set(filter(None, options.only.split(",")))
        for persona, pages in _pages(browser, options.site).items():
            for name, address in pages:
                if address and (not only or name in only):
                    wrongs += _shoot(browser, options.site, persona, name, address, options.folder)
        browser.close()
    print("\n".join(dict.fromkeys(wrongs)) or "No page complained.")
    return 1 if wrongs else 0


def _pages(browser: Browser, site: str) -> dict[str, list[tuple[str, str]]]:
    """Who looks at what; the addresses are found by walking there."""
    ana = _come(browser, site, "ana", "phone", dark=False)
    by_state = {state: _trip_in(site, state) for state in ("gathering", "settling", "confirmed", "lapsed")}
    first = by_state["gathering"] or "/"
    event = _event_of(site, first)
    rides = list(_links(ana, site, ["/rides/"], "/p/"))
    ride = next(iter(rides), "")
    passes = list(_links(ana, site, rides, "/pass/"))
    mails = list(_links(ana, site, ["/demo/mail/?to=ana"], "/demo/mail/2"))
    otto = _come(browser, site, "otto", "phone", dark=False)
    board = list(_links(otto, site, ["/operator/board/"], "/operator/trips/"))
    runs = list(_links(otto, site, ["/operator/runs/", "/operator/"], "/operator/runs/"))
    statements = list(_links(otto, site, ["/operator/money/"], "/operator/money/2"))
    dee = _come(browser, site, "dee", "phone", dark=False)
    drives = [link for link in _links(dee, site, ["/drive/"], "/drive/") if len(link) > len("/drive/")]
    found: dict[str, list[tuple[str, str]]] = {
        "nobody": [
            ("home", "/"),
            ("events", "/events/"),
            ("event", event),
            ("from", "/from/milwaukee-wi/"),
            ("search", "/?q=pakers&near=Milwaukee%2C+WI"),
            ("trip-gathering", first),
            ("trip-settling", by_state["settling"]),
            ("trip-confirmed", by_state["confirmed"]),
            ("trip-lapsed", by_state["lapsed"]),
            ("pledge-new", first + "pledge/"),
            ("sign-in", "/accounts/login/"),
            ("sign-up", "/accounts/signup/"),
            ("not-found", "/nothing-here/"),
            ("tour", "/demo/"),
        ],
        "ana": [
            (
                "propose",
                event.replace("/events/", "/events/").rstrip("/").rsplit("-", 1)[0] and _propose(event),
            ),
            ("rides", "/rides/"),
            ("credit", "/rides/credit/"),
            ("pledge", ride),
            ("seats", ride and f"{ride}seats/"),
            ("leave", ride and f"{ride}leave/"),
            ("receipt", ride and f"{ride}receipt/"),
            ("pass", next(iter(passes), "")),
            ("mails", "/demo/mail/"),
            ("mail", next(iter(mails), "")),
            ("mail-drawn", next(iter(mails), "") and next(iter(mails)) + "html/"),
        ],
        "cleo": [("captain", next(iter(_captained(browser, site)), ""))],
        "otto": [
            ("office", "/operator/"),
            ("board", "/operator/board/"),
            ("board-trip", next(iter(board), "")),
            ("fleet", "/operator/fleet/"),
            ("people", "/operator/people/"),
            ("papers", "/operator/papers/"),
            ("runs", "/operator/runs/"),
            ("run", next(iter(runs), "")),
            ("manifest", next(iter(runs), "") and next(iter(runs)) + "manifest/"),
            ("money", "/operator/money/"),
            ("statement", next(iter(statements), "")),
        ],
        "dee": [
            ("drive", "/drive/"),
            ("drive-run", next(iter(drives), "")),
            ("drive-scan", next(iter(drives), "") and next(iter(drives)) + "scan/"),
        ],
        "max": [("checkout", _checkout(browser, site, first))],
        "sam": [
            ("desk", "/desk/"),
            ("desk-money", "/desk/money/"),
            ("desk-audit", "/desk/audit/"),
            ("desk-requests", "/desk/money/requests/"),
            ("desk-ask", "/desk/money/requests/new/"),
            ("admin", "/admin/"),
        ],
        "pat": [("partner", "/partner/")],
    }
    for page in (ana, otto, dee):
        page.context.close()
    return found


def _propose(event: str) -> str:
    return "/events/" + event.rstrip("/").rsplit("-", 1)[-1] + "/propose/"


def _captained(browser: Browser, site: str) -> Iterator[str]:
    cleo = _come(browser, site, "cleo", "phone", dark=False)
    yield from _links(cleo, site, ["/rides/", *_links(cleo, site, ["/rides/"], "/t/")], "/captain/")
    cleo.context.close()


def _come(browser: Browser, site: str, persona: str, size: str, *, dark: bool) -> Page:
    """A window in which one is somebody."""
    context = browser.new_context(
        viewport=SIZES[size],  # type: ignore[arg-type]
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    if persona not in {"nobody", "max"}:
        page.goto(site + "/demo/")
        page.locator(f".demo-bar button[value={persona}]").click()
        page.wait_for_load_state()
    return page


def _links(page: Page, site: str, where: list[str], part: str) -> dict[str, None]:
    """Addresses on these pages that hold `part`, each once, in order."""
    found: dict[str, None] = {}
    for address in where:
        page.goto(site + address)
        for href in page.eval_on_selector_all("a[href]", "all => all.map(one => one.getAttribute('href'))"):
            if part in href and len(href) > len(part) and not href.startswith("http") and "?" not in href:
                found[href] = None
    return found


def _event_of(site: str, trip: str) -> str:
    """The page of the event that this trip goes to, by the address in its code."""
    with urlopen(f"{site}/api/v1{trip.replace('/t/', '/trips/').rstrip('/')}") as answer:
        event = json.load(answer)["event"]
    code = event["code"] if isinstance(event, dict) else event
    return f"/events/x-{code}/"


def _checkout(browser: Browser, site: str, trip: str) -> str:
    """The provider's page, for Max, who takes a seat and then thinks it over."""
    page = _come(browser, site, "nobody", "phone", dark=False)
    page.goto(site + "/accounts/login/")
    page.locator("[name=login]").fill("max@demo.example")
    page.locator("[name=password]").fill("ride-together")
    page.locator("form:has([name=login]) button[type=submit]").first.click()
    page.wait_for_load_state()
    page.goto(f"{site}{trip}pledge/")
    if page.locator("#id_consent").count():
        page.locator("[name=stop]").first.check()
        page.locator("#id_consent").check()
        page.locator("#order button[value=take]").last.click()
    else:
        page.locator("main a[href*='/pay/']").first.click()
    page.wait_for_url("**/sandbox/checkout/**")
    address = page.url.removeprefix(site)
    page.context.close()
    return address


def _trip_in(site: str, state: str) -> str:
    """The page of a public trip in this state, soonest first."""
    with urlopen(f"{site}/api/v1/trips?state={state}") as answer:
        found = json.load(answer)["results"]
    return f"/t/{found[0]['code']}/" if found else ""


def _shoot(browser: Browser, site: str, persona: str, name: str, address: str, folder: Path) -> list[str]:
    wrongs: list[str] = []
    for size in SIZES:
        for dark in (False, True):
            page = _come(browser, site, persona, size, dark=dark)
            page.on(
                "console",
                lambda told: wrongs.append(f"{name}: {told.text}") if told.type == "error" else None,
            )
            page.on("pageerror", lambda error: wrongs.append(f"{name}: {error}"))
            page.goto(site + address)
            page.wait_for_timeout(300)
            _unstick(page)
            page.screenshot(path=folder / f"{name}-{size}-{'dark' if dark else 'light'}.png", full_page=True)
            wide: Any = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if wide > 0:
                wrongs.append(f"{name} is {wide}px wider than a {size}")
            page.context.close()
    # A drawn mail has no icon of its own, and the browser asks for one.
    return [wrong for wrong in wrongs if not (name in {"not-found", "mail-drawn"} and "404" in wrong)]


def _unstick(page: Page) -> None:
    """On a long picture nothing should float over the middle of it."""
    page.evaluate("document.querySelectorAll('.demo-bar').forEach(bar => bar.hidden = true)")


if __name__ == "__main__":
    sys.exit(main())
