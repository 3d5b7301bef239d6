"""The figures made of cells, bars and points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from report import ink
from report.board import Board
from report.comparison import SEEDS
from report.stats import shown


def heatmap(board: Board) -> Figure:
    """Technique x task, in % of the baseline; blue is better, orange is worse."""
    names, groups, text = _compared(board), board.groups, ink.labels(board)
    rows = board.techniques.drop_duplicates(["name", "group"])
    cells = {(row["name"], row["group"]): row for row in rows.to_dict("records")}
    size = rows["difference"].abs()[np.isfinite(rows["difference"])]
    limit = float(np.clip(np.percentile(size, 90), 1, 100)) if len(size) else 1.0
    height = max(0.31 * len(names), 1.6)
    above, beside = [ink.short(group.label) for group in groups], [text[name] for name in names]
    leaning = 0.8 * ink.wide(above)  # names of tasks stick out to the right of the last column, and above all
    figure = Figure(
        figsize=(1.1 + ink.wide(beside) + max(0.74 * len(groups), 3) + leaning, 0.6 + leaning + height),
        layout="constrained",
    )
    ax = figure.subplots()
    colours = sns.diverging_palette(32, 245, s=85, l=50, as_cmap=True)
    mesh = ScalarMappable(Normalize(-limit, limit), colours)
    label, shrink = "% better than the baseline", min(1.0, 4 / height)
    bar = figure.colorbar(mesh, ax=ax, label=label, shrink=shrink, aspect=14, anchor=(0, 1), extend="both")
    bar.outline.set_visible(False)
    written = len(names) * len(groups) <= NUMBERS
    for x, group in enumerate(groups):
        for y, name in enumerate(names):
            if (name, group.label) in cells:
                _cell(ax, (x, y), cells[name, group.label], mesh, f"{text[name]} on {group.label}", written)
            else:
                ax.text(x + 0.5, y + 0.5, "not run", fontsize=7.5, color="#777777", **MIDDLE)
    ax.set_xlim(0, len(groups))
    ax.set_xticks(np.arange(len(groups)) + 0.5, above, rotation=40, ha="left", rotation_mode="anchor")
    ax.set_yticks(np.arange(len(names)) + 0.5, beside, rotation=0)
    ax.set_ylim(len(names), 0)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(visible=False)
    sns.despine(ax=ax, left=True, bottom=True)
    return figure


FEW = 0.35
"""How much colour is left to a cell of fewer seeds than an interval needs."""


NUMBERS = 1_000
"""In more cells nobody reads numbers, and writing them takes longer than the rest of the figure."""

MIDDLE: dict[str, Any] = {"ha": "center", "va": "center", "in_layout": False}


def _cell(
    ax: Axes, place: tuple[int, int], row: dict[str, Any], colours: ScalarMappable, label: str, written: bool
) -> None:
    """Number, hatching and mark of one cell; pale where there are too few seeds."""
    x, y = place
    value, few = row["difference"], 0 < row["scored"] < SEEDS
    patch = Rectangle((x, y), 1, 1, facecolor="#eeeeee", edgecolor="white", linewidth=1)
    ax.add_patch(patch)
    seeds = f"{row['scored']:.0f} of {row['seeds']:.0f} seeds"
    if row["scored"] == 0:
        patch.set(hatch="////", edgecolor="#777777", linewidth=0)
        ink.tip(patch, f"{label}: {row['failures']}, {seeds}")
        back = {"facecolor": "#efefef", "edgecolor": "none", "pad": 1}
        ax.text(x + 0.5, y + 0.5, "failed", fontsize=7.5, color=ink.ON_COLOUR, bbox=back, **MIDDLE)
        return
    ink.tip(patch, f"{label}: {shown(row['mean'])}, {_percent(value)}, {seeds}")
    if math.isnan(value):
        ax.text(x + 0.5, y + 0.5, "no baseline", fontsize=7.5, color=ink.ON_COLOUR, **MIDDLE)
        return
    colour = np.asarray(colours.to_rgba(value)[:3])
    colour = FEW * colour + 1 - FEW if few else colour
    patch.set_facecolor(tuple(colour))
    if not written:
        return
    dark = ink.dark(colour)
    number = f"{value:+.1f}" if abs(value) < 100 else f"{value:+.0f}" if abs(value) < 1e4 else "far worse"
    mark = (
        f"{row['failed']:.0f}/{row['seeds']:.0f} failed" if row["failed"] else f"n={row['scored']:.0f}" if few else ""
    )
    ink_of = "white" if dark else ink.ON_COLOUR
    ax.text(
        x + 0.5, y + (0.33 if mark else 0.5), number, fontsize=8 if len(number) < 7 else 7.5, color=ink_of, **MIDDLE
    )
    if mark:
        ax.text(x + 0.5, y + 0.77, mark, fontsize=7.5, color=ink_of, **MIDDLE)


def _percent(value: float) -> str:
    return "no baseline to compare with" if math.isnan(value) else f"{value:+.3g} % of the baseline, + is better"


def _compared(board: Board) -> list[str]:
    base = "/".join(board.baseline or ())
    return [name for name in ink.order(board) if name != base] or [base]


INSIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 7.5, "in_layout": False}
"""A number inside a panel: the layout need not ask it for its size, which is most of the work of a large figure."""


def half_life(board: Board) -> Figure:
    """How far back the gradient reaches at the end of training, one bar a technique, the median over seeds."""
    colours, text = ink.palette(board), ink.labels(board)
    rows = board.techniques.dropna(subset=["half_life"])
    groups, rows = ink.drawn(board, rows, ink.room(rows["name"].nunique()))
    ran = {group: set(rows.loc[rows["group"] == group.label, "name"]) for group in groups}
    figure, panels = ink.by_technique(ink.order(board), ran)
    for ax, group, names in panels:
        mine = rows[rows["group"] == group.label].drop_duplicates("name").set_index("name")["half_life"].reindex(names)
        finite = mine[np.isfinite(mine)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (1.0, 10.0)
        left, right = low / 1.5, high * (high / low) ** 0.25 * 1.6
        for y, (name, value) in enumerate(mine.items()):
            _reach_bar(ax, y, value, left, right, colours.get(name, ink.OTHER), text[name])
        ax.set_xscale("log")
        ax.set_xlim(left, right)
        ink.plain_log(ax.xaxis, left, right)
        technique_axis(ax, board, names)
        ax.set_xlabel("gradient half-life, steps back")
    return figure


def _reach_bar(ax: Axes, y: int, value: float, left: float, right: float, colour: str, label: str) -> None:
    """One bar with its number at the end."""
    if math.isnan(value):
        ax.annotate("-", (left, y), (4, 0), color="#777777", **INSIDE)
        return
    (bar,) = ax.barh(y, min(value, right) - left, left=left, height=0.7, color=colour, linewidth=0)
    ink.tip(bar, f"{label}: {'does not decay' if math.isinf(value) else f'{value:.4g} steps'}")
    if math.isinf(value):
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # in both themes readable on any colour
        ax.annotate("does not decay", (left, y), (5, 0), bbox=paper, **INSIDE)
    else:
        text = f"{value:.1f}" if value < 100 else f"{value:.0f}"
        ax.annotate(text, (value, y), (3, 0), **INSIDE)


def gap(board: Board) -> Figure:
    """Validation loss minus training loss at the best point: every seed a point, the median a line."""
    figure, panels = _by_technique(board, board.frames.runs.assign(value=board.frames.runs["gap"]))
    for ax, mine in panels:
        left, right = span(mine["value"])
        ax.axvline(0, color="#777777", linewidth=0.8)
        ax.set_xlim(left, right)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
        ax.set_xlabel("validation loss - training loss")
        _seeds(ax, board, mine, left, right)
    return figure


def best_update(board: Board) -> Figure:
    """After which share of its updates a run's validation loss was lowest: every seed a point, the median a line."""
    runs = board.frames.runs
    figure, panels = _by_technique(board, runs.assign(value=100 * runs["best_step"] / runs["steps"]))
    for ax, mine in panels:
        ax.set_xlim(-4, 104)
        ax.set_xlabel("best validation loss, after % of updates")
        _seeds(ax, board, mine, -4, 104)
    return figure


