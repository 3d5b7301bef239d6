"""What two techniques gain together beyond each alone, by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRAMMAR, GRU, LSTM, SGD, Record, board_from
from scipy import stats

from report import crossing, ink

BOTH = ("gru", "clip", "adam")
GRU_SGD, CLIP_SGD = ("gru", "none", "sgd"), ("lstm", "clip", "sgd")


def runs(scores: dict[made.Technique, Iterable[float | None]], task: str = DIGITS) -> list[Record]:
    """A run for each score, seeds counted from 0; None is a run that diverged. Accuracy where nothing else is known."""
    facts = made.task_of(task, **made.TASKS.get(task, made.TASKS[DIGITS]))
    return [
        made.run(task, technique, seed, score, task=facts)
        if score is not None
        else made.failed(made.run(task, technique, seed), "diverged", "loss is not finite")
        for technique, found in scores.items()
        for seed, score in enumerate(found)
    ]


SQUARE = {LSTM: (48, 50, 52), GRU: (53, 55, 57), CLIP: (50, 51, 55), BOTH: (60, 61, 65)}
"""Base 50; seed by seed gru gains 5, 5, 5, clip 2, 1, 3, both 12, 11, 13: 5, 5, 5 beyond the sum, all 10 % of 50."""


def test_a_square_by_hand() -> None:
    """Both gain 24 % of the baseline's mean, the sum is 14 %, and 10 % lies beyond, the same with every seed."""
    (row,) = crossing.crossed(board_from(*runs(SQUARE))).itertuples()
    assert (row.group, row.one, row.two, row.label, row.n) == ("speech/digits (synthetic)", "gru", "clip",
                                                               "gru + clip", 3)  # fmt: skip
    assert (row.together, row.alone, row.beyond) == pytest.approx((24, 14, 10))
    assert math.isnan(row.half)  # no spread to be seen


def test_the_interval_is_students() -> None:
    """Beyond the sum, seed by seed 5, 5 and 8 of 50: 10, 10 and 16 %."""
    (row,) = crossing.crossed(board_from(*runs({**SQUARE, BOTH: (60, 61, 68)}))).itertuples()
    assert row.beyond == pytest.approx(12)
    assert row.half == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem([10, 10, 16]))
    assert row.half == pytest.approx(4.30265 * math.sqrt(12) / math.sqrt(3), rel=1e-5)


def test_lower_is_turned() -> None:
    """Perplexity 4 -> 3 alone, 4 -> 2 together: 50 % together, 25 % and 0 % alone, 25 % beyond."""
    scores = {LSTM: (4, 4), GRU: (3, 3), CLIP: (4, 4), BOTH: (2, 2)}
    (row,) = crossing.crossed(board_from(*runs(scores, GRAMMAR))).itertuples()
    assert (row.together, row.alone, row.beyond) == pytest.approx((50, 25, 25))


def test_a_star_has_none_and_says_why() -> None:
    """One factor at a time: no pair to look at, a reason in place of a figure, an empty table."""
    found = board_from(*runs({LSTM: (50,), GRU: (55,), CLIP: (51,), SGD: (40,)}))
    assert len(crossing.crossed(found)) == 0
    assert crossing.no_crossing(found) == "no two techniques were run together and each alone on the same seeds"
    assert crossing.crossing_tables(found)[0][1].lines == ()


@pytest.mark.parametrize(
    "scores",
    [
        {LSTM: (50, 50), GRU: (55, 55), SGD: (52, 52), BOTH: (60, 60)},
        {**SQUARE, CLIP: (None, None, None)},
        {LSTM: (50, 50), GRU: (55, None), CLIP: (None, 51), BOTH: (60, 60)},
    ],
    ids=["one never alone", "one never finished", "no shared seed"],
)
def test_what_makes_no_pair(scores: dict[made.Technique, Iterable[float | None]]) -> None:
    """A pair needs each of its parts alone, on a seed that all four finished."""
    found = board_from(*runs(scores))
    assert len(crossing.crossed(found)) == 0
    assert crossing.no_crossing(found)


