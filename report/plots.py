"""Every figure of the report with its words. The list PLOTS at the end is the order of the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from matplotlib.figure import Figure

from report import costs, crossing, diagrams, evidence, findings, memory, tuning
from report.board import Board
from report.curves import arrivals, gradients, learning, seconds, timed_curves
from report.forest import explained, forest
from report.marks import best_update, failures, gap, half_life, heatmap
from report.tables import Table

Panels = Literal["", "curves", "lines"]
"""Whether a figure has a panel a task, and what is in each: a few curves, or a line for every technique."""


@dataclass(frozen=True)
class Plot:
    """A figure with its words. `without` says why it is left out, "" where there is something to draw."""

    name: str
    section: str  # of the page; figures of one section stand together
    title: str
    look: str
    draw: Callable[[Board], Figure]
    finding: Callable[[Board], str]
    without: Callable[[Board], str]
    panels: Panels = "curves"  # one for each task, as far as there is room
    tables: Callable[[Board], list[tuple[str, Table]]] = lambda _: []  # what is drawn, in numbers


def _no_comparison(board: Board) -> str:
    known = board.techniques.loc[board.techniques["triple"] != board.baseline, "difference"].notna().any()
    return "" if known else "there is no baseline beside another technique to compare with"


def _no_pairs(board: Board) -> str:
    rows = board.techniques[board.techniques["family"].fillna("") != ""]
    if rows.empty:
        return "there is no baseline beside another technique to compare with"
    return "" if rows["gain"].notna().any() else "no technique shares a finished seed with the baseline"


def _no_ranks(board: Board) -> str:
    if len({group.task for group in board.groups}) < 2:
        return "ranks over tasks need two tasks, and there is one" if board.groups else "there is no task"
    if not any(each.ranks for each in board.families):
        return "no technique was run beside the baseline on every task"
    return "" if diagrams.ranked(board) else "all techniques tie on every task"


def _no_profile(board: Board) -> str:
    return "" if diagrams.timed(board) else "no technique was watched beside the baseline on its way to a target"


def _no_arrivals(board: Board) -> str:
    return "" if len(board.arrivals) else "there is no target: no run of the baseline has a learning curve"


def _no_explained(board: Board) -> str:
    return "" if board.explained else "no two runs of a task differ in their score"


def _no_curves(board: Board) -> str:
    known = board.frames.curves.loc[board.frames.curves["split"] == "valid", "value"].notna().any()
    return "" if known else "no record holds a learning curve"


def _no_gradients(board: Board) -> str:
    known = board.frames.gradients
    return "" if ((known["distance"] == 0) & (known["norm"] > 0)).any() else "no record holds gradient norms"


def _no_half_life(board: Board) -> str:
    return "" if board.techniques["half_life"].notna().any() else "no record holds a gradient half-life"


def _no_gap(board: Board) -> str:
    return "" if board.frames.runs["gap"].notna().any() else "no record holds a generalisation gap"


def _no_seconds(board: Board) -> str:
    return "" if len(timed_curves(board)) else "no technique with a learning curve has been timed on its device"


def _no_best_update(board: Board) -> str:
    return "" if board.frames.runs["best_step"].notna().any() else "no record says when its validation loss was lowest"


def _no_failures(board: Board) -> str:
    return "" if (board.frames.runs["status"] != "ok").any() else "no run failed"


PLOTS = (
    Plot(
        "heatmap",
        "Difference to the baseline",
        "Difference to the baseline",
        "Blue cells are better than the baseline on that task, orange cells worse; numbers are % of the baseline's "
        "score, pale cells have too few seeds for an interval, hatched ones failed with every seed.",
        *(heatmap, findings.heatmap, _no_comparison, ""),
    ),
    Plot(
        "gradient-norms",
        "Vanishing gradients",
        "How gradients vanish",
        "Norm of the gradient at states further and further back, relative to the last frame: a line that falls "
        "steeply forgets; dashed at the start of training, solid at its end.",
        *(gradients, findings.gradients, _no_gradients),
    ),
    Plot(
        "gradient-half-life",
        "Vanishing gradients",
        "Gradient half-life",
        "Steps back over which the gradient halves, at the end of training: longer bars remember more (log scale).",
        *(half_life, findings.half_life, _no_half_life, "lines"),
    ),
    Plot(
        "longest-t",
        "Vanishing gradients",
        "Longest T solved",
        "Over how many steps a technique remembers: the longest T that it solves with every shorter one; every seed is "
        "a point, the bar is their median. At the far left not even the shortest is; a T that was not run counts as "
        "not solved.",
        *(memory.reach, memory.reached, memory.no_memory),
    ),
    Plot(
        "score-against-t",
        "Vanishing gradients",
        "Score against T",
        "Points are seeds, lines their medians: at the dotted line nothing is remembered, below the dashed one a task "
        "counts as solved. Lines that explode leave the panel.",
        *(memory.lengths, memory.forgotten, memory.no_lengths),
    ),
    Plot(
        "generalisation-gap",
        "Overfitting",
        "Overfitting",
        "Points to the right of zero fit the training data better than the validation data; every seed is a point, "
        "the bar is their median.",
        *(gap, findings.gap, _no_gap, "lines"),
    ),
    Plot(
        "best-update",
        "Overfitting",
        "When validation was best",
        "After which share of the updates the validation loss was lowest: far from the right, going on was in vain; "
        "every seed is a point, the bar is their median.",
        *(best_update, findings.best_update, _no_best_update, "lines"),
    ),
    Plot(
        "gap-against-data",
        "Overfitting",
        "Overfitting, by amount of data",
        "Points are seeds, lines their medians: higher is more overfitting; with shuffled labels there is nothing to "
        "learn, so a gap there is what was learnt by heart.",
        *(memory.gaps, memory.less_data, memory.no_study),
    ),
    Plot(
        "best-against-last",
        "Overfitting",
        "What going on costs, by amount of data",
        "How far the last validation loss of a curve is above its best one: at zero a technique can be trained on.",
        *(memory.late, memory.going_on, memory.no_late),
    ),
    Plot(
        "learning-curves",
        "Learning curves",
        "Learning curves",
        "Validation metric against updates: thin lines are seeds, thick lines their median, grey lines the medians of "
        "the other techniques; the dotted line is the target. Grey lines that explode leave the panel.",
        *(learning, findings.learning, _no_curves),
    ),
    Plot(
        "learning-curves-seconds",
        "Learning curves",
        "Learning curves against time",
        "The same curves against seconds of training, at the ms a step of the timed pass: a technique that costs more "
        "a step moves to the right.",
        *(seconds, findings.seconds, _no_seconds),
    ),
    Plot(
        "performance-profile",
        "Performance profile and time to target",
        "Performance profiles",
        "The share of tasks on which a technique reached the target in at most so many times the updates of the "
        "fastest: a line further up and left is better.",
        *(diagrams.profiles, findings.profile, _no_profile, ""),
    ),
    Plot(
        "time-to-target",
        "Performance profile and time to target",
        "Time to target",
        "The share of seeds that have not reached the target yet, against updates: a line that falls early is fast, "
        "one that stays up never gets there.",
        *(arrivals, findings.arrival, _no_arrivals, "curves", evidence.target_tables),
    ),
    Plot(
        "learning-rate",
        "Learning rate",
        "How much the learning rate matters",
        "Validation loss of each trial against its learning rate: a wide valley forgives a poor choice. Crosses at the "
        "top failed; bars at the foot span the rates within 5 % of a technique's best.",
        *(tuning.sensitivity, tuning.sensitive, tuning.without, "curves", tuning.tables),
    ),
    Plot(
        "trials",
        "Learning rate",
        "What more trials buy",
        "The lowest validation loss to be expected of so many trials: a line that still falls at the right would gain "
        "from more of them. It begins where not all of so many can have failed.",
        *(tuning.bought, tuning.worth, tuning.without),
    ),
    Plot(
        "comparison",
        "Significance",
        "Compared with the baseline, seed by seed",
        "Points are mean gains over the seeds that a technique and the baseline share, lines their 95 % intervals; "
        "the green band is the margin within which a difference would not matter. Filled points are decided.",
        *(forest, findings.comparison, _no_pairs, "lines", evidence.comparison_tables),
    ),
    Plot(
        "critical-difference",
        "Significance",
        "Across tasks",
        "Mean ranks, the best at the left, each axis among its own techniques; a bar joins techniques that these tasks "
        "do not separate.",
        *(diagrams.critical_difference, findings.ranks, _no_ranks, "", evidence.family_tables),
    ),
    Plot(
        "interactions",
        "Interactions",
        "Together and alone",
        "What two techniques gain together beyond the sum of what each gains alone, in % of the baseline, the median "
        "over tasks: blue pairs help each other, orange pairs get in each other's way.",
        *(crossing.interactions, crossing.beyond_sum, crossing.no_crossing, "", crossing.crossing_tables),
    ),
    Plot(
        "variance-explained",
        "Interactions",
        "What explains the scores",
        "How much of the differences between the runs of a task each choice accounts for, each pair of choices beyond "
        "that, and the seed.",
        *(explained, findings.explained, _no_explained, "", evidence.effect_tables),
    ),
    Plot(
        "score-against-time",
        "Cost",
        "Score against time",
        "Each point is a configuration: what its score costs in milliseconds a training step. The dotted line is the "
        "Pareto front: nothing is both faster and better. An arrow at the top is a score far above it.",
        *(costs.pareto, costs.said, costs.no_times, "curves", costs.cost_tables),
    ),
    Plot(
        "cpu-cuda",
        "Cost",
        "CPU and CUDA",
        "Milliseconds a step on CUDA against those on the CPU: below the dotted line CUDA is faster.",
        *(costs.devices, costs.faster, costs.no_devices),
    ),
    Plot(
        "failures",
        "Failures",
        "Failures",
        "Runs that ended without a score, by technique and by how they ended.",
        *(failures, findings.failures, _no_failures, ""),
    ),
)
