"""The mails that the demo has sent: files in a folder, read here instead of in a mailbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings

_NAME = re.compile(r"^[0-9]{8}-[0-9]{6}-[0-9]+\.log$")  # as Django's file backend names them
_END = b"\n" + b"-" * 79 + b"\n"


@dataclass(frozen=True)
class Mail:
    """One mail as it left us."""

    name: str
    number: int
    message: EmailMessage

    @property
    def subject(self) -> str:
        """Its subject line."""
        return str(self.message["Subject"] or "")

    @property
    def to(self) -> str:
        """Whom it went to."""
        return str(self.message["To"] or "")

    @property
    def notice_id(self) -> str:
        """The id of the notice behind it, if there is one."""
        return str(self.message["Message-ID"] or "").strip("<>").partition("@")[0]

    @property
    def text(self) -> str:
        """The plain words."""
        return self._part("plain")

    @property
    def html(self) -> str:
        """The drawn version; empty if there is none."""
        return self._part("html")

    def _part(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        return "" if body is None else str(body.get_content())


def newest() -> Iterator[Mail]:
    """All mails, newest first."""
    for name in sorted(
        (path.name for path in _folder().glob("*.log") if _NAME.match(path.name)), reverse=True
    ):
        yield from reversed(_read(name))


def find(name: str, number: int) -> Mail | None:
    """The mail with this number in this file, or None."""
    if not _NAME.match(name) or not (_folder() / name).is_file():
        return None
    found = _read(name)
    return found[number] if number < len(found) else None


def _folder() -> Path:
    return Path(settings.EMAIL_FILE_PATH)


def _read(name: str) -> list[Mail]:
    parts = (_folder() / name).read_bytes().split(_END)
    messages = [message_from_bytes(part, policy=policy.default) for part in parts if part.strip()]
    return [Mail(name, number, message) for number, message in enumerate(messages)]
