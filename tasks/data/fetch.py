"""A dataset's downloads put in their places below the data folder: each whole, or not at all.

A single file is its own proof: its checksum is pinned. What came out of an archive is written down in a receipt below
`.fetched`, once all of it is in its place. Partial files stand beside what they will be, so that one rename puts them
there. No torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from tasks.data.archive import Limits, gunzip, unpack
from tasks.data.https import Connect, NotFetched, secure
from tasks.data.placing import checksum, cleared, move, settle, written
from tasks.data.source import DamagedData, Download, MissingData, Source, located
from tasks.data.transfer import Patience, Transfer, drop

RECEIPTS = ".fetched"
PATIENT = Patience()


class Teller(Protocol):
    """Hears what goes on."""

    def say(self, text: str) -> None: ...
    def came(self, download: Download, have: int) -> None: ...


def fetch(source: Source, data: Path, teller: Teller, patience: Patience = PATIENT, connect: Connect = secure) -> None:
    """Every download of `source` that is not there yet, and a look at the whole.

    Raises NotFetched, DamagedData, or OSError where the disk is full or may not be written; what was there before is
    untouched then, and what came of the download is kept for the next time.
    """
    for download in source.downloads:
        _One(source, download, data, teller, patience, connect).run()
    located(source, data)


def by_hand(source: Source, download: Download, data: Path) -> bool:
    """Whether what an archive holds of the official layout is there, and did not come from here."""
    ours = [path for path in source.layout if Path(path).is_relative_to(download.to)]
    if download.kind == "file" or not ours or receipt(download, data).exists() or _part(download, data).exists():
        return False
    try:
        found = located(replace(source, layout=tuple(ours)), data)
    except (MissingData, DamagedData):
        return False
    return all(path.is_file() or any(path.iterdir()) for path in found.values())


def lacking(download: Download, data: Path) -> str | None:
    """What is missing of an earlier fetch, or None if nothing is; for an archive, sizes are compared."""
    if download.kind == "file":
        path = data / download.to
        if not path.is_file():
            return f"{download.to} is not there"
        return None if checksum(path) == download.sha256 else f"{download.to} differs from its pinned checksum"
    try:
        sizes: dict[str, int] = json.loads(receipt(download, data).read_text(encoding="utf-8"))["files"]
        for relative, size in sizes.items():
            if (data / relative).stat().st_size != size:
                return f"{relative} does not have its {size} bytes"
    except FileNotFoundError as error:
        where = Path(str(error.filename))
        return f"{where.relative_to(data)} is not there" if where.is_relative_to(data) else str(error)
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its receipt is damaged"
    return None


def _part(download: Download, data: Path) -> Path:
    """The partial file, on the disk that it will be on."""
    target = data / download.to
    home = target if download.kind in ("tar", "zip") and target.is_dir() else target.parent
    return home / f".{target.name}.{download.sha256[:16]}.part"


def receipt(download: Download, data: Path) -> Path:
    """Where it is written down what an archive held."""
    return data / RECEIPTS / f"{download.sha256[:16]}.json"


@dataclass
class _One:
    """One download on its way to its place."""

    source: Source
    download: Download
    data: Path
    teller: Teller
    patience: Patience
    connect: Connect

    def run(self) -> None:
        with self._alone():
            if by_hand(self.source, self.download, self.data) or lacking(self.download, self.data) is None:
                self.teller.say(f"{self.download.to}: already there")
                return
            part = _part(self.download, self.data)
            part.parent.mkdir(parents=True, exist_ok=True)
            self._room(part)
            came = partial(self.teller.came, self.download)
            Transfer(self.download, part, self.patience, self.connect, came).run()
            self._place(part, self.data / self.download.to)
            drop(part)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One fetch of this file at a time; the next one finds it there."""
        path = receipt(self.download, self.data).with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self.teller.say(f"{self.download.to}: another fetch of it is under way; waiting")
            try:
                lock.acquire(timeout=self.patience.seconds(self.download.size))
            except Timeout:
                raise NotFetched(f"{self.download.url}: another fetch of it does not end") from None
        try:
            yield
        finally:
            lock.release()

    def _room(self, part: Path) -> None:
        """Raise NotFetched where the disk cannot hold the rest of the file."""
        due = self.download.size - (part.stat().st_size if part.exists() else 0)
        if (free := shutil.disk_usage(part.parent).free) < due:
            raise NotFetched(f"{self.download.url}: {due} bytes to come, and {free} are free in {part.parent}")

    def _place(self, part: Path, target: Path) -> None:
        """Put what came where it belongs."""
        if self.download.kind == "file":
            with part.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(part, target)
            settle(target.parent)
            return
        self.teller.say(f"{self.download.to}: unpacking")
        made = part.with_suffix(".new")
        limits = Limits(self.download.unpacked, self.download.members, self.download.strip)
        try:
            if self.download.kind == "gz":
                sizes = {self.download.to: self._gunzipped(part, made, limits)}
                os.replace(made, target)
                settle(target.parent)
            else:
                cleared(made)
                made.mkdir()
                inside = unpack(part, self.download.kind, made, limits)
                sizes = {str(Path(self.download.to, name)): size for name, size in inside.items()}
                if hasattr(os, "sync"):
                    os.sync()  # once, for there may be a hundred thousand files
                move(made, target)
        finally:
            cleared(made)
        path = receipt(self.download, self.data)
        written(path, json.dumps({"url": self.download.url, "files": sizes}))

    def _gunzipped(self, part: Path, made: Path, limits: Limits) -> int:
        with made.open("wb") as file:
            gunzip(part, file, limits)
            file.flush()
            os.fsync(file.fileno())
        pin, size = self.source.files.get(self.download.to), made.stat().st_size
        if pin is not None and (got := checksum(made)) != pin:
            raise DamagedData(f"{self.download.to}: expected sha256 {pin}, got {got} ({size} bytes) out of the archive")
        return size
