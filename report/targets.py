"""When each run reached its group's target, and what that makes of a technique: survival.py over the records."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from report.groups import Group, Triple
from report.survival import NEVER, crossing, kaplan_meier, median_time, restricted_mean

Paths = dict[Any, tuple[list[float], list[float]]]  # run id -> steps and validation values

ARRIVALS = ("group", "configuration", "origin", "name", "seed", "time", "reached", "after", "by")

ITS_OWN_END = ("ok", "no score", "diverged")
"""A run that ended so would not have got there later: it counts as on its way until the clock stops. One that was cut
off from outside, by a timeout or a crash, was last seen where its curve ends, and nobody knows."""


def goal(members: pd.DataFrame, base: Triple | None, paths: Paths, better: str) -> dict[str, Any]:
    """The target, the baseline's home, and how far it was trained: fields of a Group.

    The target is the median over seeds of the best validation value that the baseline reached, on the machine that ran
    most of its seeds.
    """
    mine = members[(members["triple"] == base) & (members["status"] == "ok")]
    counts = Counter(mine["origin"])
    if not counts:
        return {}
    home = min(counts, key=lambda origin: (-counts[origin], origin))
    curves = [paths[i] for i in mine.loc[mine["origin"] == home, "id"] if i in paths]
    best = np.nanmin if better == "lower" else np.nanmax
    reached = [float(best(values)) for _, values in curves if not np.isnan(values).all()]
    if not reached:
        return {"home": home}
    return {"home": home, "target": float(np.median(reached)), "horizon": float(max(steps[-1] for steps, _ in curves))}


def arrivals(group: Group, members: pd.DataFrame, paths: Paths) -> list[dict[str, Any]]:
    """One row a run: when it reached the target, between which evaluations, or how long it was seen not to."""
    found = []
    for run in members[["id", "status", "configuration", "origin", "name", "seed"]].itertuples():
        if math.isnan(group.target) or (run.id not in paths and run.status == "ok"):
            continue  # nothing to reach, or nothing seen of a run that ended well
        steps, values = paths.get(run.id, ([], []))
        where = crossing(group.target, steps, values, group.better) if steps else NEVER
        reached = not math.isnan(where.step) and where.step <= group.horizon
        seen = group.horizon if run.status in ITS_OWN_END else min(steps[-1] if steps else 0.0, group.horizon)
        facts = {key: getattr(run, key) for key in ("configuration", "origin", "name", "seed")}
        found.append(
            {
                **{"group": group.label, **facts, "time": where.step if reached else seen, "reached": reached},
                **({"after": where.after, "by": where.by} if reached else {"after": seen, "by": math.inf}),
            }
        )
    return found


def summary(group: Group, mine: list[dict[str, Any]]) -> dict[str, Any]:
    """How many of a technique's runs reached the target, and their times with the others censored, not dropped."""
    if not mine:
        return {"to_target": math.nan, "reached": math.nan}
    count = sum(row["reached"] for row in mine)
    curve = kaplan_meier([row["time"] for row in mine], [row["reached"] for row in mine])
    middle = median_time(curve)
    at = next((row for row in mine if row["time"] == middle and row["reached"]), {"after": math.nan, "by": math.nan})
    return {
        **{"reached": count, "watched": len(mine), "median_step": middle, "after": at["after"], "by": at["by"]},
        "to_target": restricted_mean(curve, group.horizon) if count else math.nan,
    }
