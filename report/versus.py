"""Each technique against the baseline, task by task: what comparison.py computes, family by family, as a frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from report.comparison import ALPHA, SEEDS, Paired, holm, margin_of, paired, seeds_needed, shared, tost
from report.groups import Group, Triple, family

VERSUS = (
    *("configuration", "origin", "family", "pairs", "gain", "half", "effect", "p", "adjusted", "floor", "least"),
    *("margin", "equivalent", "mark", "needed", "why"),
)
BETTER, WORSE, EQUIVALENT, SAME = "▲", "▼", "≈", "="
"""A significant gain, a significant loss, less than the margin apart, the same scores with every seed."""


@dataclass
class _Row:
    """The runs of one configuration and origin."""

    triple: Triple
    scores: dict[Any, float] = field(default_factory=dict)  # by seed, of those that finished
    failed: int = 0

    @property
    def seeds(self) -> int:
        return len(self.scores) + self.failed


def versus(group: Group, members: pd.DataFrame, base: Triple | None) -> list[dict[str, Any]]:
    """One row a configuration and origin of `members`, the runs of a group. Runs of two origins make no pair."""
    found: dict[tuple[str, str], _Row] = {}
    for run in members[["configuration", "origin", "triple", "status", "seed", "score"]].itertuples():
        row = found.setdefault((run.configuration, run.origin), _Row(run.triple))
        if run.status == "ok":
            row.scores[run.seed] = run.score
        else:
            row.failed += 1
    rows = []
    for (configuration, origin), row in sorted(found.items()):
        rows.append({"configuration": configuration, "origin": origin, "family": family(row.triple, base)})
        if rows[-1]["family"]:
            rows[-1] |= _compared(group, row, _standard(found, base, origin))
    for name in {row["family"] for row in rows} - {""}:
        _judge([row for row in rows if row["family"] == name])
    return rows


def _standard(found: dict[tuple[str, str], _Row], base: Triple | None, origin: str) -> _Row | None:
    """The baseline on this machine and version; of two settings under its name, the one run more."""
    here = [(-row.seeds, name) for (name, where), row in found.items() if where == origin and row.triple == base]
    return found[min(here)[1], origin] if here else None


def _compared(group: Group, row: _Row, standard: _Row | None) -> dict[str, Any]:
    """What is known of one technique before its family is judged."""
    ours, theirs = shared(row.scores, standard.scores if standard else {})
    found = paired(ours, theirs, group.better)
    margin = margin_of(sum(theirs) / len(theirs), group.unit) if theirs else math.nan
    return {
        **{"pairs": found.n, "gain": found.gain, "half": found.half, "effect": found.effect, "p": found.p},
        **{"floor": found.floor if found.n >= SEEDS else math.nan, "margin": margin, "found": found},
        **{"equivalent": tost(found, margin), "failed": row.failed + (standard.failed if standard else 0)},
        "why": _why(found, row, standard),
    }


def _why(found: Paired, row: _Row, standard: _Row | None) -> str:
    """What there is to say where a comparison is less than whole; "" where it is whole."""
    if standard is None:
        return "the baseline ran elsewhere: no pairs"
    if found.n < SEEDS:
        return f"{found.n} pair{'' if found.n == 1 else 's'}: an interval needs {SEEDS}"
    if row.failed or standard.failed:
        whose = " and ".join(["its"] * bool(row.failed) + ["the baseline's"] * bool(standard.failed))
        return f"{whose} failed seeds make no pair: no mark"
    if found.floor == 1:
        return "the same score with every seed"
    if math.isnan(found.half):
        return "the same difference with every seed: no interval"
    return f"{row.seeds - found.n} of {row.seeds} seeds have no pair" if found.n < row.seeds else ""


def _judge(rows: list[dict[str, Any]]) -> None:
    """Adjust a family's p, say what each could have reached, and mark what is significant or equivalent."""
    for key, source in (("adjusted", "p"), ("least", "floor"), ("equivalent", "equivalent")):
        for row, value in zip(rows, holm([row[source] for row in rows]), strict=True):
            row[key] = value
    size = sum(not math.isnan(row["p"]) for row in rows)
    for row in rows:
        row["needed"] = seeds_needed(row["effect"], max(size, 1))
        row["mark"] = "" if row["failed"] or row["pairs"] < SEEDS else _mark(row)


def _mark(row: dict[str, Any]) -> str:
    if row["adjusted"] <= ALPHA:
        return BETTER if row["gain"] > 0 else WORSE
    if row["found"].floor == 1:
        return SAME
    return EQUIVALENT if row["equivalent"] <= ALPHA else ""
