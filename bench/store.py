"""Where records are kept: files of one line a record, with one writer each. What is finished is never lost.

Standard library and filelock only. docs/durability.md says what is promised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench import disk
from bench.record import FINISHED, MAX_LINE, Record, decode, encode


class Busy(Exception):
    """Another process writes to the same results file."""


class Store:
    """An append-only file of records, `<results>/<matrix>/<machine>.jsonl`, with one writer.

    Reading never needs the lock. A line that cannot be read is set aside in `<file>.damaged` and reported in
    `warnings`; its run counts as not done.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._lock = FileLock(path.with_suffix(".lock"))
        self._torn = False  # the last append failed: half a line may stand at the end

    def __enter__(self) -> Store:
        """Take the lock and mend the file. Raises Busy, or OSError where the folder cannot be written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise Busy(f"another run is writing to {self.path}; wait for it, or choose another --results") from None
        try:
            disk.append(self.path, b"")  # writable, or an OSError before anything runs
            disk.settle(self.path.parent)
            self._mend()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def lines(self) -> Iterator[tuple[int, str, dict[str, Any] | ValueError]]:
        """Number, text, and the record or what is wrong with it, of every line; of an enormous one the beginning."""
        for number, line in enumerate(_raw(self.path), 1):
            text = line.decode(errors="replace").replace("\r\n", "\n")
            if not text.strip():
                continue
            try:
                if len(line) > MAX_LINE:
                    raise ValueError(f"line of more than {MAX_LINE} bytes")
                # a line without its newline was cut: whatever it says, the next append would run into it
                if not text.endswith("\n"):
                    raise ValueError("cut short")
                yield number, text, decode(text)
            except (ValueError, RecursionError) as error:
                yield number, text, ValueError(str(error))

    def _mend(self) -> None:
        """Move unreadable lines out of the file, so that nothing is appended to half a line."""
        damaged = {number: found for number, _, found in self.lines() if isinstance(found, ValueError)}
        if not damaged:
            return

        def kept(wanted: bool) -> Iterator[bytes]:
            return (line for number, line in enumerate(_raw(self.path), 1) if (number not in damaged) == wanted)

        aside = self.path.with_suffix(".jsonl.damaged")
        # first there, then no longer here: a kill between the two leaves a line twice, never nowhere
        disk.append(aside, b"".join(line.removesuffix(b"\n") + b"\n" for line in kept(False)))
        disk.place(self.path, kept(True))
        for number, found in damaged.items():
            self.warnings.append(
                f"{self.path.name} line {number}: {found}; set aside in {aside.name}, its run is done again"
            )

    def append(self, record: Record) -> None:
        """Write one line and see it on the disk. Only inside `with`."""
        self.extend([encode(record)])

    def extend(self, lines: Iterable[str]) -> None:
        """Write lines that are records already, all in one, and see them on the disk. Only inside `with`.

        Raises OSError that names the file; none of them is there then, and the next call mends what it may find.
        """
        if not self._lock.is_locked:
            raise RuntimeError("Store.extend outside `with store:`")
        if self._torn:
            self._mend()
        self._torn = True
        disk.append(self.path, "".join(f"{line}\n" for line in lines).encode())
        self._torn = False

    def rows(self) -> list[dict[str, Any]]:
        """The readable records; of several with one kind and id, the newest."""
        newest: dict[tuple[str, str], dict[str, Any]] = {}
        for _, _, found in self.lines():
            if not isinstance(found, ValueError):
                newest[found["kind"], found["id"]] = found
        return list(newest.values())

    def done(self) -> dict[str, str]:
        """id -> status of every finished run."""
        return {row["id"]: row["status"] for row in self.rows() if row["kind"] == "run" and row["status"] in FINISHED}


def _raw(path: Path) -> Iterator[bytes]:
    """The lines of a file with their ends, none where there is no file; of a line longer than MAX_LINE only so much,
    since a file that is one line must not fill the memory."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE + 1):
            rest = line
            while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
                rest = file.readline(MAX_LINE + 1)
            yield line


def stores(results: Path, matrix: str | None = None) -> list[Store]:
    """Every results file below `results`, sorted; only those of one matrix if it is named."""
    return [Store(path) for path in sorted(results.glob(f"{matrix or '*'}/*.jsonl"))]
