"""The tables behind the figures that compare."""

from __future__ import annotations

import math
from typing import Any

from report import findings
from report.board import Board
from report.comparison import MOST
from report.effects import REST
from report.stats import shown, signed
from report.tables import Line, Table, absent

Titled = list[tuple[str, Table]]


def _text(value: Any, digits: int = 3) -> str:
    return "" if absent(value) else shown(float(value), digits)


HEADS = ("technique", "axis", "pairs", "gain", "95 % interval", "effect d", "p", "p Holm", "least p", "p equivalent",
         "", "seeds needed", "remarks")  # fmt: skip
COMPARED = (True, True, *[False] * 8, True, False, True)


def comparison_tables(board: Board) -> Titled:
    """For each group all that was computed of each technique against the baseline."""
    found = []
    for group in board.groups:
        rows = board.compared(group)
        if len(rows):
            lines = tuple(Line("technique", _comparison(row)) for row in rows.to_dict("records"))
            unit = f" {group.unit}" if group.unit else ""
            margin = (
                f"Margin of equivalence: {shown(rows['margin'].max(), 3)}{unit}."
                if rows["margin"].notna().any()
                else ""
            )
            notes = tuple(filter(None, (findings.reach(board, group), margin)))
            found.append((group.label, Table(HEADS, COMPARED, lines, notes)))
    return found


def _comparison(row: dict[str, Any]) -> tuple[str, ...]:
    ends = [signed(row["gain"] + side * row["half"]) for side in (-1, 1)]
    needed = "" if absent(row["effect"]) else f"> {MOST}" if absent(row["needed"]) else f"{row['needed']:.0f}"
    return (
        *(row["label"], row["family"], f"{row['pairs']:.0f}", signed(row["gain"])),
        f"{ends[0]} to {ends[1]}" if all(ends) else "",
        signed(row["effect"], 2) if not absent(row["effect"]) else "",
        *(_text(row[key], 2) for key in ("p", "adjusted", "least", "equivalent")),
        *(row["mark"], needed, row["why"]),
    )


def family_tables(board: Board) -> Titled:
    """For each axis and device its techniques over all tasks."""
    found = []
    heads = ("technique", "mean rank", "profile score", "IQM of gains, %", "P(better)")
    for each in board.families:
        ranks = each.ranks.ranks if each.ranks else (math.nan,) * len(each.names)
        rows = zip(each.labels, ranks, each.scores, each.gains, each.chances, strict=True)
        lines = tuple(
            Line("technique", (label, _text(rank), _text(score), signed(gain) if math.isfinite(gain) else _ended(gain),
                               _text(chance, 2)))
            for label, rank, score, gain, chance in rows
        )  # fmt: skip
        notes = (
            f"Ranks among these {len(each.names)} techniques on {findings.plural(len(each.tasks), 'task')}: "
            f"{', '.join(each.tasks)}.",
        )
        where = f", {each.device}" if len({other.device for other in board.families}) > 1 else ""
        found.append((f"{each.axis}{where}", Table(heads, (True, *[False] * 4), lines, notes)))
    return found


def _ended(gain: float) -> str:
    return "failed" if math.isinf(gain) else ""


def target_tables(board: Board) -> Titled:
    """For each group when its techniques reached the target."""
    found = []
    heads = ("technique", "reached", "mean updates", "median", "between", "s")
    for group in board.groups:
        rows = board.of(group)
        rows = rows[rows["watched"].notna()].sort_values(["to_target", "name"])
        if len(rows):
            lines = tuple(Line("technique", _arrival(row)) for row in rows.to_dict("records"))
            note = (
                f"Target: validation {group.metric} {shown(group.target)}; the clock stops at {group.horizon:.0f} "
                "updates. A mean over runs of which some did not get there is at least (≥) this."
            )
            found.append((group.label, Table(heads, (True, *[False] * 5), lines, (note,))))
    return found


def _arrival(row: dict[str, Any]) -> tuple[str, ...]:
    short = "≥ " if row["reached"] < row["watched"] else ""
    none = row["reached"] == 0
    middle = row["median_step"]
    return (
        *(row["label"], f"{row['reached']:.0f} of {row['watched']:.0f}"),
        "not reached" if none else f"{short}{row['to_target']:.0f}",
        "" if none or math.isinf(middle) else f"{middle:.0f}",
        "" if none or absent(row["after"]) else f"{row['after']:.0f} and {row['by']:.0f}",
        "" if none or absent(row["seconds"]) else f"{short}{shown(row['seconds'], 3)}",
    )


def effect_tables(board: Board) -> Titled:
    """What each axis, each pair of axes and the seed explain of the ranks of each task's runs, in %."""
    terms = [effect.term for effect in next(iter(board.explained.values()), [])]
    heads = ("task", *("left" if term == REST else " × ".join(term) for term in terms))
    lines = tuple(
        Line("technique", (label, *(_percent(effect.share) for effect in found)))
        for label, found in board.explained.items()
    )
    notes = (
        "A dot: these runs cannot show it, for the techniques were varied one at a time. Shares are of what a term "
        "adds to all others (type II): where techniques were not crossed evenly they need not sum to 100.",
    )
    return [("in % of the variance", Table(heads, (True, *[False] * len(terms)), lines, notes))] if lines else []


def _percent(share: float) -> str:
    return "·" if math.isnan(share) else f"{100 * share:.1f}"
