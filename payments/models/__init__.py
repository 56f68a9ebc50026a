"""Tables of money: payments and attempts, checkouts, the operation journal, the inbox, refunds, payouts, the ledger."""

from payments.models.inbox import FeedCursor, InboxEvent
from payments.models.ledger import Account, LedgerTransfer
from payments.models.operations import Operation, Pace
from payments.models.payees import Payee, Transfer
from payments.models.payments import Attempt, Checkout, Customer, Payment, Provider, Refund

__all__ = [
    "Account",
    "Attempt",
    "Checkout",
    "Customer",
    "FeedCursor",
    "InboxEvent",
    "LedgerTransfer",
    "Operation",
    "Pace",
    "Payee",
    "Payment",
    "Provider",
    "Refund",
    "Transfer",
]
