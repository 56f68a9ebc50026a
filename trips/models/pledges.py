"""Pledges and the seats in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from payments.models import Payment
from rally import codes
from rally.models import Row, codes_constraint
from rally.money import Money
from trips.models.trips import Stop, Trip
from trips.states import FUNDED, OCCUPYING, PLEDGE, PLEDGED, Need, PledgeState


def _sql(states: tuple[PledgeState, ...]) -> str:
    return "(" + ", ".join(f"'{state.value}'" for state in states) + ")"


#: One statement keeps the three counts of the trip; its row lock puts every claim on a trip in line.
_COUNT_SEATS = f"""
    DECLARE
        taken integer := 0; pledged integer := 0; funded integer := 0; which uuid;
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            which := OLD.trip_id;
            IF OLD.state IN {_sql(OCCUPYING)} THEN taken := taken - OLD.seats; END IF;
            IF OLD.state IN {_sql(PLEDGED)} THEN pledged := pledged - OLD.seats; END IF;
            IF OLD.state IN {_sql(FUNDED)} THEN funded := funded - OLD.seats; END IF;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            which := NEW.trip_id;
            IF NEW.state IN {_sql(OCCUPYING)} THEN taken := taken + NEW.seats; END IF;
            IF NEW.state IN {_sql(PLEDGED)} THEN pledged := pledged + NEW.seats; END IF;
            IF NEW.state IN {_sql(FUNDED)} THEN funded := funded + NEW.seats; END IF;
        END IF;
        IF taken <> 0 OR pledged <> 0 OR funded <> 0 THEN
            UPDATE trips_trip SET seats_taken = seats_taken + taken,
                seats_pledged = seats_pledged + pledged, seats_funded = seats_funded + funded
            WHERE id = which;
        END IF;
        RETURN NULL;
    END;
