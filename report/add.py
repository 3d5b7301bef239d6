"""`python -m report add FILE`: someone's records into results/, once they are verified. All of them, or none."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.matrices import MATRICES
from bench.matrixfile import NAME
from bench.names import unknown
from bench.store import Busy, Store
from bench.untrusted import clean, mapping
from report import BadInput
from report.checks import LABEL, schema
from report.crosschecks import Across, Problem, Source, Within
from report.flat import Row
from report.verify import verify


@dataclass
class Merge:
    """What a file would add to its target."""

    lines: list[str] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)  # kind of record -> how many are new
    there: int = 0
    refused: list[Problem] = field(default_factory=list)


def run(asked: argparse.Namespace) -> int:
    """Add the file's records and say what was added. Exit status 1, and nothing written, where they are refused."""
    file, results = asked.file, asked.results
    if not file.is_file():
        raise BadInput(f"{clean(file, 200)} is no file; name a .jsonl file of records")
    matrix, why = matrix_of(file, asked.into, results)
    label, about = machine_of(file)
    source, target = Source(file, matrix, label), Source(results / matrix / f"{label}.jsonl", matrix, label)
    print(f"matrix {matrix} ({why}), machine {label} ({about})")
    found = verify([source])
    refused = [problem for problem in found.of("error") if problem.check != "seeds"]
    short = [replace(problem, level="warning") for problem in found.of("error") if problem.check == "seeds"]
    for problem in [*found.of("note"), *found.of("warning"), *short, *refused]:
        print(problem)
    if short:
        print("warning: what lacks seeds of its matrix is shown without a rank")
    merge = Merge(refused=refused)
    if not refused:
        merge = merged(source, target)
        if not merge.refused and merge.lines:
            try:
                merge = _written(source, target)
            except Busy as error:
                print(f"error: {error}", file=sys.stderr)
                return 3
        for problem in merge.refused:
            print(problem)
    if count := len(merge.refused):
        print(f"REFUSED, nothing was added: {count:,} problem{'s' if count != 1 else ''} in {clean(file, 200)}")
        return 1
    if not merge.lines:
        print(f"nothing to add: all {merge.there:,} records are in {clean(target.path, 200)}")
        return 0
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(merge.rows.items()))
    torch = ", ".join(f"torch {version}" for version in sorted(found.torch))
    print(
        f"added {len(merge.lines):,} records ({kinds}; {torch}), {merge.there:,} were there: {clean(target.path, 200)}"
    )
    print("next: python -m report")
    return 0


def matrix_of(file: Path, asked: str | None, results: Path) -> tuple[str, str]:
    """The matrix that a file's records are of, and why. Raises BadInput where it has to be named."""
    name = asked or file.absolute().parent.name
    known = sorted({*MATRICES, *(path.name for path in results.glob("*") if path.is_dir())})
    if asked is not None and not NAME.fullmatch(asked):
        raise BadInput(f"a matrix's name is of small letters, digits, '.', '_' and '-', got {clean(asked)!r}")
    if asked is None and name not in known:
        raise BadInput(f"which matrix? Name it with --matrix. Its folder says: {unknown('matrix', clean(name), known)}")
    return name, "as asked" if asked else "the name of the file's folder"


def machine_of(file: Path) -> tuple[str, str]:
    """The label of the one kind of machine in a file, and what is said of it. Raises BadInput where it is not one."""
    found: dict[str, str] = {}
    for _, _, row in Store(file).lines():
        machine = {} if isinstance(row, ValueError) else mapping(row.get("machine"))
        if "label" in machine:
            facts = [machine.get("cpu"), f"{machine.get('cores')} cores", machine.get("system")]
            found.setdefault(str(machine["label"]), ", ".join(clean(fact) for fact in facts))
    if len(found) != 1:
        kinds = ", ".join(clean(label) for label in sorted(found)) or "none"
        raise BadInput(f"{clean(file, 200)} must be of one kind of machine, it names {kinds}")
    (label,) = found
    if not LABEL.fullmatch(label):
        raise BadInput(f"a machine's label is of small letters, digits and '-', got {clean(label)!r}")
    return label, found[label]


def merged(source: Source, target: Source) -> Merge:
    """The lines of `source` that `target` lacks, and what speaks against putting them there."""
    made, within, across = Merge(), Within(source), Across()
    there: dict[tuple[str, str], set[int]] = {}
    for count, text, row in _rows(target):
        there.setdefault((row["kind"], row["id"]), set()).add(hash(text))
        list(within.add(count, text, row))  # what is wrong there already is not this file's doing
        across.add(target, target.line(count), row)
    new: set[int] = set()
    for count, text, row in _rows(source):
        known = there.get((row["kind"], row["id"]), set())
        if hash(text) in known or hash(text) in new:
            made.there += 1
        elif known:
            name = clean(row.get("name") or row["id"], 160)
            said = f"{name} is in {clean(target.path, 200)} with another outcome; that a run differs is a finding"
            made.refused.append(Problem("duplicate", source.line(count), f"{said}: open an issue with both"))
        else:
            new.add(hash(text))
            made.lines.append(text.removesuffix("\n"))
            made.rows[row["kind"]] += 1
            made.refused += [problem for problem in within.add(count, text, row) if problem.check == "mixed"]
            across.add(source, source.line(count), row)
    made.refused += [problem for problem in across.problems() if problem.level == "error" and problem.check == "data"]
    return made


def _rows(source: Source) -> Iterator[tuple[int, str, Row]]:
    """The lines of a file that are whole records; what is wrong with others is verify's to say."""
    for count, text, row in Store(source.path).lines():
        if not isinstance(row, ValueError) and not any(schema(row)):
            yield count, text, row


def _written(source: Source, target: Source) -> Merge:
    """What was added, under the lock, where nobody else writes. A disk that fills up leaves the file as it was."""
    with Store(target.path) as store:
        for warning in store.warnings:
            print(f"warning: {clean(warning, 300)}")
        merge, size = merged(source, target), target.path.stat().st_size
        if not merge.refused:
            try:
                store.extend(merge.lines)
            except OSError:
                os.truncate(target.path, size)
                raise
    return merge
