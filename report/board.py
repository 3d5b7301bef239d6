"""The leaderboard as a frame: one row a configuration, beside the answers that need no network.

A score is the mean over the seeds that finished. Failures rank worst: rows with a failed seed come below every row
without one, ordered by the share of failed seeds, and rows that never finished come last.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from report.configurations import configurations
from report.effects import Effect
from report.explained import explained
from report.families import Family, families
from report.frame import GROUP, Frames, chosen, load
from report.groups import AXES, Group, Triple, baseline, groups_of, named
from report.overall import overall
from report.stats import dense_ranks, difference, shown
from report.targets import ARRIVALS, arrivals, goal
from report.versus import VERSUS
from tasks.published import PUBLISHED

BOUNDS = {"entropy floor"}
"""Names among the naive answers that no model can beat: shown at their place, without a rank."""

ROWS = (
    *("group", "kind", "name", "label", "triple", *AXES, "mean", "interval", "best", "worst", *VERSUS),
    *("seeds", "scored", "failed", "failures", "key", "rank", "below", "difference", "gap", "half_life", "half_start"),
    *("parameters", "width", "backend", "ms_cpu", "noisy_cpu", "ms_cuda", "noisy_cuda", "ratio"),
    *("to_target", "reached", "watched", "median_step", "after", "by", "seconds"),
    *("peak_mib", "best_share", "idle", "alarm", "suspect", "machine", "files", "record", "signature"),
)


@dataclass(frozen=True)
class Board:
    """What every table and figure is drawn from."""

    frames: Frames
    baseline: Triple | None
    groups: tuple[Group, ...]
    rows: pd.DataFrame
    overall: pd.DataFrame
    arrivals: pd.DataFrame  # one row a run: when it reached its group's target
    timed_on: dict[str, str]  # device -> label of the machine whose times are shown

    def of(self, group: Group) -> pd.DataFrame:
        """The leaderboard of one group, in order of rank."""
        return self._parts[group.label]

    def row(self, group: Group, configuration: str, origin: str) -> dict[str, Any]:
        """The row of one configuration on one machine."""
        return self._records[group.label, configuration, origin]

    @cached_property
    def _records(self) -> dict[Any, dict[str, Any]]:
        records = self.rows.to_dict("records")
        return {(row["group"], row["configuration"], row["origin"]): row for row in records}

    def arrived(self, group: Group, configuration: str, origin: str) -> pd.DataFrame:
        """The arrivals of one configuration on one machine."""
        return self._arrived.get((group.label, configuration, origin), self.arrivals.iloc[:0])

    @cached_property
    def _arrived(self) -> dict[Any, pd.DataFrame]:
        return dict(list(self.arrivals.groupby(["group", "configuration", "origin"])))

    @cached_property
    def _parts(self) -> dict[str, pd.DataFrame]:
        return dict(list(self.rows.groupby("group", sort=False)))

    def compared(self, group: Group) -> pd.DataFrame:
        """The techniques of one group that stand beside its baseline."""
        rows = self.of(group)
        return rows[(rows["kind"] == "technique") & (rows["family"].fillna("") != "")]

    @cached_property
    def families(self) -> list[Family]:
        """Each axis over all tasks. Computed when a page asks: a terminal does not."""
        return families(self.rows, self.frames.runs, list(self.groups), self.baseline)

    @cached_property
    def explained(self) -> dict[str, list[Effect]]:
        """What explains the scores, by label of a group; groups whose runs all tie are left out."""
        keys = [tuple(getattr(group, part) for part in GROUP) for group in self.groups]
        members = dict(list(self.frames.runs.groupby(list(GROUP))))
        found = {group.label: explained(group, members[key]) for group, key in zip(self.groups, keys, strict=True)}
        return {label: effects for label, effects in found.items() if effects}

    @property
    def techniques(self) -> pd.DataFrame:
        """The rows that were trained."""
        return self.rows[self.rows["kind"] == "technique"]


def board_of(results: Path, matrix: str) -> Board:
    """The board of one matrix."""
    return board(load(results, chosen(results, [matrix])[0]))


def broadest_first(boards: Iterable[Board]) -> list[Board]:
    """In the order of a page: what most techniques were run on is what most readers come for."""
    return sorted(boards, key=lambda one: (-one.techniques["name"].nunique(), one.frames.matrix))


def board(frames: Frames, base: Triple | None = None) -> Board:
    """The board of these frames, against the baseline given, or the centre of the matrix."""
    runs = frames.runs.copy()
    runs["triple"] = list(zip(*(runs[axis] for axis in AXES), strict=True))
    base = base or baseline(runs)
    runs["name"], runs["label"] = named(runs, base)
    machines = _timed_on(frames.times)
    times = {(t.device, t.configuration): t for t in frames.times.itertuples() if machines.get(t.device) == t.machine}
    groups, rows, times_to = [], [], []
    for group, members in groups_of(runs):
        curves = frames.curves[frames.curves["id"].isin(members["id"]) & (frames.curves["split"] == "valid")]
        paths = {run: (c["step"].to_list(), c["value"].to_list()) for run, c in curves.groupby("id")}
        group = replace(group, **goal(members, base, paths, group.better))
        groups.append(group)
        arrived = arrivals(group, members, paths)
        times_to += arrived
        others = [*_naive(group, frames.naive), *_published(group)]
        rows += _ranked([*configurations(group, members, base, arrived, times), *others], group, base)
    table = pd.DataFrame(rows, columns=list(ROWS))
    reached = pd.DataFrame(times_to, columns=list(ARRIVALS))
    return Board(frames, base, tuple(groups), table, overall(table, groups, base), reached, machines)


def _timed_on(times: pd.DataFrame) -> dict[str, str]:
    """The machine that timed the most configurations on each device: times of two machines are never mixed."""
    counts = times.groupby(["device", "machine"])["configuration"].nunique()
    return {device: machine for (device, machine), _ in sorted(counts.items(), key=lambda item: (item[1], item[0]))}


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
    bases = {row["origin"]: row["mean"] for row in rows if row.get("triple") == base and base}
    for row in rows:
        base_mean = bases.get(row.get("origin"), bases.get(group.home, math.nan))
        row["key"] = _key(row, sign)
        row["below"] = row["kind"] == "technique" and bool(naive) and sign * row["mean"] > min(naive)
        row["difference"] = difference(row["mean"], base_mean, group.better) if row["kind"] == "technique" else math.nan
    placed = [row for row in rows if row["kind"] not in ("bound", "published") and row.get("family") != "reference"]
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
