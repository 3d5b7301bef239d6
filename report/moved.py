"""Two sets of results compared: which rows belong together, and whether their scores are apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from report import BadInput
from report.board import Board
from report.comparison import SEEDS, Paired, paired, shared
from report.findings import listed, plural
from report.frame import GROUP
from report.groups import Group

SAME, SHARED, APART = "same", "same where shared", "apart"
MOVED, ALONE, FAILED = "moved", "not paired", "failed on one side"
WORDS = {"asked": "back end asked for", "fingerprint": "data", "tuned": "trials of tuning", "version": "task version"}
"""What people call the parts of a group."""

Sets = dict[str, Board]  # matrix -> board


@dataclass(frozen=True)
class Pair:
    """One technique on one task, in both sets."""

    old: Any  # rows of Board.rows
    new: Any
    verdict: str
    pairs: Paired  # over the seeds whose runs have the same id
    changed: tuple[str, ...]  # seeds that ended otherwise than before

    def change(self, better: str) -> float:
        """How much better the new score is, in the metric's unit."""
        if self.pairs.n:
            return self.pairs.gain
        return (self.new.mean - self.old.mean) * (1 if better == "higher" else -1)


@dataclass(frozen=True)
class Compared:
    """One group of a matrix that both sets have; and the rows that one of them lacks."""

    matrix: str
    group: Group
    pairs: tuple[Pair, ...]
    gone: tuple[str, ...]  # names of techniques
    added: tuple[str, ...]


@dataclass(frozen=True)
class Diff:
    """Two sets of results, compared."""

    groups: tuple[Compared, ...]
    apart: tuple[str, ...]  # what is never compared, in words
    environment: str  # what ran, where it differs; "" where it does not

    @property
    def pairs(self) -> list[Pair]:
        return [pair for group in self.groups for pair in group.pairs]


def diff(old: Sets, new: Sets) -> Diff:
    """Both sets compared, matrix by matrix. Raises BadInput where they have no task in common."""
    groups, said = [], []
    both = [name for name in old if name in new]
    for side, one, other in [("old", old, new), ("new", new, old)]:
        if only := [matrix for matrix in one if matrix not in other]:
            said.append(f"Only {side} has the {'matrix' if len(only) == 1 else 'matrices'} {listed(only)}.")
    for matrix in both:
        mine, theirs = ({_key(group): group for group in one[matrix].groups} for one in (old, new))
        both_have = [key for key in mine if key in theirs]
        groups += [_compared(matrix, old[matrix], new[matrix], mine[key], theirs[key]) for key in both_have]
        left = [[group for key, group in one.items() if key not in both_have] for one in (mine, theirs)]
        said += [*_apart(matrix, *left), *_skipped(matrix, old[matrix], new[matrix])]
    tasks = [sorted({group.task for matrix in both for group in one[matrix].groups}) for one in (old, new)]
    if not set(tasks[0]) & set(tasks[1]):
        raise BadInput(f"no records in common: old has {listed(tasks[0])}; new has {listed(tasks[1])}")
    return Diff(tuple(groups), tuple(said), _environment([old[m] for m in both], [new[m] for m in both]))


def _key(group: Group) -> tuple[str, ...]:
    return tuple(getattr(group, part) for part in GROUP)


def _apart(matrix: str, old: list[Group], new: list[Group]) -> list[str]:
    """Groups that one side lacks: beside the nearest of the same task where there is one, with what differs."""
    found, left = [], list(new)
    for group in old:
        near = [
            (len(_differences(group, other)), place) for place, other in enumerate(left) if other.task == group.task
        ]
        if near:
            other = left.pop(min(near)[1])
            what = "; ".join(_told(part, group, other) for part in _differences(group, other))
            found.append(f"{matrix}, {group.task}: not compared, for they differ: {what}.")
        else:
            found.append(f"{matrix}, {group.label}: only in old.")
    return found + [f"{matrix}, {group.label}: only in new." for group in left]


def _told(part: str, old: Group, new: Group) -> str:
    """What differs; of a budget, its parts that do."""
    values = [str(getattr(group, part)) for group in (old, new)]
    if part == "budget":
        split = [value.split(", ") for value in values]
        values = [", ".join(item for item in split[i] if item not in split[1 - i]) for i in (0, 1)]
    return f"{WORDS.get(part, part)} {values[0] or 'unknown'} → {values[1] or 'unknown'}"


def _differences(one: Group, other: Group) -> list[str]:
    return [part for part in GROUP if getattr(one, part) != getattr(other, part)]


