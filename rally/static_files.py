"""How static files are packed when they are collected."""

from __future__ import annotations

from typing import Any

import brotli
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

#: Bytes above which a file is packed less thoroughly. All of ours are below; above are the pages of the API's
#: documentation, the map and the code reader.
LARGE = 100_000


class QuickForLarge(Compressor):  # type: ignore[misc]
    """Brotli's last level takes ten times as long as its ninth, for a tenth of the size: 26 s of the first start."""

    @staticmethod
    def compress_brotli(data: bytes) -> bytes:
        """Pack one file."""
        return bytes(brotli.compress(data, quality=9 if len(data) > LARGE else 11))


class PackedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Names that change with the content, and a packed copy beside each file."""

    def create_compressor(self, **kwargs: Any) -> Compressor:
        """Called by the storage for each collection."""
        return QuickForLarge(**kwargs)
