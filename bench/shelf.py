"""The results files of one matrix when a cluster makes its runs: each record goes into the file of its kind of machine.

Whatever kind made a run, it is made: with a cluster, the records of every file in the folder count.
"""

from __future__ import annotations

from typing import Any

from bench.record import PENDING, Record, encode
from bench.store import Store


class Shelf(Store):
    """A Store to whoever writes and reads records; its own file is that of the machine it is on."""

    def __enter__(self) -> Shelf:
        """Take the lock of every file that is there, and mend it. Raises Busy or OSError, and then holds none."""
        self._open: dict[str, Store] = {}
        try:
            for path in sorted({self.path, *self.path.parent.glob("*.jsonl")}):
                self._file(path.stem)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._open.popitem()[1].__exit__()

    def append(self, record: Record) -> None:
        """Write one line into the file of its machine; of a record that names none, into this machine's."""
        label = getattr(record, "machine", {}).get("label", self.path.stem)
        self._file(label).extend([encode(record)])

    def rows(self) -> list[dict[str, Any]]:
        """The readable records of all files; of several with one kind and id, a finished one, and of those the newest
        of the last file."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for path in sorted({self.path, *self.path.parent.glob("*.jsonl")}):
            for row in Store(path).rows():
                key = row["kind"], row["id"]
                if key not in found or row.get("status") not in PENDING:
                    found[key] = row
        return list(found.values())

    def _file(self, label: str) -> Store:
        if label not in self._open:
            store = Store(self.path.with_name(f"{label}.jsonl"))
            store.__enter__()
            self._open[label] = store
            self.warnings += store.warnings
        return self._open[label]
