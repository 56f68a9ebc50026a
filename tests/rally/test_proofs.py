"""The first proof of an address ends what anybody set up for it before."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client
from rest_framework.authtoken.models import Token

from rally.models import User
from tests.seeing import fresh, signed_in, text

pytestmark = pytest.mark.django_db

VIC = "vic@test.example"
PASSWORD = "a bus full of people"


def signs_up(client: Client, email: str = VIC) -> User:
    """Somebody opens an account for this address, with a password."""
    client.post("/accounts/signup/", {"name": "Vic", "email": email, "password1": PASSWORD})
    return User.objects.get(email=email)


def link(subject: str = "") -> str:
    """The link to confirm an address in the last mail."""
    found = re.search(r"https?://[^/]+(/accounts/confirm-email/\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def signs_in_by_code(client: Client, email: str = VIC) -> Any:
    """The owner of the address asks for a code and types it."""
    client.post("/accounts/login/code/", {"email": email})
    found = re.search(r"^([0-9A-Z]{3,4}-?[0-9A-Z]{3,4})$", str(mail.outbox[-1].body), re.MULTILINE)
    assert found
    assert mail.outbox[-1].to == [email]
    return client.post("/accounts/login/code/confirm/", {"code": found[1]})


def is_in(client: Client) -> bool:
    return client.get("/rides/").status_code == 200


@pytest.fixture
def stranger(client: Client) -> Client:
    """Signed in to an account for Vic's address, with a password, a token, a passkey and a second address."""
    vic = signs_up(client)
    Token.objects.create(user=vic)
    Authenticator.objects.create(user=vic, type=Authenticator.Type.WEBAUTHN, data={})
    EmailAddress.objects.create(user=vic, email="mallory@test.example", verified=True)
    return client


def gone(vic: User) -> bool:
    ways = Token.objects.filter(user=vic), Authenticator.objects.filter(user=vic)
    return not any(rows.exists() for rows in ways) and [
        (row.email, row.verified) for row in EmailAddress.objects.filter(user=vic)
    ] == [(VIC, True)]


def test_a_code_ends_what_a_stranger_set_up(stranger: Client) -> None:
    owner = Client()
    signs_in_by_code(owner)

    vic = User.objects.get(email=VIC)
    assert is_in(owner)
    assert not is_in(stranger)
    assert vic.is_proven
    assert not vic.has_usable_password()
    assert gone(vic)


def test_a_link_ends_what_a_stranger_set_up(stranger: Client) -> None:
    answer = Client().post(link(), follow=True)

    vic = User.objects.get(email=VIC)
    assert not is_in(stranger)
    assert vic.is_proven
    assert not vic.has_usable_password()
    assert gone(vic)
    assert "counts no more" in text(answer)


def test_a_new_password_by_mail_ends_what_a_stranger_set_up(client: Client) -> None:
    vic = signs_up(client)
    Token.objects.create(user=vic)
    owner = Client()
    owner.post("/accounts/password/reset/", {"email": VIC})
    found = re.search(r"https?://[^/]+(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert found
    page = owner.get(found[1], follow=True)
    owner.post(
        page.request["PATH_INFO"], {"password1": "quite another one", "password2": "quite another one"}
    )

    vic = fresh(vic)
    assert not is_in(client)
    assert vic.is_proven
    assert vic.check_password("quite another one")
    assert gone(vic)


def test_who_signs_up_and_opens_the_link_keeps_the_password(client: Client) -> None:
    vic = signs_up(client)
    client.post(link())

    assert is_in(client)
    assert fresh(vic).is_proven
    assert fresh(vic).check_password(PASSWORD)


def test_who_was_proven_before_keeps_everything(client: Client, ana: User) -> None:
    Token.objects.create(user=ana)
    elsewhere = signed_in(ana)
    signs_in_by_code(client, ana.email)

    assert is_in(client)
    assert is_in(elsewhere)
    assert fresh(ana).has_usable_password()
    assert Token.objects.filter(user=ana).exists()


def test_a_proof_in_the_present_session_leaves_it_signed_in(client: Client) -> None:
    vic = User.objects.create_user(VIC, name="Vic")
    client.force_login(vic)
    other = signed_in(vic)
    client.post("/accounts/email/", {"email": VIC, "action_send": "1"})
    client.post(link())

    assert fresh(vic).is_proven
    assert is_in(client)
    assert not is_in(other)


def test_an_account_cannot_be_moved_away_before_its_address_is_proven(stranger: Client) -> None:
    page = stranger.post("/accounts/email/", {"email": "else@test.example", "action_add": "1"})

    assert "First confirm the address you have" in text(page)
    assert not EmailAddress.objects.filter(email="else@test.example").exists()


def test_what_somebody_typed_as_a_second_address_opens_nothing(ana: User) -> None:
    EmailAddress.objects.create(user=ana, email=VIC, verified=False)
    vic = User.objects.create_user(VIC, name="Vic")
    owner = Client()
    signs_in_by_code(owner)

    assert owner.session["_auth_user_id"] == str(vic.pk)


def test_an_address_with_an_account_is_not_added_to_another(ana: User, ben: User) -> None:
    page = signed_in(ana).post("/accounts/email/", {"email": ben.email, "action_add": "1"})

    assert "This address has an account" in text(page)


def test_only_a_proven_account_becomes_staff(sam: User) -> None:
    vic = User.objects.create_user(VIC, name="Vic")
    desk = signed_in(sam)
    given = {"email": VIC, "name": "Vic", "is_active": "on", "is_staff": "on"}
    refused = desk.post(f"/admin/rally/user/{vic.pk}/change/", given)
    assert "has not been shown" in text(refused)
    assert not fresh(vic).is_staff

    User.objects.filter(pk=vic.pk).update(proven_address=VIC)
    desk.post(f"/admin/rally/user/{vic.pk}/change/", given)
    assert fresh(vic).is_staff
