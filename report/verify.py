"""`python -m report verify`: is every record whole, complete and believable? Each finding names file and line.

One pass, a line at a time; of a record only a few facts are kept. A checksum shows that a line was changed, not by
whom: against a forger only running again helps (`python -m bench.rerun`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.matrixfile import NAME
from bench.record import SCHEMA, canonical
from bench.store import Store
from bench.untrusted import clean, mapping
from report import BadInput
from report.checks import LABEL, of_record
from report.crosschecks import Across, Level, Problem, Source, Within


@dataclass
class Findings:
    """What verify found: the problems, and how much of what it saw."""

    problems: list[Problem] = field(default_factory=list)
    records: int = 0
    doubles: int = 0
    machines: set[str] = field(default_factory=set)
    torch: set[str] = field(default_factory=set)

    def of(self, level: Level) -> list[Problem]:
        return [problem for problem in self.problems if problem.level == level]

    def summary(self, where: str) -> str:
        """The last line: what a script or a person looks for."""
        if errors := len(self.of("error")):
            return f"FAILURE {errors:,} problem{'s' if errors != 1 else ''} in {self.records:,} records of {where}"
        kinds = f"{len(self.machines)} kind{'s' if len(self.machines) != 1 else ''} of machine"
        facts = [f"{self.records:,} records", f"{self.records:,} checksums", f"{self.doubles:,} duplicates"]
        facts += [f"schema {SCHEMA}", kinds, *(f"torch {version}" for version in sorted(self.torch))]
        return f"SUCCESS {', '.join(facts)}"


def run(asked: argparse.Namespace) -> int:
    """Print each finding, and SUCCESS or FAILURE last. Exit status 1 where there is an error."""
    place = asked.folder or asked.results
    found = verify(sources(place))
    if not found.records and not found.problems:
        raise BadInput(f"no records in {clean(place, 200)}")
    for level in ("note", "warning", "error"):
        for problem in found.of(level):
            print(problem)
    print(found.summary(clean(place, 200)))
    return 1 if found.of("error") else 0


def sources(place: Path) -> list[Source]:
    """Every file of records below a folder, or the one file. Raises BadInput where there is none."""
    if not place.exists():
        raise BadInput(f"{clean(place, 200)} does not exist; name a folder of records, or a .jsonl file")
    found = sorted(place.rglob("*.jsonl")) if place.is_dir() else [place]
    if not found:
        raise BadInput(f"no .jsonl file below {clean(place, 200)}; records are in results/<matrix>/<machine>.jsonl")
    return [Source.of(path) for path in found]


def verify(files: Iterable[Source]) -> Findings:
    """Everything that is wrong with some files of records, and what is only worth knowing."""
    found, across = Findings(), Across()
    for source in files:
        found.problems += _file(source, found, across)
    found.problems += across.problems()
    return found


def _file(source: Source, found: Findings, across: Across) -> Iterator[Problem]:
    """The problems of one file."""
    if not NAME.fullmatch(source.matrix):
        yield Problem("place", clean(source.path, 200), f"folder {clean(source.matrix)!r} cannot be a matrix's name")
    if not LABEL.fullmatch(source.label):
        yield Problem("place", clean(source.path, 200), f"{clean(source.label)!r} cannot be the name of a machine")
    within = Within(source)
    for count, text, row in Store(source.path).lines():
        where = source.line(count)
        if isinstance(row, ValueError):
            yield Problem(*_unreadable(where, str(row)))
            continue
        found.records += 1
        if not _untouched(text):
            yield Problem("checksum", where, "not written as records are, though its values are: edited by hand?")
        wrong = [Problem(check, where, said) for check, said in of_record(row, source.matrix, source.label)]
        yield from wrong
        if any(problem.check == "schema" for problem in wrong):
            continue
        yield from within.add(count, text, row)
        across.add(source, where, row)
        found.machines |= {clean(label) for label in [mapping(row.get("machine")).get("label")] if label}
        found.torch |= {clean(version) for version in [mapping(row.get("versions")).get("torch")] if version}
    found.doubles += within.same + within.replaced
    yield from within.problems()


def _unreadable(where: str, said: str) -> tuple[str, str, str]:
    """Check, place and words for a line that the store would set aside."""
    if said == "checksum differs":
        return "checksum", where, "checksum differs: edited by hand, or damaged"
    if said == "cut short":
        return "line", where, "cut short: the last line has no end"
    if said.startswith("schema None"):
        return "schema", where, "no schema number: not a record"
    if said.startswith("schema "):
        return "schema", where, f"{clean(said, 120)}: made by a newer version?"
    return "line", where, f"not readable: {clean(said, 120)}"


def _untouched(text: str) -> bool:
    """Whether a line is byte for byte what its values are written as: a checksum of values misses 1e-5 for 1e-05."""
    return canonical(json.loads(text)) == text.removesuffix("\n")