"""  # noqa: S608 - the words come from our own table of states


class Instrument(models.TextChoices):
    """How the money behind a pledge is secured (docs/money.md)."""

    SAVED_CARD = "saved_card"  #: the decision is far: the card is saved, held at the decision
    HOLD = "hold"  #: the decision is near: the money is held at once
    CHARGE = "charge"  #: the trip is confirmed: paid at once


class PledgeQuerySet(models.QuerySet["Pledge"]):
    """Pledges, by who may see them and where they stand."""

    def visible_to(self, user: Any) -> PledgeQuerySet:
        """One's own, and nobody else's."""
        return self.filter(rider=user) if user.is_authenticated else self.none()

    def live(self) -> PledgeQuerySet:
        """Those that take up seats."""
        return self.filter(state__in=OCCUPYING)


class Pledge(Row):
    """A rider's commitment to n seats from one stop, at most at an agreed price."""

    # On a hot on-sale every index is paid for with each seat: none here that another one can stand in for.
    code = models.CharField(max_length=12, default=codes.long)
    trip = models.ForeignKey(Trip, on_delete=models.PROTECT, related_name="pledges", db_index=False)
    stop = models.ForeignKey(Stop, on_delete=models.PROTECT, related_name="pledges", db_index=False)
    rider = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="pledges", db_index=False
    )
    state = models.CharField(max_length=12, choices=PledgeState, default=PledgeState.DRAFT)
    seats = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])
    given_up = models.PositiveSmallIntegerField(
        default=0, help_text="seats that were paid and given up since"
    )
    fare_minor = models.PositiveIntegerField(help_text="agreed price of one seat; never more is taken")
    currency = models.CharField(max_length=3, default="USD")
    instrument = models.CharField(max_length=10, choices=Instrument)
    payment = models.OneToOneField(
        Payment,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="from the moment the rider goes to pay",
    )
    consent_text = models.TextField(help_text="word for word what the rider agreed to")
    consent_version = models.CharField(max_length=20)
    consented_at = models.DateTimeField()
    policy = models.JSONField(help_text="the refund ladder agreed to: [[hours before departure, percent], …]")
    price_minor = models.PositiveIntegerField(
        null=True, help_text="what one seat costs, once that is locked; never above the agreed price"
    )
    enlarges = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.PROTECT,
        related_name="enlargements",
        db_index=False,
        help_text="the paid pledge of the same rider to which this one adds seats",
    )
    offered_at = models.DateTimeField(null=True, help_text="when seats were offered from the waiting list")
    reserved_until = models.DateTimeField(help_text="a draft loses its seats after this")
    card_asked_at = models.DateTimeField(null=True, help_text="since when the rider's card needs them")
    card_due_at = models.DateTimeField(null=True, help_text="when we give up waiting for the card")
    ended_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    objects = PledgeQuerySet.as_manager()

    class Meta:
        constraints = [
            codes_constraint(PLEDGE, "pledge"),
            models.UniqueConstraint(fields=["code"], name="pledge_code_once"),
            models.UniqueConstraint(
                fields=["rider", "trip"],
                name="pledge_one_live_per_rider",
                condition=Q(state__in=[*OCCUPYING, PledgeState.WAITING], enlarges=None),
            ),
            models.UniqueConstraint(
                fields=["enlarges"],
                name="pledge_one_enlargement_at_a_time",
                condition=Q(state=PledgeState.DRAFT),
            ),
            models.CheckConstraint(
                name="pledge_price_agreed",
                condition=Q(price_minor=None) | Q(price_minor__lte=F("fare_minor")),
            ),
            models.CheckConstraint(name="pledge_seats_positive", condition=Q(seats__gte=1)),
            models.CheckConstraint(name="pledge_fare_positive", condition=Q(fare_minor__gt=0)),
            models.CheckConstraint(
                name="pledge_card_needed_has_times",
                condition=~Q(state__in=[PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE])
                | Q(card_asked_at__isnull=False, card_due_at__isnull=False),
            ),
            models.CheckConstraint(
                name="pledge_backed_has_payment",
                condition=Q(
                    state__in=[
                        PledgeState.WAITING,
                        PledgeState.DRAFT,
                        PledgeState.EXPIRED,
                        PledgeState.WITHDRAWN,
                        PledgeState.RELEASED,
                    ]
                )
                | Q(payment__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["trip", "state"], name="pledge_trip_state"),
            models.Index(fields=["rider", "-created_at"], name="pledge_rider"),
            models.Index(fields=["enlarges"], name="pledge_enlarges", condition=Q(enlarges__isnull=False)),
            models.Index(
                fields=["reserved_until"], name="pledge_draft_due", condition=Q(state=PledgeState.DRAFT)
            ),
            models.Index(
                fields=["card_due_at"],
                name="pledge_card_due",
                condition=Q(state__in=[PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE]),
            ),
            models.Index(
                fields=["trip", "created_at"],
                name="pledge_waiting",
                condition=Q(state=PledgeState.WAITING),
            ),
            models.Index(fields=["trip"], name="pledge_leaving", condition=Q(state=PledgeState.WITHDRAWING)),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="pledge_counts_seats",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.Delete | pgtrigger.Update,
                func=_COUNT_SEATS,
            ),
            # A refused card is no seat less, so the trip's own trigger does not tell of it.
            pgtrigger.Trigger(
                name="pledge_news",
                when=pgtrigger.After,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__df=pgtrigger.F("new__state"))
                & (
                    pgtrigger.Q(old__state=PledgeState.NEEDS_CARD.value)
                    | pgtrigger.Q(new__state=PledgeState.NEEDS_CARD.value)
                ),
                func="""
                    PERFORM pg_notify('rally_news', 'trip:' || code) FROM trips_trip WHERE id = NEW.trip_id;
                    RETURN NULL;
                """,
            ),
            pgtrigger.Protect(
                name="pledge_keeps_consent",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__trip_id__df=pgtrigger.F("new__trip_id")),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def get_absolute_url(self) -> str:
        """The rider's own page about it."""
        return reverse("trips:pledge", kwargs={"code": self.code})

    @property
    def fare(self) -> Money:
        """The agreed price of one seat."""
        return Money(self.fare_minor, self.currency)

    @property
    def price(self) -> Money:
        """What one seat costs: the locked price, until then at most the agreed one."""
        return self.fare if self.price_minor is None else Money(self.price_minor, self.currency)

    @property
    def amount(self) -> Money:
        """What all its seats cost at most."""
        return self.fare * self.seats

    @property
    def charge(self) -> Money:
        """What all its seats cost: at the locked price, until then at most at the agreed one."""
        return self.price * self.seats

    @property
    def bought(self) -> int:
        """How many seats were paid for, whatever was given up since: what a receipt is for."""
        return self.seats + self.given_up

    @property
    def is_live(self) -> bool:
        """It takes up seats."""
        return self.state in OCCUPYING

    @property
    def boards(self) -> bool:
        """Its seats are certain: paid, or being paid."""
        return self.state in {PledgeState.PAID, PledgeState.CAPTURING}

    def card_is_late(self, now: datetime) -> bool:
        """Its bank said no, and the time that its rider was told for another card is over."""
        waits = self.state in {PledgeState.NEEDS_CARD, PledgeState.PAYMENT_DUE}
        return waits and self.card_due_at is not None and self.card_due_at <= now


