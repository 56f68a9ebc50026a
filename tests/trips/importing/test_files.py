"""From a path to text."""

from __future__ import annotations

from pathlib import Path

import pytest

from trips.importing import files
from trips.importing.rows import BadFile


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_with_or_without_a_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes("Zürich,1".encode(encoding))
    assert files.read_text(tmp_path / "a.csv") == "Zürich,1"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "is empty"),
        (b"  \r\n ", "is empty"),
        (b"\x89PNG\r\n\x1a\n\xff", "is not text"),
        (b"a\x00b", "is not a text file"),
        (b"x" * 1001, "at most 1,000 are read"),
    ],
)
def test_what_is_no_text_is_refused(
    tmp_path: Path, raw: bytes, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    (tmp_path / "a.csv").write_bytes(raw)
    with pytest.raises(BadFile, match=says):
        files.read_text(tmp_path / "a.csv")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="is not there"):
        files.read_text(tmp_path / "nothing.csv")
    with pytest.raises(BadFile, match="is a folder"):
        files.read_text(tmp_path)
    with pytest.raises(BadFile, match="not a plain file"):
        files.read_text(Path("/dev/null"))
    with pytest.raises(BadFile, match="cannot be read"):
        files.read_text(tmp_path / ("x" * 300))
    with pytest.raises(BadFile, match="is no file name"):
        files.read_text(Path("a\x00b"))
