"""Text as numbers, of any length: one preparation, chunk by chunk, and then files that are only mapped.

The text is read once, and its types (different words, characters or bytes) are numbered as they come; then it is known
how much there is, so where train ends and which types train has, and the numbers are written again as symbols, in the
smallest unsigned type that holds them. Memory is a few chunks, the types, and 9 MB for counts: it does not grow with
the text, and 4 GiB would hold some twenty million different words. The cache folder has to hold 4 bytes a symbol while
a text is prepared (1 for bytes), and the symbols from then on.

What is prepared is found again by the sha256 of its files, which costs a second a GB at each start: a file that was
changed and kept its size and time would otherwise be mixed up with what it was. A text is prepared in a folder of its
own, which gets its name when all is there, so that a preparation that is killed leaves nothing half.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data import places
from tasks.data.placing import checksum
from tasks.data.reading import Unit, raw, text, words
from tasks.data.source import DamagedData
from tasks.data.text import EOS, UNSEEN, Corpus

UNK = "<unk>"
SPLITS = ("train", "valid", "test")
CODE = 1
"""Raised whenever the same text would be prepared otherwise."""
KEPT = 2**23
"""Bytes of text from which on what is prepared is kept in the cache folder."""
LARGE = 2**24
"""Symbols from which on a text stays in its files: fewer are read into memory."""
AT_ONCE = 2**20
"""Symbols that are counted and written at once."""
DAY = 86_400
TYPES: Mapping[Unit, int] = {"character": 0x110000, "byte": 256}
"""How many numbers there are before any text is read: code points, bytes."""


@dataclass(frozen=True)
class Reading:
    """How a text is read: three files, or one that is cut 90/5/5 in reading order.

    The vocabulary is that of train, words in the order in which they first appear, characters and bytes in the order
    of their codes. What is not in it is one further symbol: a text's own <unk> where it has one.
    """

    unit: Unit
    files: tuple[Path, ...]  # train, valid and test; or the one
    window: int  # a split has two of them at least
    most: int | None = None  # only so many words, those that train has most often, <eos> among them

    @property
    def name(self) -> str:
        return self.files[0].name


@dataclass(frozen=True)
class Prepared:
    """A corpus, and how many types all of its splits have together."""

    corpus: Corpus
    types: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Symbols of train, valid and test."""
        return len(self.corpus.train), len(self.corpus.valid), len(self.corpus.test)


def prepared(reading: Reading) -> Prepared:
    """The text as symbols: in memory as int64, or mapped where it is large. Raises DamagedData."""
    if sum(path.stat().st_size for path in reading.files) < KEPT:
        with tempfile.TemporaryDirectory() as short:
            _prepare(Path(short), reading)
            return _opened(Path(short))
    folder = places.cache() / f"text-{_key(reading)}"
    if (found := _whole(folder)) is not None:
        return found
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob("text-*.tmp"):  # of a preparation that was killed
        if time.time() - left.stat().st_mtime > DAY:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="text-", suffix=".tmp") as temporary:
        inner = Path(temporary) / "symbols"
        inner.mkdir()
        _prepare(inner, reading)
        _placed(inner, folder)
    return _opened(folder)


def _key(reading: Reading) -> str:
    key = (CODE, reading.unit, reading.window, reading.most, [checksum(path) for path in reading.files])
    return hashlib.sha256(repr(key).encode()).hexdigest()[:16]


def _placed(folder: Path, to: Path) -> None:
    """Another process may have been first, with the same bytes; what is there and is not whole makes room."""
    try:
        os.rename(folder, to)
    except OSError:
        if _whole(to) is None:
            shutil.rmtree(to)
            os.rename(folder, to)


def _whole(folder: Path) -> Prepared | None:
    """What was prepared before; None where nothing or less than all of it is there."""
    try:
        return _opened(folder)
    except (OSError, ValueError, KeyError):
        return None


def _opened(folder: Path) -> Prepared:
    about = json.loads((folder / "about.json").read_text("utf-8"))
    kind, sizes = np.dtype(about["type"]), about["sizes"]
    paths = [folder / split for split in SPLITS]
    if any(path.stat().st_size != size * kind.itemsize for path, size in zip(paths, sizes, strict=True)):
        raise ValueError("a file of symbols has another size than it had")
    parts: list[NDArray[Any]]
    if sum(sizes) < LARGE:
        parts = [np.fromfile(path, kind).astype(np.int64) for path in paths]
    else:  # copy on write: nothing is ever written, and torch takes no array that is read-only
        parts = [np.memmap(path, kind, mode="c") for path in paths]
    train, valid, test = parts
    return Prepared(Corpus(tuple(about["vocabulary"]), about["start"], train, valid, test), about["types"])


