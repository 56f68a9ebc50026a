"""Who may do what in a bus company."""

from __future__ import annotations

from operators.models import Member, Operator, Run
from rally.errors import NotAllowed
from rally.models import User


def membership(user: User, operator: Operator) -> Member | None:
    """The person's active place in the company, once the address is proven."""
    return Member.objects.of(user).filter(operator=operator).first()


def check_can_own(user: User, operator: Operator) -> None:
    """Owners decide about people and payouts. Raises `NotAllowed`."""
    member = membership(user, operator)
    if member is None or not member.is_owner:
        raise NotAllowed


def check_can_dispatch(user: User, operator: Operator) -> None:
    """Owners and dispatchers commit vehicles, keep the fleet and its papers. Raises `NotAllowed`."""
    member = membership(user, operator)
    if member is None or not member.is_office:
        raise NotAllowed


def check_can_drive(user: User, run: Run) -> None:
    """The run's own driver, and the company's office for them. Raises `NotAllowed`."""
    member = membership(user, run.operator)
    if member is None or not (member.is_office or run.person_id == user.id):
        raise NotAllowed


def check_is_staff(user: User) -> None:
    """Our own staff. Raises `NotAllowed`."""
    if not (user.is_active and user.is_staff):
        raise NotAllowed
