"""What a score costs: time, parameters, memory, and CPU beside CUDA."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from report import ink
from report.board import Board
from report.findings import plural
from report.stats import shown
from report.tables import Line, Table, absent


def timed(board: Board) -> pd.DataFrame:
    """Scored rows with a time on their own device, as `ms`."""
    device = {group.label: group.device for group in board.groups}
    rows = board.techniques.dropna(subset=["mean"])
    own = [row.get(f"ms_{device[row['group']]}", math.nan) for _, row in rows.iterrows()]
    return rows.assign(ms=pd.Series(own, index=rows.index, dtype=float)).dropna(subset=["ms"])


def front(rows: pd.DataFrame, better: str) -> pd.DataFrame:
    """The rows that no other beats in both score and time, the fastest first (Pareto)."""
    ordered = rows.sort_values(["ms", "mean"], ascending=[True, better == "lower"], kind="stable")
    best = ordered["mean"].cummin() if better == "lower" else ordered["mean"].cummax()
    return ordered[(ordered["mean"] == best) & ~best.duplicated()]


def pareto(board: Board) -> Figure:
    """Score against milliseconds a training step, one point a configuration; the line joins the Pareto front."""
    rows = timed(board)
    figure, axes = ink.panels(groups := ink.having(board, rows))
    colours = ink.palette(board)
    for ax, group in zip(axes, groups, strict=False):
        mine = rows[rows["group"] == group.label]
        mine = mine.iloc[np.argsort(mine["name"].isin(colours).to_numpy(), kind="stable")]  # colour lies over grey
        best = front(mine, group.better)
        ax.plot(best["ms"], best["mean"], drawstyle="steps-post", color="#555555", linewidth=0.9, linestyle=":")
        shades = [colours.get(name, ink.OTHER) for name in mine["name"]]
        points = ax.scatter(mine["ms"], mine["mean"], s=34, c=shades, linewidth=0.4, edgecolor="white")
        ink.tip(points, *(f"{r.label}: {shown(r.mean_)} at {shown(r.ms, 3)} ms a step"
                          for r in mine.rename(columns={"mean": "mean_"}).itertuples()))  # fmt: skip
        ink.spread_scale(ax, mine["mean"], group.better)
        _above(ax, mine, shades)
        ax.set(xlabel=f"ms a step, {group.device}", ylabel=ink.measure(group))
    _legend(figure, board, rows)
    return figure


def _legend(figure: Figure, board: Board, rows: pd.DataFrame) -> None:
    """The techniques that have a colour, and grey for the rest."""
    present = ink.among(ink.palette(board), rows["name"])
    others = "all others" if len(set(rows["name"])) > len(present) else ""
    ink.legend(figure, ink.keys(board, present, others, marker="o", linestyle=""))


def _above(ax: Axes, rows: pd.DataFrame, shades: list[str]) -> None:
    """An arrow at the top for each score that is above the panel, which an exploded run does not stretch."""
    top = ax.get_ylim()[1]
    for row, shade in zip(rows.to_dict("records"), shades, strict=True):
        if row["mean"] > top:
            (arrow,) = ax.plot([row["ms"]], [top], marker="^", color=shade, markersize=5, clip_on=False)
            ink.tip(arrow, f"{row['label']}: {shown(row['mean'])} at {shown(row['ms'], 3)} ms a step")


def said(board: Board) -> str:
    """The range of times over nn.LSTM, and who is on the front of how many tasks."""
    rows, ratio = timed(board), board.techniques["ratio"].dropna().astype(float)
    fronts = [front(rows[rows["group"] == group.label], group.better) for group in ink.having(board, rows)]
    counts = pd.concat(fronts)["label"].value_counts()
    often = sorted(counts.index[counts == counts.max()])
    names = ", ".join(often[:3]) + (f" and {len(often) - 3} more" if len(often) > 3 else "")
    told = f"On the Pareto front of most tasks ({counts.max()} of {len(fronts)}): {names}."
    if ratio.empty:
        return told
    low, middle, high = (shown(float(value), 3) for value in (ratio.min(), np.median(ratio), ratio.max()))
    return f"{told} A step takes {low} to {high} times (median {middle}) as long as with nn.LSTM of the same shape."


def no_times(board: Board) -> str:
    """Why there is no time to draw."""
    return "" if len(timed(board)) else "no configuration with a score has been timed on its device"


HEADS = ("technique", "parameters", "width", "peak MiB", "ms/step cpu", "ms/step cuda", "× nn.LSTM", "back end")


def cost_tables(board: Board) -> list[tuple[str, Table]]:
    """For each group what each technique costs."""
    found = []
    for group in board.groups:
        rows = board.of(group)
        rows = rows[rows["kind"] == "technique"]
        lines = tuple(Line("technique", _cells(row)) for row in rows.to_dict("records"))
        notes = ["peak MiB: the most memory that a worker process held so far, libraries and earlier runs included."]
        if rows["ms_cuda"].isna().all():
            notes.append("CUDA: not measured.")
        found.append((group.label, Table(HEADS, (True, *[False] * 6, True), lines, tuple(notes))))
    return found


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    def told(key: str, digits: int = 0) -> str:
        value = row[key]
        return "" if absent(value) else shown(float(value), digits) if digits else f"{value:.0f}"

    numbers = (told("parameters"), told("width"), told("peak_mib"), told("ms_cpu", 3), told("ms_cuda", 3))
    return row["label"], *numbers, told("ratio", 3), "" if absent(row["backend"]) else str(row["backend"])


def both(board: Board) -> pd.DataFrame:
    """Configurations timed on both devices."""
    return board.techniques.dropna(subset=["ms_cpu", "ms_cuda"]).drop_duplicates(["name", "group"])


def devices(board: Board) -> Figure:
    """Milliseconds a step on CUDA against those on the CPU; below the dotted line CUDA is faster."""
    rows = both(board)
    figure, axes = ink.panels(groups := ink.having(board, rows))
    colours = ink.palette(board)
    for ax, group in zip(axes, groups, strict=False):
        mine = rows[rows["group"] == group.label]
        low, high = (float(f(mine[["ms_cpu", "ms_cuda"]].astype(float).to_numpy())) for f in (np.min, np.max))
        low, high = low / 1.3, high * 1.3
        ax.plot([low, high], [low, high], color="#555555", linewidth=0.9, linestyle=":")
        points = ax.scatter(
            mine["ms_cpu"].astype(float), mine["ms_cuda"].astype(float), s=34, linewidth=0.4, edgecolor="white",
            c=[colours.get(name, ink.OTHER) for name in mine["name"]],
        )  # fmt: skip
        ink.tip(points, *(f"{row.label}: {shown(row.ms_cpu, 3)} ms on the CPU, {shown(row.ms_cuda, 3)} ms on CUDA"
                          for row in mine.itertuples()))  # fmt: skip
        ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
        for axis in (ax.xaxis, ax.yaxis):
            ink.plain_log(axis, low, high)
        ax.set(xlabel="ms a step, CPU", ylabel="ms a step, CUDA")
    _legend(figure, board, rows)
    return figure


def faster(board: Board) -> str:
    """On how many configurations CUDA is faster, and by how much."""
    rows = both(board)
    ratio = (rows["ms_cpu"] / rows["ms_cuda"]).astype(float)
    return (
        f"CUDA is faster on {int((ratio > 1).sum())} of {plural(len(rows), 'configuration')}; the CPU takes "
        f"{shown(float(ratio.min()), 3)} to {shown(float(ratio.max()), 3)} times as long."
    )


def no_devices(board: Board) -> str:
    """Why CPU and CUDA cannot be compared."""
    return "" if len(both(board)) else "CUDA was not measured"
