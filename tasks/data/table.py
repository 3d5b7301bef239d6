"""Numbers out of a CSV file, strictly: what is not a number where one belongs is an error with its line and column.

pandas is not used, on purpose: it makes an index of the first column where a row is too long, fills short rows with NaN
and renames a second `a` to `a.1`, all without a word. A file is streamed row by row into one growing array of 8 bytes a
number, and no row is held longer than it takes to read it.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import math
import re
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from tasks.data.source import DamagedData, MissingData
from tasks.data.times import NUMBER, Clock, Order, short

LINE = 4 * 2**20
"""Bytes of the longest line that is read; the widest real one here, M4's daily series, has a tenth of it."""
COLUMNS = 20_000
"""Columns of the widest table that is read."""
NUMBERS = 250_000_000
"""Numbers of the largest table that is read: 2 GB of memory. Electricity has 8 million, traffic 15."""

Fill = Literal["refuse", "previous"]

_THOUSANDS = re.compile(r"\s*[+-]?\d{1,3}(,\d{3})+(\.\d*)?\s*", re.ASCII)
_MISSING = frozenset(("", "na", "n/a", "nan", "null", "none"))


@dataclass(frozen=True)
class Table:
    """Columns of numbers, in the order of the file or in the one asked for."""

    names: tuple[str, ...]  # of the columns; "1", "2", ... where the file has no header
    values: NDArray[np.float64]  # (row, column), all finite
    times: NDArray[np.float64] | None  # (row,) seconds since 1970, or the numbers that stand there
    filled: int  # missing values that were taken from the row above

    @property
    def uneven(self) -> int:
        """How many steps of time differ from the usual one: gaps, repeats and steps back."""
        if self.times is None or len(self.times) < 2:
            return 0
        steps = np.diff(self.times)
        return int((steps != np.median(steps)).sum())


