"""The techniques of one axis beside the baseline, over all tasks: ranks, profile, gains. across.py over the records.

Each axis is a set of its own, so a technique of another axis changes no number here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from report.across import Friedman, algoperf, friedman, improvement, iqm
from report.groups import AXES, Group, Triple
from report.overall import counted
from report.stats import average_ranks, difference

Scores = dict[Any, list[float]]  # (configuration, origin) -> scores, NaN where a run has none


@dataclass(frozen=True)
class Family:
    """One axis on one device; in each tuple and column a technique, the best mean rank first."""

    device: str
    axis: str
    tasks: tuple[str, ...]  # labels of groups
    names: tuple[str, ...]
    labels: tuple[str, ...]
    ranks: Friedman | None  # None where there are fewer than two tasks
    times: np.ndarray  # (task, technique) updates to target, median over seeds; infinite where it was not reached
    scores: tuple[float, ...]  # AlgoPerf's score of these times; NaN without a target
    gains: tuple[float, ...]  # interquartile mean over runs, in % of the baseline's mean on the same task
    chances: tuple[float, ...]  # that a run beats one of the baseline


def families(rows: pd.DataFrame, runs: pd.DataFrame, groups: list[Group], base: Triple | None) -> list[Family]:
    """Every axis and device with at least one technique beside the baseline on every task that counts."""
    scores = {key: part.to_list() for key, part in runs.groupby(["configuration", "origin"])["score"]}
    found = []
    for device in sorted({group.device for group in groups}):
        here = [group for group in groups if group.device == device]
        for axis in AXES:
            of_axis = rows[(rows["kind"] == "technique") & ((rows["family"] == axis) | (rows["triple"] == base))]
            labels = counted(of_axis, here)
            mine = of_axis[of_axis["group"].isin(labels)]
            tasks = mine.groupby("name")["group"].nunique()
            mine = mine[mine["name"].map(tasks) == len(labels)]
            if base is not None and base in set(mine["triple"]) and mine["name"].nunique() > 1:
                found.append(_family(device, axis, mine, scores, [g for g in here if g.label in labels], base))
    return found


def _family(device: str, axis: str, mine: pd.DataFrame, scores: Scores, groups: list[Group], base: Triple) -> Family:
    by_task = [mine[mine["group"] == group.label].set_index("name") for group in groups]
    names = sorted(mine["name"].unique())
    table = np.array([_ranks(task, names) for task in by_task])
    order = np.lexsort((np.arange(len(names)), table.mean(axis=0)))
    names, table = [names[i] for i in order], table[:, order]
    # half of the seeds that were watched never got there: the median is infinite; where none was watched, so it is too
    times = np.array([task["median_step"].reindex(names).fillna(math.inf).astype(float) for task in by_task])
    timed = [not math.isnan(group.target) for group in groups]
    sides = [_sides(task, group, base) for task, group in zip(by_task, groups, strict=True)]
    typical = [_typical(name, sides, scores, groups) for name in names]
    return Family(
        device,
        axis,
        tuple(group.label for group in groups),
        tuple(names),
        tuple(mine.drop_duplicates("name").set_index("name")["label"].reindex(names)),
        friedman(table) if len(groups) > 1 else None,
        times,
        tuple(algoperf(times[timed])) if any(timed) else (math.nan,) * len(names),
        tuple(gain for gain, _ in typical),
        tuple(chance for _, chance in typical),
    )


def _ranks(task: pd.DataFrame, names: list[str]) -> list[float]:
    return average_ranks(task["key"].reindex(names).to_list())


Sides = tuple[dict[str, tuple[str, str]], tuple[str, str], float]
"""Of a task, on the baseline's machine: what each technique ran as, what the baseline ran as, and its mean."""


def _sides(task: pd.DataFrame, group: Group, base: Triple) -> Sides | None:
    """None where the baseline has no score there."""
    here = task[task["origin"] == group.home]
    standard = here[here["triple"] == base]
    if standard.empty or math.isnan(standard["mean"].iloc[0]):
        return None
    keys = dict(zip(here.index, zip(here["configuration"], here["origin"], strict=True), strict=True))
    return keys, keys[standard.index[0]], float(standard["mean"].iloc[0])


def _typical(name: str, tasks: list[Sides | None], scores: Scores, groups: list[Group]) -> tuple[float, float]:
    """Interquartile mean of the gains of all runs, and the probability of improvement. A failed run is the worst of
    all. NaN where a task has no such run on the baseline's machine."""
    gains, ours, theirs = [], [], []
    for sides, group in zip(tasks, groups, strict=True):
        if sides is None or name not in sides[0]:
            return math.nan, math.nan
        keys, standard, mean = sides
        mine, others = scores[keys[name]], scores[standard]
        gains += [-math.inf if math.isnan(score) else difference(score, mean, group.better) for score in mine]
        ours.append(mine)
        theirs.append(others)
    return iqm([gain for gain in gains if not math.isnan(gain)]), improvement(ours, theirs, [g.better for g in groups])
