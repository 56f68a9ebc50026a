"""The files the browser gets: unchanged since they were shipped, whole, and without anything inline."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

ROOT = Path(settings.BASE_DIR)
STATIC = ROOT / "static"
VENDORED = sorted(path for path in (STATIC / "vendor").iterdir() if path.is_dir())
#: Mails know nothing but inline styles, and the rest of the world knows nothing of mails.
PAGES = sorted(
    path
    for path in (ROOT / "templates").rglob("*.html")
    if "emails" not in path.parts and not path.name.startswith("email_")
)


@pytest.mark.parametrize("folder", VENDORED, ids=lambda folder: folder.name)
def test_what_is_shipped_is_what_it_says(folder: Path) -> None:
    sums = dict(reversed(line.split(maxsplit=1)) for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert set(sums) == files
    assert {"VERSION", "LICENSE"} <= files
    for name, expected in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected, name


@pytest.mark.parametrize("sheet", sorted(STATIC.rglob("*.css")), ids=lambda sheet: sheet.name)
def test_a_style_sheet_names_only_files_that_are_there(sheet: Path) -> None:
    for address in re.findall(r"url\([\"']?([^\"')#]+)[\"']?\)", sheet.read_text()):
        assert (sheet.parent / address).is_file() or not address, address


def test_every_event_colour_exists() -> None:
    tokens = (STATIC / "css/tokens.css").read_text()
    assert set(map(int, re.findall(r"\.hue-(\d+) \{", tokens))) == set(range(24))


def test_night_is_the_same_whether_asked_for_or_inherited() -> None:
    tokens = (STATIC / "css/tokens.css").read_text()
    nights = re.findall(r"color-scheme: dark;\n(.*?)\n\s*\}", tokens, re.DOTALL)
    assert len(nights) == 2
    assert nights[0].split() == nights[1].split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT / "templates")))
def test_nothing_is_inline(page: Path) -> None:
    source = page.read_text()
    assert not re.search(r"\sstyle\s*=", source)
    assert not re.search(r"<style", source)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", source)
    for attributes in re.findall(r"<script([^>]*)>", source):
        assert "src=" in attributes or "application/ld+json" in attributes or "application/json" in attributes


@pytest.mark.parametrize("name", ["400.html", "403.html", "403_csrf.html", "404.html", "429.html"])
def test_error_pages_say_what_and_where_next(name: str) -> None:
    request = RequestFactory().get("/nowhere/")
    request.user = AnonymousUser()
    html = render_to_string(name, request=request)
    assert html.count("<h1>") == 1
    assert '<html lang="en' in html
    assert '<main id="main"' in html
    assert 'href="/"' in html


def test_the_last_error_page_needs_nothing() -> None:
    html = render_to_string("500.html")
    assert html.startswith("<!doctype html>")
    for address in re.findall(r'"/static/([^"]+)"', html):
        assert (STATIC / address).is_file()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["login/", "signup/", "password/reset/", "password/reset/done/", "login/code/", "confirm-email/"]
)
def test_signing_in_wears_our_look(client: Client, path: str) -> None:
    html = client.get(f"/accounts/{path}").content.decode()
    assert '<html lang="en' in html
    assert html.count("<main") == 1
    assert html.count("<h1>") == 1
    assert 'class="skip"' in html
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'<label[^>]* for="([^"]+)"', html)) <= set(ids)


@pytest.mark.django_db
def test_a_wrong_password_is_said_at_the_form(client: Client) -> None:
    html = client.post(
        "/accounts/login/", {"login": "nobody@rally.example", "password": "wrong"}
    ).content.decode()
    assert 'class="error-summary" role="alert"' in html
