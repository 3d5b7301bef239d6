"""Two figures of evidence: gains with their intervals, and what explains the scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from report import ink
from report.board import Board
from report.groups import Group
from report.marks import beyond, span, technique_axis
from report.stats import shown, signed
from report.versus import BETTER, EQUIVALENT, SAME, WORSE

MARKS = {BETTER: "#0072b2", WORSE: "#d55e00", EQUIVALENT: "#009e73", SAME: "#009e73", "": "#777777"}
WORDS = {BETTER: "better", WORSE: "worse", EQUIVALENT: "equivalent", "": "not separated"}
PARTS = ("#0072b2", "#d55e00", "#009e73", "#56b4e9", "#e69f00", "#cc79a7", "#8c564b", "#dddddd")


def forest(board: Board) -> Figure:
    """Gain on the baseline over shared seeds with its 95 % interval; the green band is the margin of equivalence."""
    groups = [group for group in board.groups if board.compared(group)["gain"].notna().any()]
    ran = {group: set(board.compared(group).dropna(subset=["gain"])["name"]) for group in groups}
    few = groups[: ink.room(len(set().union(*ran.values())))]
    figure, panels = ink.by_technique(ink.order(board), {group: ran[group] for group in few})
    for ax, group, names in panels:
        _panel(ax, board, group, names)
    shape: dict[str, Any] = {"marker": "o", "markersize": 4, "linewidth": 1.2}
    dots = [
        Line2D([], [], color=MARKS[mark], label=word, markerfacecolor=MARKS[mark] if mark else "white", **shape)
        for mark, word in WORDS.items()
    ]
    ink.legend(figure, [*dots, Patch(color=MARKS[EQUIVALENT], alpha=0.15, linewidth=0, label="margin")], 5)
    return figure


def _panel(ax: Axes, board: Board, group: Group, names: list[str]) -> None:
    rows = board.compared(group).dropna(subset=["gain"]).drop_duplicates("name").set_index("name")
    margin = rows["margin"].max()
    left, right = span(
        pd.concat([rows["gain"], rows["gain"] + rows["half"], rows["gain"] - rows["half"]]).dropna(), 1.5
    )
    if not math.isnan(margin):
        ax.axvspan(max(-margin, left), min(margin, right), color=MARKS[EQUIVALENT], alpha=0.15, linewidth=0)
    ax.axvline(0, color="#777777", linewidth=0.8)
    for y, name in enumerate(names):
        if name not in rows.index:
            continue
        row = rows.loc[name]
        colour, gain = MARKS[row["mark"]], row["gain"]
        if not left <= gain <= right:
            beyond(ax, y, gain, left if gain < left else right, colour)
            continue
        if not math.isnan(row["half"]):
            ends = np.clip([gain - row["half"], gain + row["half"]], left, right)
            ax.plot(ends, [y, y], color=colour, linewidth=1.2, solid_capstyle="butt")
        face = colour if row["mark"] else "white"
        (point,) = ax.plot([gain], [y], marker="o", color=colour, markersize=4, markerfacecolor=face)
        half = "" if math.isnan(row["half"]) else f" ± {shown(row['half'], 2)}"
        ink.tip(point, f"{row['label']}: {signed(gain)}{half}, {row['pairs']:.0f} pairs{_chance(row)}")
    technique_axis(ax, board, names)
    ax.set_xlim(left, right)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
    ax.set_xlabel(f"gain in {group.metric}{f' ({group.unit})' if group.unit else ''}, positive is better")


def _chance(row: pd.Series) -> str:
    if math.isnan(row["adjusted"]):
        return ""
    return f", p = {shown(row['adjusted'], 2)} after Holm, at least {shown(row['least'], 2)}"


def explained(board: Board) -> Figure:
    """For each task, how much of the variance of ranks each axis explains, each pair of axes, and the seed."""
    tasks = list(board.explained)
    terms = [effect.term for effect in board.explained[tasks[0]]]
    figure = Figure(figsize=(8.8, 1.2 + 0.26 * len(tasks)), layout="constrained")
    ax = figure.subplots()
    left = np.zeros(len(tasks))
    for place in range(len(terms)):
        shares = np.array([np.nan_to_num(board.explained[task][place].share) for task in tasks])
        bars = ax.barh(
            np.arange(len(tasks)), shares, left=left, height=0.7, color=PARTS[place], edgecolor="white", linewidth=0.5
        )
        for bar, task, share in zip(bars, tasks, shares, strict=True):
            ink.tip(bar, f"{' × '.join(terms[place])} on {task}: {100 * share:.1f} %")
        left += shares
    axis: dict[str, Any] = {"ylim": (len(tasks) - 0.4, -0.6), "xlim": (0, max(1.0, left.max()))}
    ax.set(xlabel="share of the variance of ranks", **axis)
    ax.set_yticks(range(len(tasks)), [ink.short(task, 44) for task in tasks])
    ax.grid(axis="y", visible=False)
    sns.despine(ax=ax)
    words = ["left" if term == ("rest",) else " × ".join(term) for term in terms]
    seen = [any(board.explained[task][place].share > 0 for task in tasks) for place in range(len(terms))]
    patches = [Patch(color=PARTS[i], label=word) for i, word in enumerate(words) if seen[i]]
    ink.legend(figure, patches, 4)
    return figure
