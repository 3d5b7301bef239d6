"""One record among all: by id, by name, or by file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bench.plan import BadInput
from bench.store import Store, stores
from bench.untrusted import sentence

SHOWN = 8
"""Records named where what was asked for is several."""


@dataclass(frozen=True)
class Found:
    """A record, and where it stands."""

    path: Path
    line: int
    row: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.path}:{self.line} ({sentence(self.row['id'])}, {sentence(self.row['name'])})"


def find(asked: str, results: Path) -> Found:
    """The record of a run: by id or its first 4 digits or more, by name (`matrix:name`), or by file and line.

    Raises BadInput where there is none, or several.
    """
    if (place := re.fullmatch(r"(.+\.jsonl):(\d{1,9})", asked)) is not None:
        return _at(Path(place[1]), int(place[2]))
    every = list(recorded(stores(results)))
    if not every:
        raise BadInput([f"no runs below {results}; name another --results, or a file and line (FILE.jsonl:LINE)"])
    if re.fullmatch(r"[0-9a-f]{4,16}", asked):
        matching, wanted = [found for found in every if str(found.row["id"]).startswith(asked)], "id"
    else:
        matrix, colon, name = asked.rpartition(":")
        wanted = "name"
        matching = [
            found for found in every if found.row["name"] == name and (not colon or found.path.parent.name == matrix)
        ]
    if not matching:
        names = {str(found.row["id" if wanted == "id" else "name"]) for found in every}
        close = get_close_matches(asked.rpartition(":")[2], sorted(names), n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join(repr(sentence(name)) for name in close)}?" if close else ""
        raise BadInput([f"no run with the {wanted} {sentence(asked)!r} among {len(every)} below {results}.{hint}"])
    if len(matching) > 1:
        more = f", and {len(matching) - SHOWN} more" if len(matching) > SHOWN else ""
        told = "; ".join(map(str, matching[:SHOWN]))
        raise BadInput([f"{sentence(asked)!r} is {len(matching)} records; name one by file and line: {told}{more}"])
    return matching[0]


def recorded(files: Iterable[Store]) -> Iterable[Found]:
    """The runs in these files; of several with one id in a file, the newest."""
    for store in files:
        newest: dict[str, Found] = {}
        for line, _, row in store.lines():
            if not isinstance(row, ValueError) and row.get("kind") == "run" and {"id", "name"} <= set(row):
                newest[str(row["id"])] = Found(store.path, line, row)
        yield from newest.values()


def _at(path: Path, line: int) -> Found:
    if not path.is_file():
        raise BadInput([f"there is no file {sentence(path)}"])
    row = next((row for number, _, row in Store(path).lines() if number == line), None)
    if row is None or isinstance(row, ValueError):
        raise BadInput([f"{sentence(path)}:{line} is no record: {sentence(row or 'there is nothing on that line')}"])
    if row.get("kind") != "run" or not {"id", "name"} <= set(row):
        raise BadInput(
            [f"{sentence(path)}:{line} is a record of kind {sentence(row.get('kind'))!r}; only runs are run again"]
        )
    return Found(path, line, row)
