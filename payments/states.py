"""The words of money: states of payments, attempts, operations, refunds, transfers, and which may follow which."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from rally.states import table


class PaymentState(TextChoices):
    """Where the money for one thing stands, in one payer's name."""

    NEW = "new", _("No card yet")
    CARD_SAVED = "card_saved", _("Card saved")  #: nothing is held
    AUTHORIZING = "authorizing", _("Asking the bank")  #: one pending operation asks for the hold
    HELD = "held", _("Money held")
    DECLINED = "declined", _("Card refused")  #: the payer must act, or a retry may
    CAPTURING = "capturing", _("Taking the money")  #: one pending operation captures or charges
    PAID = "paid", _("Paid")
    DUE = "due", _("Payment due")  #: the hold was lost and the card refused: a link asks the payer
    RELEASING = "releasing", _("Letting go")  #: operations undo whatever is out
    RELEASED = "released", _("Nothing held")
    REFUNDED = "refunded", _("Given back")  #: everything that was taken


PAYMENT = table(
    "payment",
    PaymentState,
    PaymentState.NEW,
    {
        PaymentState.NEW: {
            PaymentState.CARD_SAVED,
            PaymentState.HELD,
            PaymentState.PAID,
            PaymentState.RELEASING,
            PaymentState.RELEASED,
        },
        PaymentState.CARD_SAVED: {
            PaymentState.AUTHORIZING,
            PaymentState.HELD,
            PaymentState.PAID,
            PaymentState.CAPTURING,
            PaymentState.RELEASING,
            PaymentState.RELEASED,
        },
        PaymentState.AUTHORIZING: {
            PaymentState.HELD,
            PaymentState.DECLINED,
            PaymentState.RELEASING,
            PaymentState.PAID,  # the payer was quicker than we, on a page that was still open
        },
        PaymentState.HELD: {
            PaymentState.CAPTURING,
            PaymentState.RELEASING,
            PaymentState.CARD_SAVED,
            PaymentState.DECLINED,
        },
        PaymentState.DECLINED: {
            PaymentState.AUTHORIZING,
            PaymentState.CARD_SAVED,
            PaymentState.HELD,
            PaymentState.PAID,
            PaymentState.RELEASING,
            PaymentState.RELEASED,
        },
        PaymentState.CAPTURING: {PaymentState.PAID, PaymentState.DUE},
        PaymentState.DUE: {PaymentState.PAID, PaymentState.RELEASING, PaymentState.RELEASED},
        PaymentState.PAID: {PaymentState.REFUNDED},
        PaymentState.RELEASING: {PaymentState.RELEASED, PaymentState.CARD_SAVED},
    },
)

#: The bank has the money set aside or we have it.
SECURED = (PaymentState.HELD, PaymentState.CAPTURING, PaymentState.PAID)
#: An answer of the provider is outstanding: unknown is not "no".
UNKNOWN = (PaymentState.AUTHORIZING, PaymentState.CAPTURING, PaymentState.RELEASING)


class AttemptState(TextChoices):
    """Where one PaymentIntent at the provider stands, as last seen."""

    PENDING = "pending"  #: asked for, not known yet
    HELD = "held"
    CAPTURED = "captured"
    FAILED = "failed"  #: refused by the bank
    CANCELED = "canceled"  #: released or expired without a capture


class CheckoutState(TextChoices):
    """Where one hosted checkout page stands."""

    OPENING = "opening"  #: asked for
    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


class OperationState(TextChoices):
    """Where one call to the provider stands."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"  #: a clear no
    STUCK = "stuck"  #: too many tries: a person must look


class RefundState(TextChoices):
    """Where one refund stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  #: the money is with us; the rider is still owed and staff must act


REFUND = table(
    "refund",
    RefundState,
    RefundState.PENDING,
    {
        RefundState.PENDING: {RefundState.SUCCEEDED, RefundState.FAILED},
        RefundState.SUCCEEDED: {RefundState.FAILED},
        RefundState.FAILED: {RefundState.PENDING},
    },
)


class TransferState(TextChoices):
    """Where one transfer to a payee stands."""

    PENDING = "pending"
    PAID = "paid"
    REVERSED = "reversed"  #: taken back wholly, perhaps before it was sent
    FAILED = "failed"


TRANSFER = table(
    "transfer",
    TransferState,
    TransferState.PENDING,
    {
        TransferState.PENDING: {TransferState.PAID, TransferState.FAILED, TransferState.REVERSED},
        TransferState.PAID: {TransferState.REVERSED},
        TransferState.FAILED: {TransferState.PENDING, TransferState.PAID, TransferState.REVERSED},
    },
)


class InboxState(TextChoices):
    """Where one event from the provider stands."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class ContributionState(TextChoices):
    """Where a part of a payment that no card pays stands."""

    SET_ASIDE = "set_aside"  #: nobody else can spend it; nothing is paid yet
    SPENT = "spent"
    RETURNED = "returned"  #: nothing came of the payment: it is where it came from


class DisputeState(TextChoices):
    """Where a payer's complaint at the bank stands."""

    NEEDS_RESPONSE = "needs_response", _("Waits for our answer")
    UNDER_REVIEW = "under_review", _("With the bank")
    WON = "won", _("Decided for us")
    LOST = "lost", _("Decided for the payer")


DISPUTE = table(
    "dispute",
    DisputeState,
    DisputeState.NEEDS_RESPONSE,
    {
        DisputeState.NEEDS_RESPONSE: {DisputeState.UNDER_REVIEW, DisputeState.WON, DisputeState.LOST},
        DisputeState.UNDER_REVIEW: {DisputeState.NEEDS_RESPONSE, DisputeState.WON, DisputeState.LOST},
        DisputeState.LOST: {DisputeState.WON},  # the bank thought better of it
    },
)


class RequestState(TextChoices):
    """Where money that shall go out by hand stands."""

    ASKED = "asked", _("Waits for a second person")
    DONE = "done", _("Done")
    REFUSED = "refused", _("Refused")


REQUEST = table(
    "moneyrequest",
    RequestState,
    RequestState.ASKED,
    {RequestState.ASKED: {RequestState.DONE, RequestState.REFUSED}},
)
