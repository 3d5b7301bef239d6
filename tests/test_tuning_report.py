"""What the report says of tuning: bands and expectations against brute force, tables of made-up trials by hand."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRU, LSTM, board_from, cells

import report
from bench.matrices import MATRICES
from bench.record import Record, RunRecord, TrialRecord, encode
from bench.spaces import DECAY, DIMENSIONS, RATE, STRENGTHS
from bench.tune import SCRAMBLE, SEEDS
from report import ink, tuning
from report.board import Board
from report.tuning import Band, band, curve, expected_best

ROOT = Path(__file__).parents[1]


def test_a_curve_is_in_order_of_rate_and_survives_failures() -> None:
    """A failed trial is infinite, NaN is a failure too, and of a rate tried twice the better counts."""
    found = curve([1.0, 0.1, 0.01, 1.0, 10.0], [3.0, math.inf, 2.0, 2.5, math.nan])
    assert found == [(0.01, 2.0), (0.1, math.inf), (1.0, 2.5), (10.0, math.inf)]


def test_a_band_by_hand() -> None:
    """1 at 0.01, 2 a decade below and 1.1 a decade above: 1.05 is 0.05 decades below and 0.5 above."""
    found = band([0.1, 0.001, 0.01], [1.1, 2.0, 1.0])
    assert found is not None
    assert found.open == ""
    assert (found.low, found.high) == pytest.approx((10**-2.05, 10**-1.5))
    assert found.decades == pytest.approx(0.55)


def test_a_band_says_where_it_is_open() -> None:
    """Where every rate tried on a side is within, the band ends at the last of them and is open there."""
    rates = [0.001, 0.01, 0.1]
    assert band(rates, [1.0, 1.04, 2.0]) == Band(0.001, pytest.approx(0.01 * 10 ** (0.01 / 0.96)), "below")
    assert band(rates, [2.0, 1.04, 1.0]).open == "above"  # type: ignore[union-attr]
    assert band(rates, [1.0, 1.0, 1.04]) == Band(0.001, 0.1, "both")
    assert band([0.1], [3.0]) == Band(0.1, 0.1, "both")


def test_a_band_ends_where_a_trial_failed() -> None:
    """The last good rate is its end, and it is not open there; where all failed there is none."""
    assert band([0.001, 0.01, 0.1, 1.0], [math.inf, 1.0, 1.01, math.inf]) == Band(0.01, 0.1, "")
    assert band([0.1, 1.0], [math.inf, math.nan]) is None
    assert band([], []) is None


def test_a_negative_loss_has_a_band() -> None:
    """5 % of the size of the best: -0.95 of -1."""
    found = band([1.0, 10.0], [-1.0, 0.0])
    assert found is not None
    assert found.decades == pytest.approx(0.05)


@pytest.mark.parametrize("seed", range(8))
def test_a_band_is_that_of_a_fine_grid(seed: int) -> None:
    """Walking a grid of 20 001 rates from the best until the interpolated loss is above 1.05 of it, both ways."""
    dice = np.random.default_rng(seed)
    logs = np.sort(dice.uniform(-4, 0, size=9))
    losses = 1 + dice.uniform(0, 0.15, size=9)
    grid = np.linspace(logs[0], logs[-1], 20_001)
    inside = np.interp(grid, logs, losses) <= 1.05 * losses.min() + 1e-12
    start = int(np.argmin(np.abs(grid - logs[losses.argmin()])))
    low = high = start
    while low > 0 and inside[low - 1]:
        low -= 1
    while high < len(grid) - 1 and inside[high + 1]:
        high += 1
    order = dice.permutation(9)
    found = band(list(10 ** logs[order]), list(losses[order]))
    assert found is not None
    assert found.decades == pytest.approx(grid[high] - grid[low], abs=3 * (grid[1] - grid[0]))
    assert found.open == {(True, True): "both", (True, False): "below", (False, True): "above"}.get(
        (low == 0, high == len(grid) - 1), ""
    )


@pytest.mark.parametrize("count", range(1, 7))
def test_the_expected_best_is_that_of_all_subsets(count: int) -> None:
    """The mean over every choice of n of the N trials of their lowest loss, ties and all."""
    losses = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0][:count]
    for n, mean in enumerate(expected_best(losses), 1):
        assert mean == pytest.approx(np.mean([min(part) for part in itertools.combinations(losses, n)]))


def test_the_expected_best_is_infinite_while_all_may_have_failed() -> None:
    """With two of four failed, two drawn may be those two; three hold a good one: 1.0 in three of four choices."""
    losses = [1.0, math.inf, 2.0, math.nan]
    found = expected_best(losses)
    assert [math.isinf(mean) for mean in found] == [True, True, False, False]
    assert found[2] == pytest.approx((1 + 1 + 1 + 2) / 4)
    assert found[3] == 1.0


def test_the_expected_best_is_unbiased_and_with_replacement_is_not() -> None:
    """Of uniform losses the best of n is 1 / (n + 1) on average; Dodge's estimate from five trials lies above that."""
    dice = np.random.default_rng(5)
    draws = dice.uniform(size=(4000, 5))
    ours = np.mean([expected_best(list(draw)) for draw in draws], axis=0)
    assert ours == pytest.approx([1 / (n + 1) for n in range(1, 6)], abs=0.01)
    ordered = np.sort(draws, axis=1)
    behind = (5 - np.arange(6)) / 5  # the share of trials at each place or behind it
    theirs = (ordered * (behind[:-1] ** 5 - behind[1:] ** 5)).sum(axis=1).mean()
    assert theirs > 1 / 6 + 0.02


