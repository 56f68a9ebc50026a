"""The test cards and what each of them does. Numbers and meanings are those that Stripe publishes for testing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Asks = Literal["never", "once", "always"]
RefundCourse = Literal["at_once", "later", "fails_later"]


@dataclass(frozen=True)
class Decline:
    """Why an issuer said no. `code` is Stripe's error code, `reason` its decline code, `advice` what to do next."""

    code: str
    reason: str | None
    message: str
    advice: str | None = None
    blocked: bool = False


@dataclass(frozen=True)
class Card:
    """One test card: what it is and how it behaves."""

    number: str
    brand: str
    note: str
    funding: str = "credit"
    decline: Decline | None = None
    saves: bool = False  # saving succeeds although charging is declined
    asks: Asks = "never"
    instant: bool = False  # funds are available at once
    disputed: bool = False
    refunds: RefundCourse = "at_once"
    magic: tuple[str, ...] = ()

    @property
    def last4(self) -> str:
        """The digits that may be shown and kept."""
        return self.number[-4:]

    @property
    def spaced(self) -> str:
        """The number as it is printed on a card."""
        groups = (4, 6, 5) if self.brand == "amex" else (4, 4, 4, 4)
        cut, parts = 0, []
        for size in groups:
            parts.append(self.number[cut : cut + size])
            cut += size
        return " ".join(parts)


_GENERIC: Final = Decline("card_declined", "generic_decline", "Your card was declined.", "try_again_later")
_POOR: Final = Decline(
    "card_declined", "insufficient_funds", "Your card has insufficient funds.", "try_again_later"
)
_LOST: Final = Decline("card_declined", "lost_card", "Your card was declined.", "do_not_try_again")
_STOLEN: Final = Decline("card_declined", "stolen_card", "Your card was declined.", "do_not_try_again")
_EXPIRED: Final = Decline("expired_card", "expired_card", "Your card has expired.", "do_not_try_again")
_CVC: Final = Decline(
    "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "confirm_card_data"
)
_PROCESSING: Final = Decline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    "try_again_later",
)
_FRAUD: Final = Decline(
    "card_declined", "fraudulent", "Your card was declined.", "do_not_try_again", blocked=True
)

AUTHENTICATION_REQUIRED: Final = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)

CARDS: Final = (
    Card("4242424242424242", "visa", "succeeds", magic=("pm_card_visa",)),
    Card("5555555555554444", "mastercard", "succeeds", magic=("pm_card_mastercard",)),
    Card("378282246310005", "amex", "succeeds", magic=("pm_card_amex",)),
    Card("6011111111111117", "discover", "succeeds", magic=("pm_card_discover",)),
    Card("4000056655665556", "visa", "succeeds, debit", funding="debit", magic=("pm_card_visa_debit",)),
    Card(
        "4000000000000002",
        "visa",
        "is declined",
        decline=_GENERIC,
        magic=("pm_card_chargeDeclined", "pm_card_visa_chargeDeclined"),
    ),
    Card(
        "4000000000009995",
        "visa",
        "has insufficient funds",
        decline=_POOR,
        magic=("pm_card_chargeDeclinedInsufficientFunds", "pm_card_visa_chargeDeclinedInsufficientFunds"),
    ),
    Card(
        "4000000000009987",
        "visa",
        "was reported lost",
        decline=_LOST,
        magic=("pm_card_visa_chargeDeclinedLostCard",),
    ),
    Card(
        "4000000000009979",
        "visa",
        "was reported stolen",
        decline=_STOLEN,
        magic=("pm_card_visa_chargeDeclinedStolenCard",),
    ),
    Card(
        "4000000000000069",
        "visa",
        "has expired",
        decline=_EXPIRED,
        magic=("pm_card_chargeDeclinedExpiredCard",),
    ),
    Card(
        "4000000000000127",
        "visa",
        "has another security code",
        decline=_CVC,
        magic=("pm_card_chargeDeclinedIncorrectCvc",),
    ),
    Card(
        "4000000000000119",
        "visa",
        "meets a processing error",
        decline=_PROCESSING,
        magic=("pm_card_chargeDeclinedProcessingError",),
    ),
    Card(
        "4100000000000019",
        "visa",
        "is blocked as fraud",
        decline=_FRAUD,
        magic=("pm_card_chargeDeclinedFraudulent",),
    ),
    Card(
        "4000000000000341",
        "visa",
        "can be saved, later charges are declined",
        decline=_GENERIC,
        saves=True,
        magic=("pm_card_chargeCustomerFail",),
    ),
    Card(
        "4000002500003155",
        "visa",
        "asks for authentication once",
        asks="once",
        magic=("pm_card_authenticationRequiredOnSetup",),
    ),
    Card(
        "4000002760003184",
        "visa",
        "asks for authentication every time",
        asks="always",
        magic=("pm_card_authenticationRequired",),
    ),
    Card(
        "4000000000003220",
        "visa",
        "needs 3-D Secure",
        asks="once",
        magic=("pm_card_threeDSecure2Required", "pm_card_threeDSecureRequired"),
    ),
    Card(
        "4000000000000077",
        "visa",
        "succeeds, funds available at once",
        instant=True,
        magic=("pm_card_bypassPending", "pm_card_visa_bypassPending"),
    ),
    Card(
        "4000000000000259",
        "visa",
        "succeeds, then the payment is disputed",
        disputed=True,
        magic=("pm_card_createDispute",),
    ),
    Card(
        "4000000000007726",
        "visa",
        "succeeds, refunds take their time",
        refunds="later",
        magic=("pm_card_pendingRefund",),
    ),
    Card(
        "4000000000005126",
        "visa",
        "succeeds, refunds fail later",
        refunds="fails_later",
        magic=("pm_card_refundFail",),
    ),
)

BY_NUMBER: Final = {card.number: card for card in CARDS}
BY_MAGIC: Final = {name: card for card in CARDS for name in card.magic}
# Only brand and last four digits are kept, and in this list they name one card.
BY_FACE: Final = {(card.brand, card.last4): card for card in CARDS}
