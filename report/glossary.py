"""What the techniques of a page are, and where each is described: a table a page links to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.literature import PUBLICATIONS
from bench.methods import method
from bench.spec import settings
from report.board import Board
from report.flat import AXES
from tasks.literature import Publication

TABLES: dict[str, Mapping[str, Any]] = dict(zip(AXES, (ARCHITECTURES, STABILISATIONS, OPTIMIZERS), strict=True))


@dataclass(frozen=True)
class Entry:
    """One technique."""

    anchor: str
    name: str
    what: str
    settings: str
    sources: tuple[Publication, ...]


class Glossary:
    """The techniques that occur in some boards, by axis, in the order of their tables."""

    def __init__(self, boards: Sequence[Board]) -> None:
        used = {
            axis: {part for board in boards for name in board.techniques[axis] for part in name.split("+")}
            for axis in AXES
        }
        self.axes = {axis: [_entry(axis, name) for name in TABLES[axis] if name in used[axis]] for axis in AXES}
        self._anchors = {(axis, entry.name): entry.anchor for axis, found in self.axes.items() for entry in found}

    def links(self, axis: str, name: str) -> list[tuple[str, str]]:
        """The parts of a name with the anchor of each, "" for one that is not described here."""
        return [(part, self._anchors.get((axis, part), "")) for part in name.split("+")]


def _entry(axis: str, name: str) -> Entry:
    about = method(axis, name)
    return Entry(
        anchor=f"{axis}-{re.sub('[^a-z0-9]+', '-', name)}",
        name=name,
        what=about.what if about else "",
        settings=settings(TABLES[axis][name]),
        sources=tuple(PUBLICATIONS[key] for key in about.cites) if about else (),
    )
