"""`python -m bench.matrix merge A B ...`: results of several machines into one set, all of them or none.

A record is known by its kind and id within its matrix and kind of machine. The same line twice is one. Of two that say
the same of a run, and differ in when or how fast, the first stays. Two that say different things of it are a finding:
both are named, and the first stays. docs/cluster.md says more.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import cli, disk
from bench.matrixfile import NAME
from bench.plan import BadInput
from bench.record import FINISHED
from bench.store import Busy, Store

Place = tuple[str, str]
"""Matrix and kind of machine: the folder and the name of a file."""

KINDS = ("run", "trial", "naive", "time", "core")
LABEL = re.compile(r"[a-z0-9-]{1,64}")
SAID = ("status", "step", "score", "valid", "scores", "steps", "best_step", "restored", "weights", "task")
"""What came of a record's run (report.flat.PROVEN), trial or naive row. A measurement of time has none of them."""


@dataclass(frozen=True)
class Line:
    """One record, where it stands, and what decides between it and another of its kind and id."""

    text: str
    where: str
    name: str
    status: str | None
    said: str

    @property
    def worth(self) -> int:
        """2 says something of the technique, 1 of the machine alone, 0 that nothing was tried."""
        if self.status is None or self.status in ("ok", "diverged"):
            return 2
        return int(self.status in FINISHED)

    def __str__(self) -> str:
        return f"{self.said} in {self.where}"


@dataclass
class Merged:
    """What a set of results is, of how many sources, and what was found on the way."""

    lines: dict[Place, dict[tuple[str, str], Line]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    conflicts: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def add(self, place: Place, key: tuple[str, str], line: Line) -> None:
        """Take a record in."""
        there = self.lines.setdefault(place, {})
        other = there.setdefault(key, line)
        if other is line:
            return
        if other.text == line.text:
            self.counts["twice"] += 1
        elif other.worth != line.worth:
            self.counts["unfinished"] += 1
            there[key] = max(other, line, key=lambda one: one.worth)
        elif other.said == line.said:
            self.counts["again"] += 1
        elif line.worth == 2:
            self.conflicts.append(f"{'/'.join(place)}: {line.name}: {other}, but {line}; the first is kept")
        else:  # two machines' troubles: whichever, but the same one in any order
            self.counts["again"] += 1
            there[key] = min(other, line, key=lambda one: one.text)


def main(arguments: Sequence[str]) -> int:
    """Merge, and say what came of it. Returns the exit code: 1 where lines were left out."""
    asked = options(arguments)
    try:
        into, files = sources(asked.results, asked.into)
        if asked.dry_run:
            merged, changed = gathered(files), None
        else:
            merged, changed = written(into, files)
    except BadInput as error:
        return cli.refuse(error)
    except (OSError, Busy) as error:
        print(f"error: nothing is merged: {error}", file=sys.stderr)
        return cli.STORAGE
    except KeyboardInterrupt:
        return cli.INTERRUPTED
    told(merged, into, changed, asked.json)
    return cli.FAILED if merged.conflicts or merged.damaged else cli.OK


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line, read."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.matrix merge",
        description="Merge results of several machines: each record once, conflicts named.",
        epilog="exit code: 0 all is merged, 1 lines were left out, 2 bad input, 3 results could not be written, "
        "130 interrupted",
    )
    parser.add_argument("results", nargs="+", type=Path, help="folders of results, or .jsonl files in their folders")
    parser.add_argument("--into", type=Path, metavar="DIR", help="folder for the merged set (default: the first)")
    parser.add_argument("--dry-run", action="store_true", help="say what would come of it, write nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args(arguments)


def sources(results: Sequence[Path], into: Path | None) -> tuple[Path, list[Path]]:
    """The folder to merge into, and the files to merge, those of that folder first. Raises BadInput."""
    mistakes: list[str] = []
    for place in results:
        if not place.exists():
            mistakes.append(f"{place} does not exist; name a folder of results, or a .jsonl file")
        elif place.is_file() and place.suffix != ".jsonl":
            mistakes.append(f"{place} is no .jsonl file of records")
        elif place.is_dir() and not any(place.rglob("*.jsonl")):
            mistakes.append(f"no .jsonl file below {place}; records are in <results>/<matrix>/<machine>.jsonl")
    if len(results) < 2 and into is None:
        mistakes.append("one set of results is no merge; name a second, or --into DIR")
    if into is not None and into.exists() and not into.is_dir():
        mistakes.append(f"--into takes a folder, {into} is a file")
    if mistakes:
        raise BadInput(mistakes)
    if into is None:  # a file, or the folder of a matrix, is in a folder of results
        file = results[0] if results[0].is_file() else next(results[0].glob("*.jsonl"), None)
        into = results[0] if file is None else file.absolute().parents[1]
    found = [path for place in results for path in (sorted(place.rglob("*.jsonl")) if place.is_dir() else [place])]
    files = list({path.resolve(): path for path in [*sorted(into.glob("*/*.jsonl")), *found]}.values())
    wrong = sorted({path.absolute().parent.name for path in files if not NAME.fullmatch(path.absolute().parent.name)})
    if wrong:
        raise BadInput([f"folder {name!r} cannot be a matrix's name; records are in <matrix>/" for name in wrong])
    return into, files


def gathered(files: Iterable[Path]) -> Merged:
    """The records of these files, the first of them first."""
    merged = Merged()
    for path in files:
        merged.counts["files"] += 1
        own: dict[tuple[str, str], tuple[str, Line]] = {}
        label = path.stem
        for number, text, row in Store(path).lines():
            where = f"{path} line {number}"
            if (why := damage(row)) is not None or isinstance(row, ValueError):
                merged.damaged.append(f"{where}: {why}; left out")
                continue
            label = (row.get("machine") or {}).get("label", label)  # a naive row stands with what is above it
            line = Line(text.removesuffix("\n"), where, plain(row.get("name") or row["id"]), _status(row), said(row))
            key = row["kind"], row["id"]
            if (other := own.get(key, ("", line))[1]).worth == line.worth == 2 and other.said != line.said:
                merged.conflicts.append(f"{path}: {line.name}: {other}, but {line}; the later is kept, as in its file")
            if other.worth <= line.worth:  # of one file, the later line counts
                own.pop(key, None)
            own.setdefault(key, (label, line))
        for key, (machine, line) in own.items():
            merged.counts["records"] += 1
            merged.add((path.absolute().parent.name, machine), key, line)
    return merged


def damage(row: Mapping[str, Any] | ValueError) -> str | None:
    """What is wrong with a line, None where it is a record that has its place."""
    if isinstance(row, ValueError):
        return str(row)
    if row.get("kind") not in KINDS or not isinstance(row.get("id"), str):
        return "no record: its kind or id is missing"
    machine = row.get("machine") or {}
    if not isinstance(machine, dict) or ("label" in machine and not LABEL.fullmatch(str(machine["label"]))):
        return "its machine's label is not of small letters, digits and '-'"
    return None


def said(row: Mapping[str, Any]) -> str:
    """What came of a record, in one line: status, score and weights in words, the rest as a fingerprint."""
    kept = {key: row[key] for key in SAID if key in row and row["kind"] not in ("time", "core")}
    print_ = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:8]
    number = row.get("score", row.get("valid"))
    facts = [row.get("status"), f"score {number}" if number is not None else None]
    facts += [f"weights {str(row['weights'])[:12]}" if row.get("weights") else None, f"outcome {print_}"]
    return plain(", ".join(str(fact) for fact in facts if fact is not None))


