"""Messages to people: asked for once, sent once, never silently lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string

from rally.later import later
from rally.models import Notice, User
from rally.models.notices import NoticeState

logger = logging.getLogger(__name__)

_RETRIES = (1, 5, 15, 60, 240)  # minutes; then failed, for staff to see
_DOUBTFUL_AFTER = timedelta(minutes=10)
#: What `dropping` holds back, in this process.
_unheard: list[Callable[[Notice], bool]] = []


def put(
    *,
    to: User,
    kind: str,
    subject: str,
    facts: dict[str, Any],
    now: datetime,
    due_at: datetime | None = None,
) -> Notice:
    """Ask for a message: `kind` is `app.name` and names `templates/<app>/emails/<name>.{txt,html}`.

    The first line of the text template is the subject line. `facts` (JSON) is all the templates get, besides
    `recipient` and `site_url`. Called inside the transaction of what it tells about; twice is once.
    """
    notice, fresh = Notice.objects.get_or_create(
        recipient=to,
        kind=kind,
        subject=subject,
        defaults={"facts": facts, "created_at": now, "due_at": due_at or now},
    )
    if fresh and notice.due_at <= now:
        later("rally.deliver_notice", notice_id=notice.id)
    return notice


def due(now: datetime, limit: int = 200) -> list[Any]:
    """Ids of the notices to send now, oldest first."""
    return list(
        Notice.objects.filter(state=NoticeState.WAITING, due_at__lte=now)
        .order_by("due_at")
        .values_list("id", flat=True)[:limit]
    )


def deliver(notice_id: Any, now: datetime) -> None:
    """Send one notice, or drop it while `dropping` says so. Two workers, or one that repeats itself, send it once.

    The claim is committed before the mail server is asked: whoever dies in between leaves a notice in `sending`,
    which `doubt_stuck` turns into `doubtful` for a person to judge. Twice would be worse than a question.
    """
    with transaction.atomic():
        notice = (
            Notice.objects.select_for_update(skip_locked=True)
            .select_related("recipient")
            .filter(id=notice_id, state=NoticeState.WAITING)
            .first()
        )
        if notice is None:
            return
        if any(nobody_hears(notice) for nobody_hears in _unheard):
            notice.state = NoticeState.DROPPED
            notice.save(update_fields=["state"])
            return
        notice.state, notice.claimed_at, notice.tries = NoticeState.SENDING, now, notice.tries + 1
        notice.save(update_fields=["state", "claimed_at", "tries"])

    try:
        message(notice).send()
    except Exception as error:  # noqa: BLE001 - whatever the mail backend raises, the notice is kept and tried again
        _put_back(notice, error, now)
    else:
        Notice.objects.filter(id=notice.id).update(state=NoticeState.SENT, sent_at=now, error="")


@contextmanager
def dropping(nobody_hears: Callable[[Notice], bool]) -> Iterator[None]:
    """While this lasts, this process drops the notices of which `nobody_hears` is true instead of sending them."""
    _unheard.append(nobody_hears)
    try:
        yield
    finally:
        _unheard.remove(nobody_hears)


def message(notice: Notice) -> EmailMultiAlternatives:
    """The mail itself, text and HTML."""
    app, name = notice.kind.split(".", 1)
    context = {**notice.facts, "recipient": notice.recipient, "site_url": settings.SITE_URL, "notice": notice}
    text = render_to_string(f"{app}/emails/{name}.txt", context).strip()
    subject, _, body = text.partition("\n")
    mail = EmailMultiAlternatives(
        subject=subject.strip(),
        body=body.strip() + "\n",
        to=[notice.recipient.email],
        headers={"Message-ID": f"<{notice.id}@{settings.SITE_URL.split('//', 1)[-1].split(':', 1)[0]}>"},
    )
    mail.attach_alternative(
        render_to_string(f"{app}/emails/{name}.html", {**context, "subject": subject}), "text/html"
    )
    return mail


def doubt_stuck(now: datetime) -> int:
    """Notices whose sender died in the middle become `doubtful`; answers how many."""
    return Notice.objects.filter(state=NoticeState.SENDING, claimed_at__lt=now - _DOUBTFUL_AFTER).update(
        state=NoticeState.DOUBTFUL
    )


def send_again(notice_ids: list[Any], *, now: datetime) -> int:
    """A person decided that failed or doubtful notices go out again; answers how many. Others stay as they are."""
    return Notice.objects.filter(
        id__in=notice_ids, state__in=[NoticeState.FAILED, NoticeState.DOUBTFUL]
    ).update(state=NoticeState.WAITING, due_at=now, tries=0, error="")


def _put_back(notice: Notice, error: Exception, now: datetime) -> None:
    logger.warning("outbox.not_sent notice=%s error=%s", notice.id, type(error).__name__)
    if notice.tries > len(_RETRIES):
        notice.state = NoticeState.FAILED
    else:
        notice.state = NoticeState.WAITING
        notice.due_at = now + timedelta(minutes=_RETRIES[notice.tries - 1])
    notice.error = f"{type(error).__name__}: {error}"[:200]
    notice.save(update_fields=["state", "due_at", "error"])
