"""Names as people type them, brought to one form, and the name that was probably meant."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

_BETWEEN_WORDS = re.compile(r"[\W_]+")
_INSIDE_WORDS = re.compile(r"[’'`.]")


def fold(*texts: str) -> str:
    """Lower case, without accents and signs, words apart by one space: `São Paulo F.C.` is `sao paulo fc`."""
    plain = unicodedata.normalize("NFKD", " ".join(texts)).casefold()
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return _BETWEEN_WORDS.sub(" ", _INSIDE_WORDS.sub("", plain)).strip()


def tidy(text: str) -> str:
    """One line without control characters and without spaces at its ends."""
    return " ".join("".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text).split())


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, if one is like it at all."""
    by_fold = {fold(one): one for one in known}
    found = get_close_matches(fold(name), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None
