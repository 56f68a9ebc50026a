"""Messages go out once, and none is lost in silence."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from rally import outbox
from rally.models import Notice, User
from rally.models.notices import NoticeState
from tests.racing import together


@pytest.fixture
def templates(settings: Any, tmp_path: Path) -> None:
    """A message kind of our own: `test.hello`."""
    folder = tmp_path / "test" / "emails"
    folder.mkdir(parents=True)
    (folder / "hello.txt").write_text("Hello {{ recipient.short_name }}\n\nSeats: {{ seats }}\n")
    (folder / "hello.html").write_text("<p>{{ subject }}: {{ seats }} &amp; more</p>")
    configured = [{**settings.TEMPLATES[0], "DIRS": [tmp_path, *settings.TEMPLATES[0]["DIRS"]]}]
    settings.TEMPLATES = configured


def hello(to: User, now: datetime, **more: Any) -> Notice:
    return outbox.put(to=to, kind="test.hello", subject="thing:1", facts={"seats": 3}, now=now, **more)


class Refusing(EmailBackend):
    """A mail server that says no."""

    def send_messages(self, messages: Any) -> int:
        raise OSError("451 try later")


class Dying(EmailBackend):
    """The process dies while the server is asked."""

    def send_messages(self, messages: Any) -> int:
        super().send_messages(messages)
        raise SystemExit


def test_asked_twice_sent_once(ana: User, now: datetime, templates: None) -> None:
    first, second = hello(ana, now), hello(ana, now)
    assert first == second
    for _ in range(2):
        outbox.deliver(first.id, now)
    (sent,) = mail.outbox
    assert (sent.subject, sent.body, sent.to) == ("Hello Ana", "Seats: 3\n", ["ana@test.example"])
    assert sent.alternatives[0][0] == "<p>Hello Ana: 3 &amp; more</p>"  # type: ignore[attr-defined]
    first.refresh_from_db()
    assert (first.state, first.sent_at) == (NoticeState.SENT, now)


def test_sent_when_due_and_not_before(ana: User, now: datetime, templates: None) -> None:
    notice = hello(ana, now, due_at=now + timedelta(hours=1))
    assert outbox.due(now) == []
    assert outbox.due(now + timedelta(hours=1)) == [notice.id]


@pytest.mark.django_db(transaction=True)
def test_sent_right_after_the_commit(ana: User, now: datetime, templates: None) -> None:
    hello(ana, now)
    assert len(mail.outbox) == 1


def test_a_server_that_says_no_is_asked_again_and_then_a_person_sees_it(
    ana: User, now: datetime, templates: None, settings: Any
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    notice = hello(ana, now)
    waits = []
    for _ in range(6):
        outbox.deliver(notice.id, now)
        notice.refresh_from_db()
        waits.append((notice.due_at - now).total_seconds() / 60)
    assert waits == [1, 5, 15, 60, 240, 240]
    assert (notice.state, notice.tries, notice.error) == (NoticeState.FAILED, 6, "OSError: 451 try later")


def test_dying_in_the_middle_never_sends_twice_and_is_seen(
    ana: User, now: datetime, templates: None, settings: Any
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Dying"
    notice = hello(ana, now)
    with pytest.raises(SystemExit):
        outbox.deliver(notice.id, now)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert outbox.doubt_stuck(now + timedelta(minutes=9)) == 0
    assert outbox.doubt_stuck(now + timedelta(minutes=11)) == 1
    outbox.deliver(notice.id, now + timedelta(minutes=12))
    notice.refresh_from_db()
    assert (notice.state, len(mail.outbox)) == (NoticeState.DOUBTFUL, 1)


def test_a_person_may_send_a_doubtful_one_again(ana: User, now: datetime, templates: None) -> None:
    notice, other = hello(ana, now), outbox.put(to=ana, kind="test.hello", subject="2", facts={}, now=now)
    Notice.objects.filter(id=notice.id).update(state=NoticeState.DOUBTFUL, tries=1, claimed_at=now)
    assert outbox.send_again([notice.id, other.id], now=now) == 1
    outbox.deliver(notice.id, now)
    notice.refresh_from_db()
    assert (notice.state, len(mail.outbox)) == (NoticeState.SENT, 1)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_workers_send_once(ana: User, now: datetime, templates: None) -> None:
    notice = hello(ana, now, due_at=now + timedelta(seconds=1))
    together(*[lambda: outbox.deliver(notice.id, now + timedelta(seconds=1))] * 4)
    assert len(mail.outbox) == 1


def test_what_nobody_hears_is_dropped_instead(ana: User, ben: User, now: datetime, templates: None) -> None:
    with outbox.dropping(lambda notice: notice.recipient == ana):
        for notice in (hello(ana, now), hello(ben, now)):
            outbox.deliver(notice.id, now)
    late = outbox.put(to=ana, kind="test.hello", subject="later", facts={"seats": 1}, now=now)
    outbox.deliver(late.id, now)

    states = Notice.objects.order_by("recipient__email", "subject").values_list("state", flat=True)
    assert list(states) == [NoticeState.SENT, NoticeState.DROPPED, NoticeState.SENT]
    assert [each.to for each in mail.outbox] == [[ben.email], [ana.email]]