def tuned(technique: made.Technique, seed: int = 0, trials: int = 4, **changes: Any) -> RunRecord:
    """A run whose values so many trials chose."""
    run = made.run(DIGITS, technique, seed, 80.0 + seed)
    spec = run.spec | {"tuned": trials}
    return replace(run, id=f"{run.id}-t{trials}", configuration=f"{run.configuration}-t{trials}", spec=spec, **changes)


def trial(technique: made.Technique, index: int, lr: float, valid: float | None, **changes: Any) -> TrialRecord:
    """One trial of a technique."""
    run = made.run(DIGITS, technique, SEEDS + index)
    facts = {"machine": run.machine, "versions": run.versions, "task": run.task}
    record = TrialRecord(
        run.id, run.name, run.configuration, run.names, run.spec, index, {"lr": lr, "clip_norm": 0.5},
        "diverged" if valid is None else "ok", valid=valid, **facts,
    )  # fmt: skip
    return replace(record, **changes)


RATES = (0.001, 0.01, 0.1, 1.0)


def trials(technique: made.Technique, losses: list[float | None], **changes: Any) -> list[TrialRecord]:
    """A trial a rate."""
    return [trial(technique, k, lr, loss, **changes) for k, (lr, loss) in enumerate(zip(RATES, losses, strict=False))]


def two() -> list[Record]:
    """Two techniques, tuned by four trials each: a valley, and one that is open above and failed once."""
    return [
        *(tuned(technique, seed) for technique in (LSTM, CLIP) for seed in range(2)),
        *trials(LSTM, [2.0, 1.0, 1.1, 3.0]),
        *trials(CLIP, [None, 3.0, 2.0, 1.0]),
    ]


def table(found: Board) -> dict[str, tuple[str, ...]]:
    """The rows of the first table of trials, by technique."""
    (_, first), *_ = tuning.tables(found)
    return {line.cells[0]: line.cells[1:] for line in first.lines}


def test_the_table_of_trials() -> None:
    """Trials, failures, chosen values, best loss, band and open side of each technique."""
    found = board_from(*two())
    assert table(found) == {
        "lstm/none/adam": ("4", "", "0.0100", "clip_norm 0.5", "1.000", "0.55", ""),
        "clip": ("4", "1", "1.00", "clip_norm 0.5", "1.000", "≥ 0.050", "above"),
    }
    assert tuning.sensitive(found) == (
        "Rates within 5 % of the best span 0.30 decades (median of 2 bands, 1 of them open); 1 of 8 trials failed."
    )
    # the lowest of two: of lstm's six pairs 3 x 1.0, 2 x 1.1 and 2.0, 20 % more; of clip's 3 x 1, 2 x 2 and 3, 67 %
    assert tuning.worth(found) == (
        "With half of its trials a technique's best validation loss is expected to be 43 % higher (median of 2 rows), "
        "and at most 67 % (clip on speech/digits (synthetic))."
    )


def test_only_the_trials_that_chose_count() -> None:
    """Of a technique that three trials chose the fourth record is no part, in a group of its own."""
    found = board_from(*two(), *(tuned(LSTM, seed, trials=3) for seed in range(2)))
    assert [group.apart for group in found.groups] == ["tuned by 3 trials", "tuned by 4 trials"]
    assert list(tuning.summary(found)["trials"]) == [3, 4, 4]


def test_a_trial_that_was_lost_before_its_task_was_built_counts() -> None:
    """A record without the facts of its data stands beside the others, as a failure."""
    records = two()
    records[-1] = trial(CLIP, 3, 1.0, None, task={}, status="timeout")
    assert table(board_from(*records))["clip"][:3] == ("4", "2", "0.100")