def _status(row: Mapping[str, Any]) -> str | None:
    return row["status"] if isinstance(row.get("status"), str) else None


def plain(text: object) -> str:
    """A text of someone else's file, fit for a terminal."""
    return str(text)[:160].encode("unicode_escape").decode()


def written(into: Path, files: Sequence[Path]) -> tuple[Merged, int]:
    """What was merged, and how many files changed: each under its lock, and none unless all could be written."""
    with ExitStack() as stack:
        locked: dict[Path, Store] = {}
        while True:  # what is read first says which files there are to lock; what is locked is read again
            merged = gathered(files)
            targets = {place: into / place[0] / f"{place[1]}.jsonl" for place in merged.lines}
            if locked.keys() >= {*targets.values()}:
                break
            for path in sorted({*targets.values()} - locked.keys()):
                stack.callback(_unless_empty, path)
                locked[path] = stack.enter_context(Store(path))
        merged.damaged += [warning for store in locked.values() for warning in store.warnings]
        fresh = {
            targets[place]: "".join(f"{line.text}\n" for line in lines.values()).encode()
            for place, lines in merged.lines.items()
        }
        changed = {path: data for path, data in fresh.items() if path.read_bytes() != data}
        disk.place_all({path: [data] for path, data in changed.items()})
        return merged, len(changed)


def _unless_empty(path: Path) -> None:
    """Leave no empty file behind: the lock has made one where nothing was."""
    with suppress(OSError):
        if path.stat().st_size == 0:
            path.unlink()


def told(merged: Merged, into: Path, changed: int | None, as_json: bool) -> None:
    """Say what came of it, conflicts and damage last."""
    sizes = {"/".join(place): len(lines) for place, lines in sorted(merged.lines.items())}
    counts = {name: merged.counts[name] for name in ("files", "records", "twice", "again", "unfinished")}
    if as_json:
        facts = {"into": str(into), "changed": changed, **counts, "sets": sizes}
        print(json.dumps({**facts, "conflicts": merged.conflicts, "damaged": merged.damaged}))
        return
    for name, size in sizes.items():
        print(f"{name}: {size:,} records")
    print(
        f"{counts['records']:,} records in {counts['files']:,} files: {counts['twice']:,} there twice, "
        f"{counts['again']:,} made again with the same outcome, {counts['unfinished']:,} finished elsewhere"
    )
    for text in merged.damaged:
        print(f"damaged: {text}", file=sys.stderr)
    for text in merged.conflicts:
        print(f"conflict: {text}", file=sys.stderr)
    done = "would be merged" if changed is None else f"merged, {changed:,} files changed"
    print(f"{done}: {into}; next: python -m report verify {into}")
