"""The table over all tasks: mean ranks among the techniques that were run on every one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from report.groups import AXES, Group, Triple
from report.stats import average_ranks, dense_ranks, shown

OVERALL = (
    "device",
    "name",
    "label",
    "triple",
    *AXES,
    "tasks",
    "of",
    "mean_rank",
    "rank",
    "difference",
    "wins",
    "failed",
    "seeds",
)


def overall(rows: pd.DataFrame, groups: list[Group], base: Triple | None) -> pd.DataFrame:
    """One row a technique and device, the best first; those not run on all tasks have no mean rank and come last."""
    found: list[dict[str, Any]] = []
    for device in sorted({group.device for group in groups}):
        here = [group for group in groups if group.device == device]
        labels = counted(rows, here)
        everyone = rows[rows["group"].isin([group.label for group in here]) & (rows["kind"] == "technique")]
        mine = everyone[everyone["group"].isin(labels)]
        tasks = mine.groupby("name")["group"].nunique()
        whole = mine[(mine["name"].map(tasks) == len(labels)) & (mine["family"] != "reference")]
        ranks: dict[str, list[float]] = {name: [] for name in sorted(everyone["name"].unique())}
        for _, members in whole.groupby("group"):
            for name, rank in zip(members["name"], average_ranks(members["key"].to_list()), strict=True):
                ranks[name].append(rank)
        base_keys = dict(mine.loc[mine["triple"] == base, ["group", "key"]].to_numpy().tolist())
        first = everyone.drop_duplicates("name").set_index("name", drop=False)
        part = [_summary(first.loc[name], mine[mine["name"] == name], ranks[name], base_keys) for name in ranks]
        placed = [row for row in part if row["mean_rank"] == row["mean_rank"]]
        for row, rank in zip(placed, dense_ranks([float(shown(row["mean_rank"], 3)) for row in placed]), strict=True):
            row["rank"] = rank
        part.sort(key=lambda row: (row.get("rank", math.inf), -row["tasks"], row["name"]))
        found += [{**row, "device": device, "of": len(labels)} for row in part]
    return pd.DataFrame(found, columns=list(OVERALL))


def counted(rows: pd.DataFrame, groups: list[Group]) -> list[str]:
    """One group a task: the one with the most techniques, where versions, data or budgets make several.

    A task with fewer than half the techniques of the fullest one is left out: the ranks of a handful say nothing of
    the rest, and would leave next to no technique that was run everywhere.
    """
    size = rows[rows["kind"] == "technique"].groupby("group")["name"].nunique()
    best = {
        group.task: group.label for group in sorted(groups, key=lambda g: (size.get(g.label, 0), g.version, g.label))
    }
    fullest = max((size.get(label, 0) for label in best.values()), default=0)
    return sorted(label for label in best.values() if 2 * size.get(label, 0) >= fullest)


def _summary(first: pd.Series, mine: pd.DataFrame, ranks: list[float], base_keys: dict[str, Any]) -> dict[str, Any]:
    """The row of one technique: `first` names it, `mine` are its rows on the tasks that count."""
    changes = [
        -math.inf if row.mean_ != row.mean_ else row.difference
        for row in mine.rename(columns={"mean": "mean_"}).itertuples()
    ]
    known = [change for change in changes if not math.isnan(change)]
    return {
        **{key: first[key] for key in ("name", "label", "triple", *AXES)},
        "tasks": mine["group"].nunique(),
        "mean_rank": float(np.mean(ranks)) if ranks else math.nan,
        "difference": float(np.median(known)) if known else math.nan,
        "wins": sum(
            key < base_keys[group] for group, key in zip(mine["group"], mine["key"], strict=True) if group in base_keys
        ),
        "failed": int(mine["failed"].sum()),
        "seeds": int(mine["seeds"].sum()),
    }