def _prepare(folder: Path, reading: Reading) -> None:
    """Write the three files of symbols into an empty folder, and what is to be said of them."""
    with (folder / "raw").open("wb") as file:
        numbers = Numbers(reading.unit)
        ends = [0]
        for path in reading.files:
            ends.append(ends[-1] + sum(_written(file, part) for part in numbers.of(path)))
    spans = list(
        pairwise(ends if len(reading.files) > 1 else [ends[1] * percent // 100 for percent in (0, 90, 95, 100)])
    )
    sizes = [end - begin for begin, end in spans]
    counts = [np.zeros(numbers.count, np.int64) for _ in SPLITS]
    for found, span in zip(counts, spans, strict=True):
        for part in _chunks(folder / "raw", numbers.kind, *span):
            found += np.bincount(part, minlength=len(found))
    every = counts[0] + counts[1] + counts[2]
    _enough(reading, sizes, counts[0])
    vocabulary, table = _vocabulary(reading, numbers, counts[0], every)
    small = np.min_scalar_type(len(vocabulary) - 1)
    for split, span in zip(SPLITS, spans, strict=True):
        with (folder / split).open("wb") as file:
            for part in _chunks(folder / "raw", numbers.kind, *span):
                _written(file, table[part].astype(small))
    (folder / "raw").unlink()
    about = {
        "type": small.name,
        "sizes": sizes,
        "start": _start(reading.unit, vocabulary),
        "types": int((every > 0).sum()),
        "vocabulary": vocabulary,
    }
    (folder / "about.json").write_text(json.dumps(about), "utf-8")


def _written(file: Any, part: NDArray[Any]) -> int:
    part.tofile(file)
    return len(part)


def _chunks(path: Path, kind: np.dtype[Any], begin: int, end: int) -> Iterator[NDArray[Any]]:
    """The numbers from `begin` to `end`."""
    with path.open("rb") as file:
        file.seek(begin * kind.itemsize)
        for at in range(begin, end, AT_ONCE):
            yield np.fromfile(file, kind, min(AT_ONCE, end - at))


class Numbers:
    """A number for each type of a text: for words as they first come, for characters and bytes their codes."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.kind = np.dtype(np.uint8 if unit == "byte" else np.uint32)
        self._index: defaultdict[str, int] = defaultdict()
        self._index.default_factory = self._index.__len__
        self._index[EOS] = 0

    @property
    def count(self) -> int:
        return len(self._index) if self.unit == "word" else TYPES[self.unit]

    def of(self, path: Path) -> Iterator[NDArray[Any]]:
        """A file's text as numbers, chunk by chunk."""
        if self.unit == "byte":
            yield from (np.frombuffer(part, np.uint8) for part in raw(path))
        elif self.unit == "character":
            yield from (np.frombuffer(part.encode("utf-32-le"), np.uint32) for part in text(path))
        else:
            for part in words(path, EOS):
                yield np.fromiter(map(self._index.__getitem__, part), np.uint32, len(part))

    def named(self, numbers: NDArray[np.int64]) -> list[str]:
        """What these numbers stand for; a byte is called as Latin-1 calls it."""
        if self.unit == "word":
            every = list(self._index)
            return [every[number] for number in numbers]
        return [chr(number) for number in numbers]

    def unknown(self) -> int:
        """The number of a text's own <unk>; -1 where it has none."""
        return self._index.get(UNK, -1) if self.unit == "word" else -1


def _enough(reading: Reading, sizes: list[int], counts: NDArray[np.int64]) -> None:
    """Raises DamagedData where there is too little to learn or to score."""
    for split, size in zip(SPLITS, sizes, strict=True):
        if size < 2 * reading.window:
            raise DamagedData(
                f"{reading.name}: {sum(sizes):,} {reading.unit}s leave {size:,} for {split}, fewer than two windows of "
                f"{reading.window}; give a longer text"
            )
    if (counts > 0).sum() < 2:
        raise DamagedData(
            f"{reading.name}: train holds one {reading.unit} again and again, and nothing to predict; give another text"
        )


def _vocabulary(
    reading: Reading, numbers: Numbers, train: NDArray[np.int64], every: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.int64]]:
    """The types that get a symbol each, and the symbol of every number."""
    kept = np.flatnonzero(train)
    unknown = numbers.unknown()
    if reading.most is not None and len(kept) > reading.most:
        often = train[kept].astype(np.float64)
        often[np.isin(kept, [0, unknown])] = np.inf  # a line's end and <unk> are never left out
        kept = np.sort(kept[np.argsort(-often, kind="stable")[: reading.most]])
    vocabulary = numbers.named(kept)
    table = np.full(len(train), -1)
    table[kept] = np.arange(len(kept))
    if (table[every > 0] < 0).any():
        if table[unknown] < 0 or unknown < 0:
            unknown_symbol = len(vocabulary)
            vocabulary.append(UNK if reading.unit == "word" else UNSEEN)
        else:
            unknown_symbol = int(table[unknown])
        table[table < 0] = unknown_symbol
    return vocabulary, table


def _start(unit: Unit, vocabulary: list[str]) -> int:
    """The symbol in front of a stream: what ends a line, else what ends a word, else the first."""
    for end in (EOS,) if unit == "word" else ("\n", " "):
        if end in vocabulary:
            return vocabulary.index(end)
    return 0