def test_one_name_with_two_settings_is_two_rows() -> None:
    """Trials of an edited technique are not mixed with those of the one before."""
    old = [replace(t, id=f"{t.id}-old", configuration="beef" * 4) for t in trials(LSTM, [5.0, 5.0, 4.0, 4.0])]
    names = set(tuning.summary(board_from(*two(), *old))["name"])
    assert names == {"lstm/clip/adam", "lstm/none/adam #beef", f"lstm/none/adam #{two()[0].configuration[:4]}"}  # type: ignore[union-attr]


def test_where_every_trial_failed() -> None:
    """The row says whose values stand; alone, there is no figure and a reason."""
    lost = [*(tuned(GRU, seed) for seed in range(2)), *trials(GRU, [None] * 4)]
    found = board_from(*two(), *lost)
    assert table(found)["gru"] == ("4", "4", "", "none ended with a score: the tables' values", "", "", "")
    with ink.theme():
        ink.files(tuning.sensitivity(found))
    assert tuning.without(board_from(*lost)) == "every trial failed"


def test_without_trials_there_is_a_reason() -> None:
    """A matrix that was not tuned, trials or no."""
    untuned = [made.run(DIGITS, LSTM), made.run(DIGITS, GRU)]
    for records in (untuned, [*untuned, *trials(LSTM, [1.0, 2.0])]):
        assert tuning.without(board_from(*records)) == "no technique was tuned: every value is that of the tables"
        assert tuning.tables(board_from(*records)) == []


def test_the_figures_draw_what_was_tried() -> None:
    """The baseline's line runs through its four trials, a cross stands at the rate that failed; and best of n."""
    found = board_from(*two())
    with ink.theme():
        (ax,) = tuning.sensitivity(found).axes
        lines = [line for line in ax.lines if line.get_color() == ink.BASE]
        assert lines[0].get_xydata().tolist() == [[0.001, 2.0], [0.01, 1.0], [0.1, 1.1], [1.0, 3.0]]
        crosses = [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "x"]
        assert sorted(crosses) == [[], [0.001]]
        (ax,) = tuning.bought(found).axes
        (line,) = (line for line in ax.lines if line.get_color() == ink.BASE)
        assert list(line.get_ydata()) == expected_best([2.0, 1.0, 1.1, 3.0])


def test_a_page_says_that_its_techniques_were_tuned(tmp_path: Path) -> None:
    """Under the table of a task, with one group a task too; and it holds both figures."""
    file = tmp_path / "r/mine/machine.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("".join(encode(record) + "\n" for record in two()))
    report.build(tmp_path / "r", tmp_path / "out", None)
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert "each technique tuned by 4 trials" in page
    assert 'id="mine-learning-rate"' in page
    assert 'id="mine-trials"' in page


def test_a_technique_that_did_nothing_is_remarked() -> None:
    """Idle with every seed: a remark. With one seed it did something: none. An alarm of one seed is one."""
    idle = {"idle": ["clipping"]}
    found = board_from(
        *(made.run(DIGITS, LSTM, seed) for seed in range(2)),
        *(made.run(DIGITS, CLIP, seed, certificate=idle) for seed in range(2)),
        *(made.run(DIGITS, GRU, seed, certificate=[idle, {"too_good": "below the floor"}][seed]) for seed in range(2)),
    )
    assert cells(found, "remarks") == {
        "lstm/none/adam": "",
        "lstm/clip/adam": "did nothing: clipping",
        "gru/none/adam": "alarm: below the floor",
    }


def test_the_document_has_the_codes_numbers() -> None:
    """docs/tuning.md: every range, and the numbers of the space, the sequence, the seeds and the band."""
    text = (ROOT / "docs/tuning.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d.e-]+) \| ([\d.e-]+) \| (log|linear) \|", text, re.MULTILINE)
    found = {name: (float(low), float(high), scale) for name, low, high, scale in rows}
    assert found == {name: (range_.low, range_.high, range_.scale) for name, range_ in STRENGTHS.items()}
    assert STRENGTHS["decay"] == DECAY
    flat = " ".join(text.split())
    for said in (
        f"over {RATE:g} to its own times {RATE:g}",
        f"at most {DIMENSIONS} values",
        f"seed {SCRAMBLE}",
        f"2^{SEEDS.bit_length() - 1}",
        f"{MATRICES['standard'].tune} trials",
        f"within {100 * tuning.WITHIN:g} %",
    ):
        assert said in flat, said
