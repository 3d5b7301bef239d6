"""Where a long run stands, kept now and then: one that was interrupted goes on from there, with the same bits.

The front door names a folder in LSTM_BENCH_CHECKPOINTS, which workers inherit; without it nothing is kept. Whoever
stores a run's record forgets its checkpoint afterwards, never before: a kill between the two leaves a file too many,
which the next command removes. torch is imported where it is used, since the front door comes here too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from bench import disk
from bench.spec import digest

if TYPE_CHECKING:
    from bench.training import Training

FOLDER, SECONDS = "LSTM_BENCH_CHECKPOINTS", "LSTM_BENCH_CHECKPOINT_SECONDS"
EVERY = 60.0
"""Seconds from one checkpoint to the next: what a kill can cost. SECONDS overrides it, for tests."""


@contextmanager
def used(folder: Path) -> Iterator[None]:
    """Within it, long runs of this process and of those it spawns are kept in `folder`."""
    before = os.environ.get(FOLDER)
    os.environ[FOLDER] = str(folder.absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[FOLDER]
        else:
            os.environ[FOLDER] = before


def sweep(finished: Collection[str]) -> None:
    """Remove what these runs left, and what was written by half: someone was killed before they could."""
    if not os.environ.get(FOLDER):
        return
    folder = Path(os.environ[FOLDER])
    for path in [*folder.glob("*.pt"), *folder.glob("*.tmp")]:
        if path.suffix == ".tmp" or path.stem in finished:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def forget(run: str) -> None:
    """Remove what is kept of the run of this id: its record is on the disk."""
    if (path := _path(run)) is not None:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _path(run: str) -> Path | None:
    return Path(os.environ[FOLDER]) / f"{run}.pt" if os.environ.get(FOLDER) else None


def save(path: Path, owner: str, state: Mapping[str, Any]) -> None:
    """Write `state` in the place of what was there. Raises OSError, and then the older file stands."""
    import torch

    content = BytesIO()
    torch.save(dict(state), content)
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.place(path, (_sum(owner, content.getbuffer()), b"\n", content.getbuffer()))


def load(path: Path, owner: str) -> dict[str, Any] | None:
    """What was saved for this owner. None, and the file is gone, where it is damaged or someone else's."""
    import torch

    try:
        stated, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if stated == _sum(owner, body):
        with suppress(Exception):  # whatever a stranger's file makes torch say: it is no checkpoint of ours
            found: dict[str, Any] = torch.load(BytesIO(body), weights_only=True)
            return found
    with suppress(OSError):
        path.unlink()
    return None


def _sum(owner: str, body: bytes | memoryview) -> bytes:
    """One checksum of both: another owner's file fails it as a damaged one does."""
    found = hashlib.sha256(owner.encode() + b"\n")
    found.update(body)
    return found.hexdigest().encode()


@dataclass
class Keeper:
    """Keeps one run. `owner` stands for all that the bits of the rest depend on; with no path it keeps nothing."""

    path: Path | None = None
    owner: str = ""

    def __post_init__(self) -> None:
        self._every = float(os.environ.get(SECONDS, EVERY))
        self._due = monotonic() + self._every

    @classmethod
    def of(cls, run: str, facts: Mapping[str, Any]) -> Keeper:
        """The keeper of the run of this id: `facts` as they were when it was kept, or it begins anew."""
        return cls(_path(run), digest({"run": run, **facts}))

    def resume(self, training: Training) -> None:
        """Put training where it was kept; leave it at its beginning where nothing was."""
        if self.path is not None and (state := load(self.path, self.owner)) is not None:
            training.restore(state)

    def keep(self, training: Training) -> None:
        """Between two updates, outside the stopwatch: keep training if it is time to. A disk or a memory that has no
        room for it costs the checkpoint, not the run."""
        if self.path is None or monotonic() < self._due:
            return
        training.watch.halt()
        with suppress(OSError, MemoryError):
            save(self.path, self.owner, training.values())
        training.watch.go()
        self._due = monotonic() + self._every
