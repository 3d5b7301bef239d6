"""`python -m report diff OLD NEW`: what moved between two sets of results, row by row, and what cannot be compared."""

from __future__ import annotations

import argparse
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from bench.store import Store, stores
from bench.untrusted import clean
from report import BadInput
from report.board import board
from report.comparison import SEEDS
from report.findings import listed, plural
from report.flat import Row
from report.frame import frames, readable
from report.listing import printed, rich_table, with_columns
from report.moved import ALONE, APART, FAILED, MOVED, SAME, SHARED, Compared, Diff, Pair, Sets, diff
from report.stats import shown, signed
from report.tables import Line, Table, absent, escape, markdown_table

RULES = (
    "Change: new less old in the metric's unit, turned so that + is better; over the pairs of runs with the same id "
    "where there are any, ± half its 95 % t interval. Beside a mean stands half the interval over its seeds, and n; "
    "a rank is among the rows of its own side.",
    f"{SAME}: the same runs, with the same weights and scores; {SHARED}: one side has more seeds; {APART}: the "
    f"interval of the change leaves out 0, over {SEEDS} pairs or more; {MOVED}: these pairs cannot tell the change "
    f"from noise; {ALONE}: no run in common, for settings or seeds differ; {FAILED}: no score there.",
)
VERDICTS = (SAME, SHARED, APART, MOVED, ALONE, FAILED)


def run(asked: argparse.Namespace) -> int:
    """Print what moved. Raises BadInput where there is nothing to compare."""
    found = diff(*read(asked.old, asked.new))
    print(markdown(found) if asked.markdown else terminal(found, shutil.get_terminal_size((120, 24)).columns), end="")
    return 0


def read(old: Path, new: Path) -> tuple[Sets, Sets]:
    """The boards of both places, by matrix. Raises BadInput where one has no runs, or they share no matrix."""
    places, missing = (old, new), []
    for place in places:
        if not place.exists():
            missing.append(f"no folder or file {clean(place, 200)}")
        elif not _files(place):
            missing.append(f"no .jsonl file of records below {clean(place, 200)}")
    if missing:
        raise BadInput("\n".join(missing))
    sets = [_boards(place) for place in places]
    empty = [f"no runs in {clean(place, 200)}" for place, boards in zip(places, sets, strict=True) if not boards]
    if empty:
        raise BadInput("\n".join(empty))
    if all(_single(place) for place in places):  # one matrix each: the same one, whatever the folders are called
        sets = [{next(iter(sets[1])): next(iter(boards.values()))} for boards in sets]
    if not set(sets[0]) & set(sets[1]):
        said = [f"{clean(p, 200)} has {listed(sorted(b))}" for p, b in zip(places, sets, strict=True)]
        raise BadInput(f"no matrix in common: {'; '.join(said)}")
    return sets[0], sets[1]


def _single(place: Path) -> bool:
    return place.is_file() or any(place.glob("*.jsonl"))


def _files(place: Path) -> list[Store]:
    if place.is_file():
        return [Store(place)]
    return [Store(path) for path in sorted(place.glob("*.jsonl"))] or stores(place)


def _boards(place: Path) -> Sets:
    rows: dict[str, list[Row]] = {}
    for store in _files(place):
        rows.setdefault(store.path.absolute().parent.name, []).extend(readable(store))
    found = {clean(name): board(frames(name, mine)) for name, mine in sorted(rows.items())}
    return {name: one for name, one in found.items() if one.groups}


def summary(found: Diff) -> str:
    """What moved, in one sentence."""
    if not found.pairs:
        return "No row can be compared."
    counts = Counter(pair.verdict for pair in found.pairs)
    said = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]]
    if counts[APART]:
        up = sum(pair.verdict == APART and pair.pairs.gain > 0 for pair in found.pairs)
        said[said.index(f"{counts[APART]} {APART}")] += f" ({up} better, {counts[APART] - up} worse)"
    text = f"Of {plural(len(found.pairs), 'row')} in both: {', '.join(said)}"
    if ended := sum(len(pair.changed) for pair in found.pairs):
        text += f"; {plural(ended, 'run')} ended otherwise"
    for side, count in [
        ("old", sum(len(g.gone) for g in found.groups)),
        ("new", sum(len(g.added) for g in found.groups)),
    ]:
        text += f"; {plural(count, 'row')} only in {side}" if count else ""
    return f"{text}."


