"""An archive unpacked by its list of members: nothing outside the folder, no links, no more than was agreed on.

Names, kinds, number and size of the members are judged here, one by one, before a byte of them is written, and bytes
are counted as they are read: tarfile's filters differ from one Python to the next, zipfile drops `..` in silence, and
a header may say anything. Standard library only.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Literal, Protocol

from tasks.data.source import DamagedData

CHUNK = 1 << 18
HEADERS = 1 << 20  # bytes of a tar that may pass before the next member, names and padding included
BLOCK = 512
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError)


@dataclass
class Limits:
    """What may still come out of an archive."""

    unpacked: int  # bytes
    members: int  # files; folders may be as many, and a hundred more
    strip: str = ""
    files: set[PurePosixPath] = field(default_factory=set)
    folders: set[PurePosixPath] = field(default_factory=set)

    def admit(self, name: str, folder: bool) -> PurePosixPath | None:
        """The path of a member below the folder, or None where it stays out. Raises DamagedData for a bad name."""
        path = _path(name)
        if not path.parts:
            return None
        if path in self.files or (not folder and path in self.folders):
            raise DamagedData(f"member {name!r} comes twice")
        if above := next((parent for parent in path.parents if parent in self.files), None):
            raise DamagedData(f"member {name!r} lies below a file, {str(above)!r}")
        (self.folders if folder else self.files).add(path)
        self.folders.update(path.parents[:-1])
        if len(self.files) > self.members or len(self.folders) > self.members + 100:
            raise DamagedData(f"more than the {self.members} files that it should hold")
        return path.relative_to(self.strip) if PurePosixPath(self.strip) in path.parents else None

    def count(self, size: int) -> None:
        """Raise DamagedData once more has come than was agreed on."""
        self.unpacked -= size
        if self.unpacked < 0:
            raise DamagedData("more bytes than it should hold once unpacked: a decompression bomb?")


def _path(name: str) -> PurePosixPath:
    """A member's name as a relative path. Names that differ in case only are left to the file system: no file is
    written over another."""
    if not name or "\0" in name or "\\" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise DamagedData(f"member {name!r} has no plain relative path")
    path = PurePosixPath(name)
    if ".." in path.parts:
        raise DamagedData(f"member {name!r} leads out of the folder")
    if len(name) > 1_000 or any(len(os.fsencode(part)) > 255 for part in path.parts):
        raise DamagedData(f"member {name[:40]!r}... has too long a name")
    return path


def unpack(archive: Path, kind: Literal["tar", "zip"], into: Path, limits: Limits) -> dict[str, int]:
    """The sizes of the files unpacked into the empty folder `into`, by their path below it.

    Raises DamagedData for an archive that is cut, damaged, or holds what it should not; `into` is then of no use.
    """
    with named(archive):
        return dict((_tar if kind == "tar" else _zip)(archive, into, limits))


def gunzip(archive: Path, into: IO[bytes], limits: Limits) -> None:
    """Write what a .gz holds. Raises DamagedData where it is cut, damaged, or holds more than it should."""
    with named(archive), gzip.open(archive) as source:
        _copy(source, into, limits)


@contextmanager
def named(archive: Path) -> Iterator[None]:
    """Whatever tells of damage, as DamagedData that names the archive. A disk that is full stays an OSError."""
    try:
        yield
    except (DamagedData, *DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # gzip and bz2 give a damaged stream no number
            raise
        what = str(error) if isinstance(error, DamagedData) else f"cut or damaged ({error})"
        raise DamagedData(f"{archive.name}: {what}; nothing of it was unpacked") from None


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _copy(source: _Readable, into: IO[bytes] | None, limits: Limits) -> int:
    """Copy all of `source`, or only count it. Returns its size."""
    size = 0
    while chunk := source.read(CHUNK):
        limits.count(len(chunk))
        size += len(chunk)
        if into is not None:
            into.write(chunk)
    return size


def _put(source: _Readable, into: Path, path: PurePosixPath, limits: Limits) -> int:
    """A new file: one that is already there, under a name the file system takes for the same, is never written over."""
    target = into / path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = target.open("xb")
    except FileExistsError:
        raise DamagedData(f"member {str(path)!r} comes twice on this file system") from None
    with file:
        return _copy(source, file, limits)


class _Counted:
    """A stream that says how far it has been read, and stops where it may not go on. tarfile keeps a header in memory
    whatever its size, and takes a header that is damaged or cut for the end of the archive."""

    def __init__(self, source: _Readable) -> None:
        self.source, self.at, self.end, self.told = source, 0, HEADERS, 0

    def read(self, size: int, /) -> bytes:
        chunk = self.source.read(size)
        if kept := chunk.rstrip(b"\0"):
            self.told = self.at + len(kept)  # the end of all that is not zero
        self.at += len(chunk)
        if self.at > self.end:
            raise DamagedData("a header longer than any path needs: a decompression bomb?")
        return chunk


def _tar(archive: Path, into: Path, limits: Limits) -> Iterator[tuple[str, int]]:
    with archive.open("rb") as raw:
        counted = _Counted(_decompressed(raw))
        with tarfile.open(fileobj=counted, mode="r|") as tar:  # type: ignore[call-overload]  # needs read() alone
            for member in tar:
                if not (member.isdir() or member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)) or member.issparse():
                    raise DamagedData(f"member {member.name!r} is no plain file or folder")
                if member.size < 0:
                    raise DamagedData(f"member {member.name!r} has less than no bytes")
                path = limits.admit(member.name, member.isdir())
                counted.end = counted.at + HEADERS
                if member.isdir():
                    if path is not None:
                        (into / path).mkdir(parents=True, exist_ok=True)
                    continue
                counted.end += min(member.size, limits.unpacked)
                content = tar.extractfile(member)
                assert content is not None  # a plain file has content
                size = _copy(content, None, limits) if path is None else _put(content, into, path, limits)
                if size != member.size:
                    raise DamagedData(f"member {member.name!r} has {size} of {member.size} bytes")
                if path is not None:
                    yield str(path), size
            end = tar.offset
        counted.end = counted.at + HEADERS
        while counted.read(CHUNK):  # the checksum of a compressed stream stands at its end
            pass
        if counted.told > end or counted.at < end + BLOCK:
            raise DamagedData(f"it ends after {end} bytes without an end mark, or goes on where none belongs")


def _decompressed(raw: IO[bytes]) -> _Readable:
    magic = raw.read(6)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(raw)
    if magic.startswith(b"BZh"):
        return bz2.open(raw)
    return lzma.open(raw) if magic == b"\xfd7zXZ\0" else raw


def _zip(archive: Path, into: Path, limits: Limits) -> Iterator[tuple[str, int]]:
    with zipfile.ZipFile(archive) as source:
        members = source.infolist()
        if len(members) > 2 * limits.members + 100:
            raise DamagedData(f"more than the {limits.members} files that it should hold")
        for member in members:
            name = member.orig_filename  # `filename` ends at a NUL
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DamagedData(f"member {name!r} is no plain file or folder")
            if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DamagedData(f"member {name!r} is encrypted, or compressed in an unusual way")
            path = limits.admit(name, member.is_dir())
            if path is None:
                continue
            if member.is_dir():
                (into / path).mkdir(parents=True, exist_ok=True)
                continue
            with source.open(member) as content:
                yield str(path), _put(content, into, path, limits)
