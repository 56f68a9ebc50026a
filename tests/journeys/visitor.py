"""A browser without JavaScript: opens pages, reads forms, fills and sends them, follows redirects."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.test import Client


@dataclass
class Form:
    """One form of a page: where it goes, and what its fields hold."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)  #: name, value, words
    choices: dict[str, list[tuple[str, str]]] = field(
        default_factory=dict
    )  #: of selects and radios: value, words


class _Reader(HTMLParser):
    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.forms: list[Form] = []
        self.by_id: dict[str, Form] = {}
        self.links: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.labels: dict[str, str] = {}
        self._form: Form | None = None
        self._link: list[Any] | None = None
        self._button: list[Any] | None = None
        self._select: tuple[str, Form, bool] | None = None
        self._option: list[Any] | None = None
        self._area: list[Any] | None = None
        self._silent = 0
        self._outside: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        has = {name for name, _value in attrs}
        if tag in {"script", "style", "title", "svg"}:
            self._silent += 1
        elif tag == "form":
            action = urljoin(self.address, given.get("action", "")) if given.get("action") else self.address
            self._form = Form(action, given.get("method", "get").lower())
            self.forms.append(self._form)
            if "id" in given:
                self.by_id[given["id"]] = self._form
        elif tag == "a":
            self._link = [given.get("href", ""), ""]
        elif tag in {"input", "button", "select", "textarea"}:
            self._control(tag, given, has)
        elif tag == "option" and self._select:
            self._option = [given.get("value"), "", "selected" in has]

    def _control(self, tag: str, given: dict[str, str], has: set[str]) -> None:
        form = self.by_id.get(given["form"]) if "form" in given else self._form
        name, kind = given.get("name", ""), given.get("type", "text").lower()
        if tag == "button" or (tag == "input" and kind in {"submit", "image"}):
            if form is not None and kind not in {"button", "reset"}:
                self._button = [
                    form,
                    name,
                    given.get("value", ""),
                    given.get("value", "") if tag == "input" else "",
                ]
                if tag == "input":
                    self._end_button()
            return
        if form is None or not name or "disabled" in has:
            return
        if tag == "select":
            self._select = (name, form, False)
            form.choices.setdefault(name, [])
        elif tag == "textarea":
            self._area = [name, form, ""]
        elif kind in {"checkbox", "radio"}:
            form.choices.setdefault(name, []).append((given.get("value", "on"), given.get("id", "")))
            if "checked" in has:
                form.fields.setdefault(name, []).append(given.get("value", "on"))
        elif kind not in {"file", "button", "reset"}:
            form.fields.setdefault(name, []).append(given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style", "title", "svg"}:
            self._silent -= 1
        elif tag == "form":
            self._form = None
        elif tag == "a" and self._link:
            self.links.append((self._link[0], " ".join(self._link[1].split())))
            self._link = None
        elif tag == "button" and self._button:
            self._end_button()
        elif tag == "option" and self._option and self._select:
            name, form, chosen = self._select
            value = self._option[0] if self._option[0] is not None else self._option[1].strip()
            form.choices[name].append((value, self._option[1].strip()))
            if self._option[2]:
                form.fields[name] = [value]
                self._select = (name, form, True)
            self._option = None
        elif tag == "select" and self._select:
            name, form, chosen = self._select
            if not chosen and form.choices[name]:
                form.fields[name] = [form.choices[name][0][0]]
            self._select = None
        elif tag == "textarea" and self._area:
            self._area[1].fields.setdefault(self._area[0], []).append(self._area[2].removeprefix("\n"))
            self._area = None

    def _end_button(self) -> None:
        assert self._button is not None
        form, name, value, words = self._button
        form.buttons.append((name, value, " ".join(words.split())))
        self._button = None

    def handle_data(self, data: str) -> None:
        if self._area:
            self._area[2] += data
            return
        if self._option:
            self._option[1] += data
        if self._link:
            self._link[1] += data
        if self._button:
            self._button[3] += data
        if not self._silent and data.strip():
            self.words.append(data)


class Visitor:
    """One person at one browser. Every answer must be a page that works: a 5xx fails the journey at once."""

    def __init__(self) -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.address = "/"
        self.status = 0
        self.html = ""
        self.headers: Any = {}
        self._page = _Reader("/")

    def sign_in(self, email: str, password: str = "ride-together") -> Visitor:
        """Through the sign-in page, as people do."""
        self.open("/accounts/login/")
        self.send("login", login=email, password=password)
        assert "sessionid" in self.client.cookies, self.text
        return self

    def open(self, address: str) -> Visitor:
        """Go to an address and follow where it leads."""
        self._arrive(self.client.get(self._ours(address)))
        return self

    def send(self, has: str, *, press: str = "", **values: Any) -> Visitor:
        """Fill and send the form that has a field or button of this name, or goes to an address with these words.

        `press` is (a part of) the words on the button. A value of None leaves a field out; a list sends it repeatedly.
        """
        form = self.form(has, press)
        sent = {name: list(value) for name, value in form.fields.items()}
        button = next((one for one in form.buttons if press in one[2]), None)
        if press:
            assert button, f"No button “{press}” among {[one[2] for one in form.buttons]}"
        if button and button[0]:
            sent[button[0]] = [button[1]]
        for name, value in values.items():
            if value is None:
                sent.pop(name, None)
            else:
                sent[name] = [str(one) for one in value] if isinstance(value, list) else [str(value)]
        if form.method == "get":
            self._arrive(self.client.get(self._ours(form.action).split("?")[0], sent))
        else:
            self._arrive(
                self.client.post(self._ours(form.action), sent, headers={"referer": "http://testserver/"})
            )
        return self

    def form(self, has: str, press: str = "") -> Form:
        """The first form that has a field or button of this name or goes there, with a button of these words."""
        for form in self._page.forms:
            names = {*form.fields, *form.choices, *(name for name, _value, _words in form.buttons)}
            fits = has in names or has in urlsplit(form.action).path.split("/")
            if fits and (not press or any(press in words for _name, _value, words in form.buttons)):
                return form
        raise AssertionError(f"No form with {has!r} on {self.address}: {self._page.forms}\n{self.text}")

    def follow(self, words: str) -> Visitor:
        """Follow the first link whose words contain these."""
        for href, said in self._page.links:
            if words in said:
                return self.open(urljoin(self.address, href))
        raise AssertionError(f"No link “{words}” on {self.address}: {self._page.links}")

    def link_to(self, part: str) -> str:
        """The first address on the page that contains this."""
        for href, _said in self._page.links:
            if part in href:
                return urljoin(self.address, href)
        raise AssertionError(f"No link to {part} on {self.address}: {self._page.links}")

    @property
    def text(self) -> str:
        """The words on the page, single-spaced."""
        return " ".join(" ".join(self._page.words).split())

    def _ours(self, address: str) -> str:
        parts = urlsplit(urljoin(self.address, address))
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def _arrive(self, answer: Any) -> None:
        for _hop in range(10):
            self.address = self._ours(answer.wsgi_request.get_full_path())
            if answer.status_code not in {301, 302, 303, 307}:
                break
            answer = self.client.get(self._ours(answer["Location"]))
        assert answer.status_code < 500, answer.content.decode()[:3000]
        self.status, self.headers = answer.status_code, answer.headers
        self.html = (
            b"".join(answer.streaming_content).decode() if answer.streaming else answer.content.decode()
        )
        self._page = _Reader(self.address)
        if "html" in answer.headers.get("Content-Type", ""):
            self._page.feed(self.html)
