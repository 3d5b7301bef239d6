"""The leaderboard as a frame: one row a configuration, beside the answers that need no network.

A score is the mean over the seeds that finished. Failures rank worst: rows with a failed seed come below every row
without one, ordered by the share of failed seeds, and rows that never finished come last.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from report.frame import Frames, chosen, load
from report.groups import AXES, Group, Triple, baseline, groups_of, named
from report.overall import overall
from report.stats import dense_ranks, difference, shown, steps_to, t_interval
from tasks.published import PUBLISHED

Paths = dict[Any, tuple[list[float], list[float]]]  # run id -> steps and validation values
Times = dict[Any, Any]  # (device, configuration) -> row of Frames.times

BOUNDS = {"entropy floor"}
"""Names among the naive answers that no model can beat: shown at their place, without a rank."""

ROWS = (
    *("group", "kind", "name", "label", "triple", *AXES, "configuration", "mean", "interval", "best", "worst"),
    *("seeds", "scored", "failed", "failures", "key", "rank", "below", "difference", "gap", "half_life", "half_start"),
    *("parameters", "width", "backend", "ms_cpu", "noisy_cpu", "ms_cuda", "noisy_cuda", "ratio"),
    *("to_target", "reached", "seconds"),
)


@dataclass(frozen=True)
class Board:
    """What every table and figure is drawn from."""

    frames: Frames
    baseline: Triple | None
    groups: tuple[Group, ...]
    rows: pd.DataFrame
    overall: pd.DataFrame
    timed_on: dict[str, str]  # device -> label of the machine whose times are shown

    def of(self, group: Group) -> pd.DataFrame:
        """The leaderboard of one group, in order of rank."""
        return self.rows[self.rows["group"] == group.label]

    @property
    def techniques(self) -> pd.DataFrame:
        """The rows that were trained."""
        return self.rows[self.rows["kind"] == "technique"]


def board_of(results: Path, matrix: str) -> Board:
    """The board of one matrix."""
    return board(load(results, chosen(results, [matrix])[0]))


def board(frames: Frames) -> Board:
    """The board of these frames."""
    runs = frames.runs.copy()
    runs["triple"] = list(zip(*(runs[axis] for axis in AXES), strict=True))
    base = baseline(runs)
    runs["name"], runs["label"] = named(runs, base)
    machines = _timed_on(frames.times)
    times = {(t.device, t.configuration): t for t in frames.times.itertuples() if machines.get(t.device) == t.machine}
    groups, rows = [], []
    for group, members in groups_of(runs):
        curves = frames.curves[frames.curves["id"].isin(members["id"]) & (frames.curves["split"] == "valid")]
        paths = {run: (c["step"].to_list(), c["value"].to_list()) for run, c in curves.groupby("id")}
        target = _target(members, base, paths, group.better)
        group = Group(**{**vars(group), "target": target})
        groups.append(group)
        others = [*_naive(group, frames.naive), *_published(group)]
        rows += _ranked([*_configurations(group, members, paths, times), *others], group, base)
    table = pd.DataFrame(rows, columns=list(ROWS))
    return Board(frames, base, tuple(groups), table, overall(table, groups, base), machines)


def _timed_on(times: pd.DataFrame) -> dict[str, str]:
    """The machine that timed the most configurations on each device: times of two machines are never mixed."""
    counts = times.groupby(["device", "machine"])["configuration"].nunique()
    return {device: machine for (device, machine), _ in sorted(counts.items(), key=lambda item: (item[1], item[0]))}


def _target(members: pd.DataFrame, base: Triple | None, paths: Paths, better: str) -> float:
    """The median over seeds of the best validation value the baseline reached."""
    ids = members.loc[(members["triple"] == base) & (members["status"] == "ok"), "id"]
    best = np.nanmin if better == "lower" else np.nanmax
    reached = [float(best(paths[i][1])) for i in ids if i in paths and not np.isnan(paths[i][1]).all()]
    return float(np.median(reached)) if reached else math.nan


def _configurations(group: Group, members: pd.DataFrame, paths: Paths, times: Times) -> Iterable[dict[str, Any]]:
    for _, seeds in members.groupby("configuration"):
        first, good = seeds.iloc[0], seeds[seeds["status"] == "ok"]
        mean, interval = t_interval(good["score"].to_list())
        ends = (good["score"].min(), good["score"].max())
        best, worst = ends if group.better == "lower" else ends[::-1]
        curves = [paths[run] for run in good["id"] if run in paths]
        steps = [steps_to(group.target, *curve, better=group.better) for curve in curves]
        reached = [step for step in steps if not math.isnan(step)]
        kinds = Counter(seeds.loc[seeds["status"] != "ok", "status"])
        row = {
            "group": group.label,
            "kind": "technique",
            **{key: first[key] for key in ("name", "label", "triple", *AXES, "configuration")},
            **{"mean": mean, "interval": interval, "best": best, "worst": worst},
            **{"seeds": len(seeds), "scored": len(good), "failed": len(seeds) - len(good)},
            "failures": ", ".join(
                kind if len(kinds) == 1 else f"{count} {kind}" for kind, count in sorted(kinds.items())
            ),
            "gap": good["gap"].mean(),
            "half_life": _median(good["half_end"]),
            "half_start": _median(good["half_start"]),
            **{key: _last(seeds[key]) for key in ("parameters", "width", "backend")},
            **_times(first, group.device, times),
            "to_target": float(np.median(reached)) if reached else math.nan,
            "reached": math.nan if math.isnan(group.target) else len(reached),
        }
        yield {**row, "seconds": row["to_target"] * row.get(f"ms_{group.device}", math.nan) / 1000}


def _median(values: pd.Series) -> float:
    """The median, where infinity counts as the largest value."""
    known = values.dropna().to_list()
    return float(np.median(known)) if known else math.nan


def _last(values: pd.Series) -> Any:
    """The value of the seeds that have one."""
    known = [value for value in values.to_list() if value not in ("", None) and value == value]
    return max(known) if known else None


def _times(run: pd.Series, device: str, times: Times) -> dict[str, Any]:
    """Milliseconds a step on each device, and the ratio to nn.LSTM on the group's own; absent where not timed."""
    found: dict[str, Any] = {}
    for name in ("cpu", "cuda"):
        timed = times.get((name, run["configuration"] if name == device else run[name]))
        if timed is not None:
            found |= {f"ms_{name}": timed.ms, f"noisy_{name}": timed.noisy}
            found |= {"ratio": timed.ratio} if name == device else {}
    return found


