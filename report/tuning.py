"""Equal tuning, read from its trials: how much the learning rate matters, and what more trials buy.

The arithmetic at the top is plain numbers in and out; a trial that failed has an infinite loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from report import ink
from report.board import Board
from report.curves import back_to_front
from report.findings import plural
from report.frame import GROUP
from report.groups import AXES, Group
from report.stats import shown
from report.tables import Line, Table

WITHIN = 0.05
"""Of the best validation loss: a rate that is this good is as good as the best, to a person who has to choose one."""
TALL = 30.0
"""Times the best loss of a panel: lines leave it there, or one exploded trial would flatten all others."""


@dataclass(frozen=True)
class Band:
    """The rates round the best one whose loss is within a share of the best."""

    low: float
    high: float
    open: str  # "below", "above", "both": on that side every rate tried is within, so the band is at least this wide

    @property
    def decades(self) -> float:
        return math.log10(self.high / self.low)


def curve(rates: Sequence[float], losses: Sequence[float]) -> list[tuple[float, float]]:
    """Loss against rate, in order of rate: infinite where the trial failed, the lowest where a rate was tried twice."""
    found: dict[float, float] = {}
    for rate, loss in zip(rates, losses, strict=True):
        found[rate] = min(found.get(rate, math.inf), loss if math.isfinite(loss) else math.inf)
    return sorted(found.items())


def band(rates: Sequence[float], losses: Sequence[float], within: float = WITHIN) -> Band | None:
    """The band, linear in the logarithm of the rate between two trials; None where every trial failed.

    It ends at the first rate that is worse, on either side, and at the last good one where the next trial failed.
    """
    points = curve(rates, losses)
    best = min(range(len(points)), key=lambda place: points[place][1], default=None)
    if best is None or math.isinf(points[best][1]):
        return None
    limit = points[best][1] + within * abs(points[best][1])
    (low, below), (high, above) = _end(points[best::-1], limit), _end(points[best:], limit)
    return Band(low, high, "both" if below and above else "below" if below else "above" if above else "")


def _end(points: list[tuple[float, float]], limit: float) -> tuple[float, bool]:
    """Where the loss first passes the limit on the way, and whether it never does."""
    rate, loss = points[0]
    for after, then in points[1:]:
        if math.isinf(then):
            return rate, False
        if then > limit:
            return float(rate * (after / rate) ** ((limit - loss) / (then - loss))), False
        rate, loss = after, then
    return rate, True


def expected_best(losses: Sequence[float]) -> list[float]:
    """The expected lowest loss of n of these trials, n = 1, 2, ..., all: drawn without replacement.

    Dodge et al. 2019 (Show Your Work, EMNLP) draw with replacement, which is biased: too high for a loss (Tang et al.
    2020, ACL, whose unbiased estimate this is). Infinite as long as all n may have failed.
    """
    ordered = sorted(loss if math.isfinite(loss) else math.inf for loss in losses)
    count = len(ordered)
    means = []
    for n in range(1, count + 1):
        # the loss at this place is the lowest of n where the others come from those behind it
        ways = [math.comb(count - place, n - 1) for place in range(1, count + 1)]
        means.append(sum(loss * way for loss, way in zip(ordered, ways, strict=True) if way) / math.comb(count, n))
    return means


def tried(board: Board) -> pd.DataFrame:
    """Every trial behind a row of the leaderboards, with the row's group and name."""
    parts = [_tried(board, group) for group in board.groups if group.tuned.isdecimal() and int(group.tuned)]
    found = pd.concat(parts) if parts else _tried(board, None)
    return found.assign(loss=found["valid"].astype(float).fillna(math.inf))


def _tried(board: Board, group: Group | None) -> pd.DataFrame:
    """Trials of one group; none of no group."""
    trials, rows = board.frames.trials, board.techniques
    if group is None:
        return trials.iloc[:0].assign(group="", name="")
    for part in GROUP:
        trials = trials if part == "tuned" else trials[trials[part] == getattr(group, part)]
    trials = trials[(trials["index"] < int(group.tuned)) & (trials["lr"] > 0)]
    trials = trials.assign(triple=list(zip(*(trials[axis] for axis in AXES), strict=True)))
    names: dict[Any, str] = {}
    for row in rows[rows["group"] == group.label].itertuples():
        names.setdefault(row.triple, row.name)
        names[row.triple, row.origin] = row.name
    settings = trials.groupby(["triple", "origin"])["configuration"].transform("nunique")
    found = [names.get(key, names.get(key[0], "")) for key in zip(trials["triple"], trials["origin"], strict=True)]
    called = [
        f"{name} #{of[:4]}" if name and several > 1 else name  # one name, two settings: an edited choice
        for name, of, several in zip(found, trials["configuration"], settings, strict=True)
    ]
    return trials.assign(group=group.label, name=called).query("name != ''")