def _by_technique(board: Board, runs: pd.DataFrame) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """A panel a group, a line a technique, and the runs of each panel with `value`, `y`, `label` and `shade`."""
    named = board.techniques[["configuration", "group", "name", "label"]].drop_duplicates("configuration")
    runs = runs.dropna(subset=["value"]).merge(named, on="configuration")
    groups, runs = ink.drawn(board, runs, ink.room(runs["name"].nunique()))
    colours = ink.palette(board)
    runs = runs.assign(shade=[colours.get(name, ink.OTHER) for name in runs["name"]])
    by_group = {group: runs[runs["group"] == group.label] for group in groups}
    figure, panels = ink.by_technique(ink.order(board), {group: set(mine["name"]) for group, mine in by_group.items()})
    found = []
    for ax, group, names in panels:
        technique_axis(ax, board, names)
        place = {name: y for y, name in enumerate(names)}
        found.append((ax, by_group[group].assign(y=by_group[group]["name"].map(place))))
    return figure, found


def _seeds(ax: Axes, board: Board, mine: pd.DataFrame, left: float, right: float) -> None:
    """The points of one panel and their medians; an arrow at the edge for what lies beyond it."""
    inside = mine[mine["value"].between(left, right)]
    points = ax.scatter(inside["value"], inside["y"], s=16, c=inside["shade"].to_list(), linewidth=0)
    ink.tip(points, *(f"{run.label}, seed {run.seed:.0f}: {run.value:.4g}" for run in inside.itertuples()))
    for (y, shade), values in mine.loc[~mine.index.isin(inside.index)].groupby(["y", "shade"])["value"]:
        for edge, outside in ((left, values[values < left]), (right, values[values > right])):
            if len(outside):
                beyond(ax, y, outside.abs().max() * math.copysign(1, edge), edge, shade)
    medians = mine.groupby(["y", "shade"])["value"].median().reset_index()
    middle = medians[medians["value"].between(left, right)]
    strokes = ["#777777" if shade == ink.OTHER else shade for shade in middle["shade"]]
    ax.vlines(middle["value"].to_numpy(), middle["y"] - 0.38, middle["y"] + 0.38, color=strokes, linewidth=1.8)


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
    number = f"{value:.0f}" if 100 <= abs(value) < 1e5 else f"{value:.2g}"
    ax.annotate(number, (edge, y), (offset, 0), ha=side, **INSIDE)


def failures(board: Board) -> Figure:
    """Failed runs of each technique, by how they ended."""
    named = board.techniques[["configuration", "name"]].drop_duplicates("configuration")
    runs = board.frames.runs[board.frames.runs["status"] != "ok"].merge(named, on="configuration")
    counts = runs.groupby(["name", "status"]).size().unstack(fill_value=0)
    counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    figure = Figure(figsize=(8.8, 1.1 + 0.24 * len(counts)), layout="constrained")
    ax = figure.subplots()
    left, text = np.zeros(len(counts)), ink.labels(board)
    for status in counts.columns:
        bars = ax.barh(
            np.arange(len(counts)),
            counts[status],
            left=left,
            height=0.7,
            color=ink.STATUS.get(status, "#777777"),
            linewidth=0,
        )
        for bar, name, count in zip(bars, counts.index, counts[status], strict=True):
            ink.tip(bar, f"{text[name]}: {count} {status}")
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
