"""Where results and checkpoints meet the disk: whole or not at all, and seen on it. Standard library only.

Every call of the system that changes something is one of `os`, so that a test can have the Nth of them fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

BINARY = getattr(os, "O_BINARY", 0)  # Windows would write two bytes for a newline


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of the file, closed again; an OSError of what is done to it names the file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | BINARY | flags, 0o666)
    try:
        yield file
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
    finally:
        os.close(file)


def write(file: int, data: bytes | memoryview) -> None:
    """All of `data`: a disk that is nearly full takes a part first, and says so at the next call alone."""
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


def append(path: Path, data: bytes) -> None:
    """Put `data` at the end of a file, and see it on the disk. Raises OSError, and then the file is as it was before,
    unless the disk refuses that too."""
    with opened(path, os.O_APPEND) as file:
        before = os.fstat(file).st_size
        try:
            write(file, data)
            os.fsync(file)
        except BaseException as error:
            # Ctrl-C after the last byte: all of it stands there, and a finished run would be thrown away
            if isinstance(error, OSError) or os.fstat(file).st_size < before + len(data):
                os.ftruncate(file, before)
            raise


def place(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Put a file of these pieces in the place of what was there: readers see the old one or the new one, and so does
    whoever comes after a power cut."""
    place_all({path: pieces})


def place_all(files: Mapping[Path, Iterable[bytes | memoryview]]) -> None:
    """`place` for several: first all of them beside what was there, on the disk; only then the first over it. Where
    this is cut short between two, doing it again does the rest."""
    temporary = {path: path.with_name(path.name + ".tmp") for path in files}
    try:
        for path, pieces in files.items():
            with opened(temporary[path], os.O_TRUNC) as file:
                for piece in pieces:
                    write(file, piece)
                os.fsync(file)
        for path, beside in temporary.items():
            os.replace(beside, path)
    except BaseException:
        for beside in temporary.values():
            with suppress(OSError):
                os.unlink(beside)
        raise
    for folder in {path.parent for path in files}:
        settle(folder)


def settle(folder: Path) -> None:
    """See a folder's names on the disk, where the system lets a folder be opened."""
    if os.name == "nt":
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        error.filename = str(folder)
        raise
    finally:
        os.close(file)
