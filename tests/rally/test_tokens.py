"""Who a program is."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.authtoken.models import Token

from rally.models import User


def ask(client: Client, given: str) -> Any:
    """The list of one's pledges, with this `Authorization`."""
    return client.get("/api/v1/pledges", headers={"Authorization": given} if given else {})


@pytest.fixture
def key(ana: User) -> str:
    return Token.objects.create(user=ana).key


def test_a_token_says_who_it_is(client: Client, key: str, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):  # the token with its person; the pledges
        assert ask(client, f"Token {key}").status_code == 200


@pytest.mark.parametrize("given", ["", "Token", "Token a b", "Token nobody", "Token a\x00b", "Token '; --"])
def test_no_token_is_nobody(client: Client, key: str, given: str) -> None:
    answer = ask(client, given)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Token"
    assert set(answer.json()) == {"code", "message"}


def test_who_is_shut_out_stays_out(client: Client, key: str, ana: User) -> None:
    User.objects.filter(id=ana.id).update(is_active=False)

    assert ask(client, f"Token {key}").status_code == 401
