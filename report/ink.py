"""What every figure shares: theme, the meaning of a colour, panels, and files that come out the same each time."""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from PIL import Image

from report.board import Board
from report.groups import Group
from report.svg import tips

BASE = "#111111"
ON_COLOUR = "#000000"
"""Text that stands on a colour of its own: it stays dark on a dark page, where ink is light (report.svg)."""
OTHER = "#b4b4b4"
INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#6a3d9a")
"""Okabe & Ito's colours, which colour-blind readers can tell apart; brown and violet in place of yellow."""

STATUS = {
    "diverged": "#d55e00",
    "timeout": "#e69f00",
    "out-of-memory": "#cc79a7",
    "crashed": "#111111",
    "failed": "#6a3d9a",
    "nondeterministic": "#8c564b",
    "device-lost": "#56b4e9",
}
PANELS, LINES = 12, 450
"""More panels, or lines of techniques in all panels, are no longer looked at; the tables hold every task."""


def room(techniques: int) -> int:
    """How many panels there are in a figure with so many lines in each."""
    return max(3, min(PANELS, LINES // max(techniques, 1)))


def tip(artist: Artist, *texts: str) -> None:
    """Have an artist say this on hover; of points, one text each, in their order."""
    artist.set_gid(tips(texts))


def theme() -> AbstractContextManager[None]:
    """Settings under which figures are drawn. Names are text: `$` starts no formula, and SVG text stays text."""
    settings = {
        **sns.axes_style("whitegrid"),
        **{"svg.hashsalt": "report", "svg.fonttype": "none", "text.parse_math": False, "font.family": "DejaVu Sans"},
        **{"font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8},
        **{"legend.fontsize": 8, "grid.linewidth": 0.5, "grid.color": "#e4e4e4", "axes.edgecolor": "#999999"},
        **{"axes.titlelocation": "left", "figure.facecolor": "white", "path.simplify_threshold": 0.5},
    }
    return mpl.rc_context(settings)


def palette(board: Board) -> dict[str, str]:
    """Colour of each technique, the same in every figure; one that is not here is grey.

    The baseline, the best four, and the two at either end of the gradient half-lives.
    """
    order = board.overall.loc[board.overall["name"].map(_is_baseline(board)) == False, "name"]  # noqa: E712
    same = board.techniques["optimizer"] == (board.baseline or ("",) * 3)[2]  # those in the figure of gradient norms
    reach = board.techniques[same].groupby("name")["half_life"].median().dropna()
    reach = reach[[name for name in reach.index if not _is_baseline(board)(name)]].sort_values(kind="stable")
    wanted = [*order.drop_duplicates()[:4], *reach.index[:2], *reach.index[::-1][:2]]
    colours = dict(zip(dict.fromkeys(wanted), INKS, strict=False))
    return {"/".join(board.baseline): BASE, **colours} if board.baseline else colours


def _is_baseline(board: Board) -> Callable[[str], bool]:
    return lambda name: board.baseline is not None and name == "/".join(board.baseline)


def best(board: Board, count: int = 4) -> list[str]:
    """Names of the baseline and of the techniques with the best mean ranks."""
    names = [name for name in palette(board) if not _is_baseline(board)(name)]
    first = ["/".join(board.baseline)] if board.baseline else []
    return first + names[:count]


def labels(board: Board) -> dict[str, str]:
    """The short label of each technique."""
    rows = board.techniques.drop_duplicates("name")
    return {name: short(label) for name, label in zip(rows["name"], rows["label"], strict=True)}


def among(names: Iterable[str], values: pd.Series) -> list[str]:
    """Those of the names that occur."""
    known = set(values.unique())
    return [name for name in names if name in known]


def having(board: Board, rows: pd.DataFrame) -> list[Group]:
    """The groups that have rows."""
    known = set(rows["group"].unique())
    return [group for group in board.groups if group.label in known]


def drawn(board: Board, rows: pd.DataFrame, most: int = PANELS) -> tuple[list[Group], pd.DataFrame]:
    """The groups that get a panel, and their rows."""
    groups = having(board, rows)[:most]
    return groups, rows[rows["group"].isin([group.label for group in groups])]


def short(text: str, limit: int = 36) -> str:
    """A name that leaves room for a picture beside it: of a long one its beginning and its end."""
    return text if len(text) <= limit else f"{text[: limit - 14]}…{text[-13:]}"


def dark(colour: Any) -> bool:
    """Whether white text on a colour has more contrast than black text (WCAG's relative luminance)."""
    return float(np.dot(np.asarray(colour[:3]) ** 2.2, (0.2126, 0.7152, 0.0722))) < 0.18


def order(board: Board) -> list[str]:
    """Every technique, the best first, as in the overall table."""
    return board.overall["name"].drop_duplicates().to_list()


def title(group: Group, width: int = 36) -> str:
    """A panel's title, on as many lines as it needs."""
    return textwrap.fill(group.label, width)


def arrow(group: Group) -> str:
    """Which way is better."""
    return "↓" if group.better == "lower" else "↑"


def measure(group: Group) -> str:
    """The metric with its unit and direction."""
    return f"{group.metric}{f' ({group.unit})' if group.unit else ''} {arrow(group)}"


def panels(groups: Sequence[Group], height: float = 2.7) -> tuple[Figure, list[Axes]]:
    """A figure with one panel a group, at most three beside each other; empty places are taken out."""
    return _grid(groups, [height] * math.ceil(min(len(groups), PANELS) / _columns(groups)))


def by_technique(
    names: Sequence[str], ran: Mapping[Group, set[str]]
) -> tuple[Figure, list[tuple[Axes, Group, list[str]]]]:
    """A figure with one panel a group and a line a technique, in the order of `names`: each panel with its lines.

    Panels beside each other have the same lines. Groups on which few techniques ran stand together at the end, so that
    no panel is mostly empty.
    """
    groups = sorted(ran, key=lambda group: -len(ran[group]))
    columns = _columns(groups)
    beside = [groups[at : at + columns] for at in range(0, min(len(groups), PANELS), columns)]
    lines = [[name for name in names if any(name in ran[group] for group in some)] for some in beside]
    figure, axes = _grid(groups, [0.9 + 0.19 * len(some) for some in lines], "row")
    return figure, [
        (ax, group, lines[place // columns]) for place, (ax, group) in enumerate(zip(axes, groups, strict=False))
    ]


def _columns(groups: Sequence[Group]) -> int:
    count = min(len(groups), PANELS)
    return 2 if count == 4 else min(count, 3)


def _grid(
    groups: Sequence[Group], heights: Sequence[float], share: bool | Literal["row"] = False
) -> tuple[Figure, list[Axes]]:
    count, columns = min(len(groups), PANELS), _columns(groups)
    # lines of techniques need room for their names at the left
    width = {1: 6.4, 2: 8.8, 3: 11.0}[columns]
    figure = Figure(figsize=(width, sum(heights) + 0.5), layout="constrained")
    grid = figure.subplots(len(heights), columns, squeeze=False, sharey=share, height_ratios=heights)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.remove()
    for ax, group in zip(axes, groups, strict=False):
        ax.set_title(title(group))
        sns.despine(ax=ax)
    return figure, axes[:count]


def wide(texts: Iterable[str], size: float = 8.0) -> float:
    """Inches that the longest of some texts takes, `size` in points."""
    font = FontProperties(family="DejaVu Sans", size=size)
    with _any_glyph():
        return max(text_to_path.get_text_width_height_descent(text, font, False)[0] for text in texts) / 72


def legend(figure: Figure, handles: Sequence[Any], columns: int = 4) -> None:
    """One legend below all panels, of as many columns as there is room for; many rows make the figure taller."""
    room = figure.get_figwidth() / (wide(handle.get_label() for handle in handles) + 0.55)  # a line and spaces
    columns = max(1, min(columns, int(room)))
    figure.set_figheight(figure.get_figheight() + 0.16 * max(0, math.ceil(len(handles) / columns) - 2))
    figure.legend(
        handles=handles, loc="outside lower left", ncols=columns, frameon=False, handlelength=1.8, borderaxespad=0.2
    )


def keys(board: Board, names: Iterable[str], others: str = "", **line: Any) -> list[Line2D]:
    """Legend entries of techniques, and one for the grey rest if `others` says what that is."""
    colours, text = palette(board), labels(board)
    found = [Line2D([], [], color=colours[name], label=text.get(name, name), **line) for name in names if name in text]
    return [*found, Line2D([], [], color=OTHER, label=others, **line)] if others else found


def plain_log(axis: Any, low: float, high: float) -> None:
    """Label a log axis as plain text (the stock formatter writes a formula), between decades where they are few."""
    decades = math.log10(high / low)
    subs = (1, 1.5, 2, 3, 4, 5, 7) if decades < 0.8 else (1, 2, 5) if decades < 2 else (1,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
    axis.set_minor_locator(NullLocator())  # they say nothing, and cost as much as all else in a figure


def power(value: float) -> str:
    """A number of an axis: a power of ten where nobody would count its digits."""
    digits, _, exponent = f"{value:g}".partition("e")
    raised = f"10{str(int(exponent)).translate(RAISED)}" if exponent else ""
    return digits if not raised else raised if digits == "1" else f"{digits}·{raised}"


RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def spread_scale(ax: Axes, values: pd.Series, better: str, kept: float = 0.0) -> None:
    """A log y axis where poor values would flatten the good ones.

    It ends where nearly all values do, and not below `kept`: an exploded run would leave no room for the others.
    """
    known = values[np.isfinite(values)]
    if better != "lower" or known.empty or known.min() <= 0 or known.max() / known.min() <= 4:
        ax.yaxis.set_major_locator(MaxNLocator(5))
        return
    low, high = float(known.min()), float(known.max())
    first, third = known.quantile([0.25, 0.75])
    most = max(third * max(10.0, (third / first) ** 1.5), kept)
    ax.set_yscale("log")
    if most < high:
        high = most
        ax.set_ylim(low * (low / high) ** 0.05, high * (high / low) ** 0.05)
    plain_log(ax.yaxis, low, high)


def thinned(steps: np.ndarray, limit: int) -> np.ndarray:
    """Indices of at most about `limit` points, the last one among them."""
    stride = max(1, len(steps) // limit)
    return np.unique(np.r_[np.arange(0, len(steps), stride), len(steps) - 1])


@contextmanager
def _any_glyph() -> Iterator[None]:
    """Say nothing of characters that the font lacks: a plug-in may be called anything."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def files(figure: Figure) -> dict[str, bytes]:
    """The figure as SVG and as PNG, without a date or a version, so that the same records give the same bytes."""
    with _any_glyph():
        layout = figure.get_layout_engine()
        if layout is not None:  # once for both files
            layout.execute(figure)
            figure.set_layout_engine("none")
        # both canvases by hand: savefig would lay everything out again, twice, which is half of all the work
        vector = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(vector, metadata={"Date": None, "Creator": None})
        figure.set_dpi(110)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = io.BytesIO()
        Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(pixels, "png")
    return {"svg": vector.getvalue(), "png": pixels.getvalue()}
