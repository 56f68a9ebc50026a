"""Staff screens of people: nobody gets into a colleague's account by them, and who may do what leaves a line."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission
from django.test import Client
from rest_framework.authtoken.models import Token

from rally.models import StaffAction, User
from tests.seeing import fresh, signed_in, text

pytestmark = pytest.mark.django_db

PEOPLE = "/admin/rally/user/"


@pytest.fixture
def desk(sam: User) -> Client:
    """A superuser at the admin."""
    return signed_in(sam)


def changed(desk: Client, person: User, **typed: object) -> None:
    """Save the form of a person with these fields, and whatever else is in it left empty."""
    answer = desk.post(f"{PEOPLE}{person.pk}/change/", {"name": person.name, **typed})
    assert answer.status_code == 302, text(answer)


# ---- ways into an account


def test_nobody_sets_the_password_of_another(desk: Client, ana: User) -> None:
    typed = {"password1": "correct horse 7", "password2": "correct horse 7", "usable_password": "true"}

    assert desk.get(f"{PEOPLE}{ana.pk}/password/").status_code == 404
    assert desk.post(f"{PEOPLE}{ana.pk}/password/", typed).status_code == 404
    assert fresh(ana).password == ana.password
    page = desk.get(f"{PEOPLE}{ana.pk}/change/").content.decode()
    assert "password" not in page.partition("<form")[2].partition('id="user_form"')[2]


def test_a_new_account_has_no_password(desk: Client) -> None:
    page = desk.get(f"{PEOPLE}add/").content.decode()
    assert 'name="email"' in page
    assert "password" not in page.partition('id="user_form"')[2]

    typed = {
        "email": "Nia@Test.example",
        "name": "Nia",
        "password1": "correct horse 7",
        "password2": "correct horse 7",
    }
    assert desk.post(f"{PEOPLE}add/", typed).status_code == 302
    nia = User.objects.get(email="nia@test.example")
    assert not nia.has_usable_password()
    assert (nia.name, nia.is_staff, nia.is_proven) == ("Nia", False, False)
    assert "already exists" in text(desk.post(f"{PEOPLE}add/", typed))


def test_an_address_is_changed_by_its_owner_alone(desk: Client, ana: User) -> None:
    changed(desk, ana, email="mallory@test.example")

    assert fresh(ana).email == ana.email
    assert 'name="email"' not in desk.get(f"{PEOPLE}{ana.pk}/change/").content.decode()


def test_addresses_are_only_looked_at(desk: Client, ana: User) -> None:
    typed = EmailAddress.objects.create(user=ana, email="mallory@test.example", verified=False)
    table = "/admin/account/emailaddress/"

    assert "mallory@test.example" in desk.get(table).content.decode()
    desk.post(table, {"action": "make_verified", "_selected_action": [typed.pk]})
    assert not fresh(typed).verified
    assert desk.get(f"{table}{typed.pk}/change/").status_code == 200
    assert desk.post(f"{table}{typed.pk}/change/", {"verified": "on"}).status_code == 403
    assert desk.post(f"{table}{typed.pk}/delete/", {"post": "yes"}).status_code == 403
    assert desk.get(f"{table}add/").status_code == 403


def test_second_factors_are_only_looked_at_and_tell_no_secret(desk: Client, ana: User) -> None:
    kept = Authenticator.objects.create(
        user=ana, type=Authenticator.Type.TOTP, data={"secret": "JBSWY3DPEHPK3PXP"}
    )
    table = "/admin/mfa/authenticator/"

    for page in (table, f"{table}{kept.pk}/change/"):
        shown = desk.get(page)
        assert shown.status_code == 200
        assert "JBSWY3" not in shown.content.decode()
    # Nor is it guessed letter by letter.
    assert desk.get(f"{table}?data__secret__startswith=J").status_code in {302, 400}
    assert desk.post(f"{table}{kept.pk}/delete/", {"post": "yes"}).status_code == 403
    desk.post(table, {"action": "delete_selected", "_selected_action": [kept.pk], "post": "yes"})
    assert desk.get(f"{table}add/").status_code == 403
    assert Authenticator.objects.filter(pk=kept.pk).exists()


def test_tokens_are_on_no_screen(desk: Client, ana: User) -> None:
    Token.objects.create(user=ana)

    assert desk.get("/admin/authtoken/tokenproxy/").status_code == 404


# ---- who may do what


def test_what_a_person_may_do_is_changed_with_a_line(desk: Client, sam: User, ana: User) -> None:
    support = Group.objects.create(name="Support")
    may = Permission.objects.get(codename="view_notice")
    changed(desk, ana, is_active="on", is_staff="on", groups=[support.pk], user_permissions=[may.pk])

    line = StaffAction.objects.get()
    assert (line.by, line.what, line.subject) == (sam, "person.change", f"user:{ana.pk}")
    assert line.facts == {"is_staff": True, "groups": ["Support"], "user_permissions": ["view_notice"]}

    changed(desk, ana, is_active="on", is_staff="on", is_superuser="on")
    changed(desk, ana, name="Ana Lucia", is_active="on", is_staff="on", is_superuser="on")
    changed(desk, ana, is_staff="on", is_superuser="on")
    lines = StaffAction.objects.order_by("id")
    assert [each.facts for each in lines][1:] == [
        {"groups": [], "user_permissions": [], "is_superuser": True},
        {"is_active": False},
    ]
    page = text(desk.get("/desk/audit/"))
    assert "person.change" in page
    assert "groups: ['Support']" in page


def test_rights_of_many_are_written_down(desk: Client, sam: User) -> None:
    right = Permission.objects.get(codename="change_user")
    desk.post("/admin/auth/group/add/", {"name": "Support", "permissions": [right.pk]})
    group = Group.objects.get()
    desk.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Support", "permissions": []})
    chosen = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    desk.post("/admin/auth/group/", chosen)
    assert not Group.objects.exists()
    told = StaffAction.objects.filter(by=sam, subject=f"group:{group.pk}").order_by("at", "id")
    assert [(each.what, each.facts) for each in told] == [
        ("group.change", {"name": "Support", "permissions": ["change_user"]}),
        ("group.change", {"permissions": []}),
        ("group.delete", {}),
    ]
