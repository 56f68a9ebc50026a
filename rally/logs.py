"""Logs: one JSON object a line, with the request's id and without personal data."""

from __future__ import annotations

import json
import logging
import re
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")

#: What must never reach a log, whoever wrote the message: addresses, card numbers, keys, signed links.
_PRIVATE = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]+|\b(?:\d[ -]?){12,18}\d\b|\b(?:sk|rk|whsec)_\w+|(?<=[?&]k=)[^\s&\"]+"
)


class RequestId(logging.Filter):
    """Adds the id of the request at hand."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes."""
        record.request_id = request_id.get()
        return True


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message and, for faults, where they came from."""
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname,
            "logger": record.name,
            "message": _clean(record.getMessage()),
        }
        if request := getattr(record, "request_id", ""):
            line["request"] = request
        if record.exc_info:
            line["fault"] = _clean(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def _clean(text: str) -> str:
    return _PRIVATE.sub("[private]", text)
