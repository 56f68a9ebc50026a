"""A program that talks to the API with its token, and to the provider's pages by plain HTTP."""

from __future__ import annotations

import itertools
import json
from typing import Any

from django.test import Client

from tests.factories.people import person
from tests.journeys.visitor import Visitor

_machines = itertools.count()

#: On the way from Milwaukee to Green Bay, as a captain's program names them.
STOPS = [
    {"name": "Milwaukee Intermodal Station", "latitude": 43.0346, "longitude": -87.9166},
    {"name": "Sheboygan", "latitude": 43.7508, "longitude": -87.7145},
]


class Program:
    """One program with one person's token."""

    def __init__(self, email: str, password: str = "ride-together") -> None:
        # Each program runs on a machine of its own: tokens are throttled by address.
        self.client = Client(REMOTE_ADDR=f"10.0.0.{next(_machines) % 250 + 1}")
        self.token = ""
        self.status = 0
        answer = self.post("auth/token", {"email": email, "password": password})
        self.token = answer["token"]

    def get(self, path: str, expect: int = 200, **query: Any) -> Any:
        """Read; fails the journey unless the answer has the expected status."""
        return self._answer(self.client.get(f"/api/v1/{path}", query, headers=self._headers()), expect)

    def post(self, path: str, body: dict[str, Any] | None = None, *, expect: int = 0, key: str = "") -> Any:
        """Write, with an idempotency key if there is one."""
        headers = self._headers() | ({"Idempotency-Key": key} if key else {})
        answer = self.client.post(
            f"/api/v1/{path}", json.dumps(body or {}), content_type="application/json", headers=headers
        )
        return self._answer(answer, expect)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"} if self.token else {}

    def _answer(self, answer: Any, expect: int) -> Any:
        self.status = answer.status_code
        fine = self.status == expect if expect else self.status < 300
        assert fine, f"{answer.wsgi_request.path}: {self.status} {answer.content.decode()[:1000]}"
        return answer.json() if answer.content else None


def program(name: str) -> Program:
    """The program of somebody who has just opened an account."""
    person(name)
    return Program(f"{name}@test.example")


def pay(address: str, number: str = "4242424242424242", *, name: str = "A Rider") -> Visitor:
    """Follow a link to pay with a browser of one's own: the hosted page, its form, and back."""
    visitor = Visitor().open(address)
    assert "/sandbox/checkout/" in visitor.address, visitor.text
    visitor.send("number", number=number, expiry="12 / 34", cvc="123", name=name)
    if "/sandbox/authenticate/" in visitor.address:
        visitor.send("answer", press="Complete")
    return visitor
