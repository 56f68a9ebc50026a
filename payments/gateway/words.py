"""What the provider's things look like to us, and how its answers are told apart. No shapes of Stripe get out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

# ---- what we see


@dataclass(frozen=True)
class Card:
    """A saved card: provider id and what may be shown of it."""

    id: str
    brand: str
    last4: str
    saved: bool  #: attached to the customer, so that it can be used again
    fingerprint: str = ""  #: the same for the same card, whoever's it is; "" where the provider does not say


@dataclass(frozen=True)
class Decline:
    """Why the bank said no: the bank's reason if given, else the provider's code; and the network's advice."""

    code: str
    advice: str = ""


@dataclass(frozen=True)
class Booking:
    """One line of the provider's books: `amount` came in (or went out, below zero) and `fee` was kept."""

    id: str
    amount: int
    fee: int


@dataclass(frozen=True)
class BookLine(Booking):
    """A line as the books list it: `kind` is the provider's reporting category, `source` the id of what it is about."""

    currency: str
    kind: str
    source: str
    created: datetime

    @property
    def net(self) -> int:
        """What it changed the balance by."""
        return self.amount - self.fee


@dataclass(frozen=True)
class Tags:
    """What we wrote on the object when we asked for it. All empty when it is not ours."""

    install: str = ""
    op: str = ""
    payment: str = ""
    checkout: str = ""


@dataclass(frozen=True)
class Intent:
    """One attempt to get money. `waiting` means that nothing is known yet."""

    id: str
    status: Literal["waiting", "failed", "held", "captured", "canceled"]
    amount: int
    currency: str
    capturable: int
    captured: int
    captures_at_once: bool
    customer: str
    charge: str
    capture_before: datetime | None
    card: Card | None
    decline: Decline | None
    booking: Booking | None
    created: datetime
    tags: Tags


@dataclass(frozen=True)
class Session:
    """One hosted checkout page. `card` is what a completed saving kept, `intent` what a completed payment made."""

    id: str
    status: Literal["open", "complete", "expired"]
    url: str
    expires_at: datetime
    card: Card | None
    intent: Intent | None
    tags: Tags


@dataclass(frozen=True)
class RefundSeen:
    """Money on its way back. `booking` took it from our balance, `returned` put it back after a failure."""

    id: str
    status: Literal["pending", "succeeded", "failed"]
    amount: int
    intent: str
    booking: Booking | None
    returned: Booking | None
    tags: Tags


@dataclass(frozen=True)
class TransferSeen:
    """Money sent to a payee. `reversed` is what was taken back."""

    id: str
    amount: int
    reversed: int
    booking: Booking | None
    reversals: tuple[ReversalSeen, ...]
    tags: Tags


@dataclass(frozen=True)
class ReversalSeen:
    """One taking back of a transfer."""

    id: str
    amount: int
    booking: Booking | None
    tags: Tags


@dataclass(frozen=True)
class AccountSeen:
    """A payee's account."""

    id: str
    can_be_paid: bool
    tags: Tags


@dataclass(frozen=True)
class CustomerSeen:
    """A payer as the provider knows them."""

    id: str
    tags: Tags


@dataclass(frozen=True)
class DisputeSeen:
    """A payer's complaint at the bank. `bookings` took the money and the fee, and may give them back.

    While it is `answerable`, evidence may be laid before the bank until `answer_by`; `answers` is how often it was.
    """

    id: str
    status: Literal["open", "won", "lost"]
    intent: str
    refundable: bool
    bookings: tuple[Booking, ...]
    amount: int = 0
    reason: str = ""
    answerable: bool = False
    answer_by: datetime | None = None
    answers: int = 0


@dataclass(frozen=True)
class PayoutSeen:
    """What the provider paid out to our own bank, or took back when it failed."""

    id: str
    bookings: tuple[Booking, ...]


@dataclass(frozen=True)
class EventSeen:
    """A hint that an object has changed."""

    id: str
    type: str
    object_id: str
    account: str
    api_version: str
    livemode: bool
    created: datetime
    payload: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Books:
    """The provider's own books, to compare ours with: the balance, every line of it, and what banks hold for us."""

    balance: int
    bookings: dict[str, int]  #: net amount by id
    capturable: int


# ---- what the answers mean


class ProviderTrouble(Exception):
    """The provider did not give the answer we asked for."""

    def __init__(self, code: str = "", message: str = "") -> None:
        super().__init__(code or message)
        self.code = code
        self.message = message


class Declined(ProviderTrouble):
    """Known: the bank said no. `intent` is the attempt that failed."""

    def __init__(self, decline: Decline, intent: Intent | None) -> None:
        super().__init__(decline.code)
        self.decline = decline
        self.intent = intent


class AlreadyMoved(ProviderTrouble):
    """Known: the object is in another state than we thought. Look at it and finish from the truth."""


#: The code of a refusal: what was given as an e-mail address is none.
NO_ADDRESS = "email_invalid"


class Refused(ProviderTrouble):
    """Known: the request itself is wrong or stale. Sending it again cannot help."""


class Unknown(ProviderTrouble):
    """Nobody knows whether it was done: the line was cut, too many calls, another call under way, no permission."""


class ServerError(Unknown):
    """The provider failed. With `replayed`, this failure is what is stored under our key, and stays."""

    def __init__(self, message: str, *, replayed: bool) -> None:
        super().__init__("server_error", message)
        self.replayed = replayed
