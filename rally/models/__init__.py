"""Tables that every app stands on: people, the journal of states, notices, rules, answers given, what staff did."""

from rally.models.answers import GivenAnswer
from rally.models.audit import StaffAction
from rally.models.base import Row, codes_constraint, money_fields_agree
from rally.models.journal import StateChange
from rally.models.notices import Notice
from rally.models.rules import RuleValue
from rally.models.users import User

__all__ = [
    "GivenAnswer",
    "Notice",
    "Row",
    "RuleValue",
    "StaffAction",
    "StateChange",
    "User",
    "codes_constraint",
    "money_fields_agree",
]
