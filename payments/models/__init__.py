"""Tables of money: payments and attempts, checkouts, the operation journal, the inbox, refunds, payouts, the ledger."""

from payments.models.credits import Contribution, Wallet
from payments.models.desk import MoneyRequest, Reconciliation
from payments.models.disputes import Dispute
from payments.models.inbox import FeedCursor, InboxEvent
from payments.models.ledger import Account, LedgerTransfer
from payments.models.operations import Operation, Pace
from payments.models.papers import Invoice, Series, TaxRate
from payments.models.payees import Payee, Transfer
from payments.models.payments import Attempt, Checkout, Customer, Payment, Provider, Refund

__all__ = [
    "Account",
    "Attempt",
    "Checkout",
    "Contribution",
    "Customer",
    "Dispute",
    "FeedCursor",
    "InboxEvent",
    "Invoice",
    "LedgerTransfer",
    "MoneyRequest",
    "Operation",
    "Pace",
    "Payee",
    "Payment",
    "Provider",
    "Reconciliation",
    "Refund",
    "Series",
    "TaxRate",
    "Transfer",
    "Wallet",
]
