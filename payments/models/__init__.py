"""Tables of money: payments and attempts, checkouts, the operation journal, the inbox, refunds, payouts, the ledger."""

from payments.models.inbox import FeedCursor, InboxEvent
from payments.models.ledger import LedgerTransfer
from payments.models.operations import Operation
from payments.models.payees import Payee, Transfer
from payments.models.payments import Attempt, Checkout, Payment, Refund

__all__ = [
    "Attempt",
    "Checkout",
    "FeedCursor",
    "InboxEvent",
    "LedgerTransfer",
    "Operation",
    "Payee",
    "Payment",
    "Refund",
    "Transfer",
]
