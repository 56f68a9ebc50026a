"""Every message of supply renders as text and as HTML, in words that hold together."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from operators import notices
from operators.actions import papers, pay, runs
from operators.states import PaperKind
from rally import outbox
from rally.models import Notice, User
from tests.factories.operators import confirmed_run, member, paper, ready, van_trip

pytestmark = pytest.mark.django_db

KINDS = {
    "invited",
    "paper_runs_out",
    "paper_refused",
    "run_committed",
    "driver_assigned",
    "driver_relieved",
    "run_confirmed",
    "you_drive",
    "bus_free",
    "driver_free",
    "paid_out",
    "run_not_started",
    "run_not_completed",
}


def test_each_message_renders(sam: User, now: datetime) -> None:
    crew = ready()
    spare = crew.commits(van_trip())
    runs.withdraw(run_id=spare.id, now=now, by=crew.owner)
    run = confirmed_run(crew)
    relief = member(crew.operator)
    runs.change(run_id=run.id, vehicle_id=crew.vehicle.id, driver_id=relief.id, now=now, by=crew.owner)
    soon = paper(crew.operator, PaperKind.LICENCE, last_day=date(2026, 12, 1))
    notices.paper_runs_out(soon, now)
    papers.refuse(paper_id=soon.id, why="illegible", now=now, by=sam)
    notices.paid_out(run, now)
    notices.run_not_started(run, now)
    notices.run_not_completed(run, now)

    found = Notice.objects.filter(kind__startswith="operators.")
    assert {notice.kind.removeprefix("operators.") for notice in found} == KINDS
    for notice in found:
        mail = outbox.message(notice)
        html = str(mail.alternatives[0][0])
        for text in (mail.subject, str(mail.body), html):
            assert text.strip()
            assert "{{" not in text
            assert "None" not in text
            assert "()" not in text
        assert "http://" in str(mail.body)
    assert pay.group_of(run) == f"trip:{run.trip_id}"
