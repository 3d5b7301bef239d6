"""Records as they arrive in growing files: read once, never locked, a line that is still being written waited for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bench.record import MAX_LINE, decode
from report.flat import Row

NEEDED = {
    *("kind", "id", "name", "configuration", "names", "spec", "status", "reason", "step", "score", "task"),
    *("certificate", "machine", "versions"),
}
"""What is kept of a record: curves and probes are let go at once."""


class Tail:
    """The records of one growing file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0  # lines that cannot be read
        self._offset = 0
        self._inode = 0

    def poll(self) -> list[Row]:
        """The records of the lines completed since the last call; all of them where the file was written anew."""
        if not self.path.exists():
            return []
        found: list[Row] = []
        with self.path.open("rb") as file:
            about = self.path.stat()
            if about.st_ino != self._inode or about.st_size < self._offset:
                self._inode, self._offset, self.damaged = about.st_ino, 0, 0
            file.seek(self._offset)
            while line := file.readline(MAX_LINE + 1):
                if not line.endswith(b"\n") and len(line) <= MAX_LINE:
                    break  # the rest is on its way
                self._offset = file.tell()
                found += self._decoded(line)
        return found

    def _decoded(self, line: bytes) -> list[Row]:
        if not line.strip():
            return []
        try:
            row = decode(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            self.damaged += 1
            return []
        return [row] if isinstance(row.get("id"), str) else []


@dataclass
class Watched:
    """One matrix so far, and when its runs came while somebody looked."""

    folder: Path
    rows: dict[tuple[str, ...], Row] = field(default_factory=dict)  # the newest of each file, kind and id, as they came
    arrivals: list[float] = field(default_factory=list)  # of finished runs, seconds on the caller's clock
    tails: dict[Path, Tail] = field(default_factory=dict)
    looked: bool = False  # what was there at the first look arrived at no known time

    def poll(self, now: float) -> list[Row]:
        """The records that are new, or other than before, in the order of their files."""
        fresh = []
        for path in sorted(self.folder.glob("*.jsonl")):
            for row in self.tails.setdefault(path, Tail(path)).poll():
                key = (path.name, str(row.get("kind")), row["id"])
                kept = {name: row[name] for name in NEEDED & set(row)}
                if self.rows.get(key) != kept:
                    self.rows.pop(key, None)
                    self.rows[key] = kept
                    fresh.append(kept)
        if self.looked:
            self.arrivals += [now] * sum(row.get("kind") == "run" and row.get("status") != "skipped" for row in fresh)
        self.looked = True
        return fresh

    @property
    def damaged(self) -> int:
        """Lines that cannot be read."""
        return sum(tail.damaged for tail in self.tails.values())
