"""Row identifiers: UUID version 7, ordered by time, never used twice even by a database that was reset."""

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """A fresh UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits.

    Time-ordered keys keep index inserts local; the random part makes a key unique across databases, so a
    development database that starts over never repeats an idempotency key at the payment provider.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)
