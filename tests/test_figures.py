"""Every figure, looked at by a program: no text is cut or lies over another, and every mark says what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree as Xml

import matplotlib.text
import pandas as pd
import pytest
import report_records as made
from matplotlib.figure import Figure
from report_records import DIGITS, GRAMMAR, LSTM, Record, Technique, board_from

from bench.record import TrialRecord
from bench.tune import SEEDS
from report import costs, ink
from report.board import Board
from report.plots import PLOTS
from report.svg import SVG, compact
from tasks.cards import without_memory

TASK = "my/" + "a-task-whose-name-is-sixty-four-characters-long-" + 13 * "o"
DRAWN = {
    3: {"longest-t", "score-against-t", "gap-against-data", "best-against-last", "learning-rate", "trials"},
    12: {
        "interactions",
        "critical-difference",
        "performance-profile",
        "cpu-cuda",
        "failures",
        "time-to-target",
        "learning-curves",
        "learning-curves-seconds",
        "variance-explained",
        "score-against-time",
    },
    40: {"heatmap", "comparison", "gradient-norms", "gradient-half-life", "generalisation-gap", "best-update"},
}
"""What a board is for: the figures that are drawn of it."""
LEEWAY = 1.5
"""Pixels that two texts may share: a box is a little larger than its letters."""


def lengthened(technique: Technique) -> Technique:
    """Names of 64 characters in place of all that differ from the baseline's."""
    longer = [name + "-" + "-".join(8 * ["long-name"])[: 63 - len(name)] for name in technique]
    architecture, stabilisation, optimizer = (
        old if old == base else new for old, new, base in zip(technique, longer, LSTM, strict=True)
    )
    return architecture, stabilisation, optimizer


def runs(techniques: list[Technique], seeds: int, tasks: list[str]) -> Iterator[Record]:
    """Runs with curves and probes, timed on both devices; one that exploded, one that failed."""
    for task in tasks:
        for place, technique in enumerate(techniques):
            for seed in range(seeds):
                score = (1e12 if place == 2 else 40.0) * (1 + 0.01 * place + 0.001 * seed)
                facts = made.task_of(task)
                curve = [
                    {"step": 50 * i, "valid": {"loss": 2.0 - 0.1 * i, facts["metric"]: score * (2.0 - 0.1 * i)}}
                    for i in range(11)
                ]
                probes = made.probes(-0.02 * (1 + place), 0.1 * (1 + place) + 0.01 * seed)
                run = made.run(task, technique, seed, score, curve=curve, probes=probes, best_step=400 + 10 * place)
                yield made.failed(run, "timeout", "longer than 60 s") if place == 1 and seed else run
            yield made.timing(run, 4.0 + place)
            yield made.timing(run, 9.0 / (1 + place), device="cuda")


def memories(techniques: list[Technique]) -> Iterator[Record]:
    """The longer a sequence, the fewer solve it."""
    for place, technique in enumerate(techniques):
        for steps in (50, 100):
            task = f"memory/adding/{steps}"
            yield made.run(task, technique, 0, without_memory(task) * (0.01 if 50 * place > steps else 1.1))


def tuned(techniques: list[Technique]) -> Iterator[Record | TrialRecord]:
    """Scores after three trials, and the trials, of which the last failed."""
    for place, technique in enumerate(techniques):
        run = made.run(DIGITS, technique, 0, 80.0 + place)
        yield replace(run, id=run.id + "t", configuration=run.configuration + "t", spec=run.spec | {"tuned": 3})
        for index, valid in enumerate((1.5 + 0.1 * place, 1.0, None)):
            of = made.run(DIGITS, technique, SEEDS + index)
            facts = {"machine": of.machine, "versions": of.versions, "task": of.task, "valid": valid}
            chosen = {"lr": 10.0 ** (index - 3)}
            ended = "diverged" if valid is None else "ok"
            yield TrialRecord(of.id, of.name, of.configuration, of.names, of.spec, index, chosen, ended, **facts)


def board_of(count: int) -> Board:
    """A board of so many techniques: with three also of trials, memory and little data, with twelve crossed."""
    names = made.star(count)
    if count == 12:
        names = [(a, s, o) for a in ("lstm", "gru", "rnn") for s in ("none", "clip") for o in ("adam", "sgd")]
    names = [lengthened(name) for name in names]
    tasks = {3: [DIGITS, DIGITS + "/10%"], 12: [GRAMMAR, TASK]}.get(count, [TASK])
    records = [*runs(names, 1 if count == 40 else 3, tasks)]
    if count == 3:
        records += [*memories(names), *tuned(names)]  # type: ignore[list-item]
    return board_from(*records)


Box = tuple[str, float, float, float, float]


def box(text: matplotlib.text.Text, figure: Figure) -> Box:
    """A text and its edges in pixels: left, bottom, right, top."""
    found = text.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]
    return text.get_text(), found.x0, found.y0, found.x1, found.y1


