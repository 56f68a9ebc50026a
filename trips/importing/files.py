"""From a path to text, and from text to rows under their headings."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trips.importing.names import fold, tidy
from trips.importing.rows import BadFile, BadRow

MOST_BYTES = 10_000_000
MOST_ROWS = 50_000
#: What may stand between the cells; leagues in Europe send semicolons.
_DELIMITERS = ",;\t|"


def read_text(path: Path) -> str:
    """The text of a file in UTF-8 (with or without mark) or marked UTF-16. Raises `BadFile` saying what is wrong with it."""
    try:
        if path.is_dir():
            raise BadFile(f"{path} is a folder, not a file.")
        if path.exists() and not path.is_file():
            raise BadFile(f"{path} is not a plain file.")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise BadFile(f"{path} has {size:,} bytes; at most {MOST_BYTES:,} are read.")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise BadFile(f"{path} is not there.") from None
    except OSError as problem:
        raise BadFile(f"{path} cannot be read: {problem.strerror}.") from None
    except ValueError as problem:
        raise problem if isinstance(problem, BadFile) else BadFile(f"{path!s} is no file name.") from None
    return decode(raw, str(path))


def decode(raw: bytes, name: str) -> str:
    """Bytes as text. Raises `BadFile` when they are none."""
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        raise BadFile(f"{name} is not text in UTF-8.") from None
    if "\x00" in text:
        raise BadFile(f"{name} is not a text file.")
    if not text.strip():
        raise BadFile(f"{name} is empty.")
    return text


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: where it begins, and its cells by our names of the columns."""

    number: int
    cells: Mapping[str, str]

    def need(self, column: str, called: str) -> str:
        """The cell. Raises `BadRow` when it is empty."""
        if not (value := self.cells.get(column, "")):
            raise BadRow(f"the {called} is missing")
        return value


def table(text: str, columns: Mapping[str, tuple[str, ...]], needed: Mapping[str, str]) -> Iterator[Line]:
    """The rows of a CSV text under its heading, which may stand in any order and case, with columns we do not know.

    `columns` gives for each of our names the headings it may have, folded; `needed` those that must be there, with the heading
    to ask for. A row that is too short has empty cells. Raises `BadFile`.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows = _numbered(reader)
    first, heading = next(rows, (1, []))
    places = _places(heading, columns)
    missing = [called for name, called in needed.items() if name not in places]
    if missing:
        seen = ", ".join(cell for cell in map(tidy, heading) if cell)[:200]
        raise BadFile(f"line {first}: no column “{'”, “'.join(missing)}”; the columns here are: {seen}.")
    for count, (number, row) in enumerate(rows, start=1):
        if count > MOST_ROWS:
            raise BadFile(f"line {number}: more than {MOST_ROWS:,} rows.")
        yield Line(number, {name: tidy(row[at]) if at < len(row) else "" for name, at in places.items()})


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold something, with the line each begins on: a quoted cell may run over several."""
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            raise BadFile(f"line {number}: the table breaks off here ({problem}).") from None
        if any(cell.strip() for cell in row):
            yield number, row


def _delimiter(text: str) -> str:
    heading = next(line for line in text.splitlines() if line.strip())
    return max(_DELIMITERS, key=heading.count)


def _places(heading: list[str], columns: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    folded = [fold(cell) for cell in heading]
    places = {}
    for name, called in columns.items():
        at = next((folded.index(word) for word in called if word in folded), None)
        if at is not None:
            places[name] = at
    return places
