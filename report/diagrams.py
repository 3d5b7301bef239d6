"""The figures over all tasks, one panel an axis: critical differences and performance profiles."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from report import ink
from report.across import not_separated, profile
from report.board import Board
from report.families import Family

TAU = 4.0
WIDTH = 8.6
"""Of the diagram of critical differences, in inches."""


def critical_difference(board: Board) -> Figure:
    """Mean ranks over tasks, the best at the left; a bar joins techniques that the tasks do not separate."""
    found = ranked(board)
    heights = [1.5 + 0.26 * math.ceil(len(each.names) / 2) + 0.12 * len(_bars(each)) for each in found]
    figure = Figure(figsize=(WIDTH + 0.2, sum(heights)), layout="constrained")
    axes = figure.subplots(len(found), 1, squeeze=False, height_ratios=heights)
    for ax, each in zip(axes.flat, found, strict=True):
        _diagram(ax, each, ink.palette(board))
        ax.set_title(_heading(each, found))
    return figure


def ranked(board: Board) -> list[Family]:
    """The families whose techniques do not all tie on every task."""
    return [each for each in board.families if each.ranks and not math.isnan(each.ranks.p)]


def _bars(each: Family) -> list[tuple[float, float]]:
    return not_separated(each.ranks.ranks, each.ranks.critical) if each.ranks else []


def _heading(each: Family, beside: list[Family]) -> str:
    where = f", {each.device}" if len({other.device for other in beside}) > 1 else ""
    return f"{each.axis}{where}: {len(each.names)} techniques, {len(each.tasks)} tasks"


def _diagram(ax: Axes, each: Family, colours: dict[str, str]) -> None:
    """Demsar's: a ruler of ranks, names to either side, bars below the ruler."""
    assert each.ranks is not None
    ranks, critical, count = each.ranks.ranks, each.ranks.critical, len(each.names)
    bars, half, wide = _bars(each), math.ceil(len(each.names) / 2), count - 1
    labels = [ink.short(label, 30) for label in each.labels]
    room = max(1.0, WIDTH - 2 * (ink.wide(labels) + 0.5))  # inches between the names: the ruler, and lines to them
    margin = wide * max(0.5, 0.55 * WIDTH / room - 0.5)
    step = 1 if WIDTH / (wide + 2 * margin) >= 0.2 else 5
    top = 0.45 * len(bars) + 0.9
    for tick in range(1, count + 1):
        ax.plot([tick, tick], [0, 0.3], color="#555555", linewidth=0.8)
        if tick % step == 0 or tick == 1:
            ax.text(tick, 0.45, str(tick), ha="center", va="bottom", fontsize=8)
    ax.plot([1, count], [0, 0], color="#555555", linewidth=0.8)
    for place, (low, high) in enumerate(bars):
        y = -0.45 * (place + 1)
        ax.plot(
            [low - 0.006 * wide, high + 0.006 * wide], [y, y], color="#333333", linewidth=2.4, solid_capstyle="butt"
        )
    for place, (name, label, told, rank) in enumerate(zip(each.names, labels, each.labels, ranks, strict=True)):
        left = place < half
        y = -top - (place if left else count - 1 - place)
        edge = 1 - 0.04 * wide if left else count + 0.04 * wide
        colour = colours.get(name, "#8a8a8a")
        (line,) = ax.plot([rank, rank, edge], [0, y, y], color=colour, linewidth=0.9)
        ink.tip(line, f"{told}: mean rank {rank:.3g}")
        text = f"{label}  {rank:.2f}" if left else f"{rank:.2f}  {label}"
        ax.text(edge - 0.01 * wide if left else edge + 0.01 * wide, y, text, va="center", fontsize=8,
                ha="right" if left else "left", color="#333333")  # fmt: skip
    ruler = f"critical difference {critical:.2f}"
    if critical <= wide:
        ax.plot([1, 1 + critical], [1.9, 1.9], color="#111111", linewidth=1.4, marker="|")
        ax.text(1 + critical + 0.02 * wide, 1.9, ruler, va="center", fontsize=8)
    else:
        ax.text(1, 1.9, f"{ruler}: more than the whole ruler", va="center", fontsize=8)
    ax.set_xlim(1 - margin, count + margin)
    ax.set_ylim(-top - half + 0.2, 2.6)
    ax.set_axis_off()


def profiles(board: Board) -> Figure:
    """For each technique the share of tasks whose target it reached in at most so many times the best time."""
    found = timed(board)
    figure = Figure(
        figsize=({1: 6.4, 2: 8.8}.get(len(found), 11.0), 3.2 * math.ceil(len(found) / 3) + 0.5), layout="constrained"
    )
    axes = figure.subplots(math.ceil(len(found) / 3), min(len(found), 3), squeeze=False, sharey=True)
    colours, text, taus = ink.palette(board), ink.labels(board), np.linspace(1, TAU, 301)
    for ax in axes.flat[len(found) :]:
        ax.remove()
    for ax, each in zip(axes.flat, found, strict=False):
        heights = profile(each.times, taus)
        for name, height in sorted(zip(each.names, heights.T, strict=True), key=lambda line: line[0] in colours):
            style = {"color": ink.OTHER, "linewidth": 0.8} if name not in colours else {"linewidth": 1.7}
            (line,) = ax.plot(taus, height, drawstyle="steps-post", **{"color": colours.get(name), **style})
            ink.tip(line, f"{text.get(name, name)}: {100 * height[-1]:.0f} % of tasks within {TAU:g} times the best")
        ax.set(xlim=(1, TAU), ylim=(-0.03, 1.05), xlabel="times the best number of updates", ylabel="share of tasks")
        ax.set_title(_heading(each, found))
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    names = {name for each in found for name in each.names}
    others = "other techniques" if names - set(colours) else ""
    ink.legend(figure, ink.keys(board, [name for name in colours if name in names], others))
    return figure


def timed(board: Board) -> list[Family]:
    """The families with a target on some task."""
    return [each for each in board.families if not math.isnan(each.scores[0])]
