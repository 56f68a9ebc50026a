"""What one payer owes for one thing, the attempts to get it, and what was given back."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from payments.states import PAYMENT, AttemptState, CheckoutState, PaymentState, RefundState
from rally.models import Row, codes_constraint
from rally.money import Money


class Provider(models.TextChoices):
    """Whose books a row is in. Rows of one never meet calls to another."""

    SANDBOX = "sandbox"  #: our own stand-in: no money moves
    TEST = "test"  #: Stripe's test mode: no money moves
    LIVE = "live"


class Customer(Row):
    """A payer as the provider knows them, so that a card saved once is found again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    provider = models.CharField(max_length=7, choices=Provider)
    customer = models.CharField(max_length=80, blank=True, help_text="provider id")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "provider"], name="customer_once"),
            models.CheckConstraint(name="customer_provider_known", condition=Q(provider__in=Provider.values)),
        ]

    def __str__(self) -> str:
        return f"customer at {self.provider}"


class Payment(Row):
    """What one payer owes for one thing (`reference`). It does not know what that thing is.

    `followed` says whether the app above has caught up with the state: the move and `followed = False` commit
    together, then `payment_changed` is sent; a sweep sends it again for whoever died in between.
    """

    payer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="payments")
    reference = models.CharField(max_length=60, help_text="such as pledge:<id>; shown to nobody")
    group = models.CharField(
        max_length=60, help_text="what is settled together, such as trip:<id>; transfer_group"
    )
    description = models.CharField(max_length=200, help_text="what the payer reads on the checkout page")
    provider = models.CharField(max_length=7, choices=Provider)
    state = models.CharField(max_length=12, choices=PaymentState, default=PaymentState.NEW)
    followed = models.BooleanField(default=True)
    amount_minor = models.PositiveIntegerField(help_text="what may be taken at most")
    currency = models.CharField(max_length=3)
    #: Provider ids of the payer's customer and saved card.
    customer = models.CharField(max_length=80, blank=True)
    card = models.CharField(max_length=80, blank=True)
    card_brand = models.CharField(max_length=20, blank=True)
    card_last4 = models.CharField(max_length=4, blank=True)
    card_fingerprint = models.CharField(
        max_length=40, blank=True, help_text="the same for the same card, whoever gives it"
    )
    hold_expires_at = models.DateTimeField(null=True, help_text="capture_before of the live hold, as read")
    decline_code = models.CharField(max_length=60, blank=True)
    advice_code = models.CharField(
        max_length=40, blank=True, help_text="what the card network advises to do next"
    )
    automatic_tries = models.PositiveSmallIntegerField(
        default=0, help_text="off-session tries with this card since it last worked"
    )
    covered_minor = models.PositiveIntegerField(
        default=0, help_text="derived: the part of the amount that credit and a promotion pay"
    )
    to_take_minor = models.PositiveIntegerField(
        null=True, help_text="what is to be captured by card, once that is decided"
    )
    keep_card = models.BooleanField(
        default=False, help_text="while releasing: end in card_saved, not released"
    )
    captured_minor = models.PositiveIntegerField(default=0, help_text="derived from the attempts")
    refunded_minor = models.PositiveIntegerField(
        default=0, help_text="derived: promised back, arrived or not"
    )
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            codes_constraint(PAYMENT, "payment"),
            models.UniqueConstraint(fields=["reference"], name="payment_once_per_thing"),
            models.CheckConstraint(name="payment_provider_known", condition=Q(provider__in=Provider.values)),
            models.CheckConstraint(
                name="payment_never_too_much",
                condition=Q(captured_minor__lte=F("amount_minor") - F("covered_minor")),
            ),
            models.CheckConstraint(
                name="payment_refund_fits", condition=Q(refunded_minor__lte=F("captured_minor"))
            ),
            models.CheckConstraint(
                name="payment_paid_was_captured",
                condition=~Q(state__in=[PaymentState.PAID, PaymentState.REFUNDED]) | Q(captured_minor__gt=0),
            ),
            models.CheckConstraint(
                name="payment_released_kept_nothing",
                condition=~Q(state=PaymentState.RELEASED) | Q(captured_minor=F("refunded_minor")),
            ),
        ]
        indexes = [
            models.Index(fields=["group"], name="payment_group"),
            models.Index(fields=["changed_at"], name="payment_unfollowed", condition=Q(followed=False)),
            models.Index(
                fields=["hold_expires_at"], name="payment_hold", condition=Q(state=PaymentState.HELD)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference}: {self.state}"

    @property
    def amount(self) -> Money:
        """What may be taken at most."""
        return Money(self.amount_minor, self.currency)

    @property
    def owed_by_card(self) -> int:
        """What a card is to pay, in minor units: the part that was decided, else the amount less what covers it."""
        return self.amount_minor - self.covered_minor if self.to_take_minor is None else self.to_take_minor

    @property
    def captured(self) -> Money:
        """What was taken."""
        return Money(self.captured_minor, self.currency)

    @property
    def refundable(self) -> Money:
        """What was taken and not yet promised back."""
        return Money(self.captured_minor - self.refunded_minor, self.currency)


class Checkout(Row):
    """One hosted checkout page that we sent the payer to."""

    class Mode(models.TextChoices):
        """What completing the page does."""

        SAVE = "save"  #: keeps the card
        HOLD = "hold"  #: places a hold
        CHARGE = "charge"  #: takes the money

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="checkouts")
    mode = models.CharField(max_length=6, choices=Mode)
    state = models.CharField(max_length=8, choices=CheckoutState, default=CheckoutState.OPENING)
    amount_minor = models.PositiveIntegerField()
    session = models.CharField(max_length=120, blank=True, help_text="provider id")
    url = models.TextField(blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["session"], name="checkout_session_once", condition=~Q(session="")
            ),
            models.UniqueConstraint(
                fields=["payment"], name="checkout_one_open", condition=Q(state__in=["opening", "open"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mode}: {self.state}"

    @property
    def open(self) -> bool:
        """A payer may complete it, or may be about to get it."""
        return self.state in (CheckoutState.OPENING, CheckoutState.OPEN)


class Attempt(Row):
    """One PaymentIntent. At most one successful charge each, which is the provider's own guard."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts")
    n = models.PositiveSmallIntegerField()
    checkout = models.OneToOneField(Checkout, null=True, on_delete=models.PROTECT, related_name="attempt")
    state = models.CharField(max_length=10, choices=AttemptState, default=AttemptState.PENDING)
    amount_minor = models.PositiveIntegerField()
    captures_at_once = models.BooleanField(help_text="charge; otherwise a hold")
    intent = models.CharField(max_length=80, blank=True, help_text="provider id")
    charge = models.CharField(max_length=80, blank=True, help_text="provider id")
    captured_minor = models.PositiveIntegerField(default=0)
    capture_before = models.DateTimeField(null=True)
    unwanted = models.BooleanField(
        default=False, help_text="came when nobody wanted it: given back, counts for nothing"
    )
    decline_code = models.CharField(max_length=60, blank=True)
    advice_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["payment", "n"], name="attempt_numbered"),
            models.UniqueConstraint(fields=["intent"], name="attempt_intent_once", condition=~Q(intent="")),
            models.UniqueConstraint(
                fields=["payment"],
                name="attempt_one_live",
                condition=Q(state__in=["pending", "held"], checkout=None, unwanted=False),
            ),
            models.CheckConstraint(
                name="attempt_capture_fits", condition=Q(captured_minor__lte=F("amount_minor"))
            ),
            models.CheckConstraint(name="attempt_state_known", condition=Q(state__in=AttemptState.values)),
        ]

    def __str__(self) -> str:
        return f"attempt {self.n}: {self.state}"

    @classmethod
    def of_intent(cls, intent: str) -> Attempt | None:
        """The attempt with this id at the provider. None when it is not ours, and for none at all: what was never sent has
        none either."""
        return cls.objects.filter(intent=intent).first() if intent else None

    @property
    def live(self) -> bool:
        """Money is held by it, or may be."""
        return self.state in (AttemptState.PENDING, AttemptState.HELD)


class Refund(Row):
    """Money on its way back to the payer."""

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="refunds")
    reason = models.CharField(
        max_length=60, help_text="why, in our words; unique per attempt so that twice is once"
    )
    amount_minor = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=RefundState, default=RefundState.PENDING)
    refund = models.CharField(max_length=80, blank=True, help_text="provider id")
    kept_by = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.PROTECT,
        related_name="keeps",
        help_text="the larger refund, made by hand, with which this one was paid",
    )
    by_bank = models.BooleanField(
        default=False, help_text="the payer has it from the bank, after a dispute that we lost"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["attempt", "reason"], name="refund_once_per_reason"),
            models.UniqueConstraint(fields=["refund"], name="refund_id_once", condition=~Q(refund="")),
            models.CheckConstraint(name="refund_positive", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(name="refund_state_known", condition=Q(state__in=RefundState.values)),
            models.CheckConstraint(
                name="refund_by_bank_is_there", condition=Q(by_bank=False) | Q(state=RefundState.SUCCEEDED)
            ),
        ]

    def __str__(self) -> str:
        return f"refund: {self.state}"
