"""Signing up."""

from __future__ import annotations

import pytest
from django.test import Client

from rally.models import User

pytestmark = pytest.mark.django_db

NEW = {"name": "Nell Ives", "email": "nell@test.example", "password1": "a bus full of people"}


def test_who_signs_up_keeps_the_name_and_is_in(client: Client) -> None:
    answer = client.post("/accounts/signup/", NEW)

    nell = User.objects.get()
    assert answer.status_code == 302
    assert (nell.email, nell.name) == ("nell@test.example", "Nell Ives")
    assert nell.check_password(NEW["password1"])
    assert client.session["_auth_user_id"] == str(nell.pk)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101])
def test_nobody_signs_up_without_a_name_that_can_be_shown(client: Client, name: str) -> None:
    answer = client.post("/accounts/signup/", {**NEW, "name": name})

    assert answer.status_code == 200
    assert 'id="id_name_error"' in answer.content.decode()
    assert not User.objects.exists()


def test_an_address_that_has_an_account_makes_no_second_one(client: Client, ana: User) -> None:
    client.post("/accounts/signup/", {**NEW, "email": ana.email.upper()})

    assert User.objects.get().name == ana.name
    assert "_auth_user_id" not in client.session