def test_failed_seeds_make_no_pair() -> None:
    """Where one of the four failed, its seed is left out of all; what is left is counted."""
    scores = {**SQUARE, CLIP: (50, None, 55)}
    (row,) = crossing.crossed(board_from(*runs(scores))).itertuples()
    assert row.n == 2
    assert (row.together, row.alone) == pytest.approx((25, 15))  # 12, 13 and 7, 8, of 50
    assert row.beyond == pytest.approx(10)


def test_another_machine_makes_no_pair() -> None:
    """The pair's runs are taken from where the baseline ran."""
    other = {"label": "8-core other machine", "threads": 1}
    there = [made.run(DIGITS, BOTH, seed, 99.0, machine=other) for seed in range(3)]
    elsewhere = board_from(*runs({key: SQUARE[key] for key in (LSTM, GRU, CLIP)}), *there)
    assert len(crossing.crossed(elsewhere)) == 0
    both = board_from(*runs(SQUARE), *there)
    assert crossing.crossed(both)["beyond"].to_list() == pytest.approx([10])


CUBE = {**SQUARE, SGD: (40, 40, 43), GRU_SGD: (41, 44, 45), CLIP_SGD: (49, 50, 50),
        ("gru", "clip", "sgd"): (70, 70, 70)}  # fmt: skip


def test_three_pairs_of_axes() -> None:
    """Three factors cross in three ways; what changes all three is no pair."""
    found = board_from(*runs(CUBE), *runs(CUBE, "speech/fsdd"))
    rows = crossing.crossed(found)
    assert found.baseline == LSTM
    assert sorted(rows["label"]) == ["clip + sgd"] * 2 + ["gru + clip"] * 2 + ["gru + sgd"] * 2
    assert {name: len(part) for name, part in crossing._pairs(found).items()} == {
        "architecture × stabilisation": 2,
        "architecture × optimizer": 2,
        "stabilisation × optimizer": 2,
    }


def test_figure_table_and_sentence_hold_every_pair() -> None:
    """A cell with its number for each pair, on hover a line for each task, and a row of the table."""
    found = board_from(*runs(CUBE), *runs({**CUBE, BOTH: (60, 61, 68)}, "speech/fsdd"))
    rows = crossing.crossed(found)
    with ink.theme():
        figure = crossing.interactions(found)
        drawn = ink.files(figure)["svg"].decode()
    assert [ax.get_title(loc="left") for ax in figure.axes[:3]] == list(crossing._pairs(found))
    middles = rows.groupby("label")["beyond"].median()
    assert sorted(text.get_text() for ax in figure.axes for text in ax.texts) == sorted(f"{m:+.1f}" for m in middles)
    for row in rows.itertuples():
        assert f"{row.group}: {row.together:+.3g} % together, {row.alone:+.3g} % as a sum" in drawn
    ((_, table),) = crossing.crossing_tables(found)
    assert {line.cells[:2] for line in table.lines} == set(zip(rows["label"], rows["group"], strict=True))
    assert len(table.lines) == len(rows) == 6
    cells = {line.cells[:2]: line.cells[2:] for line in table.lines}
    assert cells["gru + clip", "speech/digits (synthetic)"] == ("+24.00", "+14.00", "+10.00", "", "3")
    assert cells["gru + clip", "speech/fsdd"] == ("+26.00", "+14.00", "+12.00", "8.61", "3")


def test_the_sentence_counts_what_is_beyond_its_interval() -> None:
    """12 ± 8.61 % is more than the sum; a pair as bad as twice the loss is less."""
    less = {LSTM: (50, 50, 50), GRU: (45, 45, 45), CLIP: (45, 45, 45), BOTH: (20, 21, 22)}
    found = board_from(*runs({**SQUARE, BOTH: (60, 61, 68)}), *runs(less, "speech/fsdd"), *runs(SQUARE, "my/task"))
    assert crossing.beyond_sum(found) == (
        "Of 3 pairs on a task, 2 with an interval: 1 gain more together than the sum of the two, 1 less."
    )
