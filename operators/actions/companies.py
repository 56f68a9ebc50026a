"""Bus companies: registering one, changing what it says of itself, suspending it."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _

from operators import permissions
from operators.locks import locked_operator
from operators.models import Member, Operator
from operators.queries.places import time_zone_at, town
from operators.states import OPERATOR, OperatorState, Role
from payments.actions import payees
from rally import audit, journal
from rally.errors import BadInput
from rally.geo import Point
from rally.models import User

_PHONE = re.compile(r"^\+?[0-9 ().\-/]{6,31}$")


@transaction.atomic
def register(
    *,
    by: User,
    name: str,
    email: str,
    phone: str,
    base_name: str,
    latitude: float | None = None,
    longitude: float | None = None,
    usdot: str = "",
    now: datetime,
) -> Operator:
    """Open a company with `by` as its owner, and its payee.

    `base_name` is the town of the depot; with coordinates (degrees) it may be any name, without them it must be a
    town we know. The same person registering the same name again is given the company that is there. Raises `BadInput`.
    """
    User.objects.select_for_update(no_key=True).get(
        id=by.id
    )  # the same form pressed twice would otherwise make two companies

    name = one_line(name, most=120, what="name")
    mail = _checked_email(email)
    base, point, zone = _depot(base_name, latitude, longitude)
    number = _usdot(usdot)
    telephone = checked_phone(phone)
    there = Operator.objects.filter(members__user=by, members__role=Role.OWNER, name__iexact=name).first()
    if there is not None:
        return there

    operator = Operator.objects.create(
        name=name,
        email=mail,
        phone=telephone,
        base_name=base,
        latitude=point.latitude,
        longitude=point.longitude,
        time_zone=zone,
        usdot=number,
        payee=payees.open(name=name, email=mail, now=now),
        created_at=now,
    )
    Member.objects.create(operator=operator, user=by, role=Role.OWNER, created_at=now)

    journal.begin(operator, OPERATOR, now=now, by=by, why="registered")
    return operator


@transaction.atomic
def change(
    *,
    operator_id: Any,
    by: User,
    name: str,
    email: str,
    phone: str,
    base_name: str,
    latitude: float | None = None,
    longitude: float | None = None,
    usdot: str = "",
) -> Operator:
    """Change what the company says of itself. Owners only. Runs keep the times they were committed with. The payment
    service is told of name and address as long as it has no account for the company.

    Without coordinates and with an unchanged `base_name` the depot stays where it is. Raises `NotAllowed`, `BadInput`.
    """
    operator = locked_operator(operator_id)
    permissions.check_can_own(by, operator)

    operator.name = one_line(name, most=120, what="name")
    operator.email = _checked_email(email)
    operator.phone = checked_phone(phone)
    operator.usdot = _usdot(usdot)
    if latitude is not None or longitude is not None or base_name.strip() != operator.base_name:
        operator.base_name, point, operator.time_zone = _depot(base_name, latitude, longitude)
        operator.latitude, operator.longitude = point.latitude, point.longitude

    operator.save()
    payees.correct(payee_id=operator.payee_id, name=operator.name, email=operator.email)
    return operator


@transaction.atomic
def suspend(*, operator_id: Any, why: str, now: datetime, by: User) -> Operator:
    """The company may take no further trips; runs it has stay its own. Staff only. Twice is once.

    Raises `NotAllowed`, and `BadInput` without a reason.
    """
    return _move(operator_id, OperatorState.SUSPENDED, why=why, now=now, by=by)


@transaction.atomic
def activate(*, operator_id: Any, why: str, now: datetime, by: User) -> Operator:
    """The company may take trips again. Staff only. Twice is once. Raises `NotAllowed`, `BadInput` without a reason."""
    return _move(operator_id, OperatorState.ACTIVE, why=why, now=now, by=by)


def one_line(text: str, *, most: int, what: str, least: int = 1) -> str:
    """What someone typed as one line of visible text. Raises `BadInput` naming the field `what`."""
    shown = "".join(" " if unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} else sign for sign in text)
    line = " ".join(shown.split())
    if len(line) < least:
        raise BadInput(_("Please fill this in."), field=what)
    if len(line) > most:
        raise BadInput(_("At most %(most)s characters, please.") % {"most": most}, field=what)
    return line


def checked_phone(text: str) -> str:
    """A telephone number as typed, of 6 to 31 digits, spaces and signs. Raises `BadInput`."""
    number = " ".join(text.split())
    if not _PHONE.match(number) or sum(sign.isdigit() for sign in number) < 6:
        raise BadInput(_("That is not a telephone number we can call."), field="phone")
    return number


def _move(operator_id: Any, to: OperatorState, *, why: str, now: datetime, by: User) -> Operator:
    operator = locked_operator(operator_id)
    permissions.check_is_staff(by)
    if operator.state != to:
        reason = one_line(why, most=200, what="why")
        journal.move(operator, OPERATOR, to, now=now, by=by, why=reason)
        verb = "operator.suspend" if to == OperatorState.SUSPENDED else "operator.activate"
        audit.note(by=by, what=verb, subject=f"operator:{operator.id}", now=now, why=reason)
    return operator


def _checked_email(text: str) -> str:
    email = text.strip()
    try:
        validate_email(email)
    except ValidationError:
        raise BadInput(_("That is not an e-mail address."), field="email") from None
    return email


def _usdot(text: str) -> str:
    """The number alone. Up to eight digits, as the FMCSA gives them out."""
    number = re.sub(r"(?i)usdot|[\s#:.-]", "", text)
    if number and not re.fullmatch(r"[0-9]{1,8}", number):
        raise BadInput(_("A USDOT number has up to eight digits."), field="usdot")
    return number


def _depot(base_name: str, latitude: float | None, longitude: float | None) -> tuple[str, Point, str]:
    name = one_line(base_name, most=120, what="base_name")
    if (latitude is None) != (longitude is None):
        raise BadInput(_("Give both coordinates, or neither."), field="latitude")
    if latitude is None or longitude is None:
        place = town(name)
        if place is None:
            raise BadInput(
                _("We do not know this town. Write it as “Green Bay, WI”, or give the depot’s coordinates."),
                field="base_name",
            )
        return str(place), place.point, place.time_zone
    try:
        point = Point(float(latitude), float(longitude))
    except ValueError:
        raise BadInput(_("These coordinates are not on the earth."), field="latitude") from None
    zone = time_zone_at(point)
    if zone is None:
        raise BadInput(_("No town we know is near these coordinates."), field="latitude")
    return name, point, zone
