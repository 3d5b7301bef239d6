"""Two studies over several tasks: how long a technique remembers, and how it overfits where there is little data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from report import ink
from report.board import Board
from report.curves import back_to_front
from report.findings import listed, plural
from report.groups import Group
from report.marks import technique_axis
from report.stats import shown
from report.verdicts import longest, solves
from tasks.cards import TASKS, without_memory

Problems = dict[str, Group]  # label of a problem -> a group of it, labelled so: the title of its panel

AMOUNTS = ("10%", "30%", "100%", "shuffled")
"""Places on the axis of data: the task itself is that of all data."""


def _runs(board: Board, groups: list[Group]) -> pd.DataFrame:
    """The runs of some groups, with the group and name of their technique."""
    named = board.techniques[["configuration", "origin", "group", "name"]].drop_duplicates(["configuration", "origin"])
    runs = board.frames.runs.merge(named, on=["configuration", "origin"])
    return runs[runs["group"].isin([group.label for group in groups])]


def _label(problem: str, group: Group) -> str:
    """A problem of several tasks, with what sets its groups apart from others of the same tasks."""
    kind = " (synthetic)" if group.synthetic else ""
    return f"{problem}{kind}" + (f" [{group.apart}]" if group.apart else "")


def remembered(board: Board) -> tuple[pd.DataFrame, Problems]:
    """Runs of the memory tasks, with their problem, its number of steps T and whether they solved it."""
    groups = [group for group in board.groups if group.task in TASKS and TASKS[group.task].solved is not None]
    label = {group.label: _label(group.task.rpartition("/")[0], group) for group in groups}
    runs = _runs(board, groups)
    steps = [int(task.rpartition("/")[2]) for task in runs["task"]]
    solved = [solves(run, run["task"]) for run in runs.to_dict("records")]
    runs = runs.assign(problem=runs["group"].map(label), steps=steps, solved=solved)
    return runs, {label[group.label]: replace(group, label=label[group.label]) for group in groups}


def reaches(runs: pd.DataFrame) -> pd.DataFrame:
    """The longest T solved with every shorter one, a row a problem, technique and seed; `none`: not the shortest."""
    found = []
    for (problem, name, seed), part in runs.groupby(["problem", "name", "seed"]):
        reached = longest(sorted(zip(part["steps"], part["solved"], strict=True)))
        none = reached < part["steps"].min()
        found.append({"problem": problem, "name": name, "seed": seed, "longest": reached, "none": none})
    return pd.DataFrame(found, columns=["problem", "name", "seed", "longest", "none"])


def no_memory(board: Board) -> str:
    """Why there is nothing to draw of memory."""
    return "" if len(remembered(board)[0]) else "no memory task was run"


def reach(board: Board) -> Figure:
    """The longest T solved: every seed a point, the median a line; at the far left not even the shortest."""
    runs, problems = remembered(board)
    found = reaches(runs)
    ran = {group: set(found.loc[found["problem"] == problem, "name"]) for problem, group in problems.items()}
    figure, panels = ink.by_technique(ink.order(board), ran)
    colours, text = ink.palette(board), ink.labels(board)
    called = {group: problem for problem, group in problems.items()}
    for ax, group, names in panels:
        problem, place = called[group], {name: y for y, name in enumerate(names)}
        mine = found[found["problem"] == problem]
        lengths = sorted(set(runs.loc[runs["problem"] == problem, "steps"]))
        none = lengths[0] / 2
        at = mine.assign(x=mine["longest"].where(~mine["none"], none))
        for (name, x), seeds in at.groupby(["name", "x"]):  # seeds that reach as far stand beside each other
            spots = place[name] + min(0.22, 0.7 / len(seeds)) * (np.arange(len(seeds)) - (len(seeds) - 1) / 2)
            points = ax.scatter([x] * len(seeds), spots, s=9, color=colours.get(name, ink.OTHER), linewidth=0, zorder=3)
            far = "not even the shortest T" if x == none else f"T = {x:g}"
            ink.tip(points, f"{text[name]}: {far} with {plural(len(seeds), 'seed')}")
        for name, middle in at.groupby("name")["x"].median().items():
            ends = (place[name] - 0.4, place[name] + 0.4)
            ax.vlines(middle, *ends, color=colours.get(name, "#777777"), linewidth=1.8, alpha=0.6)
        technique_axis(ax, board, names)
        ax.set_xscale("log")
        ax.set_xlim(none / 1.2, lengths[-1] * 1.2)
        ax.set_xticks([none, *lengths], ["none", *map(str, lengths)])
        ax.set_xticks([], minor=True)
        ax.set_xlabel("longest T solved")
    return figure


def reached(board: Board) -> str:
    """Who solves the longest T, problem by problem."""
    runs, problems = remembered(board)
    found, text = reaches(runs), ink.labels(board)
    said = []
    for problem in problems:
        middle = found[found["problem"] == problem].groupby("name").agg({"longest": "median", "none": "mean"})
        solvers = middle[middle["none"] < 0.5].sort_index()
        if solvers.empty:
            said.append(f"{problem}: none of {plural(len(middle), 'technique')} solves the shortest T")
            continue
        top = solvers["longest"].max()
        best = listed([text[name] for name in solvers.index[solvers["longest"] == top]])
        share = f"{len(solvers)} of {plural(len(middle), 'technique')} solve a T at all"
        said.append(f"{problem}: {best} up to T = {top:g}, the median over seeds; {share}")
    return f"{'. '.join(said)}."


def lengths(board: Board) -> Figure:
    """Score against T: dotted what is scored where nothing is kept, dashed from where a task counts as solved."""
    runs, problems = remembered(board)
    runs = runs.dropna(subset=["score"])
    figure, axes = ink.panels(list(problems.values()))
    colours, bold = ink.palette(board), ink.among(ink.best(board), runs["name"])
    text = ink.labels(board)
    for ax, (problem, group) in zip(axes, problems.items(), strict=False):
        mine = runs[runs["problem"] == problem]
        for name in back_to_front(mine, bold):
            part = mine[mine["name"] == name]
            _seeds_and_median(ax, part["steps"], part["score"], colours[name] if name in bold else "", text[name])
        tasks = mine.sort_values("steps")["task"].unique()
        forgetting, solved = (
            [without_memory(task) for task in tasks],
            [float(TASKS[task].solved or 0) for task in tasks],
        )
        at = sorted(set(mine["steps"]))
        levels = pd.Series([*mine["score"], *forgetting, *solved])
        ends = at if len(at) > 1 else [at[0] / 1.2, at[0] * 1.2]  # one length alone has a line too, a level one
        for levels_of, style, width in ((forgetting, ":", 1.1), (solved, "--", 0.8)):
            ax.plot(ends, levels_of * (len(ends) // len(at)), color="#555555", linewidth=width, linestyle=style)
        ink.spread_scale(ax, levels, "lower", float(mine.loc[mine["name"].isin(bold), "score"].max()))
        ax.set_xscale("log")
        ax.set_xticks(at, map(str, at))
        ax.set_xticks([], minor=True)
        ax.set(xlabel="T, steps to remember over", ylabel=ink.measure(group))
    others = "other techniques" if len(set(runs["name"])) > len(bold) else ""
    rules = [
        Line2D([], [], color="#555555", linestyle=":", label="without memory"),
        Line2D([], [], color="#555555", linestyle="--", label="solved below"),
    ]
    ink.legend(figure, [*ink.keys(board, bold, others), *rules])
    return figure


def no_lengths(board: Board) -> str:
    """Why there are no scores of memory to draw."""
    scored = remembered(board)[0]["score"].notna().any()
    return no_memory(board) or ("" if scored else "no run of a memory task ended with a score")


KEPT = 0.9
"""Of the score without memory: a median below this has kept something, and is not one side of a coin."""


def forgotten(board: Board) -> str:
    """How many techniques keep anything over the longest T."""
    runs, problems = remembered(board)
    said = []
    for problem in problems:
        mine = runs[runs["problem"] == problem]
        last = mine[mine["steps"] == mine["steps"].max()]
        line, middle = without_memory(last["task"].iloc[0]), last.groupby("name")["score"].median()
        kept = f"{int((middle < KEPT * line).sum())} of {plural(len(middle), 'technique')}"
        steps = last["steps"].iloc[0]
        said.append(f"{problem}: over T = {steps}, {kept} end well below the {shown(line, 3)} of no memory")
    return f"{'. '.join(said)}."


def _seeds_and_median(ax: Axes, x: pd.Series, y: pd.Series, colour: str, label: str) -> None:
    """Every seed a point and their median a line; without a colour the line alone, in grey."""
    middle = y.groupby(x).median()
    style: dict[str, Any] = {"color": colour, "linewidth": 1.5}
    style = style if colour else {"color": ink.OTHER, "linewidth": 0.5, "zorder": 1}
    (line,) = ax.plot(middle.index, middle, **style)
    ink.tip(line, f"{label}: medians {', '.join(f'{value:.3g}' for value in middle)}")
    if colour:
        points = ax.scatter(x, y, s=9, color=colour, alpha=0.6, linewidth=0)
        ink.tip(points, *(f"{label}: {value:.4g}" for value in y))


def studied(board: Board) -> tuple[pd.DataFrame, Problems]:
    """Runs of the overfitting study, with their problem, amount of data, gap, and validation loss lost by going on."""
    whole = {group.task.rpartition("/")[0] for group in board.groups if _study(group)}
    groups = [group for group in board.groups if _study(group) or group.task in whole]
    label = {g.label: _label(g.task.rpartition("/")[0] if _study(g) else g.task, g) for g in groups}
    amount = {group.label: _study(group) or "100%" for group in groups}
    runs = _runs(board, groups)
    points = board.frames.curves
    losses = points[(points["split"] == "valid") & points["loss"].notna()].sort_values("step").groupby("id")["loss"]
    late = runs["id"].map(losses.last() - losses.min()).where(runs["status"] == "ok")
    runs = runs.assign(problem=runs["group"].map(label), amount=runs["group"].map(amount), late=late.astype(float))
    return runs, {label[group.label]: replace(group, label=label[group.label]) for group in groups}


def _study(group: Group) -> str:
    """What the study does to the data of a task; "" where it is no part of it."""
    card = TASKS.get(group.task)
    return card.study or "" if card is not None else ""


def no_study(board: Board) -> str:
    """Why there is no gap to draw against the amount of data."""
    return _no_study(board, "gap", "no run of the study of overfitting holds a gap")


def no_late(board: Board) -> str:
    """Why there is no best and last validation loss to draw."""
    return _no_study(board, "late", "no run of the study of overfitting holds a learning curve")


def _no_study(board: Board, column: str, lacking: str) -> str:
    runs, _ = studied(board)
    if runs.empty:
        return "no task was run with less data or shuffled labels"
    return "" if runs[column].notna().any() else lacking


def gaps(board: Board) -> Figure:
    """Generalisation gap against the amount of training data."""
    return _against_data(board, "gap", "validation loss - training loss")


def late(board: Board) -> Figure:
    """Validation loss at the last evaluation above that at the best one, against the amount of training data."""
    return _against_data(board, "late", "validation loss, last - best")


def _against_data(board: Board, column: str, label: str) -> Figure:
    runs, problems = studied(board)
    runs = runs.dropna(subset=[column])
    figure, axes = ink.panels(list(problems.values()))
    colours, bold = ink.palette(board), ink.among(ink.best(board), runs["name"])
    text = ink.labels(board)
    for ax, problem in zip(axes, problems, strict=False):
        mine = runs[runs["problem"] == problem]
        ax.axhline(0, color="#777777", linewidth=0.8)
        ax.axvline(2.5, color="#777777", linewidth=0.8, linestyle=":")
        for name in back_to_front(mine, bold):
            part = mine[mine["name"] == name]
            side = 0.09 * (bold.index(name) - (len(bold) - 1) / 2) if name in bold else 0.0
            x = part["amount"].map(AMOUNTS.index) + side
            for there in (x < 2.5, x >= 2.5):  # other labels are no further amount of data: no line leads there
                colour = colours[name] if name in bold else ""
                _seeds_and_median(ax, x[there], part.loc[there, column], colour, text[name])
            middle = part.loc[x >= 2.5, column].median()
            ax.plot(3 + side, middle, "_", color=colours[name] if name in bold else ink.OTHER, markersize=7)
        ax.set_xticks(range(len(AMOUNTS)), AMOUNTS)
        ax.set(xlim=(-0.5, 3.5), xlabel="training data", ylabel=label)
        ax.yaxis.set_major_locator(MaxNLocator(5))
    others = "other techniques" if len(set(runs["name"])) > len(bold) else ""
    ink.legend(figure, ink.keys(board, bold, others))
    return figure


def less_data(board: Board) -> str:
    """How often less data means a larger gap, and who has the smallest with the least."""
    middle = _middles(board, "gap")
    said = []
    for amount, words in (("10%", "with a tenth of the data"), ("shuffled", "with shuffled labels")):
        both = middle.dropna(subset=[amount, "100%"]) if {amount, "100%"} <= set(middle) else middle.iloc[:0]
        if len(both):
            larger = int((both[amount] > both["100%"]).sum())
            said.append(f"{words} in {larger} of {plural(len(both), 'row')}")
    if not said:
        return "There are no two amounts of data to compare."
    return f"The gap is larger than on the whole task {listed(said)} (technique and task, medians over seeds)."


def going_on(board: Board) -> str:
    """What going on past the best evaluation cost, at its worst."""
    rows = _middles(board, "late").stack().dropna()
    worst = rows.sort_values(ascending=False, kind="stable").index[0]
    problem, name, amount = worst
    risen = f"{int((rows > 0).sum())} of {plural(len(rows), 'row')}"
    said = f"The last validation loss is above the best in {risen} (technique, task and data, medians over seeds)"
    top = f"{ink.labels(board).get(name, name)} on {problem}, {amount}"
    return f"{said}; the most, {shown(float(rows[worst]), 3)}, with {top}."


def _middles(board: Board, column: str) -> pd.DataFrame:
    """Medians over seeds: a row a problem and technique, a column an amount of data."""
    return studied(board)[0].pivot_table(column, ["problem", "name"], "amount", "median")