class SeatQuerySet(models.QuerySet["Seat"]):
    """Seats, by who may see them."""

    def held_by(self, user: Any) -> SeatQuerySet:
        """Those handed to this person by another rider; none before the address they were handed to is proven."""
        return self.filter(holder=user) if user.is_authenticated and user.is_proven else self.none()


class Seat(Row):
    """One passenger of a pledge. The code is what is scanned at the door."""

    pledge = models.ForeignKey(Pledge, on_delete=models.CASCADE, related_name="passengers", db_index=False)
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=80)
    needs = ArrayField(models.CharField(max_length=20, choices=Need), default=list, blank=True)
    code = models.CharField(max_length=20, default=codes.secret)
    holder = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="handed_seats",
        db_index=False,
        help_text="whom the seat was handed to, if not the rider",
    )

    objects = SeatQuerySet.as_manager()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="seat_code_once"),
            models.UniqueConstraint(fields=["pledge", "position"], name="seat_position_once"),
            models.CheckConstraint(name="seat_has_name", condition=~Q(name="")),
        ]
        indexes = [models.Index(fields=["holder"], name="seat_holder", condition=Q(holder__isnull=False))]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The boarding pass."""
        return reverse("trips:pass", kwargs={"code": self.code})


class FreedSeat(Row):
    """A paid seat that its rider gave up for less than its price. Sold again, the rest goes back too."""

    trip = models.ForeignKey(Trip, on_delete=models.PROTECT, related_name="freed_seats")
    pledge = models.ForeignKey(Pledge, on_delete=models.PROTECT, related_name="freed_seats")
    n = models.PositiveSmallIntegerField(help_text="numbered within the pledge")
    kept_minor = models.PositiveIntegerField(help_text="what was not given back for it")
    promotion_minor = models.PositiveIntegerField(
        default=0, help_text="what a promotion still pays of it, until it is sold again"
    )
    freed_at = models.DateTimeField()
    resold_to = models.ForeignKey(
        Pledge, null=True, on_delete=models.PROTECT, related_name="took_over", help_text="who pays for it now"
    )
    resold_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pledge", "n"], name="freedseat_once"),
            models.CheckConstraint(
                name="freedseat_resold_has_time",
                condition=Q(resold_to=None, resold_at=None)
                | Q(resold_to__isnull=False, resold_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["trip", "freed_at"], name="freedseat_open", condition=Q(resold_at=None))
        ]

    def __str__(self) -> str:
        return f"seat {self.n} of {self.pledge}"
