"""What must always be true of our books (docs/money.md, "Invariants"). Each answers the differences; none is the wish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db.models import Q, Sum

from payments.gateway.words import Books
from payments.models import Account, Attempt, LedgerTransfer, Operation, Payment, Refund, Transfer
from payments.queries import ageing
from payments.queries.balances import balance, balances, by_payment
from payments.queries.credit_invariants import (
    l11_wallets_agree,
    l12_contributions_agree,
    waits_to_be_handed_back,
)
from payments.states import AttemptState, OperationState, PaymentState, TransferState
from rally import rules


def l1_balanced() -> list[str]:
    """Debits equal credits in each currency: all accounts together hold nothing."""
    found = LedgerTransfer.objects.values_list("currency").annotate(amount=Sum("amount_minor"))
    whole = sum(balances().values())
    return [f"all accounts of {[currency for currency, _ in found]} add up to {whole}"] if whole else []


def l2_balance_agrees(books: Books) -> list[str]:
    """Our clearing account holds what the provider says it keeps for us, available and pending."""
    ours = -balance(Account.STRIPE_BALANCE)
    return [] if ours == books.balance else [f"stripe:balance is {ours}, the provider says {books.balance}"]


def l3_lines_agree(books: Books) -> list[str]:
    """Each line in the provider's books is one event in ours with the same sum, and the other way round."""
    ours: Counter[str] = Counter()
    lines = LedgerTransfer.objects.exclude(transaction="").values_list(
        "transaction", "debit", "credit", "amount_minor"
    )
    for transaction, debit, credit, amount in lines:
        ours[transaction] += amount if debit == Account.STRIPE_BALANCE else 0
        ours[transaction] -= amount if credit == Account.STRIPE_BALANCE else 0
    wrong = [f"{key}: ours {ours[key]}, theirs {books.bookings[key]}" for key in ours.keys() & books.bookings.keys()
             if ours[key] != books.bookings[key]]  # fmt: skip
    missing = [f"{key}: not in our books" for key in books.bookings.keys() - ours.keys()]
    return sorted(
        [*wrong, *missing, *(f"{key}: only in our books" for key in ours.keys() - books.bookings.keys())]
    )


def l4_nobody_pays_twice() -> list[str]:
    """Per payment 0 ≤ refunded ≤ captured ≤ agreed, at most one capture that counts, and at most one live hold."""
    wrong = []
    for payment in Payment.objects.prefetch_related("attempts"):
        wanted = [each for each in payment.attempts.all() if not each.unwanted]
        taken = [each for each in wanted if each.state == AttemptState.CAPTURED]
        if not 0 <= payment.refunded_minor <= payment.captured_minor <= payment.amount_minor:
            wrong.append(
                f"{payment}: {payment.refunded_minor} of {payment.captured_minor} of {payment.amount_minor}"
            )
        if len(taken) > 1:
            wrong.append(f"{payment}: {len(taken)} captures")
    return wrong


def l5_deposits_are_for_paid() -> list[str]:
    """We hold a deposit only for a payment that is paid."""
    states = dict(Payment.objects.values_list("id", "state"))
    return [
        f"payment {payment_id} is {states[payment_id]} and its deposit is {amount}"
        for payment_id, amount in by_payment(Account.RIDER_DEPOSIT).items()
        if payment_id and (amount < 0 or states[payment_id] != PaymentState.PAID)
    ]


def l6_released_holds_nothing() -> list[str]:
    """A released payment has kept nothing and holds nothing, but for what is on its way back."""
    released = Payment.objects.filter(state=PaymentState.RELEASED)
    kept = [f"{each}: kept {each.captured}" for each in released.exclude(captured_minor=0)]
    canceling = Operation.objects.filter(kind=Operation.Kind.CANCEL).exclude(state=OperationState.DONE)
    held = Attempt.objects.filter(payment__in=released, state=AttemptState.HELD)
    return kept + [f"{each.payment}: holds" for each in held.exclude(id__in=canceling.values("subject"))]


#: What a payee is due, and what is no use of it but a move: sent, or kept against a debt.
_PAYABLE = (Account.OPERATOR_PAYABLE, Account.PARTNER_PAYABLE)
_PASSED_ON = (Account.STRIPE_BALANCE, Account.OPERATOR_RECEIVABLE)


def l7_payees_get_no_more() -> list[str]:
    """Per payee and group: what was sent less what came back, and what was kept against debts, is within what was booked
    for them; and what they are due and have not got is what their transfers still have to send."""
    booked, waits = _booked_to_payees()
    got: Counter[tuple[UUID | None, str]] = Counter()
    unsent: Counter[UUID | None] = Counter()
    lines = LedgerTransfer.objects.filter(event_key__startswith="transfer:").values_list(
        "event_key", flat=True
    )
    seen = set(lines)
    for each in Transfer.objects.all():
        was_sent = each.transfer or each.state == TransferState.PAID
        if was_sent:
            got[each.payee_id, each.group] += each.to_send_minor - each.reversed_minor
        got[each.payee_id, each.group] += each.netted_minor
        taken_before = each.state == TransferState.REVERSED and not each.transfer
        if f"transfer:{each.id}" not in seen and not taken_before:
            unsent[each.payee_id] += each.to_send_minor
    wrong = [
        f"payee {key[0]}, {key[1]}: got {got[key]} of {booked[key]}" for key in got if got[key] > booked[key]
    ]
    differ = (payee for payee in waits.keys() | unsent.keys() if waits[payee] != unsent[payee])
    return wrong + [
        f"payee {payee}: is due {waits[payee]}, transfers say {unsent[payee]}" for payee in differ
    ]


