"""Rules with numbers: the defaults in one place, and what staff changed since."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from rally import audit
from rally.errors import BadInput
from rally.models import RuleValue, User


@dataclass(frozen=True)
class Rules:
    """Every number the product runs on. Times in the unit their name ends with; money in US cents."""

    # Decisions (peer: Rally confirms a week ahead; a late decision 48 h ahead as at Buser)
    decide_days_before: int = 7
    short_lead_days: int = 9
    short_lead_decide_hours_before: int = 48
    propose_hours_before: int = 60
    tentative_notice_days_before: int = 14
    # Travel
    arrive_minutes_before: int = 90
    leave_minutes_after: int = 45
    game_minutes: int = 195
    road_factor_percent: int = 125
    speed_km_per_hour: int = 80
    stop_minutes: int = 10
    max_stops: int = 8
    min_stop_km_from_venue: int = 8
    # Driving hours of US passenger carriers (49 CFR 395.5)
    max_driving_minutes: int = 600
    max_duty_minutes: int = 900
    # Threshold: never below this share of the seats
    threshold_floor_percent: int = 40
    # Cost of a bus, cents: call-out, per km, per hour of duty
    coach_call_out: int = 25_000
    coach_per_km: int = 130
    coach_per_hour: int = 6_500
    mini_call_out: int = 18_000
    mini_per_km: int = 95
    mini_per_hour: int = 5_500
    van_call_out: int = 12_000
    van_per_km: int = 65
    van_per_hour: int = 4_500
    empty_leg_km: int = 25
    platform_percent: int = 12
    # Pledges
    reserve_minutes: int = 31
    max_seats_per_pledge: int = 10
    # Money (the hold window is the shortest scheme window less a day; see docs/money.md)
    hold_window_days: int = 6
    grace_hours: int = 72
    settle_slack_hours: int = 12
    payout_delay_hours: int = 72
    provider_calls_per_second: int = 10
    # Leaving after confirmation: from the first hour on, the share that is refunded
    full_refund_hours: int = 168
    high_refund_hours: int = 72
    high_refund_percent: int = 75
    low_refund_hours: int = 24
    low_refund_percent: int = 50
    # The least that a card pays where credit and promotions pay the rest (the provider takes nothing below 50 cents)
    least_by_card: int = 100
    # A bus that went one way only gives back this share of the fare; staff may raise it, within `by_hand_most`
    one_leg_percent: int = 50
    # A company that gives up a run so late (as late as riders leave free of charge no more) owes this much; 0: nothing
    given_up_late_hours: int = 168
    given_up_late_cost: int = 10_000
    # A confirmed trip that lost its bus looks for another until then: riders still hear of the end before they go to the stop
    another_bus_hours_before: int = 6
    # Said sorry in credit when an operator leaves riders standing
    goodwill: int = 1_000
    # Credit for who brought a friend, once that friend has ridden on a seat of their own (peer: Rally, $5 a seat)
    referral: int = 500
    # The waiting list: how long seats that became free are kept for who is next (peer: Zeelo, 5 hours)
    waiting_offer_hours: int = 5
    # The price that falls: how far it can fall, and the one refund for who paid more than later joiners made it
    ladder_least_percent: int = 60
    fares_close_hours_before: int = 24
    # The most that two of the staff send out by hand in one go, and one alone beyond the usual share for a way not driven
    by_hand_most: int = 100_000
    # Evidence is sent this long before the bank stops taking it
    evidence_hours_before: int = 48
    # After so long without a move a person looks: refunds arrive within 10 days, banks decide disputes within 75, debts are
    # kept from the next pay, and what is set aside for a pledge waits for the trip
    refund_waits_days: int = 10
    dispute_waits_days: int = 90
    debt_waits_days: int = 30
    set_aside_waits_days: int = 120
    # The day
    boarding_pass_hours_before: int = 24
    boarding_opens_minutes_before: int = 60


DEFAULTS = Rules()
_FRESH_SECONDS = 5.0
_kept: tuple[float, Rules] = (float("-inf"), DEFAULTS)


def current() -> Rules:
    """The rules now in force. A change by staff reaches every process within five seconds."""
    global _kept  # noqa: PLW0603 - a cache of a table of a few rows
    if time.monotonic() - _kept[0] > _FRESH_SECONDS:
        known = {field.name for field in fields(Rules)}
        changed = dict(RuleValue.objects.filter(name__in=known).values_list("name", "value"))
        _kept = (time.monotonic(), replace(DEFAULTS, **changed))
    return _kept[1]


def forget() -> None:
    """Read the table again at the next call (after a change, and between tests)."""
    global _kept  # noqa: PLW0603
    _kept = (float("-inf"), DEFAULTS)


@transaction.atomic
def change(name: str, value: Any, *, now: datetime, by: User | None) -> None:
    """Set one rule to a whole number of zero or more; by a person it is written down. Raises `BadInput`. Twice the same:
    the same."""
    if name not in {field.name for field in fields(Rules)}:
        raise BadInput("There is no such rule.", field="name")
    if type(value) is not int or value < 0:
        raise BadInput("A rule is a whole number of zero or more.", field="value")
    before = _in_force(name)
    RuleValue.objects.update_or_create(
        name=name, defaults={"value": value, "changed_at": now, "changed_by": by}
    )
    _note("rule.change", name, before=before, value=value, now=now, by=by)
    forget()


@transaction.atomic
def reset(name: str, *, now: datetime, by: User | None) -> None:
    """Take one rule back to its default; by a person it is written down. Nothing for one that was not changed."""
    before = _in_force(name)
    gone, _rows = RuleValue.objects.filter(name=name).delete()
    if gone:
        _note("rule.reset", name, before=before, value=getattr(DEFAULTS, name, None), now=now, by=by)
    forget()


def _in_force(name: str) -> Any:
    """The number of a rule as the table has it now; the row, if there is one, is held until this is over."""
    row = RuleValue.objects.select_for_update().filter(name=name).first()
    return row.value if row else getattr(DEFAULTS, name, None)


def _note(what: str, name: str, *, before: Any, value: Any, now: datetime, by: User | None) -> None:
    if by is not None and value != before:
        audit.note(by=by, what=what, subject=f"rule:{name}", now=now, before=before, value=value)