HEADS = ("technique", "old", "new", "change", "%", "pairs", "rank", "verdict")


def table(group: Compared, whole: bool) -> Table:
    """The rows of one group; those that are the same only where it is `whole`."""
    kept = [pair for pair in group.pairs if whole or pair.verdict != SAME]
    lines = tuple(Line("technique", _cells(pair, group.group.better)) for pair in kept)
    return Table(HEADS, tuple(head in ("technique", "verdict") for head in HEADS), lines)


def _cells(pair: Pair, better: str) -> tuple[str, ...]:
    change = pair.change(better)
    half = "" if math.isnan(pair.pairs.half) else f" ± {shown(pair.pairs.half, 2)}"
    share = math.nan if not pair.old.mean else 100 * change / abs(pair.old.mean)
    ranks = ["-" if absent(row.rank) else f"{row.rank:.0f}" for row in (pair.old, pair.new)]
    return (
        *(pair.new.name, *(_score(row) for row in (pair.old, pair.new)), signed(change) + half, signed(share)),
        *(str(pair.pairs.n), " → ".join(dict.fromkeys(ranks)), pair.verdict),
    )


def _score(row: Any) -> str:
    if math.isnan(row.mean):
        return f"- (0 of {row.seeds:.0f})"
    half = "" if absent(row.interval) else f" ± {shown(row.interval, 2)}"
    return f"{shown(row.mean)}{half} ({row.scored:.0f}{f' of {row.seeds:.0f}' if row.failed else ''})"


def _beside(group: Compared) -> list[str]:
    """What the table of a group does not hold."""
    sides = [(side, names) for side, names in (("old", group.gone), ("new", group.added)) if names]
    ended = [f"{pair.new.name}, {one}" for pair in group.pairs for one in pair.changed]
    return [*(f"only in {side}: {', '.join(names)}" for side, names in sides), *ended]


def _title(group: Compared) -> str:
    g = group.group
    unit = f" ({g.unit})" if g.unit else ""
    return f"{group.matrix}, {g.label}: {g.metric}{unit}, {g.better} is better"


def _before(found: Diff) -> list[str]:
    environment = f"Environment: {found.environment}." if found.environment else "The environment is the same."
    return [summary(found), environment, *found.apart]


def terminal(found: Diff, width: int) -> str:
    """For a terminal: rows that are the same are counted, not shown."""

    def show(console: Console) -> None:
        for line in _before(found):
            console.print(Text(line))
        for group in found.groups:
            console.print(Text(f"\n{_title(group)}"))
            made = table(group, whole=False)
            if made.lines:
                left_out = () if width >= 100 else ("%", "pairs")
                kept = [place for place, head in enumerate(HEADS) if head not in left_out]
                console.print(rich_table(with_columns(made, kept), HEADS[1:]))
            if alike := len(group.pairs) - len(made.lines):
                console.print(Text(f"  {plural(alike, 'row')} the same"))
            for line in _beside(group):
                console.print(Text(f"  {line}"))
        console.print()
        for line in RULES if found.pairs else ():
            console.print(Text(line))

    return printed(width, show)


def markdown(found: Diff) -> str:
    """Every row, as Markdown."""
    parts = [escape(line) for line in _before(found)]
    for group in found.groups:
        parts += [f"## {escape(_title(group))}", markdown_table(table(group, whole=True))]
        parts += ["\n".join(f"- {escape(line)}" for line in _beside(group))] if _beside(group) else []
    return "\n\n".join([*parts, *map(escape, RULES)]) + "\n"