def _compared(matrix: str, old: Board, new: Board, mine: Group, theirs: Group) -> Compared:
    before, after = old.of(mine), new.of(theirs)
    before, after = (list(rows[rows["kind"] == "technique"].itertuples()) for rows in (before, after))
    met = _met(before, after)
    runs = [one.frames.runs.groupby(["configuration", "origin"]) for one in (old, new)]
    pairs = []
    for a, b in met:
        first, second = (one.get_group((row.configuration, row.origin)) for one, row in zip(runs, (a, b), strict=True))
        pairs.append(_pair(a, b, first, second, mine.better))
    gone = {row.Index for row in before} - {a.Index for a, _ in met}
    added = {row.Index for row in after} - {b.Index for _, b in met}
    return Compared(
        matrix,
        theirs,
        tuple(pairs),
        tuple(row.name for row in before if row.Index in gone),
        tuple(row.name for row in after if row.Index in added),
    )


ALIKE: tuple[Callable[[Any], tuple[Any, ...]], ...] = (
    lambda row: (row.triple, row.configuration, row.origin),
    lambda row: (row.triple, row.configuration, row.origin.rpartition(", torch ")[0]),
    lambda row: (row.triple, row.configuration),
    lambda row: (row.triple,),
)
"""What makes two rows one: of several settings, machines or versions of a technique, the most alike."""


def _met(old: list[Any], new: list[Any]) -> list[tuple[Any, Any]]:
    """Rows of both sides that belong together; where it is not plain which do, none."""
    found: list[tuple[Any, Any]] = []
    for alike in ALIKE:
        counts = [Counter(alike(row) for row in rows) for rows in (old, new)]
        lone = {key for key, count in counts[0].items() if count == 1 == counts[1][key]}
        partner = {alike(row): row for row in new}
        found += [(row, partner[alike(row)]) for row in old if alike(row) in lone]
        old, new = ([row for row in rows if alike(row) not in lone] for rows in (old, new))
    return sorted(found, key=lambda pair: pair[1].Index)


def _pair(old: Any, new: Any, mine: pd.DataFrame, theirs: pd.DataFrame, better: str) -> Pair:
    before, after = ({run.id.partition(" ")[0]: run for run in runs.itertuples()} for runs in (mine, theirs))
    both = sorted(set(before) & set(after), key=lambda run: (before[run].seed, run))
    scores = [{run: side[run].score for run in both if side[run].status == "ok"} for side in (before, after)]
    pairs = paired(*shared(scores[1], scores[0]), better)
    changed = tuple(
        f"seed {before[run].seed:.0f}: {before[run].status} → {after[run].status}"
        + (f" ({after[run].reason})" if after[run].reason else "")
        for run in both
        if before[run].status != after[run].status
    )
    return Pair(old, new, _verdict(old, new, before, after, pairs), pairs, changed)


def _verdict(old: Any, new: Any, before: dict[str, Any], after: dict[str, Any], pairs: Paired) -> str:
    both = set(before) & set(after)
    if both and all(_equal(before[run], after[run]) for run in both):
        return SAME if set(before) == set(after) else SHARED
    if math.isnan(old.mean) != math.isnan(new.mean):
        return FAILED
    if not both:
        return ALONE
    return APART if pairs.n >= SEEDS and abs(pairs.gain) > pairs.half else MOVED


def _equal(old: Any, new: Any) -> bool:
    """Whether two runs ended alike, in the same weights where both tell, with the same score."""
    weights = old.weights == new.weights or not (old.weights and new.weights)
    return old.status == new.status and weights and (old.score == new.score or old.status != "ok")


def _skipped(matrix: str, old: Board, new: Board) -> list[str]:
    """How many runs only one side skipped."""
    found = []
    for side, other, one, two in [("old", "new", old, new), ("new", "old", new, old)]:
        ran = {run.partition(" ")[0] for run in two.frames.runs["id"]}
        for task, rows in one.frames.skipped.groupby("task"):
            if count := sum(run.partition(" ")[0] in ran for run in rows["id"]):
                found.append(f"{matrix}, {task}: {plural(count, 'run')} skipped in {side}, finished in {other}.")
    return found


def _environment(old: Iterable[Board], new: Iterable[Board]) -> str:
    """Machines, versions and code that differ, in one line."""
    sides = [_ran(boards) for boards in (old, new)]
    names = [name for name in sides[0] | sides[1] if sides[0].get(name) != sides[1].get(name)]
    values = [[listed(sorted(side.get(name, ()))) or "unknown" for name in names] for side in sides]
    return "; ".join(f"{name} {a} → {b}" for name, a, b in zip(names, *values, strict=True))


def _ran(boards: Iterable[Board]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for board in boards:
        for name, _, value in (text.partition(" ") for text in board.frames.versions):
            found.setdefault(name, set()).add(value)
        found.setdefault("machine", set()).update(board.frames.runs["machine"])
    return found