def read(
    path: Path,
    *,
    time: str | None = None,
    columns: Sequence[str] | None = None,
    header: bool = True,
    fill: Fill = "refuse",
    sentinels: Sequence[float] = (),
    order: Order = "rising",
) -> Table:
    """The numbers of a CSV file, which may be compressed (.gz).

    `time` names the column of times, which have to rise from row to row unless `order` is "any"; `columns` the others,
    all of them by default. A missing value (empty, NA, NaN, or one of `sentinels`) is refused, or with `fill` takes the
    last value of its column. Raises MissingData where there is no file, DamagedData at the first fault.
    """
    reader = _Reader(path, fill, tuple(map(float, sentinels)))
    lines = rows(path)
    if not header:
        return reader.numbers(lines, None, order)
    line, names = next(lines, (0, []))
    if not line:
        fault(path, 1, "the file is empty")
    reader.head(line, names, time, columns)
    return reader.numbers(lines, time, order)


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the line and cells of each row, without the empty lines at the end. Raises as `read` does."""
    blank = 0
    lines = _Lines(path)
    reader = csv.reader(lines, strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fault(path, lines.number, f"no CSV: {error}")
        if not row:
            blank = blank or lines.number
            continue
        if blank:
            fault(path, blank, "an empty line between rows; remove it")
        if len(row) > COLUMNS:
            fault(path, lines.number, f"{len(row):,} columns, more than the {COLUMNS:,} that are read; transpose it?")
        yield lines.number, row


def fault(path: Path, line: int, what: str, column: str | None = None) -> NoReturn:
    """Raise DamagedData for a place in a file."""
    where = "" if column is None else f" column {column!r}:"
    raise DamagedData(f"{path.name}:{line}:{where} {what}")


class _Lines:
    """The lines of a file as text, counted; what is no text is an error."""

    def __init__(self, path: Path) -> None:
        self.path, self.number = path, 0
        self._lines = self._read()

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def _read(self) -> Iterator[str]:
        try:
            with _opened(self.path) as file:
                while raw := file.readline(LINE + 1):
                    self.number += 1
                    yield self._text(raw)
        except FileNotFoundError:
            raise MissingData(f"{self.path.name}: no such file; give the path of a CSV file") from None
        except (OSError, EOFError, zlib.error) as error:
            said = getattr(error, "strerror", None) or str(error)
            fault(self.path, self.number + 1, f"cannot be read ({said}); copy or download it again")

    def _text(self, raw: bytes) -> str:
        if len(raw) > LINE:
            fault(self.path, self.number, f"a line of more than {LINE:,} bytes; is this a CSV file with line ends?")
        if self.number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in raw:
            fault(self.path, self.number, "a NUL byte; is this a CSV file in UTF-8?")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            fault(self.path, self.number, f"byte {error.start + 1} is no UTF-8; save the file as UTF-8")


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


class _Reader:
    """What is known of a table while its rows go by."""

    def __init__(self, path: Path, fill: Fill, sentinels: tuple[float, ...]) -> None:
        self.path, self.fill, self.sentinels = path, fill, sentinels
        self.names: list[str] = []  # of all columns of the file
        self.picked: list[int] = []  # the columns that are read
        self.last: list[float] = []  # the row above, where missing values are filled
        self.filled = 0

    def head(self, line: int, names: list[str], time: str | None, columns: Sequence[str] | None) -> None:
        """Take the names of the header and find what was asked for."""
        self.names = [name.strip() for name in names]
        for index, name in enumerate(self.names):
            if not name:
                fault(self.path, line, f"column {index + 1} has no name; give every column one")
        if len(set(self.names)) < len(self.names):
            twice = next(name for index, name in enumerate(self.names) if name in self.names[:index])
            fault(self.path, line, "the name stands twice; give every column its own", twice)
        if all(NUMBER.fullmatch(name) for name in self.names):
            fault(self.path, line, "numbers where names belong; put a header above them")
        if len(self.names) == 1 and (sign := next((sign for sign in ";\t|" if sign in names[0]), None)):
            fault(self.path, line, f"one column, with {sign!r} in its name; separate columns by commas")
        wanted = self.names if columns is None else columns
        for name in ([] if time is None else [time]) + list(wanted):
            if name not in self.names:
                near = difflib.get_close_matches(name, self.names, 1)
                guess = f"did you mean {near[0]!r}? " if near else ""
                there = ", ".join(self.names[:12]) + (", ..." if len(self.names) > 12 else "")
                fault(self.path, line, f"no such column; {guess}there are: {there}", name)
        self.picked = [self.names.index(name) for name in wanted if name != time]
        if not self.picked:
            fault(self.path, line, "no column of numbers beside the time; is the file split by commas?")

    def numbers(self, lines: Iterator[tuple[int, list[str]]], time: str | None, order: Order) -> Table:
        """Read every row to the end."""
        values, clock = array("d"), None if time is None else Clock(order)
        at = None if time is None else self.names.index(time)
        line = 1
        for line, row in lines:
            if not self.names:  # a file without a header: its first row says how many columns there are
                self.names = [str(index + 1) for index in range(len(row))]
                self.picked = list(range(len(row)))
            if len(row) != len(self.names):
                self._ragged(line, row)
            if clock is not None and at is not None and (said := clock.tick(row[at])):
                fault(self.path, line, said, time)
            values.extend(self._row(line, row))
            if len(values) > NUMBERS:
                fault(self.path, line, f"more than the {NUMBERS:,} numbers that are read; take fewer columns or rows")
        if not values:
            fault(self.path, line, "no rows" if self.names else "the file is empty")
        names = tuple(self.names[index] for index in self.picked)
        made = np.frombuffer(values, dtype=np.float64).reshape(-1, len(names))
        times = None if clock is None else np.frombuffer(clock.times, dtype=np.float64)
        return Table(names, made, times, self.filled)

    def _row(self, line: int, row: list[str]) -> list[float]:
        """The numbers of a row: at once where all is well, else cell by cell."""
        cells = [row[index] for index in self.picked]
        try:
            found = list(map(float, cells))
        except ValueError:
            found = []
        text = "".join(cells)
        # float() also takes 1_000 and the digits of other scripts; a sum that is finite has finite parts
        plain = bool(found) and text.isascii() and "_" not in text and math.isfinite(sum(found))
        if not plain or any(sentinel in found for sentinel in self.sentinels):
            found = [self._cell(line, place, cell) for place, cell in enumerate(cells)]
        if self.fill == "previous":
            self.last = found
        return found

    def _cell(self, line: int, place: int, cell: str) -> float:
        name = self.names[self.picked[place]]
        if cell.strip().lower() in _MISSING:
            return self._missing(line, place, f"{cell.strip()!r} is no number" if cell.strip() else "an empty cell")
        if NUMBER.fullmatch(cell):
            value = float(cell)
            if value in self.sentinels:
                return self._missing(line, place, f"{cell.strip()} stands for a missing value")
            if math.isfinite(value):
                return value
        if cell.strip().lstrip("+-").lower() in ("inf", "infinity"):
            fault(self.path, line, f"{short(cell)} is not finite; remove the row or mend the value", name)
        advice = "write it without thousands commas" if _THOUSANDS.fullmatch(cell) else "write numbers like -1.5 or 2e3"
        fault(self.path, line, f"{short(cell)} is no number; {advice}", name)

    def _missing(self, line: int, place: int, what: str) -> float:
        name = self.names[self.picked[place]]
        if self.fill == "refuse":
            fault(self.path, line, f"{what}; fill it or remove the row (own data: fill=previous)", name)
        if not self.last:
            fault(self.path, line, f"{what}, and no row above to fill it from; remove the row", name)
        self.filled += 1
        return self.last[place]

    def _ragged(self, line: int, row: list[str]) -> NoReturn:
        advice = "a comma inside a number or text needs quotes" if len(row) > len(self.names) else "is the file cut?"
        fault(self.path, line, f"{len(row)} cells where {len(self.names)} belong; {advice}")
