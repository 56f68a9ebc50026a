"""Packing static files: small ones thoroughly, large ones quickly, and nothing is lost."""

import brotli
import pytest

from rally.static_files import LARGE, QuickForLarge


@pytest.mark.parametrize(("size", "quality"), [(LARGE, 11), (LARGE + 1, 9)])
def test_large_files_are_packed_less_thoroughly(size: int, quality: int) -> None:
    words = b"".join(b"seat %d lights up; " % (number * number) for number in range(20_000))[:size]

    packed = QuickForLarge.compress_brotli(words)

    assert brotli.decompress(packed) == words
    assert packed == brotli.compress(words, quality=quality)
    assert packed != brotli.compress(words, quality=20 - quality)
