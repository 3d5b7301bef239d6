"""The figures made of cells, bars and points."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from report import ink
from report.board import Board
from report.groups import Group


def heatmap(board: Board) -> Figure:
    """Technique x task, in % of the baseline; blue is better, orange is worse."""
    names, groups, text = _compared(board), board.groups, ink.labels(board)
    cells = board.techniques.set_index(["name", "group"])
    cells = cells[~cells.index.duplicated()]
    values = cells["difference"].unstack().reindex(index=names, columns=[group.label for group in groups])
    size = np.abs(values.to_numpy()[np.isfinite(values.to_numpy())])
    limit = float(np.clip(np.percentile(size, 90), 1, 100)) if len(size) else 1.0
    height = max(0.31 * len(names), 1.6)
    figure = Figure(figsize=(2.8 + max(0.95 * len(groups), 3), 1.8 + height), layout="constrained")
    ax = figure.subplots()
    colours = sns.diverging_palette(32, 245, s=85, l=50, as_cmap=True)
    # seaborn's heatmap still calls what matplotlib 3.11 is about to drop
    mesh = ax.pcolormesh(values.to_numpy(), cmap=colours, vmin=-limit, vmax=limit, edgecolors="white", linewidth=1)
    label, shrink = "% better than the baseline", min(1.0, 4 / height)
    bar = figure.colorbar(mesh, ax=ax, label=label, shrink=shrink, aspect=14, anchor=(0, 1), extend="both")
    bar.outline.set_visible(False)
    every_one = bool((board.techniques["seeds"] == 1).all())
    for x, group in enumerate(groups):
        for y, name in enumerate(names):
            if (name, group.label) in cells.index:
                _cell(ax, x, y, cells.loc[name, group.label], limit, colours, mark_single=not every_one)
            else:
                ax.text(x + 0.5, y + 0.5, "not run", ha="center", va="center", fontsize=6.5, color="#999999")
    ax.set_xticks(
        np.arange(len(groups)) + 0.5, [group.label for group in groups], rotation=40, ha="left", rotation_mode="anchor"
    )
    ax.set_yticks(np.arange(len(names)) + 0.5, [text[name] for name in names], rotation=0)
    ax.set_ylim(len(names), 0)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(visible=False)
    sns.despine(ax=ax, left=True, bottom=True)
    return figure


def _cell(
    ax: Axes, x: int, y: int, row: pd.Series, limit: float, colours: Callable[..., object], mark_single: bool
) -> None:
    """Number, hatching and mark of one cell."""
    if row["scored"] == 0:
        ax.add_patch(Rectangle((x, y), 1, 1, facecolor="#eeeeee", edgecolor="#777777", hatch="////", linewidth=0))
        back = {"facecolor": "#eeeeee", "edgecolor": "none", "pad": 1}
        ax.text(x + 0.5, y + 0.5, "failed", ha="center", va="center", fontsize=7, color="#111111", bbox=back)
        return
    value = row["difference"]
    mark = (
        f"{row['failed']:.0f}/{row['seeds']:.0f} failed"
        if row["failed"]
        else "n=1"
        if mark_single and row["scored"] == 1
        else ""
    )
    if math.isnan(value):
        ax.text(x + 0.5, y + 0.5, "no baseline", ha="center", va="center", fontsize=6.5, color="#777777")
        return
    share = 0.5 + 0.5 * float(np.clip(value / limit, -1, 1))
    dark = np.dot(to_rgb(colours(share)), (0.299, 0.587, 0.114)) < 0.6  # type: ignore[arg-type]
    number = f"{value:+.1f}" if abs(value) < 100 else f"{value:+.0f}" if abs(value) < 1e4 else "far worse"
    ink_of, pale = ("white", "white") if dark else ("#111111", "#444444")
    ax.text(x + 0.5, y + (0.36 if mark else 0.5), number, ha="center", va="center", fontsize=8, color=ink_of)
    if mark:
        ax.text(x + 0.5, y + 0.76, mark, ha="center", va="center", fontsize=6, color=pale)


def _compared(board: Board) -> list[str]:
    base = "/".join(board.baseline or ())
    return [name for name in ink.order(board) if name != base] or [base]


def half_life(board: Board) -> Figure:
    """How far back the gradient reaches at the end of training, one bar a technique, the median over seeds."""
    names, colours = ink.order(board), ink.palette(board)
    rows = board.techniques.dropna(subset=["half_life"])
    groups = _having(board, rows)
    names = [name for name in names if name in set(rows["name"])]
    figure, axes = ink.panels(groups, height=0.9 + 0.19 * len(names), share_rows=True)
    for ax, group in zip(axes, groups, strict=False):
        mine = rows[rows["group"] == group.label].drop_duplicates("name").set_index("name")["half_life"].reindex(names)
        finite = mine[np.isfinite(mine)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (1.0, 10.0)
        left, right = low / 1.5, high * (high / low) ** 0.25 * 1.6
        for y, (name, value) in enumerate(mine.items()):
            _reach_bar(ax, y, value, left, right, colours.get(name, ink.OTHER))
        ax.set_xscale("log")
        ax.set_xlim(left, right)
        ink.plain_log(ax.xaxis, left, right)
        technique_axis(ax, board, names)
        ax.set_xlabel("gradient half-life, steps back")
    return figure


def _reach_bar(ax: Axes, y: int, value: float, left: float, right: float, colour: str) -> None:
    """One bar with its number at the end."""
    if math.isnan(value):
        ax.annotate("-", (left, y), (4, 0), textcoords="offset points", va="center", fontsize=7, color="#777777")
        return
    ax.barh(y, min(value, right) - left, left=left, height=0.7, color=colour)
    if math.isinf(value):
        light = "#111111" if colour == ink.OTHER else "white"
        ax.annotate(
            "does not decay", (left, y), (4, 0), textcoords="offset points", va="center", fontsize=7, color=light
        )
    else:
        text = f"{value:.1f}" if value < 100 else f"{value:.0f}"
        ax.annotate(text, (value, y), (3, 0), textcoords="offset points", va="center", fontsize=7)


def gap(board: Board) -> Figure:
    """Validation loss minus training loss at the best point: every seed a point, the median a line."""
    named = board.techniques[["configuration", "group", "name"]]
    runs = board.frames.runs.dropna(subset=["gap"]).merge(named, on="configuration", suffixes=("", "_"))
    groups = _having(board, runs)
    names = [name for name in ink.order(board) if name in set(runs["name"])]
    figure, axes = ink.panels(groups, height=0.9 + 0.19 * len(names), share_rows=True)
    colours = ink.palette(board)
    place = {name: y for y, name in enumerate(names)}
    for ax, group in zip(axes, groups, strict=False):
        mine = runs[runs["group"] == group.label]
        left, right = span(mine["gap"])
        ax.axvline(0, color="#777777", linewidth=0.8)
        inside = mine[mine["gap"].between(left, right)]
        shades = [colours.get(name, ink.OTHER) for name in inside["name"]]
        sns.scatterplot(x=inside["gap"], y=inside["name"].map(place), ax=ax, s=16, c=shades, linewidth=0)
        for name, values in mine.loc[~mine.index.isin(inside.index)].groupby("name")["gap"]:
            for edge, outside in ((left, values[values < left]), (right, values[values > right])):
                if len(outside):
                    beyond(ax, place[name], outside.abs().max() * math.copysign(1, edge), edge, colours.get(name))
        medians = mine.groupby("name")["gap"].median()
        middle = medians[medians.between(left, right)]
        rows = np.array([place[name] for name in middle.index])
        strokes = [colours.get(name, "#777777") for name in middle.index]
        ax.vlines(middle.to_numpy(), rows - 0.38, rows + 0.38, color=strokes, linewidth=1.8)
        technique_axis(ax, board, names)
        ax.set_xlim(left, right)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
        ax.set_xlabel("validation loss - training loss")
    return figure


def span(values: pd.Series, far: float = 5.0) -> tuple[float, float]:
    """Where nearly all values lie, zero among them: one exploded run must not squeeze the others into a line.

    Beyond `far` times the distance of the quartiles a value is an arrow at the edge.
    """
    low, high = values.quantile([0.25, 0.75])
    reach = far * (high - low) or abs(high) or 1.0
    left, right = min(0.0, max(values.min(), low - reach)), max(0.0, min(values.max(), high + reach))
    margin = 0.05 * (right - left) or 1.0
    return left - margin, right + margin


def beyond(ax: Axes, y: int, value: float, edge: float, colour: str | None) -> None:
    """An arrow at the edge for what lies beyond it, with the farthest value."""
    right = value > edge
    ax.plot([edge], [y], marker=">" if right else "<", color=colour or ink.OTHER, markersize=4, clip_on=False)
    side, offset = ("right", -5) if right else ("left", 5)
    ax.annotate(f"{value:.2g}", (edge, y), (offset, 0), textcoords="offset points", va="center", ha=side, fontsize=7)


def cost(board: Board) -> Figure:
    """Score against milliseconds a training step, one point a configuration."""
    rows = timed(board)
    groups = _having(board, rows)
    figure, axes = ink.panels(groups)
    colours = ink.palette(board)
    for ax, group in zip(axes, groups, strict=False):
        mine = rows[rows["group"] == group.label]
        mine = mine.iloc[np.argsort(mine["name"].isin(colours).to_numpy(), kind="stable")]  # colour lies over grey
        shades = [colours.get(name, ink.OTHER) for name in mine["name"]]
        sns.scatterplot(
            x=mine[f"ms_{group.device}"], y=mine["mean"], ax=ax, s=34, c=shades, linewidth=0.4, edgecolor="white"
        )
        ink.spread_scale(ax, mine["mean"], group.better)
        ax.set(xlabel=f"ms a step, {group.device}", ylabel=ink.measure(group))
    present = [name for name in colours if name in set(rows["name"])]
    others = "all others" if len(set(rows["name"])) > len(present) else ""
    ink.legend(figure, ink.keys(board, present, others, marker="o", linestyle=""))
    return figure


def failures(board: Board) -> Figure:
    """Failed runs of each technique, by how they ended."""
    named = board.techniques[["configuration", "name"]].drop_duplicates("configuration")
    runs = board.frames.runs[board.frames.runs["status"] != "ok"].merge(named, on="configuration")
    counts = runs.groupby(["name", "status"]).size().unstack(fill_value=0)
    counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    figure = Figure(figsize=(8.8, 1.1 + 0.24 * len(counts)), layout="constrained")
    ax = figure.subplots()
    left = np.zeros(len(counts))
    for status in counts.columns:
        ax.barh(np.arange(len(counts)), counts[status], left=left, height=0.7, color=ink.STATUS.get(status, "#777777"))
        left += counts[status].to_numpy()
    total = board.techniques.groupby("name")["seeds"].sum()
    for y, name in enumerate(counts.index):
        ax.text(left[y], y, f" {left[y]:.0f} of {total[name]:.0f}", va="center", fontsize=8)
    technique_axis(ax, board, list(counts.index))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    ax.set(xlabel="failed runs", xlim=(0, left.max() * 1.15))
    sns.despine(ax=ax)
    ink.legend(figure, [Patch(color=ink.STATUS.get(s, "#777777"), label=s) for s in counts.columns], 6)
    return figure


def technique_axis(ax: Axes, board: Board, names: list[str]) -> None:
    """Techniques from top to bottom, the best first."""
    text = ink.labels(board)
    ax.set_yticks(range(len(names)), [text[name] for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.set_ylabel("")


def _having(board: Board, rows: pd.DataFrame) -> list[Group]:
    present = set(rows["group"])
    return [group for group in board.groups if group.label in present]


def timed(board: Board) -> pd.DataFrame:
    """Scored rows with a time on their own device."""
    device = {group.label: group.device for group in board.groups}
    rows = board.techniques.dropna(subset=["mean"])
    own = [row.get(f"ms_{device[row['group']]}", math.nan) for _, row in rows.iterrows()]
    return rows[pd.Series(own, index=rows.index, dtype=float).notna()]
