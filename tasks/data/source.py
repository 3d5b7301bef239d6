"""What a published dataset is, and the one way to open its files: by a pinned sha256 where there is one.

A file is read only after its checksum has been compared, once for each process. Standard library only.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tasks.data.placing import checksum


@dataclass(frozen=True)
class Download:
    """One file to fetch, pinned: what differs from it in a byte is refused."""

    url: str  # https
    sha256: str
    size: int  # bytes
    to: str  # below the data folder: the file, or the folder that an archive is unpacked into
    kind: Literal["file", "gz", "tar", "zip"] = "file"
    strip: str = ""  # folder of an archive that is left out of its members' paths; members beside it stay out
    unpacked: int = 0  # bytes that an archive or a gz may hold at most once unpacked
    members: int = 1  # files that an archive may hold at most
    hosts: tuple[str, ...] = ()  # where a redirect may lead to, beside the url's own host


@dataclass(frozen=True)
class Source:
    """A published dataset: its official layout below the data folder, and how a person gets it."""

    name: str
    title: str
    licence: str
    reference: str
    layout: tuple[str, ...]  # paths below the data folder, all of which have to be there
    size: int  # bytes on disk, about
    files: Mapping[str, str] = field(default_factory=dict)  # path below the data folder -> sha256, where it is known
    downloads: tuple[Download, ...] = ()  # all that `python -m tasks fetch` gets; none where no checksum is known
    by_hand: str = ""  # what a person types or opens where there are no downloads; {data} is the data folder

    def command(self, data: Path | None) -> str:
        """What gets the dataset, as it can be pasted into a shell."""
        folder = shlex.quote(str(data)) if data is not None else "DIR"
        if self.downloads:
            return f"python -m tasks fetch {self.name} --data {folder}"
        return self.by_hand.format(data=folder)


class MissingData(Exception):
    """A real dataset's files are not there. The message says what is missing and the command that would get it."""


class DamagedData(Exception):
    """A file is not what it should be. The message names the file, the place in it, and what to do."""


def missing(source: Source, data: Path | None, lacks: str) -> MissingData:
    """The error for a dataset that is not there."""
    where = "the data folder, which --data DIR or LSTM_BENCH_DATA names" if data is None else str(data)
    return MissingData(f"{source.name}: {lacks} not found in {where}; get it with: {source.command(data)}")


def located(source: Source, data: Path | None) -> dict[str, Path]:
    """The verified files of a source, by their path below the data folder."""
    found = {}
    for relative in source.layout:
        path = (data or Path()) / relative
        if data is None or not path.exists():
            raise missing(source, data, relative)
        if (sha256 := source.files.get(relative)) is not None:
            verify(path, sha256)
        found[relative] = path
    return found


@functools.cache
def verify(path: Path, sha256: str) -> None:
    """Raise DamagedData unless the file has this checksum."""
    got = checksum(path)
    if got != sha256:
        size = path.stat().st_size
        raise DamagedData(
            f"{path.name}: expected sha256 {sha256}, got {got} ({size} bytes); remove it and fetch it again"
        )
