"""The people of the demo."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import authenticate

from rally.demo import cast
from rally.models import User

pytestmark = pytest.mark.django_db


def test_the_cast_signs_in_with_one_password() -> None:
    people = cast.ensure()

    assert list(people) == ["ana", "cleo", "otto", "dee", "pat", "sam", "max"]
    for person in people.values():
        assert authenticate(email=person.email, password="ride-together") == person
        assert EmailAddress.objects.get(user=person).verified
    assert [person.key for person in cast.CAST if people[person.key].is_staff] == ["sam"]


def test_making_the_cast_twice_makes_it_once() -> None:
    first = cast.ensure()

    assert cast.ensure() == first
    assert User.objects.count() == EmailAddress.objects.count() == 7


def test_the_fellows_are_always_the_same_three_hundred() -> None:
    first = cast.fellows()

    assert cast.fellows() == first
    assert len({person.email for person in first}) == len({person.name for person in first}) == 300
    assert not any(person.has_usable_password() for person in first)
    assert all(cast.is_fellow(person.email) for person in first)


def test_only_the_cast_counts_as_the_cast() -> None:
    people = cast.ensure()

    assert cast.key_of(people["dee"]) == "dee"
    assert cast.key_of(cast.fellows()[0]) == ""
    assert cast.key_of(None) == ""