def _booked_to_payees() -> tuple[Counter[tuple[UUID | None, str]], Counter[UUID | None]]:
    """What was booked for each payee and group, less what they gave up of it; and what each payee is still due."""
    booked: Counter[tuple[UUID | None, str]] = Counter()
    waits: Counter[UUID | None] = Counter()
    rows = LedgerTransfer.objects.filter(Q(credit__in=_PAYABLE) | Q(debit__in=_PAYABLE))
    for payee, group, credit, amount in rows.values_list("payee_id", "group", "credit", "amount_minor"):
        sign = 1 if credit in _PAYABLE else -1
        waits[payee] += sign * amount
        if sign > 0 or credit not in _PASSED_ON:
            booked[payee, group] += sign * amount
    return booked, waits


def l8_holds_agree(books: Books) -> list[str]:
    """Our memo of holds is what banks hold for us."""
    ours = -balance(Account.HOLD_RIDER)
    return [] if ours == books.capturable else [f"hold:rider is {ours}, the provider says {books.capturable}"]


def l9_nothing_waits_for_long(*, now: datetime) -> list[str]:
    """Promised refunds and open disputes end, and credit comes back; what the rules call old is a task for staff."""
    waiting = [
        each
        for account in (Account.RIDER_REFUND_DUE, Account.DISPUTE_OPEN)
        for each in ageing.waiting_in(account, now=now)
    ]
    return [
        *waits_to_be_handed_back(now=now, days=rules.current().refund_waits_days),
        *(
            f"payment {each.subject}: {each.account} since {each.since:%Y-%m-%d}"
            for each in waiting
            if each.old
        ),
    ]


def l10_kept_sums_agree() -> list[str]:
    """What payments keep as sums is what their rows and the ledger say, once the provider's lines are in."""
    booked = {
        UUID(key.removeprefix("capture:"))
        for key in LedgerTransfer.objects.filter(event_key__startswith="capture:").values_list(
            "event_key", flat=True
        )
    }
    taken: Counter[UUID] = Counter()
    for attempt in Attempt.objects.filter(state=AttemptState.CAPTURED, id__in=booked):
        taken[attempt.payment_id] += attempt.captured_minor
    ledger: Counter[UUID | None] = Counter()
    rows = LedgerTransfer.objects.filter(debit=Account.STRIPE_BALANCE, credit=Account.RIDER_DEPOSIT)
    for payment_id, amount in rows.values_list("payment_id", "amount_minor"):
        ledger[payment_id] += amount
    wrong = [f"payment {key}: attempts {taken[key]}, ledger {ledger[key]}" for key in taken.keys() | ledger.keys()
             if key and taken[key] != ledger[key]]  # fmt: skip
    for payment in Payment.objects.all():
        wanted = Attempt.objects.filter(payment=payment, unwanted=False)
        promised = Refund.objects.filter(attempt__in=wanted)
        kept = sum(wanted.values_list("captured_minor", flat=True)) - sum(
            promised.values_list("amount_minor", flat=True)
        )
        if kept != payment.captured_minor - payment.refunded_minor:
            wrong.append(
                f"{payment}: keeps {payment.captured_minor - payment.refunded_minor}, rows say {kept}"
            )
    return wrong


def check_ledger(books: Books | None = None, *, now: datetime | None = None) -> dict[str, list[str]]:
    """Every invariant that is broken, by name, with its differences; empty when all is well.

    With the provider's `books` (`payments.actions.audits.books`) ours are compared with theirs; with `now`, ages too.
    """
    checks: dict[str, Callable[[], list[str]]] = {
        "L1": l1_balanced,
        "L4": l4_nobody_pays_twice,
        "L5": l5_deposits_are_for_paid,
        "L6": l6_released_holds_nothing,
        "L7": l7_payees_get_no_more,
        "L10": l10_kept_sums_agree,
        "L11": l11_wallets_agree,
        "L12": l12_contributions_agree,
    }
    if books is not None:
        checks |= {
            "L2": lambda: l2_balance_agrees(books),
            "L3": lambda: l3_lines_agree(books),
            "L8": lambda: l8_holds_agree(books),
        }
    if now is not None:
        checks["L9"] = lambda: l9_nothing_waits_for_long(now=now)
    return {name: differences for name, check in checks.items() if (differences := check())}
