"""What a folder of results holds, file by file: the facts that report.crate writes down."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.core_table import FOLDER
from bench.store import Store, stores
from bench.untrusted import clean, mapping
from report import BadInput
from report.flat import Row
from report.frame import readable


@dataclass(frozen=True)
class Held:
    """One file of records."""

    path: Path
    kinds: dict[str, int]  # kind of record -> how many
    tasks: frozenset[tuple[str, str, str]]  # name, version, fingerprint of the data
    machines: frozenset[str]
    versions: frozenset[tuple[str, str]]  # library, version

    @property
    def id(self) -> str:
        """The path below the folder, as an address."""
        return quote(b"/".join(os.fsencode(part) for part in self.path.parts[-2:]))

    @property
    def matrix(self) -> str:
        return clean(self.path.parent.name)

    @property
    def of_core(self) -> bool:
        """Whether it holds measurements of the core, which are no matrix."""
        return self.path.parent.name == FOLDER and set(self.kinds) == {"core"}

    @property
    def what(self) -> str:
        """`Matrix small on x86-64-avx512f-2-51dd`."""
        name = "Measurements of the core" if self.of_core else f"Matrix {self.matrix}"
        return f"{name} on {' and '.join(sorted(self.machines)) or 'a machine that the records do not name'}"


def read(folder: Path) -> Iterator[Held]:
    """Each file of records below the folder. Raises BadInput where there is none, or one without a record."""
    found = stores(folder)
    if not found:
        raise BadInput(f"no records below {clean(folder, 200)}: they are in <matrix>/<machine>.jsonl")
    for store in found:
        rows = list(readable(store))
        if not rows:
            raise BadInput(f"no readable record in {clean(store.path, 200)}; python -m report verify says why")
        yield _held(store, rows)


def _held(store: Store, rows: list[Row]) -> Held:
    tasks = [task for row in rows if (task := mapping(row.get("task"))).get("name")]
    facts = ("name", "version", "fingerprint")
    return Held(
        store.path,
        Counter(clean(row.get("kind")) for row in rows),
        frozenset((*(clean(task.get(fact) or "?") for fact in facts),) for task in tasks),  # type: ignore[misc]
        frozenset(clean(label) for row in rows if (label := mapping(row.get("machine")).get("label"))),
        frozenset((clean(k), clean(v)) for row in rows for k, v in mapping(row.get("versions")).items()),
    )


def counted(kinds: Iterable[Held]) -> str:
    """`3 naive, 60 run, 21 time`."""
    total: Counter[str] = Counter()
    for held in kinds:
        total.update(held.kinds)
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(total.items()))
