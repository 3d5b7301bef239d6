"""Whether two techniques do more together than each alone: for matrices that cross their axes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from report import ink
from report.board import Board
from report.findings import plural
from report.flat import AXES
from report.groups import Group, Triple
from report.stats import t_interval
from report.tables import Line, Table

COLUMNS = ("group", "one", "two", "label", "together", "alone", "beyond", "half", "n")


def crossed(board: Board) -> pd.DataFrame:
    """For each pair of techniques that was run together and each alone: gains in % of the baseline, and what the pair
    gains beyond the sum of the two, with half its 95 % interval over shared seeds."""
    base = board.baseline
    if base is None or not any(len(_changed(triple, base)) == 2 for triple in board.techniques["triple"].unique()):
        return pd.DataFrame(columns=list(COLUMNS))
    found = []
    runs = board.frames.runs.merge(
        board.techniques[["configuration", "origin", "group", "triple"]].drop_duplicates(["configuration", "origin"]),
        on=["configuration", "origin"],
    )
    for group in board.groups:
        mine = runs[(runs["group"] == group.label) & (runs["origin"] == group.home)]
        scores = {triple: part.groupby("seed")["score"].first() for triple, part in mine.groupby("triple")}
        found += [row for triple in scores for row in _interaction(group, scores, base, triple)]
    return pd.DataFrame(found, columns=list(COLUMNS))


def _interaction(group: Group, scores: dict, base: tuple, triple: tuple) -> list[dict[str, object]]:
    changed = _changed(triple, base)
    if len(changed) != 2 or base not in scores:
        return []
    alone = [tuple(triple[i] if i == place else base[i] for i in range(3)) for place in changed]
    if not all(one in scores for one in alone):
        return []
    sign = -1 if group.better == "lower" else 1
    table = pd.concat([scores[key] for key in (base, *alone, triple)], axis=1, join="inner").dropna()
    if table.empty:
        return []
    start = table.iloc[:, 0].to_numpy()
    first, second, pair = (100 * sign * (table.iloc[:, i].to_numpy() - start) / abs(start.mean()) for i in (1, 2, 3))
    mean, half = t_interval((pair - first - second).tolist())
    one, two = (triple[place] for place in changed)
    return [{
        "group": group.label, "one": one, "two": two, "label": f"{one} + {two}", "together": float(pair.mean()),
        "alone": float((first + second).mean()), "beyond": mean, "half": half, "n": len(table),
    }]  # fmt: skip


def _changed(triple: Triple, base: Triple) -> list[int]:
    return [place for place in range(3) if triple[place] != base[place]]


def no_crossing(board: Board) -> str:
    """Why no interaction can be seen."""
    return "" if len(crossed(board)) else "no two techniques were run together and each alone on the same seeds"


def interactions(board: Board) -> Figure:
    """One panel a pair of axes: what each pair of techniques gains beyond the sum of the two, median over tasks."""
    found, axes = crossed(board), _pairs(board)
    limit = float(np.clip(np.percentile(found["beyond"].abs(), 90), 1, 100))
    colours = ScalarMappable(Normalize(-limit, limit), sns.diverging_palette(32, 245, s=85, l=50, as_cmap=True))
    tables = [part.groupby(["one", "two"])["beyond"].median().unstack() for part in axes.values()]
    below = [0.5 * ink.wide(map(ink.short, table.columns)) for table in tables]  # names lean by 30°
    heights = [0.6 + more + 0.3 * len(table) for more, table in zip(below, tables, strict=True)]
    beside = max(ink.wide(map(ink.short, table.index)) for table in tables)
    width = 2.2 + max(beside, 1.8 * max(below)) + 0.62 * max(len(table.columns) for table in tables)
    figure = Figure(figsize=(max(width, 6.4), sum(heights) + 0.6), layout="constrained")
    panels = figure.subplots(len(tables), 1, squeeze=False, height_ratios=heights)
    for ax, name, table in zip(panels.flat, axes, tables, strict=True):
        _panel(ax, name, table, colours, axes[name])
    bar = figure.colorbar(colours, ax=panels.ravel().tolist(), label="% beyond the sum", extend="both", aspect=14,
                          shrink=min(1.0, 3 / sum(heights)), anchor=(0, 1))  # fmt: skip
    bar.outline.set_visible(False)
    return figure


def _pairs(board: Board) -> dict[str, pd.DataFrame]:
    """The interactions of each pair of axes."""
    found = crossed(board)
    where = {name: axis for axis in AXES for name in board.techniques[axis].unique()}
    kinds = [(where[one], where[two]) for one, two in zip(found["one"], found["two"], strict=True)]
    parts = {f"{a} × {b}": found[[kind == (a, b) for kind in kinds]] for a, b in combinations(AXES, 2)}
    return {name: part for name, part in parts.items() if len(part)}


def _panel(ax: Axes, name: str, table: pd.DataFrame, colours: ScalarMappable, found: pd.DataFrame) -> None:
    for y, one in enumerate(table.index):
        for x, two in enumerate(table.columns):
            value = table.loc[one, two]
            if np.isnan(value):
                continue
            colour = colours.to_rgba(value)
            patch = Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=1)
            ax.add_patch(patch)
            rows = found[(found["one"] == one) & (found["two"] == two)]
            told = (f"{r.group}: {r.together:+.3g} % together, {r.alone:+.3g} % as a sum" for r in rows.itertuples())
            ink.tip(patch, "\n".join([f"{one} + {two}", *told]))
            dark = ink.dark(colour[:3])
            ax.text(x + 0.5, y + 0.5, f"{value:+.1f}" if abs(value) < 100 else f"{value:+.0f}", ha="center",
                    va="center", fontsize=7.5, color="white" if dark else ink.ON_COLOUR)  # fmt: skip
    ax.set_title(name)
    ax.set_xlim(0, len(table.columns))
    ax.set_ylim(len(table), 0)
    columns, rows = ([ink.short(name) for name in names] for names in (table.columns, table.index))
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=30, ha="right", rotation_mode="anchor")
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.tick_params(length=0)
    ax.grid(visible=False)
    sns.despine(ax=ax, left=True, bottom=True)


def beyond_sum(board: Board) -> str:
    """How many pairs differ from their sum beyond their interval."""
    found = crossed(board)
    tested = found.dropna(subset=["half"])
    more = int((tested["beyond"] - tested["half"] > 0).sum())
    less = int((tested["beyond"] + tested["half"] < 0).sum())
    said = f"Of {plural(len(found), 'pair')} on a task, {len(tested)} with an interval: {more} gain more together than "
    return f"{said}the sum of the two, {less} less."


def crossing_tables(board: Board) -> list[tuple[str, Table]]:
    """Every pair on every task."""
    found = crossed(board)
    heads = ("pair", "task", "together, %", "sum of the two, %", "beyond, %", "± 95 %", "n")
    lines = tuple(
        Line("technique", (r.label, r.group, f"{r.together:+.2f}", f"{r.alone:+.2f}", f"{r.beyond:+.2f}",
                           "" if np.isnan(r.half) else f"{r.half:.2f}", str(r.n)))
        for r in found.itertuples()
    )  # fmt: skip
    return [("every pair", Table(heads, (True, True, *[False] * 5), lines))]
