"""What tests look at: rows as they now are, pages with the eyes of somebody, the words of a page."""

from __future__ import annotations

import html
import re
from typing import Any

from django.test import Client

from rally.models import User


def fresh(row: Any) -> Any:
    """The row as it now is."""
    return type(row).objects.get(pk=row.pk)


def given_back(pledge: Any) -> int:
    """What the rider of this pledge got back, in cents."""
    return int(fresh(pledge.payment).refunded_minor)


def signed_in(user: User, **more: Any) -> Client:
    """A browser in which this person is signed in; `more` is for `Client`."""
    client = Client(**more)
    client.force_login(user)
    return client


def text(page: Any) -> str:
    """The words of a page as one line, without its marks, scripts and styles."""
    bare = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", page.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", bare)).split())
