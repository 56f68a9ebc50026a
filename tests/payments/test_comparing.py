"""How a comparison is begun, told and followed up: the command, the task, the digest for staff."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from payments import tasks
from payments.actions import (
    digests,
    reconciling,
)
from payments.models import (
    Account,
    LedgerTransfer,
    Reconciliation,
)
from payments.sandbox.core import Sandbox
from payments.sandbox.faults import Fault
from rally.errors import NotAllowed
from rally.models import Notice, StaffAction, User
from tests.factories.people import person
from tests.payments.conftest import Time, taken, work


def test_the_command(sandbox: Sandbox, ana: User, time: Time) -> None:
    taken(ana, time)
    out = StringIO()
    call_command("reconcile", stdout=out)
    assert "no differences" in out.getvalue()
    LedgerTransfer.objects.create(
        event_key="old", debit=Account.OPERATOR_RECEIVABLE, credit=Account.PLATFORM_RETAINED, amount_minor=1,
        currency="USD", occurred_at=time() - timedelta(days=99),
    )  # fmt: skip
    out = StringIO()
    with pytest.raises(CommandError, match="Differences"):
        call_command("reconcile", "--full", "--json", stdout=out)
    assert json.loads(out.getvalue())["differences"]["ageing"]
    assert sandbox.faults is not None
    sandbox.faults.script("GET", ".*", *[Fault.DROP_BEFORE] * 50)
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("reconcile", stdout=out)
    assert "not finished" in out.getvalue()
    LedgerTransfer.objects.create(
        event_key="paid back", debit=Account.PLATFORM_RETAINED, credit=Account.OPERATOR_RECEIVABLE, amount_minor=1,
        currency="USD", occurred_at=time(),
    )  # fmt: skip
    with pytest.raises(CommandError, match="could not be finished"):
        call_command("reconcile", stdout=StringIO())


def test_the_tasks(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    tasks.reconcile_light()
    tasks.reconcile_full()
    assert sorted(Reconciliation.objects.values_list("kind", flat=True)) == ["full", "light"]
    tasks.desk_digest()
    assert not Notice.objects.exists()
    row = sandbox.open_dispute(taken(ana, time).attempts.get().charge)
    work(time)
    tasks.send_evidence()
    for _ in range(2):
        tasks.desk_digest()
    notice = Notice.objects.get()
    assert (notice.recipient, notice.facts["counts"]) == (sam, {"disputes": "1"})
    sandbox.decide_dispute(row["id"], won=False)


def test_the_digest_is_a_mail(sandbox: Sandbox, sam: User, time: Time, mailoutbox: list[Any]) -> None:
    from payments import notices

    counts = dict.fromkeys(
        [
            "stuck",
            "owed",
            "transfers",
            "events",
            "disputes",
            "requests",
            "stranded",
            "shortfalls",
            "ageing",
            "differences",
        ],
        "25+",
    )
    notices.desk_digest(sam, counts, time())
    work_mails = mailoutbox
    from rally import outbox

    for each in outbox.due(time()):
        outbox.deliver(each, time())
    assert len(work_mails) == 1
    assert work_mails[0].body.count("25+") == 10
    assert "/desk/money/" in work_mails[0].body


def test_a_comparison_is_asked_for_by_staff(sandbox: Sandbox, ana: User, sam: User, time: Time) -> None:
    with pytest.raises(NotAllowed):
        reconciling.ask_for_one(now=time(), by=ana)
    reconciling.ask_for_one(now=time(), by=sam)
    assert Reconciliation.objects.count() == 1
    assert StaffAction.objects.get().what == "reconciliation.ask"


def test_nobody_is_told_of_nothing(sandbox: Sandbox, sam: User, time: Time) -> None:
    person("tess", is_staff=True, is_active=False)
    assert digests.tell_staff(now=time()) == 0
