"""The verdict on each claim: one rule for all, over pairs of runs that share task, machine and seed.

The rule in words is docs/claims.md.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from report.board import Board
from report.claims import BROKEN, CLAIMS, MEASURES, Claim, Measure, arrivals, ms_of, row_of
from report.comparison import ALPHA, SEEDS, Paired, paired, shared, tost
from report.frame import GROUP
from report.groups import AXES, Group, Triple
from report.stats import shown, t_interval
from tasks.cards import TASKS

SUPPORTED, OPPOSITE, NOT, OPEN = "supported", "opposite", "not supported", "not separated"

Pair = tuple[pd.DataFrame, pd.DataFrame]  # the runs of a technique, and those of what it is compared with


@dataclass(frozen=True)
class Finding:
    """The verdict of one claim for one technique, measure and task."""

    claim: Claim
    technique: str
    measure: str
    task: str
    verdict: str
    effect: float  # in the direction of the claim: positive supports it
    half: float
    n: int
    why: str  # what stands in the way of a verdict; "" for nothing
    cost: float  # ms a step over that of the other side; NaN where one was not timed
    ratio: float = math.nan  # ms a step over that of nn.LSTM of the same shape

    @property
    def decidable(self) -> bool:
        """Whether there were enough runs to say anything."""
        return self.n >= SEEDS or self.verdict != OPEN


def findings(board: Board) -> list[Finding]:
    """Every claim on every group of the board where its technique and what it is compared with were both run."""
    if board.baseline is None:
        return []
    runs = Runs(board)
    found: list[Finding] = []
    for claim in CLAIMS:
        base = _with(board.baseline, "architecture", claim.on) if claim.on else board.baseline
        for technique in claim.techniques:
            triples = [_with(base, claim.axis, name) for name in (technique, claim.other)]
            pairs = [(group, pair) for group in board.groups if (pair := runs.pair(group, triples)) is not None]
            for name in claim.measures:
                if MEASURES[name].whole:
                    found += _longest(claim, technique, runs, board.groups, triples)
                else:
                    found += [_one(board, claim, technique, MEASURES[name], group, pair) for group, pair in pairs]
    return found


class Runs:
    """The runs of a board by group and technique, and in pairs that share a machine."""

    def __init__(self, board: Board):
        labels = {tuple(getattr(group, part) for part in GROUP): group.label for group in board.groups}
        parts = board.frames.runs.groupby([*GROUP, *AXES, "origin"])
        self._parts: dict[tuple[str, Triple], dict[str, pd.DataFrame]] = {}
        for key, runs in parts:
            place = labels[key[: len(GROUP)]], key[len(GROUP) : -1]
            self._parts.setdefault(place, {})[key[-1]] = one_setting(runs)

    def origins(self, group: Group, triples: list[Triple]) -> list[str]:
        """The machines on which both of two techniques ran."""
        return sorted(set.intersection(*(set(self._parts.get((group.label, triple), {})) for triple in triples)))

    def pair(self, group: Group, triples: list[Triple], origin: str | None = None) -> Pair | None:
        """The runs of two techniques on one machine, by default the one with most shared seeds; None without any."""
        found = []
        for name in self.origins(group, triples):
            if origin in (None, name):
                ours, theirs = (self._parts[group.label, triple][name] for triple in triples)
                found.append((len(set(ours["seed"]) & set(theirs["seed"])), (ours, theirs)))
        return max(found, key=lambda pair: pair[0])[1] if found else None


def _with(triple: Triple, axis: str, name: str) -> Triple:
    """The triple with one part replaced."""
    first, second, third = (name if which == axis else part for which, part in zip(AXES, triple, strict=True))
    return first, second, third


def one_setting(runs: pd.DataFrame) -> pd.DataFrame:
    """Of two settings under one name, the one run more."""
    counts = Counter(runs["configuration"].to_list())
    if len(counts) < 2:
        return runs
    most = min(counts, key=lambda name: (-counts[name], name), default=None)
    return runs[runs["configuration"] == most]


def _one(board: Board, claim: Claim, technique: str, measure: Measure, group: Group, sides: Pair) -> Finding:
    ours, theirs = (measure.of(board, group, side) for side in sides)
    better = group.better if measure.better == "metric" else measure.better
    a, b = shared(ours, theirs)
    ms = [ms_of(board, group, side) for side in sides]
    if measure is MEASURES["seconds"]:  # one clock for both: who takes longer a step is not watched for longer
        a, b = ([min(value, group.horizon * min(ms) / 1000) for value in side] for side in (a, b))
    one = _judged(claim, technique, measure, group.label, a, b, better, group.unit, ms[0] / ms[1])
    one = replace(one, ratio=float(row_of(board, group, sides[0]).get("ratio", math.nan)))
    if measure is MEASURES["gap"] and one.n >= SEEDS and not _above_zero(b):
        one = _also(one, f"{claim.other} has no gap to reduce", verdict=OPEN)
    if measure is MEASURES["score"] and row_of(board, group, sides[1])["below"]:
        one = _also(one, "below naive without it")
    if measure in (MEASURES["steps"], MEASURES["seconds"]) and one.n:
        one = _with_censored(one, board, group, *sides)
    if measure is MEASURES["finished"] and one.n and min(a + b) == 1:
        one = replace(one, verdict=OPEN, why="no run failed: nothing to bound")
    if measure is MEASURES["finished"] and sides[0]["clipped"].notna().any():
        one = _also(one, f"{100 * sides[0]['clipped'].mean():.0f} % of updates clipped")
    return _with_failures(one, measure, *sides)


def _judged(
    claim: Claim, technique: str, measure: Measure, task: str, ours: list[float], theirs: list[float], better: str,
    unit: str, cost: float,
) -> Finding:  # fmt: skip
    found = paired(ours, theirs, better)
    margin = measure.margin(float(np.mean(theirs)), unit) if theirs else math.nan
    said, why = verdict(found, margin)
    return Finding(claim, technique, measure.name, task, said, found.gain, found.half, found.n, why, cost)


def _above_zero(values: list[float]) -> bool:
    """Whether the whole 95 % t interval of their mean is above zero."""
    mean, half = t_interval(values)
    return mean - half > 0


def _also(one: Finding, remark: str, **changes: Any) -> Finding:
    return replace(one, why="; ".join(filter(None, [one.why, remark])), **changes)


def _with_censored(one: Finding, board: Board, group: Group, ours: pd.DataFrame, theirs: pd.DataFrame) -> Finding:
    """The finding with how many runs never reached the target; open where none did."""
    arrived = [list(arrivals(board, group, side)["reached"]) for side in (ours, theirs)]
    if not any(arrived[0] + arrived[1]):
        return replace(one, verdict=OPEN, why="no run of either side reaches the target")
    if one.verdict == NOT and not all(arrived[0] + arrived[1]):
        one = replace(one, verdict=OPEN, why="runs that never arrive cannot be shown to be equal")
    late = [(len(reached) - sum(reached), len(reached)) for reached in arrived]
    return _also(one, _told("target not reached", late, one.claim)) if late[0][0] + late[1][0] else one


def _told(what: str, counts: list[tuple[int, int]], claim: Claim) -> str:
    """Counts of both sides in a few words."""
    (ours, all_ours), (theirs, all_theirs) = counts
    return f"{what}: {ours} of {all_ours}, {claim.other} {theirs} of {all_theirs}"


def _with_failures(one: Finding, measure: Measure, ours: pd.DataFrame, theirs: pd.DataFrame) -> Finding:
    """The finding with what failed runs add: they make no pair, and survivors alone speak for nobody."""
    failed = [int((side["status"] != "ok").sum()) for side in (ours, theirs)]
    if not any(failed):
        return one
    told = _told("failed", [(failed[0], len(ours)), (failed[1], len(theirs))], one.claim)
    one = _also(one, told)
    if measure.failures:
        return one
    broken = [len(side) >= SEEDS and side["status"].isin(BROKEN).all() for side in (ours, theirs)]
    if measure is MEASURES["score"] and broken[0] and not failed[1] and len(theirs) >= SEEDS:
        return replace(one, verdict=OPPOSITE, why=told)
    if measure is MEASURES["score"] and broken[1] and not failed[0] and len(ours) >= SEEDS:
        return replace(one, verdict=SUPPORTED, why=told)
    if (one.verdict in (SUPPORTED, NOT) and failed[0]) or (one.verdict in (OPPOSITE, NOT) and failed[1]):
        return _also(one, "survivors alone give no verdict", verdict=OPEN)
    return one


def verdict(found: Paired, margin: float) -> tuple[str, str]:
    """What a paired difference says of a claim that it is positive, and what stands in the way.

    Supported where its 95 % interval is above zero, opposite where it is below; not supported where two one-sided tests
    show it smaller than the margin (or there is no difference with any seed); else not separated.
    """
    if found.n < SEEDS:
        return OPEN, f"{found.n} pair{'' if found.n == 1 else 's'}: a verdict needs {SEEDS}"
    if math.isnan(found.half):  # the same difference with every seed
        if found.gain == 0:
            return NOT, "the same with every seed"
        return (SUPPORTED if found.gain > 0 else OPPOSITE), "the same difference with every seed"
    if found.gain - found.half > 0:
        return SUPPORTED, ""
    if found.gain + found.half < 0:
        return OPPOSITE, ""
    if margin > 0 and tost(found, margin) <= ALPHA:
        return NOT, f"within ± {shown(margin, 2)}"
    return OPEN, ""


def _longest(
    claim: Claim, technique: str, runs: Runs, groups: Iterable[Group], triples: list[Triple]
) -> Iterable[Finding]:
    """Longest T solved, one verdict a problem: the longest of which every shorter one is solved too, seed by seed."""
    problems: dict[tuple[str, ...], list[Group]] = {}
    for group in groups:
        card = TASKS.get(group.task)
        if card is not None and card.solved is not None:
            alike = (group.version, group.device, group.asked, group.budget, group.protocol, group.tuned)
            problems.setdefault((group.task.rpartition("/")[0], *alike), []).append(group)
    for (kind, *_), mine in sorted(problems.items()):
        origins = sorted({origin for group in mine for origin in runs.origins(group, triples)})
        by_seed = max((_solved(runs, mine, triples, origin) for origin in origins), key=len, default={})
        lengths = sorted({length for both in by_seed.values() for length in both})
        if len(lengths) < 2:
            continue
        whole = [both for both in by_seed.values() if len(both) == len(lengths)]
        ours, theirs = (
            [math.log2(longest([(length, both[length][side]) for length in lengths])) for both in whole]
            for side in (0, 1)
        )
        one = _judged(claim, technique, MEASURES["longest"], kind, ours, theirs, "higher", "", math.nan)
        if whole and min(ours + theirs) == math.log2(lengths[-1]):
            one = replace(one, verdict=OPEN, why=f"both solve every T up to {lengths[-1]}: too easy to tell")
        elif whole and max(ours + theirs) < math.log2(lengths[0]):
            one = replace(one, verdict=OPEN, why=f"neither solves T = {lengths[0]}: too hard to tell")
        yield one


def _solved(
    runs: Runs, groups: list[Group], triples: list[Triple], origin: str
) -> dict[Any, dict[int, tuple[bool, bool]]]:
    """seed -> T -> whether each of two techniques solves it, on one machine, where both ran."""
    found: dict[Any, dict[int, tuple[bool, bool]]] = {}
    for group in groups:
        pair = runs.pair(group, triples, origin)
        if pair is not None:
            ours, theirs = ({run["seed"]: solves(run, group.task) for run in side.to_dict("records")} for side in pair)
            for seed in sorted(set(ours) & set(theirs)):
                found.setdefault(seed, {})[int(group.task.rpartition("/")[2])] = ours[seed], theirs[seed]
    return found


def solves(run: dict[str, Any], task: str) -> bool:
    solved = TASKS[task].solved
    return run["status"] == "ok" and solved is not None and run["score"] < solved


def longest(found: list[tuple[int, bool]]) -> int:
    """The longest T solved with every shorter one; half of the shortest where not even that is."""
    reached = min(found)[0] // 2
    for length, solved in sorted(found):
        if not solved:
            break
        reached = length
    return reached
