"""Figures drawn by several processes: the same as by one, and none is left running."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, repeat
from itertools import count as counted
from multiprocessing import active_children

import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRAMMAR, GRU, LSTM, board_from

from report import drawing, ink
from report.board import Board
from report.drawing import Drawing
from report.plots import PLOTS


def boards() -> list[Board]:
    """Two small ones, of which only the second has a failure to draw."""
    runs = [made.run(DIGITS, technique, seed, 80.0 + seed) for technique in (LSTM, GRU) for seed in range(3)]
    dead = made.failed(made.run(GRAMMAR, CLIP), "diverged", "loss is not finite")
    return [board_from(*runs), board_from(*runs, made.run(GRAMMAR, LSTM, 0, 4.0), dead)]


def only(monkeypatch: pytest.MonkeyPatch, names: Iterable[str], few: int) -> None:
    """Have these figures drawn and no others, by other processes where there are more than `few`."""
    asked = [replace(plot, without=plot.without if plot.name in names else lambda _: "not asked") for plot in PLOTS]
    monkeypatch.setattr(drawing, "PLOTS", tuple(asked))
    monkeypatch.setattr(drawing, "FEW", few)
    monkeypatch.setattr(drawing, "cores", chain((2,), repeat(1)).__next__)  # several, and one is started: it is slow


def fail_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Have CPU and CUDA drawn of the board after so many: nothing was timed, so that there is nothing to draw."""
    asked = counted()

    def without(_: Board) -> str:
        return "" if next(asked) == count else "not asked"

    changed = [replace(plot, without=without) if plot.name == "cpu-cuda" else plot for plot in drawing.PLOTS]
    monkeypatch.setattr(drawing, "PLOTS", tuple(changed))


def test_a_process_changes_no_byte_and_none_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process draws the bytes that this one draws, in the order of boards and page; one figure's error reaches
    the caller after those before it, and ends the process although others are on their way."""
    only(monkeypatch, ("heatmap", "failures"), 99)
    with Drawing(boards()) as figures:
        assert figures._pool is None
        here = list(figures.files())
    names = [(board, PLOTS[plot].name) for (board, plot), _ in here]
    assert names == [(0, "heatmap"), (1, "heatmap"), (1, "failures")]
    assert len({files["svg"] for _, files in here}) == 3
    before, elsewhere = set(active_children()), []
    only(monkeypatch, ("heatmap", "failures"), 0)
    fail_after(monkeypatch, 2)
    with pytest.raises(ZeroDivisionError), Drawing([*boards(), *boards() * 3]) as figures:
        elsewhere.extend(figures.files())
    assert elsewhere == [*here, ((2, here[0][0][1]), here[0][1])]  # the third board is the first once more
    assert set(active_children()) <= before
    assert figures._pool is not None
    assert all(one.done() for one in figures._waiting)


def test_a_figure_is_what_its_function_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each board's own, under the theme of the report."""
    only(monkeypatch, ("heatmap",), 99)
    with Drawing(boards()[1:]) as figures:
        ((_, files),) = figures.files()
    with ink.theme():
        assert files == ink.files(next(plot for plot in PLOTS if plot.name == "heatmap").draw(boards()[1]))


def test_reasons_are_those_of_the_plots() -> None:
    """A figure that is left out says why, and is not drawn."""
    one = boards()[0]
    with Drawing([one]) as figures:
        assert figures.reasons == [[plot.without(one) for plot in PLOTS]]
        assert [p for (_, p), _ in figures.files()] == [p for p, reason in enumerate(figures.reasons[0]) if not reason]
    assert "no run failed" in figures.reasons[0]


def test_a_failing_figure_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn here, its error reaches who asked for the files too."""
    only(monkeypatch, ("heatmap",), 99)
    fail_after(monkeypatch, 0)
    seen = []
    with pytest.raises(ZeroDivisionError), Drawing(boards()[:1]) as figures:
        seen.extend(PLOTS[plot].name for (_, plot), _ in figures.files())
    assert seen == ["heatmap"]
