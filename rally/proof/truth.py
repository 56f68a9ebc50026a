"""What is really so at the provider, read from the sandbox's own memory and not through our gateway."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from payments.models import Operation
from payments.sandbox.core import Sandbox

_INTENTS = """
SELECT intent.id, json_extract(intent.body, '$.status'), json_extract(intent.body, '$.amount_capturable'),
       json_extract(intent.body, '$.amount_received'), charge.id,
       coalesce(json_extract(charge.body, '$.amount_refunded'), 0), coalesce(json_extract(charge.body, '$.disputed'), 0)
FROM object AS intent
LEFT JOIN object AS charge ON charge.id = json_extract(intent.body, '$.latest_charge')
WHERE intent.kind = 'payment_intent' ORDER BY intent.seq
"""


@dataclass(frozen=True)
class Intent:
    """One PaymentIntent as the provider has it, and for whom it was made."""

    id: str
    payment: UUID | None
    by_payer: bool  #: made at the page, with the payer there
    held: int
    taken: int
    returned: int
    charge: str
    disputed: bool

    @property
    def kept(self) -> int:
        """Taken and not given back."""
        return self.taken - self.returned


@dataclass(frozen=True)
class Sent:
    """One transfer as the provider has it: to which account, out of which charge (none: out of our balance)."""

    account: str
    charge: str
    group: str
    amount: int
    back: int

    @property
    def net(self) -> int:
        """Sent and not taken back."""
        return self.amount - self.back


class Truth:
    """Remembers for which payment each intent was asked, whatever was written on it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._last = 0
        self._made: dict[str, tuple[UUID | None, bool]] = {}
        self._carded: set[UUID] = set()
        #: The intents as they were last read, and how much had been written and was known then.
        self._read: tuple[tuple[int, int], list[Intent]] = ((-1, 0), [])

    def note(self, whose: Callable[[], UUID | None], *, by_payer: bool) -> None:
        """What is new at the provider was made for the payment that `whose` names."""
        with self._sandbox.store.reading() as rows:
            found = rows.sql(
                "SELECT seq, id FROM object WHERE seq > ? AND kind = 'payment_intent' ORDER BY seq",
                (self._last,),
            ).fetchall()
        for seq, intent_id in found:
            self._last = seq
            self._made[intent_id] = (whose(), by_payer)

    def took_card(self, payment: UUID) -> None:
        """A page of this payment was completed: a card is saved, held or charged there."""
        self._carded.add(payment)

    def has_taken_card(self, payment: UUID) -> bool:
        """Whether anybody ever gave a card for this payment that the provider took."""
        return payment in self._carded

    def intents(self) -> list[Intent]:
        """All of them, oldest first."""
        now = (self.writes(), len(self._made))
        if self._read[0] != now:
            self._read = (now, self._read_intents())
        return self._read[1]

    def _read_intents(self) -> list[Intent]:
        with self._sandbox.store.reading() as rows:
            found = rows.sql(_INTENTS).fetchall()
        return [
            Intent(
                id=row[0],
                payment=self._made.get(row[0], (None, False))[0],
                by_payer=self._made.get(row[0], (None, False))[1],
                held=row[2] if row[1] == "requires_capture" else 0,
                taken=row[3] if row[1] == "succeeded" else 0,
                returned=row[5] if row[1] == "succeeded" else 0,
                charge=row[4] or "",
                disputed=bool(row[6]),
            )
            for row in found
        ]

    def writes(self) -> int:
        """How much was written there so far."""
        with self._sandbox.store.reading() as rows:
            return rows.connection.total_changes

    def by_payment(self) -> dict[UUID | None, list[Intent]]:
        """The intents of each payment."""
        found: dict[UUID | None, list[Intent]] = defaultdict(list)
        for each in self.intents():
            found[each.payment].append(each)
        return found

    def refunds_by_hand(self) -> Iterator[tuple[str, int]]:
        """Charge and amount of each refund, arrived or not, that somebody made in the dashboard, or that we asked for before
        the database was lost and know nothing of."""
        asked = Operation.objects.filter(kind=Operation.Kind.REFUND).values_list("id", flat=True)
        ours = {str(each) for each in asked}
        with self._sandbox.store.reading() as rows:
            found = rows.sql(
                "SELECT charge, json_extract(body, '$.amount'), json_extract(body, '$.metadata.op') FROM object"
                " WHERE kind = 'refund'"
            ).fetchall()
        yield from ((charge, amount) for charge, amount, op in found if op not in ours)

    def transfers(self) -> list[Sent]:
        """Every transfer to a company or partner, oldest first."""
        with self._sandbox.store.reading() as rows:
            found = rows.sql(
                "SELECT json_extract(body, '$.destination'), coalesce(json_extract(body, '$.source_transaction'), ''),"
                " json_extract(body, '$.transfer_group'), json_extract(body, '$.amount'),"
                " json_extract(body, '$.amount_reversed') FROM object WHERE kind = 'transfer' ORDER BY seq"
            ).fetchall()
        return [Sent(*row) for row in found]

    def returned_since(self, moment: datetime) -> int:
        """What was given back of any charge from this moment on, in all."""
        with self._sandbox.store.reading() as rows:
            found = rows.sql(
                "SELECT sum(json_extract(body, '$.amount')) FROM object WHERE kind = 'refund'"
                " AND json_extract(body, '$.created') >= ?",
                (int(moment.timestamp()),),
            ).fetchone()
        return int(found[0] or 0)
