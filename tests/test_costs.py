"""What a score costs: the Pareto front against brute force, and figures only of what was timed."""

from __future__ import annotations

import random
from dataclasses import replace

import pandas as pd
import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRAMMAR, GRU, LSTM, SGD, Record, board_from

from report import costs, ink


def brute(rows: list[tuple[float, float]], better: str) -> set[tuple[float, float]]:
    """The pairs of time and score of which no other is as good in both and better in one."""
    sign = 1 if better == "lower" else -1

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one != other and one[0] <= other[0] and sign * one[1] <= sign * other[1]

    return {row for row in rows if not any(beats(other, row) for other in rows)}


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_front_is_what_nothing_beats(better: str) -> None:
    """On many random sets, coarse enough that times, scores and both tie; the fastest first, each pair once."""
    dice, sizes = random.Random(better), set()
    for _ in range(300):
        rows = [(dice.randint(1, 6) / 2, dice.randint(1, 6) / 4) for _ in range(dice.randint(1, 12))]
        front = costs.front(pd.DataFrame(rows, columns=["ms", "mean"]), better)
        found = list(zip(front["ms"], front["mean"], strict=True))
        assert set(found) == brute(rows, better)
        assert found == sorted(set(found))
        sizes.add(len(found))
    assert {1, 2, 3} <= sizes


def test_the_front_by_hand() -> None:
    """80 % at 1 ms and 90 % at 2 ms; 85 % at 3 ms and another 80 % at 1.5 ms are beaten, in both directions."""
    rows = pd.DataFrame({"ms": [3, 2, 1.5, 1], "mean": [85, 90, 80, 80.0]})
    assert costs.front(rows, "higher")["ms"].to_list() == [1, 2]
    assert costs.front(rows.assign(mean=-rows["mean"]), "lower")["ms"].to_list() == [1, 2]


def three(task: str = DIGITS) -> list[Record]:
    """Three techniques with a score each."""
    scores = {LSTM: 80.0, GRU: 85.0, CLIP: 82.0}
    return [made.run(task, technique, 0, score) for technique, score in scores.items()]


def timed(*milliseconds: float, device: str = "cpu", task: str = DIGITS) -> list[Record]:
    """The times of those techniques, as many as there are."""
    found = zip(three(task), milliseconds, strict=False)
    return [made.timing(run, ms, device=device) for run, ms in found if isinstance(run, made.RunRecord)]


def test_without_a_time_there_is_no_figure() -> None:
    """The reason stands in its place."""
    found = board_from(*three())
    assert costs.no_times(found) == "no configuration with a score has been timed on its device"
    assert costs.no_devices(found) == "CUDA was not measured"


def test_a_time_on_another_device_is_no_time() -> None:
    """Runs on the CPU are not drawn at CUDA's speed; and one device alone is no comparison."""
    found = board_from(*three(), *timed(1.0, 2.0, 3.0, device="cuda"))
    assert costs.no_times(found)
    assert costs.no_devices(found)


def test_a_failed_configuration_is_not_drawn() -> None:
    """A time without a score has no place in a figure of both."""
    dead = made.failed(made.run(DIGITS, SGD), "diverged", "loss is not finite")
    found = board_from(*three(), dead, *timed(4.0, 2.0), made.timing(dead, 1.0))
    assert costs.timed(found)["label"].to_list() == ["gru", "lstm/none/adam"]


def test_only_tasks_with_a_time_have_a_panel() -> None:
    """Points are at their times; the dotted line joins the front."""
    found = board_from(*three(), *three(GRAMMAR), *timed(4.0, 2.0, 1.0))
    with ink.theme():
        figure = costs.pareto(found)
        drawn = ink.files(figure)["svg"].decode()
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["speech/digits (synthetic)"]
    (ax,) = figure.axes
    assert sorted(map(tuple, ax.collections[0].get_offsets().tolist())) == [(1, 82), (2, 85), (4, 80)]
    assert list(zip(*(values.tolist() for values in ax.lines[0].get_data()), strict=True)) == [(1, 82), (2, 85)]
    assert "gru: 85.00 at 2.00 ms a step" in drawn


def test_the_sentence_names_the_front_and_the_ratios() -> None:
    """clip and gru are on it; every step takes 1.1 times nn.LSTM's."""
    found = board_from(*three(), *timed(4.0, 2.0, 1.0))
    assert costs.said(found) == (
        "On the Pareto front of most tasks (1 of 1): clip, gru. A step takes 1.10 to 1.10 times (median 1.10) as long "
        "as with nn.LSTM of the same shape."
    )


def test_both_devices() -> None:
    """Those timed on both, at their times; the sentence counts where CUDA is faster."""
    found = board_from(*three(), *timed(4.0, 2.0, 1.0), *timed(1.0, 4.0, device="cuda"))
    assert costs.no_devices(found) == ""
    with ink.theme():
        figure = costs.devices(found)
        drawn = ink.files(figure)["svg"].decode()
    (ax,) = figure.axes
    assert sorted(map(tuple, ax.collections[0].get_offsets().tolist())) == [(2, 4), (4, 1)]
    assert "gru: 2.00 ms on the CPU, 4.00 ms on CUDA" in drawn
    assert costs.faster(found) == (
        "CUDA is faster on 1 of 2 configurations; the CPU takes 0.500 to 4.00 times as long."
    )


def test_the_table_by_hand() -> None:
    """A row a technique; what was not measured is an empty cell, and that CUDA was not is said once."""
    runs = [run for run in three() if isinstance(run, made.RunRecord)]
    first = replace(runs[0], cost={"seconds": 3.0, "peak_mib": 612.4}, backend=None)
    ((label, table),) = costs.cost_tables(board_from(first, *runs[1:], *timed(4.0, 2.0)))
    assert label == "speech/digits (synthetic)"
    assert table.heads == ("technique", "parameters", "width", "peak MiB", "ms/step cpu", "ms/step cuda", "× nn.LSTM",
                           "back end")  # fmt: skip
    cells = {line.cells[0]: line.cells[1:] for line in table.lines}
    assert cells == {
        "lstm/none/adam": ("20012", "51", "612", "4.00", "", "1.10", ""),
        "gru": ("20012", "51", "", "2.00", "", "1.10", "fused"),
        "clip": ("20012", "51", "", "", "", "", "fused"),
    }
    assert "CUDA: not measured." in table.notes


def test_the_table_with_cuda() -> None:
    """Its times stand in their column, and nothing says that they do not."""
    ((_, table),) = costs.cost_tables(board_from(*three(), *timed(4.0), *timed(0.5, device="cuda")))
    cells = {line.cells[0]: line.cells[4:7] for line in table.lines}
    assert cells["lstm/none/adam"] == ("4.00", "0.500", "1.10")
    assert cells["gru"] == ("", "", "")
    assert not any("CUDA" in note for note in table.notes)
