"""Complaints of payers at their banks: what was seen of them, what we lay before the bank, and who bears what is lost.

A dispute freezes what its payment would send on (`queries.disputed`). Evidence is put together by the app above, which
hears of each dispute by the signal `dispute_opened`; staff may add words and send it, and what nobody sent goes by
itself shortly before the bank stops taking it.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from payments import gateway, locks, signals
from payments.actions import bank_refunds, blames, by_hand, journal, ledger, rounds, standings
from payments.errors import DisputeClosed, NobodyToBlame, NoEvidence, NothingToBlame
from payments.gateway import words
from payments.models import Account, Attempt, Dispute, LedgerTransfer, Operation, Payee, Payment
from payments.states import DISPUTE, DisputeState, OperationState
from rally import audit, rules
from rally import journal as changes
from rally.errors import BadInput, NotAllowed
from rally.models import User

logger = logging.getLogger(__name__)

#: What the provider takes as text, by its names; the longest of each and of all together.
TEXTS = (
    "access_activity_log", "billing_address", "cancellation_policy_disclosure", "cancellation_rebuttal",
    "customer_email_address", "customer_name", "duplicate_charge_explanation", "duplicate_charge_id",
    "product_description", "refund_policy_disclosure", "refund_refusal_explanation", "service_date", "uncategorized_text",
)  # fmt: skip
LONGEST_TEXT, LONGEST_EVIDENCE = 20_000, 150_000
#: Where the words of staff stand; whatever is put together leaves them alone.
WORDS = "uncategorized_text"
_ANSWERS = (Operation.Kind.EVIDENCE, Operation.Kind.ACCEPT)


# ---- what was seen


@transaction.atomic
def take_over(seen: words.DisputeSeen, *, now: datetime) -> Payment | None:
    """Write down what a dispute took, gave back, and where it stands. None when the charge is not ours.

    Old and repeated sightings are harmless: lines are booked once, and what has ended does not begin again, unless the
    bank gives back what was lost. Its end is news of the payment: what could not be given back meanwhile can be now.
    """
    attempt = Attempt.of_intent(seen.intent)
    if attempt is None:
        return None
    payment = locks.locked_payment(attempt.payment_id)
    before = _taken(payment)
    row, stood = _keep(payment, attempt, seen, now)
    _book(payment, row, seen, now)
    if not row.open and (row.state != stood or _taken(payment) != before):
        standings.tell(payment, now=now)
    return payment


def _taken(payment: Payment) -> tuple[int, ...]:
    """What banks have of a payment until they decide, and for good."""
    return tuple(
        ledger.balance_of(each, payment_id=payment.id)
        for each in (Account.DISPUTE_OPEN, Account.LOSS_DISPUTE)
    )


def _book(payment: Payment, row: Dispute, seen: words.DisputeSeen, now: datetime) -> None:
    for line in seen.bookings:
        book = ledger.disputed if line.amount < 0 else ledger.dispute_won
        fee = line.fee if line.amount < 0 else -line.fee
        book(payment, amount=abs(line.amount), fee=fee, transaction=line.id, now=now)
    gone = -sum(line.amount for line in seen.bookings)
    if seen.status == "lost":
        ledger.dispute_lost(payment, dispute=seen.id, amount=gone, now=now)
        bank_refunds.keep_promises(payment, now=now)
    if any(line.amount > 0 for line in seen.bookings):
        _regain(payment, row, max(0, gone), now)


def _regain(payment: Payment, row: Dispute, left: int, now: datetime) -> None:
    """What was booked as lost and is here again is not lost, nor owed by whoever was blamed for it; `left` still is."""
    was = ledger.lost_by(row)
    if was <= left:
        return
    ledger.dispute_regained(payment, dispute=row.dispute, amount=was - left, left=left, now=now)
    bank_refunds.owe_again(row.attempt, now=now)
    bank_refunds.keep_promises(payment, now=now)
    logger.warning("dispute.regained payment=%s amount=%s", payment.id, was - left)


def _keep(payment: Payment, attempt: Attempt, seen: words.DisputeSeen, now: datetime) -> tuple[Dispute, str]:
    """The row of a dispute, brought to where it stands, and where it stood. News of a new one is told once this is
    committed."""
    row = Dispute.objects.filter(dispute=seen.id).first()
    fresh = row is None
    if row is None:
        row = Dispute.objects.create(
            payment=payment,
            attempt=attempt,
            dispute=seen.id,
            reason=seen.reason[:60],
            amount_minor=seen.amount,
            currency=payment.currency,
            opened_at=now,
        )
        changes.begin(row, DISPUTE, now=now, by=None, why=row.reason)
    stood = row.state
    if row.open:
        row.reason, row.amount_minor = seen.reason[:60], seen.amount
        row.refundable, row.respond_by = seen.refundable, seen.answer_by
        row.submitted_at = row.submitted_at or (now if seen.answers else None)
        row.save(update_fields=["reason", "amount_minor", "refundable", "respond_by", "submitted_at"])
        _move(row, _stands(seen), now)
    elif row.state == DisputeState.LOST and seen.status == "won":
        _move(row, DisputeState.WON, now)
    if fresh and row.open:
        logger.error("dispute.opened dispute=%s payment=%s", row.id, payment.id)
        announce(row)
    return row, stood


def _stands(seen: words.DisputeSeen) -> DisputeState:
    if seen.status != "open":
        return DisputeState(seen.status)
    return DisputeState.NEEDS_RESPONSE if seen.answerable else DisputeState.UNDER_REVIEW


def _move(row: Dispute, to: DisputeState, now: datetime) -> None:
    if row.state == to:
        return
    row.ended_at = now if to in (DisputeState.WON, DisputeState.LOST) else None
    changes.move(row, DISPUTE, to, now=now, by=None, also=("ended_at",))


def announce(row: Dispute) -> None:
    """Tell the app above, once this is committed, that evidence is wanted."""
    transaction.on_commit(partial(_ask_for_evidence, row.id))


def _ask_for_evidence(dispute_id: UUID) -> None:
    for receiver, answer in signals.dispute_opened.send_robust(sender=Dispute, dispute_id=dispute_id):
        if isinstance(answer, Exception):
            logger.error("dispute_opened.failed receiver=%r", receiver, exc_info=answer)


# ---- evidence


@transaction.atomic
def put_together(*, dispute_id: UUID, evidence: dict[str, str], advice: str, now: datetime) -> Dispute:  # noqa: ARG001 - told, as all actions are
    """Keep the evidence that the app above knows of; with `advice` why the payer is right by our own books.

    Texts by the provider's names (`TEXTS`), cut to what it takes; the words of staff stay. Twice: the later one counts,
    until it is sent. Raises `ValueError` for another name.
    """
    row = _locked(dispute_id)
    unknown = evidence.keys() - set(TEXTS)
    if unknown:
        raise ValueError(f"The provider knows no {sorted(unknown)}.")
    if not awaits(row):
        return row

    own = {WORDS: row.evidence[WORDS]} if row.evidence.get(WORDS) else {}
    row.evidence = _fitting({**{name: text for name, text in evidence.items() if text}, **own})
    row.advice = advice[:200]
    row.save(update_fields=["evidence", "advice"])
    return row


def _fitting(evidence: dict[str, str]) -> dict[str, str]:
    """Each text and all together within what the provider takes; the longest ones give way."""
    cut = {name: text[:LONGEST_TEXT] for name, text in evidence.items()}
    for name in sorted(cut, key=lambda each: len(cut[each]), reverse=True):
        over = max(0, sum(map(len, cut.values())) - LONGEST_EVIDENCE)
        cut[name] = cut[name][: max(1, len(cut[name]) - over)]
    return cut


@transaction.atomic
def add_words(*, dispute_id: UUID, text: str, now: datetime, by: User) -> Dispute:
    """Put the words of staff beside the evidence; the last ones count. Twice the same: the same.

    Raises `NotAllowed`, `DisputeClosed` once it was sent or decided, `BadInput` for more than the bank takes.
    """
    row = _locked(dispute_id)

    _check_staff(by)
    if not awaits(row):
        raise DisputeClosed
    said = text.strip()
    if len(said) > LONGEST_TEXT:
        raise BadInput(f"At most {LONGEST_TEXT:,} characters, please.", field="text")

    row.evidence = _fitting({**row.evidence, WORDS: said})
    if not said:
        del row.evidence[WORDS]
    row.save(update_fields=["evidence"])
    audit.note(by=by, what="dispute.add_words", subject=f"dispute:{row.id}", now=now, length=len(said))
    return row


@transaction.atomic
def submit(*, dispute_id: UUID, now: datetime, by: User | None) -> Operation:
    """Lay the evidence before the bank, for good: banks take one answer. Twice is once.

    Raises `NotAllowed` for people who are not staff, `DisputeClosed`, `NoEvidence`.
    """
    row = _locked(dispute_id)

    if by is not None:
        _check_staff(by)
    sent = _answered(row).filter(kind=Operation.Kind.EVIDENCE).first()
    if sent is not None:
        return sent
    if not awaits(row):
        raise DisputeClosed
    if not row.evidence:
        raise NoEvidence

    if by is not None:
        audit.note(
            by=by, what="dispute.submit", subject=f"dispute:{row.id}", now=now, amount=row.amount_minor
        )
    return _ask(row, Operation.Kind.EVIDENCE, {"evidence": dict(row.evidence)}, now)


@transaction.atomic
def accept(*, dispute_id: UUID, why: str, now: datetime, by: User) -> Operation:
    """Tell the bank that the payer is right: the money stays with them. Twice is once.

    Raises `NotAllowed` for people who are not staff, `DisputeClosed`.
    """
    row = _locked(dispute_id)

    _check_staff(by)
    told = _answered(row).filter(kind=Operation.Kind.ACCEPT).first()
    if told is not None:
        return told
    if not awaits(row):
        raise DisputeClosed

    audit.note(
        by=by, what="dispute.accept", subject=f"dispute:{row.id}", now=now, why=why, amount=row.amount_minor
    )
    return _ask(row, Operation.Kind.ACCEPT, {}, now)


@transaction.atomic
def blame(*, dispute_id: UUID, payee_id: UUID, why: str, now: datetime, by: User) -> Payee:
    """A dispute was lost by the fault of one of those who were paid for the trip (`can_be_blamed`): what it cost is owed by
    them, as far as it is still lost and nobody else is blamed for it. Twice is once.

    The loss stays with the payment, which must not be refunded once more; the debt is the payee's as a whole, so that it
    can be kept from what they earn next. Raises `NotAllowed`, `NobodyToBlame`, `NothingToBlame`.
    """
    row = _locked(dispute_id)

    _check_staff(by)
    chosen = next((each for each in can_be_blamed(row) if each.id == payee_id), None)
    if row.state != DisputeState.LOST or chosen is None:
        raise NobodyToBlame
    payee = locks.locked_payee(chosen.id)
    if ledger.posted(by_hand.blame_key(row.dispute)):
        return payee

    amount = blames.left(row)
    if not amount:
        raise NothingToBlame
    by_hand.blamed(
        payee,
        dispute=row.dispute,
        amount=amount,
        currency=row.currency,
        group=row.payment.group,
        now=now,
    )
    audit.note(by=by, what="dispute.blame", subject=f"dispute:{row.id}", now=now, why=why, amount=amount)
    return payee


def can_be_blamed(row: Dispute) -> QuerySet[Payee]:
    """Who was paid for the trip that a dispute is about, out of its payment or besides, by name."""
    paid_for = (ledger.earned_key(row.payment_id), ledger.firm_key(row.payment.group))
    lines = LedgerTransfer.objects.filter(event_key__in=paid_for, credit=Account.OPERATOR_PAYABLE)
    return Payee.objects.filter(id__in=lines.values("payee_id")).order_by("name", "id")


# ---- by itself


def send_due(*, now: datetime, limit: int = 50) -> int:
    """Send what nobody sent, `evidence_hours_before` the bank stops taking it. Answers how many were sent.

    What our own books say the payer is right about is never contested by itself: that is for a person, who is told. The
    app above is asked anew about all that wait, in rounds, and about each before it is sent: the bus may have left since, or
    not run at all. Outside a transaction. Harmless to repeat.
    """
    before = now + timedelta(hours=rules.current().evidence_hours_before)
    waiting = _unanswered()
    for row in rounds.following("evidence", waiting, limit=limit, now=now):
        _ask_for_evidence(row.id)
    due = waiting.filter(respond_by__lte=before, advice="").exclude(evidence={}).order_by("respond_by", "id")
    return sum(_send(each, now) for each in list(due.values_list("id", flat=True)[:limit]))


def _send(dispute_id: UUID, now: datetime) -> bool:
    _ask_for_evidence(dispute_id)
    try:
        with transaction.atomic():
            if _locked(dispute_id).advice:
                return False  # it has become a matter for a person
            submit(dispute_id=dispute_id, now=now, by=None)
    except (DisputeClosed, NoEvidence):
        return False  # somebody was quicker
    return True


def _unanswered() -> QuerySet[Dispute]:
    """Disputes that wait for us and about which we have asked nothing yet, not even in vain: that is for a person."""
    asked = Operation.objects.filter(kind__in=_ANSWERS, subject=OuterRef("id"))
    return Dispute.objects.filter(
        ~Exists(asked),
        state=DisputeState.NEEDS_RESPONSE,
        submitted_at=None,
        payment__provider=gateway.provider(),
    )


# ---- inside


def _locked(dispute_id: UUID) -> Dispute:
    """The dispute with its payment held: the answer of the bank and a wish of staff would cross."""
    locks.locked_payment(Dispute.objects.values_list("payment_id", flat=True).get(id=dispute_id))
    return Dispute.objects.select_related("payment").get(id=dispute_id)


def _check_staff(by: User) -> None:
    if not by.is_staff:
        raise NotAllowed


def _answered(row: Dispute) -> QuerySet[Operation]:
    """What we have asked of the bank, unless it was a clear no."""
    asked = Operation.objects.filter(kind__in=_ANSWERS, subject=row.id)
    return asked.exclude(state=OperationState.FAILED)


def awaits(row: Dispute) -> bool:
    """Whether the bank waits for our answer, and none is on its way."""
    waits = row.state == DisputeState.NEEDS_RESPONSE and row.submitted_at is None
    return waits and not _answered(row).exists()


def _ask(row: Dispute, kind: Operation.Kind, params: dict[str, object], now: datetime) -> Operation:
    return journal.write(
        kind=kind, subject=row.id, payment=row.payment, target=row.dispute, params=params, now=now
    )