def _naive(group: Group, naive: pd.DataFrame) -> Iterable[dict[str, Any]]:
    same = (
        (naive["task"] == group.task)
        & (naive["version"] == group.version)
        & (naive["fingerprint"] == group.fingerprint)
    )
    for name, score in naive[same].groupby("name")["score"].first().items():
        kind = "bound" if name in BOUNDS else "naive"
        yield {"group": group.label, "kind": kind, "name": name, "label": name, "mean": score, "failed": 0}


def _published(group: Group) -> Iterable[dict[str, Any]]:
    for name, score in PUBLISHED.get(group.task, {}).items():
        yield {"group": group.label, "kind": "published", "name": name, "label": name, "mean": score, "failed": 0}


def _ranked(rows: list[dict[str, Any]], group: Group, base: Triple | None) -> list[dict[str, Any]]:
    """The rows in order, each with its rank, whether it loses to a naive row, and its difference to the baseline."""
    sign = 1 if group.better == "lower" else -1
    naive = [sign * row["mean"] for row in rows if row["kind"] == "naive"]
    base_mean = next((row["mean"] for row in rows if row.get("triple") == base and base), math.nan)
    for row in rows:
        row["key"] = _key(row, sign)
        row["below"] = row["kind"] == "technique" and bool(naive) and sign * row["mean"] > min(naive)
        row["difference"] = difference(row["mean"], base_mean, group.better) if row["kind"] == "technique" else math.nan
    placed = [row for row in rows if row["kind"] not in ("bound", "published")]
    for row, rank in zip(placed, dense_ranks([row["key"] for row in placed]), strict=True):
        row["rank"] = rank
    return sorted(
        rows, key=lambda row: (row["key"], row["kind"] == "technique", row["name"], str(row.get("configuration")))
    )


def _key(row: dict[str, Any], sign: int) -> tuple[int, float, float]:
    """What rows are ordered by: rows that show the same score share it."""
    if math.isnan(row["mean"]):
        return 2, 1.0, 0.0
    share = row["failed"] / row["seeds"] if row["failed"] else 0.0
    return int(share > 0), share, sign * float(shown(row["mean"]))