def summary(board: Board) -> pd.DataFrame:
    """One row a technique and group: what its trials found."""
    text = ink.labels(board)
    found = []
    for (group, name), part in tried(board).groupby(["group", "name"], sort=False):
        best = part.sort_values(["loss", "index"]).iloc[0]
        width = band(part["lr"].to_list(), part["loss"].to_list())
        found.append(
            {
                **{"group": group, "name": name, "label": text.get(name, name), "trials": len(part)},
                **{"failed": int(np.isinf(part["loss"]).sum()), "best": best["loss"], "lr": best["lr"]},
                **{"others": best["others"], "decades": width.decades if width else math.nan},
                **{"open": width.open if width else "", "bought": expected_best(part["loss"].to_list())},
            }
        )
    return pd.DataFrame(found, columns=list(SUMMARY))


SUMMARY = ("group", "name", "label", "trials", "failed", "best", "lr", "others", "decades", "open", "bought")


def without(board: Board) -> str:
    """Why there is nothing to draw."""
    trials = tried(board)
    if trials.empty:
        return "no technique was tuned: every value is that of the tables"
    return "" if np.isfinite(trials["loss"]).any() else "every trial failed"


def sensitivity(board: Board) -> Figure:
    """Validation loss against learning rate: a point a trial, crosses that failed, bars at the foot within 5 %."""
    trials, groups, bold = _drawn(board)
    figure, axes = ink.panels(groups)
    colours, text = ink.palette(board), ink.labels(board)
    for ax, group in zip(axes, groups, strict=True):
        mine = trials[trials["group"] == group.label]
        ax.set_xscale("log")
        _scale(ax, mine["valid"].dropna())
        for name in back_to_front(mine, bold):
            part = mine[mine["name"] == name]
            points = np.array(curve(part["lr"].to_list(), part["loss"].to_list()))
            points[np.isinf(points)] = math.nan  # a line has a gap where a trial failed
            if name in bold:
                (line,) = ax.plot(*points.T, color=colours[name], linewidth=1.3, marker="o", markersize=3)
                _foot(ax, part, bold.index(name), colours[name])
            else:
                (line,) = ax.plot(*points.T, color=ink.OTHER, linewidth=0.5, marker="o", markersize=1.5, zorder=1)
            best = part.loc[part["loss"].idxmin()]
            ink.tip(line, f"{text[name]}: best loss {best['loss']:.4g} at rate {best['lr']:.3g}")
        ink.plain_log(ax.xaxis, float(mine["lr"].min()), float(mine["lr"].max()))
        ax.set(xlabel="learning rate", ylabel="validation loss ↓")
    ink.legend(figure, ink.keys(board, bold, _others(trials, bold), marker="o", markersize=3))
    return figure


def _foot(ax: Axes, part: pd.DataFrame, place: int, colour: str) -> None:
    """A bar over the rates within 5 % of the best, and a cross at the top for each rate that failed."""
    width = band(part["lr"].to_list(), part["loss"].to_list())
    if width:
        ends, height = [width.low, width.high], 0.02 + 0.025 * place
        ax.plot(ends, [height] * 2, color=colour, linewidth=2.5, transform=ax.get_xaxis_transform())
    lost = part.loc[np.isinf(part["loss"]), "lr"].to_numpy()
    heights = np.full(len(lost), 0.98 - 0.04 * place)
    ax.plot(lost, heights, "x", color=colour, markersize=4, transform=ax.get_xaxis_transform())


def bought(board: Board) -> Figure:
    """The expected lowest validation loss of n trials, against n: a line that still falls would gain from more."""
    trials, groups, bold = _drawn(board)
    figure, axes = ink.panels(groups)
    colours, text = ink.palette(board), ink.labels(board)
    for ax, group in zip(axes, groups, strict=True):
        mine = trials[trials["group"] == group.label]
        seen = [math.nan]
        for name in back_to_front(mine, bold):
            part = mine[mine["name"] == name]
            means = np.array(expected_best(part["loss"].to_list()))
            means[np.isinf(means)] = math.nan
            if name in bold:
                style: dict[str, Any] = {"color": colours[name], "linewidth": 1.5, "marker": "o", "markersize": 3}
            else:
                style = {"color": ink.OTHER, "linewidth": 0.5, "zorder": 1}
            (line,) = ax.plot(np.arange(1, len(means) + 1), means, **style)
            ink.tip(line, f"{text[name]}: {means[-1]:.4g} after {len(means)} trials")
            seen += list(means)
        _scale(ax, pd.Series(seen).dropna(), foot=0.0)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.set(xlabel="trials", ylabel="expected best validation loss ↓")
    ink.legend(figure, ink.keys(board, bold, _others(trials, bold), marker="o", markersize=3))
    return figure


