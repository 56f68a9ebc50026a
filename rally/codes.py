"""Public codes: what people read aloud, type and scan instead of row ids."""

import secrets

#: No 0/O, 1/I/L, U (reads as V) or vowels that make words: 26 characters nobody confuses on a phone in the rain.
ALPHABET = "23456789BCDFGHJKMNPQRSTVWX"

SHORT = 6  #: events, trips, runs: 26^6 = 309 million; public, so guessing one gains nothing
LONG = 10  #: pledges: 26^10 = 1.4e14; never enough alone, the page also asks who you are
SECRET = 16  #: boarding codes: 75 bits, a bearer ticket


def short() -> str:
    """A code such as `K7QM2P`. Uniqueness is the database's business."""
    return _code(SHORT)


def long() -> str:
    """A code of 10 characters, for pledges."""
    return _code(LONG)


def secret() -> str:
    """A code of 16 characters that cannot be guessed: whoever shows it may board."""
    return _code(SECRET)


def clean(typed: str) -> str:
    """What someone typed or scanned, as a code: upper case, without spaces and dashes."""
    return "".join(typed.upper().replace("-", " ").split())


def _code(length: int) -> str:
    number, letters = secrets.randbelow(len(ALPHABET) ** length), []
    for _ in range(length):
        number, place = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[place])
    return "".join(letters)
