"""The strict reader of text: what is read is what the file says, or DamagedData with file, place and what to do.

| found | as words or characters | as bytes |
| --- | --- | --- |
| bytes that are not UTF-8 | refused, with the byte's place and its line | kept |
| a NUL byte | refused: a binary file, or UTF-16 | kept |
| a byte order mark in front | left out | kept |
| CRLF or a lone CR | one line feed each, as Python reads text | kept |
| a line of any length | kept: nothing here holds a line | kept |
| a word of more than LONGEST characters | refused as words: that is no text of words | kept |
| an empty file | refused | refused |

How much text is enough is for tasks.data.encoding to say. A file whose name ends in .gz is unpacked while it is read.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Literal, cast, get_args

from tasks.data.source import DamagedData

Unit = Literal["word", "character", "byte"]
UNITS: tuple[Unit, ...] = get_args(Unit)

CHUNK = 2**20
"""Bytes read at once."""
LONGEST = 1_000
"""Characters of a word, at most."""


def opened(path: Path) -> BinaryIO:
    """The file's bytes, unpacked where its name ends in .gz."""
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def raw(path: Path) -> Generator[bytes, None, None]:
    """The bytes of a file, chunk by chunk. Raises DamagedData where there are none."""
    empty = True
    try:
        with opened(path) as file:
            while chunk := file.read(CHUNK):
                empty = False
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedData(f"{path.name}: cannot be unpacked ({error}); get it again") from None
    if empty:
        raise DamagedData(f"{path.name}: the file is empty; give a text")


def text(path: Path) -> Generator[str, None, None]:
    """The characters of a UTF-8 file, chunk by chunk, each line's end a line feed. Raises DamagedData."""
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), Newlines()
    place, line, first = 0, 1, True  # of the chunk
    with closing(_ended(raw(path))) as chunks:
        for chunk in chunks:
            held = decoder.getstate()[0]  # the beginning of a character that goes on in this chunk
            if (zero := chunk.find(b"\0")) >= 0:
                raise _refused(path, place + zero, line + _feeds(chunk[:zero]), "a NUL byte: a binary file, or UTF-16")
            try:
                found = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                at, what = error.start, error.object[error.start]
                where = place - len(held) + at, line + _feeds(error.object[:at])
                raise _refused(path, *where, f"0x{what:02x} is not UTF-8 ({error.reason})") from None
            if first and found:
                first, found = False, found.removeprefix("\ufeff")
            place, line = place + len(chunk), line + _feeds(chunk)
            yield lines.told(found, last=not chunk)


def _ended(chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The chunks, and an empty one that says that there are no more."""
    yield from chunks
    yield b""


def _feeds(part: bytes) -> int:
    return part.count(b"\n")


def _refused(path: Path, byte: int, line: int, why: str) -> DamagedData:
    advice = "save the file as UTF-8, or read it with unit=byte"
    return DamagedData(f"{path.name}: byte {byte}, line {line}: {why}; {advice}")


class Newlines:
    """Turns CRLF and a lone CR into a line feed, also where a chunk ends between the two."""

    def __init__(self) -> None:
        self.waiting = False  # the last chunk ended in a CR

    def told(self, found: str, last: bool = False) -> str:
        found = "\r" * self.waiting + found
        self.waiting = found.endswith("\r") and not last
        if self.waiting:
            found = found[:-1]
        return found.replace("\r\n", "\n").replace("\r", "\n")


def words(path: Path, end: str) -> Iterator[list[str]]:
    """What whitespace separates, and `end` for each line's end, chunk by chunk; a last line ends too.

    Raises DamagedData.
    """
    rest, line, last = "", 1, "\n"
    with closing(text(path)) as chunks:
        for found in chunks:
            last = found[-1:] or last
            found = rest + found
            cut = _whole(found)
            here, rest = found[:cut], found[cut:]
            ready = here.replace("\n", f" {end} ").split()
            if len(rest) > LONGEST or max(map(len, ready), default=0) > LONGEST:
                long = max((*ready, *rest.split()), key=len)
                raise _endless(path, long, line + found.count("\n", 0, found.find(long)))
            line += here.count("\n")
            yield ready
    if last != "\n":
        yield [*rest.split(), end]


def _whole(found: str) -> int:
    """Up to where words are whole: behind the last whitespace, looked for no further back than a word may be long."""
    for place in range(len(found), max(0, len(found) - LONGEST - 1), -1):
        if found[place - 1].isspace():
            return place
    return 0


def _endless(path: Path, word: str, line: int) -> DamagedData:
    return DamagedData(
        f"{path.name}: line {line}: a word of more than {LONGEST:,} characters ({word[:20]!a}...); read this file with "
        "unit=character or unit=byte"
    )