def ticks(figure: Figure) -> Iterator[list[Box]]:
    """The labels of each axis that are in view; of slanted ones the boxes say little."""
    for ax in figure.axes:
        for axis, side in ((ax.xaxis, 0), (ax.yaxis, 1)):
            start, end = sorted(axis.get_transform().transform(list(axis.get_view_interval())))
            edge = 1e-6 * (end - start)
            labels = [label for label in axis.get_ticklabels(which="both") if label.get_visible() and ax.axison]
            at = [axis.get_transform().transform([label.get_position()[side]])[0] for label in labels]
            yield [
                box(label, figure)
                for label, place in zip(labels, at, strict=True)
                if label.get_text() and not label.get_rotation() and start - edge <= place <= end + edge
            ]


def apart(one: Box, two: Box) -> bool:
    """Whether two boxes share no more than the leeway."""
    _, *a = one
    _, *b = two
    return any(min(a[i + 2], b[i + 2]) - max(a[i], b[i]) <= LEEWAY for i in (0, 1))


def others(figure: Figure) -> Iterator[Box]:
    """Every other text: titles, names of axes, keys of the legend, numbers in panels."""
    labels = [
        label for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for label in axis.get_ticklabels(which="both")
    ]
    hidden = [axis.label for ax in figure.axes if not ax.axison for axis in (ax.xaxis, ax.yaxis)]
    known = {id(text) for text in (*labels, *hidden)}
    for text in figure.findobj(matplotlib.text.Text):
        if id(text) not in known and text.get_visible() and text.get_text().strip():
            yield box(text, figure)


@pytest.mark.parametrize("count", [3, 12, 40])
def test_nothing_is_cut_or_hidden(count: int) -> None:
    """With names of 64 characters every text is inside its figure and no two labels of an axis or keys of a legend
    meet; nothing warns, and every figure has words that show on hover."""
    found, drawn = board_of(count), set()
    for plot in PLOTS:
        if plot.name not in DRAWN[count] or plot.without(found):
            continue
        drawn.add(plot.name)
        with ink.theme():
            figure = plot.draw(found)
            files = ink.files(figure)
        axes = list(ticks(figure))
        keys = [box(text, figure) for legend in figure.legends for text in legend.get_texts()]
        right, top = figure.bbox.width + LEEWAY, figure.bbox.height + LEEWAY
        for text, *edges in (*(label for labels in axes for label in labels), *others(figure)):
            inside = edges[0] > -LEEWAY and edges[1] > -LEEWAY and edges[2] < right and edges[3] < top
            assert inside, f"{plot.name}: {text} is cut"
        for labels in (*axes, keys):
            for one, two in combinations(labels, 2):
                assert apart(one, two), f"{plot.name}: {one[0]} lies over {two[0]}"
        assert list(Xml.fromstring(compact(files["svg"])).iter(f"{SVG}title")), f"{plot.name}: nothing shows on hover"
    assert drawn == DRAWN[count]


def test_a_scale_ends_where_nearly_all_values_do() -> None:
    """One exploded run of eight is above the panel, unless it is to be kept; a power of ten has its digits raised."""
    values = pd.Series([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1e12])
    for kept, top in ((0.0, 20.0), (1e12, 1e13)):
        ax = Figure().subplots()
        ax.plot(values)
        ink.spread_scale(ax, values, "lower", kept)
        assert top / 10 < ax.get_ylim()[1] < top
    assert [ink.power(value) for value in (0.0001, 1e-5, 2e7, 500)] == ["0.0001", "10⁻⁵", "2·10⁷", "500"]


def test_an_exploded_score_is_an_arrow() -> None:
    """Of twelve techniques the one at 10^12 is no point of the panel: an arrow at its top says what it is."""
    with ink.theme():
        figure = costs.pareto(board_of(12))
    arrows = [line.get_gid() for ax in figure.axes for line in ax.lines if line.get_marker() == "^"]
    assert len(arrows) == 2
    assert all("e+12" in str(gid) for gid in arrows)


def test_panels_of_few_techniques_stand_together() -> None:
    """No panel is mostly empty: beside each other stand tasks that many techniques ran on, below them the others."""
    tasks = [f"speech/{name}" for name in "abcd"]
    many = [("lstm", "none", f"o{number}") for number in range(20)]
    records = [
        made.run(task, technique)
        for task, techniques in zip(tasks, (many[:1], many, many[:2], many), strict=True)
        for technique in techniques
    ]
    board = board_from(*records)
    ran = {group: set(board.techniques.loc[board.techniques["group"] == group.label, "name"]) for group in board.groups}
    figure, panels = ink.by_technique(ink.order(board), ran)
    assert [(group.task[-1], len(names)) for _, group, names in panels] == [("b", 20), ("d", 20), ("c", 2), ("a", 2)]
    figure.draw_without_rendering()
    tall, low = panels[0][0].get_position().height, panels[2][0].get_position().height
    assert tall > 2 * low
