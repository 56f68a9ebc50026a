"""Who works in a company, in which role."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _

from operators import notices, permissions
from operators.actions.companies import checked_phone, one_line
from operators.errors import AlreadyMember, LastOwner, MemberHasRuns
from operators.locks import locked_driver, locked_operator
from operators.models import Member, Operator
from operators.states import UPCOMING, Role
from rally.errors import BadInput
from rally.models import User


@transaction.atomic
def add(
    *, operator_id: Any, email: str, role: str, name: str = "", phone: str = "", now: datetime, by: User
) -> Member:
    """Let the person with this address work for the company.

    Without an account one is made, without a password: the mail that goes out says how to sign in with a code. Somebody
    who worked there before comes back in the new role. Name and phone are kept only where the account has none. Owners
    only. Raises `NotAllowed`, `AlreadyMember`, `BadInput`.
    """
    operator = locked_operator(operator_id)
    permissions.check_can_own(by, operator)

    checked = _checked_role(role)
    user = _account(email, name, phone)
    member = Member.objects.filter(operator=operator, user=user).first()
    if member is not None and member.active:
        raise AlreadyMember(email=user.email)

    if member is None:
        member = Member.objects.create(operator=operator, user=user, role=checked, created_at=now)
    else:
        member.role, member.active = checked, True
        member.save(update_fields=["role", "active"])

    notices.invited(member, now)
    return member


@transaction.atomic
def change_role(*, member_id: Any, role: str, by: User) -> Member:
    """Give a member another role. Owners only. Twice is once. Raises `NotAllowed`, `LastOwner`, `BadInput`."""
    member, operator = _locked(member_id)
    permissions.check_can_own(by, operator)

    checked = _checked_role(role)
    if checked != Role.OWNER:
        _keep_an_owner(member)

    member.role = checked
    member.save(update_fields=["role"])
    return member


@transaction.atomic
def deactivate(*, member_id: Any, by: User) -> Member:
    """The person no longer works there; what they did stays on record. Owners only. Twice is once.

    Raises `NotAllowed`, `LastOwner`, `MemberHasRuns` while runs to come are theirs.
    """
    member, operator = _locked(member_id)
    permissions.check_can_own(by, operator)

    if not member.active:
        return member
    _keep_an_owner(member)
    ahead = list(member.runs.filter(state__in=UPCOMING).order_by("period").values_list("code", flat=True))
    if ahead:
        raise MemberHasRuns(member=str(member.user), runs=", ".join(ahead))

    member.active = False
    member.save(update_fields=["active"])
    return member


def _locked(member_id: Any) -> tuple[Member, Operator]:
    """The member behind the company's lock, so that two owners cannot leave at the same moment."""
    operator = locked_operator(Member.objects.values_list("operator_id", flat=True).get(id=member_id))
    return locked_driver(member_id), operator


def _keep_an_owner(member: Member) -> None:
    others = Member.objects.active().filter(
        operator=member.operator_id, role=Role.OWNER, user__is_active=True
    )
    if member.role == Role.OWNER and not others.exclude(id=member.id).exists():
        raise LastOwner


def _checked_role(role: str) -> Role:
    if role not in Role.values:
        raise BadInput(_("Choose one of: owner, dispatcher, driver."), field="role")
    return Role(role)


def _account(email: str, name: str, phone: str) -> User:
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError:
        raise BadInput(_("That is not an e-mail address."), field="email") from None
    user = User.objects.filter(email=address).first()
    if user is not None and not user.is_active:
        raise BadInput(_("This account is closed."), field="email")
    typed_name = one_line(name, most=100, what="name", least=0)
    typed_phone = checked_phone(phone) if phone.strip() else ""
    if user is None:
        if not typed_name:
            raise BadInput(_("Somebody new: please give the name riders will see."), field="name")
        return User.objects.create_user(address, name=typed_name, phone=typed_phone)
    missing = {}
    if typed_name and not user.name:
        missing["name"] = typed_name
    if typed_phone and not user.phone:
        missing["phone"] = typed_phone
    if missing:
        User.objects.filter(id=user.id).update(**missing)
    return user
