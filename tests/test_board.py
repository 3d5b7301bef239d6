"""The numbers of the report: statistics, ranks, targets, and what is never averaged."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRAMMAR, GRU, LSTM, SGD, board_from, cells
from scipy import stats as scipy_stats

from report import findings, tables
from report.stats import average_ranks, dense_ranks, difference, shown, t_interval


def test_interval_by_hand() -> None:
    """1, 2, 3: mean 2, standard deviation 1, t(2) = 4.3027, half-width 4.3027 / sqrt(3) = 2.4841."""
    mean, half = t_interval([1.0, 2.0, 3.0])
    assert mean == 2
    assert half == pytest.approx(2.4841, abs=1e-4)


@pytest.mark.parametrize("values", [[1.0, 4.0], [3.2, 3.4, 2.9, 3.3, 3.1]])
def test_interval_is_scipys(values: list[float]) -> None:
    """The half-width is that of scipy.stats.t.interval."""
    mean, half = t_interval(values)
    low, high = scipy_stats.t.interval(0.95, len(values) - 1, loc=mean, scale=scipy_stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_one_seed_has_no_interval() -> None:
    """With one seed the row says n=1 and shows the score alone."""
    assert math.isnan(t_interval([5.0])[1])
    found = board_from(made.run(DIGITS, LSTM, score=80.0))
    assert cells(found, "accuracy (%) ↑") == {"lstm/none/adam": "80.00"}
    assert cells(found, "n") == {"lstm/none/adam": "n=1"}


def test_ranks_of_ties() -> None:
    """Dense ranks share a number; average ranks keep their sum."""
    assert dense_ranks([3, 1, 1, 2]) == [3, 1, 1, 2]
    assert average_ranks([3, 1, 1, 2]) == [4, 1.5, 1.5, 3]
    assert average_ranks([3, 1, 1, 2]) == list(scipy_stats.rankdata([3, 1, 1, 2]))


def test_difference_is_positive_when_better() -> None:
    """Accuracy from 80 to 88 and perplexity from 4 to 3.6 are both +10 %; a baseline of 0 has no percentage."""
    assert difference(88, 80, "higher") == pytest.approx(10)
    assert difference(3.6, 4, "lower") == pytest.approx(10)
    assert math.isnan(difference(1, 0, "lower"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(93.254, "93.25"), (0.012344, "0.01234"), (0.0, "0.000"), (12345.6, "12346"), (0.99996, "1.000"), (math.inf, "∞")],
)
def test_numbers_shown(value: float, text: str) -> None:
    """Four significant digits, no exponent for ordinary numbers."""
    assert shown(value) == text


# leaderboard


def test_direction() -> None:
    """The higher accuracy and the lower perplexity come first."""
    runs = [made.run(task, t, score=s) for task in (DIGITS, GRAMMAR) for t, s in ((LSTM, 4.0), (GRU, 3.0))]
    found = board_from(*runs)
    assert cells(found, "rank", 0) == {"lstm/none/adam": "1", "gru/none/adam": "2"}
    assert cells(found, "rank", 1) == {"gru/none/adam": "1", "lstm/none/adam": "2"}


def test_ties_share_a_rank() -> None:
    """Rows that show the same score share a rank, and the next row has the next number."""
    found = board_from(*(made.run(DIGITS, t, score=s) for t, s in ((LSTM, 80.001), (GRU, 80.002), (CLIP, 79.0))))
    assert cells(found, "rank") == {"gru/none/adam": "1", "lstm/none/adam": "1", "lstm/clip/adam": "2"}


def test_failures_rank_worst() -> None:
    """A row with a failed seed comes below a worse one without; a row that only failed comes last; none is dropped."""
    runs = [made.run(DIGITS, LSTM, seed, 70.0 + seed) for seed in range(3)]
    runs += [made.run(DIGITS, GRU, seed, 90.0) for seed in range(2)]
    runs += [made.failed(made.run(DIGITS, GRU, 2), "diverged", "loss is not finite", step=7)]
    runs += [
        made.failed(made.run(DIGITS, SGD, 0), "diverged", ""),
        made.failed(made.run(DIGITS, SGD, 1), "timeout", ""),
    ]
    found = board_from(*runs)
    assert cells(found, "rank") == {"lstm/none/adam": "1", "gru/none/adam": "2", "lstm/none/sgd": "3"}
    assert cells(found, "remarks") == {
        **{"lstm/none/adam": "", "gru/none/adam": "1/3 diverged"},
        "lstm/none/sgd": "2/2 1 diverged, 1 timeout",
    }
    assert cells(found, "accuracy (%) ↑")["gru/none/adam"] == "90.00"
    assert cells(found, "accuracy (%) ↑")["lstm/none/sgd"] == "-"
    assert "3 of 8 runs failed (2 diverged, 1 timeout)" in findings.headline(found)


def test_a_run_that_died_early_stays_in_its_table() -> None:
    """A crash before the task was built leaves no task facts, and still counts in the one table there is."""
    crash = made.failed(made.run(DIGITS, LSTM, 1), "crashed", "signal 9", task={})
    found = board_from(made.run(DIGITS, LSTM, 0), crash)
    assert len(found.groups) == 1
    assert cells(found, "remarks") == {"lstm/none/adam": "1/2 crashed"}


def test_a_lost_device_is_a_failure_until_the_run_is_made() -> None:
    """A run whose device was lost counts as failed, with its reason; made anew, here or elsewhere, it does not."""
    whole = made.run(DIGITS, LSTM, 1)
    lost = made.failed(whole, "device-lost", "RuntimeError: CUDA error", task={})
    found = board_from(made.run(DIGITS, LSTM, 0), lost)
    assert cells(found, "remarks") == {"lstm/none/adam": "1/2 device-lost"}
    assert found.frames.runs["reason"].to_list() == ["", "RuntimeError: CUDA error"]
    elsewhere = replace(whole, machine={"label": "another"})
    assert cells(board_from(lost, elsewhere), "remarks") == {"lstm/none/adam": ""}
    for records in ([lost, whole], [whole, lost]):
        assert cells(board_from(made.run(DIGITS, LSTM, 0), *records), "remarks") == {"lstm/none/adam": ""}


def test_the_answer_where_nothing_is_tested() -> None:
    """Two seeds make no test; the first line says so, and counts nothing out of nothing."""
    found = board_from(*(made.run(DIGITS, cell, seed) for cell in (LSTM, GRU) for seed in range(2)))
    said = "Over 1 task and 2 techniques, no difference to a baseline is tested, which takes 3 seeds;"
    assert findings.answer([found]).startswith(said)


@pytest.mark.parametrize(
    ("norms", "remark"),
    [
        ([0.0, 0.0, 0.0], "suspect: no gradient 1/2"),
        ([0.1, 3.0, 2e6], "suspect: exploding gradient 1/2"),
        ([0.1, 3.0, None], "suspect: exploding gradient 1/2"),
        ([1e6, 0.0, 0.0], ""),
        ([], ""),
    ],
)
def test_gradients_of_no_use_are_suspect(norms: list[float | None], remark: str) -> None:
    """A run that ended with a score, and with a gradient that is nowhere or beyond all use, is named beside its row."""
    fine = made.run(DIGITS, LSTM, 0)
    odd = replace(made.run(DIGITS, LSTM, 1), probes={"gradient": {"end": {"norms": norms}}})
    assert cells(board_from(fine, odd), "remarks") == {"lstm/none/adam": remark}
    lost = made.failed(odd, "diverged", "loss is not finite")
    assert cells(board_from(fine, lost), "remarks") == {"lstm/none/adam": "1/2 diverged"}


def test_naive_rows_in_place() -> None:
    """Naive answers have their rank, a bound has none, and a row that loses to the best naive answer says so."""
    naive = made.NaiveRecord("n", made.task_of(GRAMMAR), {"unigram": 9.0, "trigram": 4.5, "entropy floor": 2.7})
    found = board_from(naive, made.run(GRAMMAR, LSTM, score=3.0), made.run(GRAMMAR, GRU, score=5.0))
    assert cells(found, "rank") == {
        **{"bound: entropy floor": "", "lstm/none/adam": "1", "naive: trigram": "2"},
        **{"gru/none/adam": "3", "naive: unigram": "4"},
    }
    assert next(iter(cells(found, "rank"))) == "bound: entropy floor"
    assert cells(found, "remarks")["gru/none/adam"] == "below naive"
    assert "| *2* | *naive: trigram* |" in tables.markdown(found)


def test_no_time_is_an_empty_cell() -> None:
    """Without a timing the cells are empty, never zero; a CUDA time of the same configuration finds the CPU row."""
    run = made.run(DIGITS, LSTM, 0, 80.0)
    for head in ("ms/step cpu", "ms/step cuda", "× nn.LSTM", "s to target"):
        assert cells(board_from(run), head) == {"lstm/none/adam": ""}
    timed = board_from(run, made.timing(run, 5.0, noisy=True), made.timing(run, 0.5, device="cuda"))
    assert cells(timed, "ms/step cpu") == {"lstm/none/adam": "~5.00"}
    assert cells(timed, "ms/step cuda") == {"lstm/none/adam": "0.500"}
    assert cells(timed, "× nn.LSTM") == {"lstm/none/adam": "1.10"}


def test_times_of_two_machines_are_not_mixed() -> None:
    """The machine that timed more configurations is shown, whichever line came first."""
    a, b = made.run(DIGITS, LSTM), made.run(DIGITS, GRU)
    other = replace(a, machine={"label": "a slower machine"})
    found = board_from(made.timing(other, 50.0), made.timing(a, 5.0), made.timing(b, 6.0), a, b)
    assert found.timed_on == {"cpu": "2-core test machine"}
    assert cells(found, "ms/step cpu") == {"gru/none/adam": "6.00", "lstm/none/adam": "5.00"}


def test_target_and_seconds() -> None:
    """The target is the median of the baseline's best validation values; who never gets there counts until the end.

    The baseline's: (100 + 85.7 + 200, the end) / 3 = 128.6 updates. Clip's: (50 + 200) / 2 = 125, at 4 ms 0.5 s.
    """

    def curve(*values: float) -> list[dict[str, object]]:
        return [{"step": 100 * i, "valid": {"accuracy": v, "loss": 1.0}} for i, v in enumerate(values)]

    base = [made.run(DIGITS, LSTM, s, 70.0, curve=curve(10, top, top - 1)) for s, top in enumerate((60.0, 70.0, 80.0))]
    clip = [made.run(DIGITS, CLIP, s, 70.0, curve=curve(10, top)) for s, top in enumerate((130.0, 50.0))]
    gru = made.run(DIGITS, GRU, 0, 60.0, curve=curve(10, 20))
    found = board_from(*base, *clip, gru, made.timing(clip[0], 4.0))
    assert found.groups[0].target == 70
    assert cells(found, "steps to target") == {
        **{"lstm/none/adam": "≥ 129 (2/3)", "lstm/clip/adam": "≥ 125 (1/2)"},
        "gru/none/adam": "not reached",
    }
    assert cells(found, "s to target")["lstm/clip/adam"] == "0.500"


@pytest.mark.parametrize(
    "other",
    [
        made.run(DIGITS, LSTM, 1, 20.0, device="cuda"),
        made.run(DIGITS, LSTM, 1, 20.0, task=made.task_of(DIGITS, version="2")),
        made.run(DIGITS, LSTM, 1, 20.0, task=made.task_of(DIGITS, fingerprint="beef")),
    ],
)
def test_what_differs_is_never_averaged(other: made.RunRecord) -> None:
    """Another device, task version or data fingerprint is another table, and a line says what differs."""
    found = board_from(made.run(DIGITS, LSTM, 0, 80.0), other)
    assert sorted(found.techniques["mean"]) == [20, 80]
    assert len(tables.apart(found)) == 1
    assert "never averaged" in tables.markdown(found)


def test_mean_ranks_over_tasks() -> None:
    """Techniques run on every task are ranked among themselves; one that misses a task is listed without a rank."""
    scores = {LSTM: (80.0, 4.0), CLIP: (81.0, 3.0), SGD: (70.0, 5.0)}
    runs = [made.run(t, k, 0, v) for k, pair in scores.items() for t, v in zip((DIGITS, GRAMMAR), pair, strict=True)]
    found = board_from(*runs, made.run(DIGITS, GRU, 0, 99.0))
    assert found.baseline == LSTM
    ((_, table),) = tables.overall_tables(found)
    assert [(line.cells[0], "/".join(line.cells[1:4]), *line.cells[4:8]) for line in table.lines] == [
        ("1", "lstm/clip/adam", "1.00", "2", "+13.1", "2"),
        ("2", "lstm/none/adam", "2.00", "2", "baseline", ""),
        ("3", "lstm/none/sgd", "3.00", "2", "-18.8", "0"),
        ("", "gru/none/adam", "", "1 of 2", "+23.8", "1"),
    ]
    assert "1 of 2 other techniques run on all of them has a better mean score" in findings.headline(found)


def test_an_edited_choice_keeps_its_own_row() -> None:
    """Two configurations under one name are two rows, told apart by their id."""
    old, new = made.run(DIGITS, LSTM, 0, 70.0), made.run(DIGITS, LSTM, 0, 80.0, id="new", configuration="feed")
    assert sorted(board_from(old, new).techniques["name"]) == sorted(
        f"lstm/none/adam #{run.configuration[:4]}" for run in (old, new)
    )
