"""News of the money side, sent after commit. Receivers must be safe to repeat: a sweep sends lost news again."""

from django.dispatch import Signal

payment_changed = Signal()  #: payment_id: the payment's state has changed
payee_changed = Signal()  #: payee_id: may be paid, or no longer
transfer_changed = Signal()  #: transfer_id: paid, failed or reversed
dispute_opened = Signal()  #: dispute_id: a payer has complained; sent again until there is evidence
hold_ends_soon = Signal()  #: payment_id: what a bank holds for it lapses within hours
hold_backs_asked = Signal()  #: receivers answer a list of `HeldBack`: pay that waits until somebody lifts it
stranded_asked = Signal()  #: receivers answer a list of `Stranded`: what is paid for and nobody serves
shortfalls_asked = Signal()  #: receivers answer a list of `Shortfall`: what goes with less than it needs
