"""The checks of `python -m report verify` that need several lines, or several files."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.matrices import MATRICES
from bench.untrusted import clean, mapping, number
from report.checks import named
from report.flat import Row

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Problem:
    """One finding: what was asked, where, and what was found. Only an error makes verify fail."""

    check: str
    where: str
    text: str
    level: Level = "error"

    def __str__(self) -> str:
        said = f"{self.where}: {self.text}"
        return said if self.level == "error" else f"{self.level}: {said}"


@dataclass(frozen=True)
class Source:
    """A file of records, and the matrix and kind of machine that it is to be of."""

    path: Path
    matrix: str
    label: str

    @classmethod
    def of(cls, path: Path) -> Source:
        """The matrix is the folder, the machine the file's name."""
        return cls(path, path.absolute().parent.name, path.stem)

    def line(self, number: int) -> str:
        return f"{clean(self.path, 200)} line {number}"


class Within:
    """The facts of one file that need several lines: duplicates, seed lists, versions that mix."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.same = self.replaced = 0
        self._seen: dict[tuple[str, str], tuple[int, bytes, tuple[Any, ...] | None]] = {}
        self._seeds: dict[str, tuple[int, str, str, set[int]]] = {}  # configuration -> line, name, task, seeds
        self._torch: dict[str, str] = {}  # configuration -> of its first run
        self._mixed: dict[str, Counter[str]] = {}

    def add(self, count: int, text: str, row: Row) -> Iterator[Problem]:
        """Take a record in; what its line contradicts."""
        where = self.source.line(count)
        yield from self._double(count, where, text, row)
        versions, machine = mapping(row.get("versions")), mapping(row.get("machine"))
        if row["kind"] == "run":
            name = named(row).rpartition("/")[0]
            *_, seeds = self._seeds.setdefault(row["configuration"], (count, name, row["names"]["task"], set()))
            seeds.add(row["spec"]["seed"])
        if row.get("status") == "skipped":
            return
        if row["kind"] == "run" and "torch" in versions:
            first = self._torch.setdefault(row["configuration"], versions["torch"])
            if versions["torch"] != first:
                said = f"torch {clean(versions['torch'])}, other seeds of {clean(name, 160)} have torch {clean(first)}"
                yield Problem("mixed", where, f"{said}: their mean would be of neither")
        facts = {f"version of {lib}": versions.get(lib) for lib in ("torch", "numpy", "python")}
        facts |= {"deterministic flag": machine.get("deterministic"), "code": row.get("code")}
        if row["kind"] != "core":  # the core is measured with several numbers of threads, on purpose
            facts |= {"number of threads": machine.get("threads")}
        for fact, value in facts.items():
            if value is not None:
                self._mixed.setdefault(fact, Counter())[clean(value)] += 1

    def _double(self, count: int, where: str, text: str, row: Row) -> Iterator[Problem]:
        key, content = (row["kind"], row["id"]), hashlib.blake2b(text.encode(), digest_size=8).digest()
        final = row.get("status") in ("ok", "diverged")
        ended = tuple(row.get(part) for part in ("status", "score", "valid", "weights")) if final else None
        if key in self._seen:
            line, earlier, was = self._seen[key]
            if content == earlier:
                self.same += 1
            elif was is not None and was != ended:
                said = f"{clean(row.get('name'), 160)} ended otherwise in line {line}: nothing that ended is run twice"
                yield Problem("duplicate", where, said)
            else:
                self.replaced += 1
        self._seen[key] = count, content, ended

    def problems(self) -> Iterator[Problem]:
        """What the whole file shows."""
        name = clean(self.source.path, 200)
        if self.same:
            yield Problem("duplicate", name, f"{self.same:,} lines stand there twice, word for word", "note")
        if self.replaced:
            yield Problem("duplicate", name, f"{self.replaced:,} lines replace an earlier one of their id", "warning")
        for fact, values in self._mixed.items():
            if len(values) > 1:
                said = ", ".join(f"{value} ({count:,} records)" for value, count in sorted(values.items()))
                yield Problem("mixed", name, f"more than one {fact}: {said}", "note" if fact == "code" else "warning")
        yield from self._incomplete()

    def _incomplete(self) -> Iterator[Problem]:
        """Configurations whose seeds are not those of the preset, or of the others on their task."""
        preset = MATRICES.get(self.source.matrix)
        union: dict[str, set[int]] = {}
        for _, _, task, seeds in self._seeds.values():
            union.setdefault(task, set()).update(seeds)
        for line, name, task, seeds in self._seeds.values():
            wanted = set(preset.seeds) if preset else union[task]
            whose = f"the preset {preset.name} has" if preset else f"others on {clean(task)} have"
            for what, some in (("no seed", wanted - seeds), ("extra seed", seeds - wanted)):
                if some:
                    said = f"{clean(name, 160)} has {what} {_listed(some)}; {whose} {_listed(wanted)}"
                    yield Problem("seeds", self.source.line(line), said)


def _listed(seeds: set[int]) -> str:
    return ", ".join(map(str, sorted(seeds)[:12])) + (", ..." if len(seeds) > 12 else "")


class Across:
    """The facts that need several files: data fingerprints, and scores below the entropy of their source."""

    def __init__(self) -> None:
        self._prints: dict[tuple[str, str], dict[str, dict[str, str]]] = {}  # task, version -> print -> label -> where
        self._floors: dict[tuple[str, str], float] = {}  # task, print -> entropy
        self._best: dict[tuple[str, str], tuple[float, str]] = {}

    def add(self, source: Source, where: str, row: Row) -> None:
        task = mapping(row.get("task"))
        name, version, data = (str(task.get(key)) for key in ("name", "version", "fingerprint"))
        if row["kind"] not in ("run", "trial", "naive") or "fingerprint" not in task:
            return
        self._prints.setdefault((name, version), {}).setdefault(data, {}).setdefault(source.label, where)
        if row["kind"] == "naive" and "entropy floor" in row["scores"]:
            self._floors[name, data] = row["scores"]["entropy floor"]
        if row["kind"] == "run" and row["status"] == "ok" and task.get("metric") == "perplexity":
            self._best[name, data] = min(self._best.get((name, data), (math.inf, "")), (number(row["score"]), where))

    def problems(self) -> Iterator[Problem]:
        """What all files together show."""
        for (name, version), prints in self._prints.items():
            if len(prints) == 1:
                continue
            labels = [label for places in prints.values() for label in places]
            wheres = [where for places in prints.values() for where in places.values()]
            said = f"{clean(name)} {clean(version)} has {len(prints)} data fingerprints: " + ", ".join(
                f"{clean(data, 16)} ({', '.join(map(clean, sorted(places)))})" for data, places in prints.items()
            )
            if len(labels) > len(set(labels)):
                yield Problem("data", wheres[-1], f"{said}: one machine, two versions of the data")
            else:
                why = "features may differ in their last bits between processors; such rows are not averaged"
                yield Problem("data", wheres[-1], f"{said}; {why}", "warning")
        for (name, data), (score, where) in self._best.items():
            floor = self._floors.get((name, data))
            if floor is not None and score < floor:
                said = f"perplexity {score:.4g} is below the entropy of the source, {floor:.4g}: look for a leak"
                yield Problem("too good", where, said)
