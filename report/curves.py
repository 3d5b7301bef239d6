"""The figures made of lines: learning curves and gradient norms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from report import ink
from report.board import Board
from report.stats import shown
from report.survival import kaplan_meier

FLOOR = 1e-8
"""A gradient this much smaller has vanished: float32 would not add it to a weight. Lines leave the panel there."""


def learning(board: Board) -> Figure:
    """Validation metric against steps: the baseline and the best in colour, each seed thin, the median thick."""
    return _curves(board, _joined(board, _validation(board)), "step", "updates", "updates")


def seconds(board: Board) -> Figure:
    """The same against seconds of training: what a technique costs a step moves its whole curve."""
    return _curves(board, timed_curves(board), "seconds", "seconds of training", "s")


def _curves(board: Board, points: pd.DataFrame, x: str, label: str, unit: str) -> Figure:
    groups, points = ink.drawn(board, points)
    figure, axes = ink.panels(groups)
    colours, bold = ink.palette(board), ink.among(ink.best(board), points["name"])
    text, middles = ink.labels(board), _medians(points, ["group", "name"], x, "value")
    for ax, group in zip(axes, groups, strict=False):
        mine = points[points["group"] == group.label]
        for name in back_to_front(mine, bold):
            middle = middles[group.label, name]
            if name in bold and x == "step":  # against seconds the medians are enough
                for _, seed in mine[mine["name"] == name].groupby("id"):
                    ax.plot(*_line(seed[x], seed["value"]), color=colours[name], linewidth=0.6, alpha=0.5)
            thin: dict[str, Any] = {"color": ink.OTHER, "linewidth": 0.5, "zorder": 1}
            style = {"color": colours[name], "linewidth": 1.5} if name in bold else thin
            (line,) = ax.plot(*_line(middle.index, middle), **style)
            ink.tip(line, f"{text[name]}: {_last(middle)} after {middle.index[-1]:.4g} {unit}")
        ink.spread_scale(ax, mine["value"], group.better, float(mine.loc[mine["name"].isin(bold), "value"].max()))
        if not np.isnan(group.target):
            ax.axhline(group.target, color="#555555", linewidth=0.9, linestyle=":")
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.set(xlabel=label, ylabel=f"validation {ink.measure(group)}")
    others = "other techniques" if len(set(points["name"])) > len(bold) else ""
    ink.legend(figure, ink.keys(board, bold, others))
    return figure


def _last(middle: pd.Series) -> str:
    return shown(float(middle.iloc[-1]))


def timed_curves(board: Board) -> pd.DataFrame:
    """Validation points of techniques that were timed on their own device, with the seconds of training until each."""
    points = _joined(board, _validation(board))
    device = {group.label: group.device for group in board.groups}
    rows = board.techniques.drop_duplicates("configuration").set_index("configuration")
    ms = {key: row.get(f"ms_{device[row['group']]}", np.nan) for key, row in rows.iterrows()}
    return points.assign(seconds=points["step"] * points["configuration"].map(ms) / 1000).dropna(subset=["seconds"])


def _validation(board: Board) -> pd.DataFrame:
    return board.frames.curves[board.frames.curves["split"] == "valid"].dropna(subset=["value"])


def arrivals(board: Board) -> Figure:
    """The share of runs that have not reached the target yet, against updates: a line that falls early is fast."""
    points = board.arrivals
    groups, points = ink.drawn(board, points)
    figure, axes = ink.panels(groups)
    colours, bold = ink.palette(board), ink.among(ink.best(board), points["name"])
    text = ink.labels(board)
    for ax, group in zip(axes, groups, strict=False):
        mine = points[points["group"] == group.label]
        parts = dict(list(mine.groupby("name")))
        for name in back_to_front(mine, bold):
            part = parts[name]
            curve = kaplan_meier(part["time"].to_list(), part["reached"].to_list())
            x, y = [0.0, *curve.times, group.horizon], [1.0, *curve.shares, (1.0, *curve.shares)[-1]]
            style: dict[str, Any] = {"linewidth": 1.6} if name in bold else {"linewidth": 0.6, "zorder": 1}
            colour = colours[name] if name in bold else ink.OTHER
            (line,) = ax.plot(x, y, drawstyle="steps-post", color=colour, **style)
            ink.tip(line, f"{text[name]}: {part['reached'].sum()} of {len(part)} runs reached the target")
        ax.set(xlabel="updates", ylabel="share not there yet", ylim=(-0.03, 1.05))
        ax.xaxis.set_major_locator(MaxNLocator(5))
    others = "other techniques" if len(set(points["name"])) > len(bold) else ""
    ink.legend(figure, ink.keys(board, bold, others))
    return figure


def gradients(board: Board) -> Figure:
    """Gradient norm against distance, relative to distance 0: dashed at the start of training, solid at its end."""
    points = relative_norms(board)
    groups, points = ink.drawn(board, points)
    figure, axes = ink.panels(groups)
    colours, text = ink.palette(board), ink.labels(board)
    bold = ink.among(colours, points["name"])
    middles = _medians(points, ["group", "name", "when"], "distance", "relative")
    for ax, group in zip(axes, groups, strict=False):
        mine = points[points["group"] == group.label]
        for name in back_to_front(mine, bold):
            for when in ("end", "start"):
                if (group.label, name, when) in middles and (name in bold or when == "end"):
                    middle = middles[group.label, name, when]
                    (line,) = ax.plot(
                        *_line(middle.index, middle, 40 if name in bold else 20), **_style(colours.get(name), when)
                    )
                    ink.tip(line, f"{text[name]}, {when}: {middle.iloc[-1]:.2g} at {middle.index[-1]} steps back")
        low, high = max(float(mine["relative"].min()), FLOOR), float(mine["relative"].max())
        ax.set_yscale("log")
        ax.set_ylim(low / 1.5, max(high, 1.0) * 1.5)
        ink.plain_log(ax.yaxis, low, max(high, 10 * low))
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.set(xlabel="steps back from the last frame", ylabel="gradient norm, relative")
    others = "other techniques" if len(set(points["name"])) > len(bold) else ""
    sides = [
        Line2D([], [], color="#555555", linestyle="--", label="start of training"),
        Line2D([], [], color="#555555", linestyle="-", label="end"),
    ]
    ink.legend(figure, [*ink.keys(board, bold, others), *sides])
    return figure


def relative_norms(board: Board) -> pd.DataFrame:
    """Gradient norms of architectures and stabilisations, each divided by its value at the last frame."""
    points = _joined(board, board.frames.gradients)
    if board.baseline:  # what an update rule does to gradients shows in the half-lives
        same = points["triple"].map(lambda triple: triple[2]) == board.baseline[2]
        points = points[same] if same.any() else points
    first = points[points["distance"] == 0].set_index(["id", "when"])["norm"]
    keys = pd.MultiIndex.from_frame(points[["id", "when"]])
    points = points.assign(relative=points["norm"].to_numpy() / first[first > 0].reindex(keys).to_numpy())
    return points[points["relative"] > FLOOR / 100]


def _style(colour: str | None, when: str) -> dict[str, Any]:
    if colour is None:
        return {"color": ink.OTHER, "linewidth": 0.6, "zorder": 1}
    return (
        {"color": colour, "linewidth": 1.1, "linestyle": "--", "alpha": 0.7}
        if when == "start"
        else {"color": colour, "linewidth": 1.8}
    )


def _joined(board: Board, points: pd.DataFrame) -> pd.DataFrame:
    """Points with the group and technique of their run."""
    named = board.techniques[["configuration", "group", "name", "triple"]].drop_duplicates("configuration")
    runs = board.frames.runs[["id", "configuration"]].merge(named, on="configuration")
    return points.merge(runs, on="id")


def back_to_front(points: pd.DataFrame, bold: list[str]) -> list[str]:
    """Techniques of these points: grey ones first, then the others, the baseline on top."""
    place = {name: -position for position, name in enumerate(bold)}
    return sorted(points["name"].unique(), key=lambda name: (place.get(name, -len(bold)), name))


def _medians(points: pd.DataFrame, keys: list[str], x: str, y: str) -> dict[tuple[str, ...], pd.Series]:
    """By the values of `keys`, the median over seeds at each x, as far as at least half of the seeds go: early
    stopping ends some sooner."""
    table = points.groupby([*keys, x])[y].agg(["median", "count"])
    whole = table.groupby(level=keys)["count"].transform("max")
    kept = table.loc[table["count"] * 2 >= whole, "median"].reset_index(x)
    return {key: pd.Series(part["median"].to_numpy(), part[x].to_numpy()) for key, part in kept.groupby(level=keys)}


def _line(x: pd.Series | pd.Index, y: pd.Series, points: int = 40) -> tuple[np.ndarray, np.ndarray]:
    keep = ink.thinned(x.to_numpy(), points)
    return x.to_numpy()[keep], y.to_numpy()[keep]