def _drawn(board: Board) -> tuple[pd.DataFrame, list[Group], list[str]]:
    """Trials, the groups with one that ended well, as far as there are panels, and the names in colour."""
    trials = tried(board)
    present = set(trials.loc[np.isfinite(trials["loss"]), "group"])
    groups = [group for group in board.groups if group.label in present][: ink.PANELS]
    return trials, groups, ink.among(ink.best(board), trials["name"])


def _others(trials: pd.DataFrame, bold: list[str]) -> str:
    return "other techniques" if len(set(trials["name"])) > len(bold) else ""


def _scale(ax: Axes, losses: pd.Series, foot: float = 0.16) -> None:
    """A y axis from a little below the best, logarithmic where losses lie far apart; `foot`: room left for bars."""
    low, high = float(losses.min()), float(losses.max())
    high = min(high, TALL * low) if low > 0 else high
    ink.spread_scale(ax, losses[losses <= high], "lower")
    if ax.get_yscale() == "log":
        ax.set_ylim(low * (low / high) ** (foot + 0.04), high * (high / low) ** 0.16)
    else:
        room = (high - low) or abs(high) or 1.0
        ax.set_ylim(low - (foot + 0.04) * room, high + 0.16 * room)


HEADS = ("technique", "trials", "failed", "learning rate", "other values", "validation loss", "band, decades", "open")


def tables(board: Board) -> list[tuple[str, Table]]:
    """For each group what the trials of its techniques chose."""
    found = []
    for group, rows in summary(board).groupby("group", sort=False):
        lines = tuple(Line("technique", _chosen(row)) for row in rows.sort_values(["best", "label"]).to_dict("records"))
        notes = (
            f"Band: the learning rates round the best one with a loss within {100 * WITHIN:g} % of the best. Open: "
            "on that side every rate tried is within, so the band is at least (≥) this wide.",
        )
        texts = (True, False, False, False, True, False, False, True)
        found.append((str(group), Table(HEADS, texts, lines, notes)))
    return found


def _chosen(row: dict[str, Any]) -> tuple[str, ...]:
    counts = (row["label"], str(row["trials"]), str(row["failed"] or ""))
    if math.isinf(row["best"]):
        return (*counts, "", "none ended with a score: the tables' values", "", "", "")
    wide = ("≥ " if row["open"] else "") + shown(row["decades"], 2)
    return (*counts, shown(row["lr"], 3), row["others"], shown(row["best"]), wide, row["open"])


def sensitive(board: Board) -> str:
    """How wide the bands are, and how many are open."""
    rows = summary(board)
    known = rows.dropna(subset=["decades"])
    opened, middle = int((known["open"] != "").sum()), shown(float(known["decades"].median()), 2)
    said = f"Rates within {100 * WITHIN:g} % of the best span {middle} decades (median of {plural(len(known), 'band')}"
    said += f", {opened} of them open)" if opened else ")"
    return f"{said}; {rows['failed'].sum()} of {plural(int(rows['trials'].sum()), 'trial')} failed."


def worth(board: Board) -> str:
    """What half of the trials would have cost."""
    rows = summary(board)
    rows = rows[np.isfinite(rows["best"]) & (rows["best"] > 0) & (rows["trials"] > 1)]
    lost = [100 * (found[len(found) // 2 - 1] / found[-1] - 1) for found in rows["bought"]]
    known = rows.assign(lost=lost)[np.isfinite(lost)]
    if known.empty:
        return "There are too few trials to say what more of them would buy."
    top = known.sort_values(["lost", "name"], ascending=[False, True]).iloc[0]
    middle, most = (shown(float(value), 2) for value in (known["lost"].median(), top["lost"]))
    said = f"With half of its trials a technique's best validation loss is expected to be {middle} % higher"
    where = f"{top['label']} on {top['group']}"
    return f"{said} (median of {plural(len(known), 'row')}), and at most {most} % ({where})."
