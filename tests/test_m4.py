"""Facts about the M4 competition: its files, its benchmark Naive2, its score, and training on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench import guards
from bench.axes import OPTIMIZERS
from bench.run import run_one
from bench.spec import Architecture, Budget, Names, RunSpec, Stabilisation
from tasks import load
from tasks.base import fingerprint
from tasks.data import DamagedData, MissingData, m4
from tasks.m4 import Competition, Cuts
from tasks.series_cards import M4

SERIES = 30
PUBLISHED = dict(m4.FREQUENCIES)


@pytest.fixture(autouse=True)
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty series of each frequency, and a cache of its own."""
    # of data alone: kernels in another cache would be compiled again
    monkeypatch.setattr("tasks.data.cache.places", SimpleNamespace(cache=lambda: tmp_path / "cache"))
    made = {name: replace(known, series=SERIES) for name, known in m4.FREQUENCIES.items()}
    monkeypatch.setattr(m4, "FREQUENCIES", made)


def series(frequency: str) -> list[tuple[list[float], list[float]]]:
    """Past and future of thirty seasonal series of several lengths, as the competition has them."""
    known = m4.FREQUENCIES[frequency]
    draw = np.random.default_rng(3)
    made = []
    for number in range(SERIES):
        past = max(2 * known.horizon, 11 * known.period) + 1 + 5 * (number % 7)
        time = np.arange(past + known.horizon)
        season = 1 + 0.3 * np.sin(2 * np.pi * time / max(known.period, 2))
        values = np.round((100 + time) * season * np.exp(0.02 * draw.normal(size=len(time))), 2).tolist()
        made.append((values[:past], values[past:]))
    return made


def written(folder: Path, frequency: str, part: str, rows: list[list[float]], letter: str = "") -> Path:
    """A file as R wrote it: everything in quotes, short rows filled with empty cells."""
    path = folder / f"{frequency.title()}-{part.lower()}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    width = max(map(len, rows))
    lines = [",".join(f'"V{column + 1}"' for column in range(width + 1))]
    for number, row in enumerate(rows, 1):
        name = f'"{letter or frequency[0].upper()}{number}"'
        lines.append(",".join([name, *(f'"{value:g}"' for value in row), *[""] * (width - len(row))]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def competition(folder: Path, frequency: str = "monthly") -> Competition:
    """The task of generated files in the layout of the repository."""
    made = series(frequency)
    written(folder / "M4/Dataset/Train", frequency, "Train", [past for past, _ in made])
    written(folder / "M4/Dataset/Test", frequency, "Test", [future for _, future in made])
    task = load(f"series/m4/{frequency}", folder)
    assert isinstance(task, Competition)
    return task


def test_the_frequencies_are_those_of_the_competition() -> None:
    """100,000 series; horizons and seasons as its guide and its R code have them."""
    assert sum(frequency.series for frequency in PUBLISHED.values()) == 100_000
    assert {name: frequency.horizon for name, frequency in PUBLISHED.items()} == M4
    assert [frequency.period for frequency in PUBLISHED.values()] == [1, 4, 12, 1, 1, 24]


def test_naive2_by_hand() -> None:
    """A season of 0.5, 1, 1.5, 1 on a level of 100 is found, and 12 values go on as they were."""
    past = np.tile([50.0, 100, 150, 100], 6)
    assert m4.seasonal(past, 4)
    np.testing.assert_allclose(m4.indices_of(past, 4), [0.5, 1, 1.5, 1])
    np.testing.assert_allclose(m4.naive2(past, 4, 6), [50, 100, 150, 100, 50, 100])
    # an index is the mean of value over centred moving average: (1/2 + 2 + 3 + 4 + 5/2) / 4 = 3 for the third value
    line = np.arange(1.0, 9.0)
    ratios = np.array([5 / 5, 6 / 6, 3 / 3, 4 / 4])
    np.testing.assert_allclose(m4.indices_of(line, 4), ratios)
    assert not m4.seasonal(past[:11], 4)
    np.testing.assert_array_equal(m4.naive2(past[:11], 4, 3), [150, 150, 150])
    np.testing.assert_array_equal(m4.naive2(past, 1, 2), [100, 100])
    assert not m4.seasonal(np.full(40, 3.0), 4)


def test_the_test_of_seasonality_by_hand() -> None:
    """The autocorrelation at the period against 1.645 times its standard error, as in the competition's R code."""
    past = np.array([1.0, 2, 1, 3, 1, 2, 2, 3, 1, 2, 1, 3])
    centred = past - past.mean()
    acf = [sum(centred[lag:] * centred[: 12 - lag]) / sum(centred**2) for lag in range(1, 5)]
    limit = 1.645 / 12**0.5 * (1 + 2 * (acf[0] ** 2 + acf[1] ** 2 + acf[2] ** 2)) ** 0.5
    assert m4.seasonal(past, 4) == (abs(acf[3]) > limit)
    noise = np.random.default_rng(0).normal(size=(200, 48)) + 10
    assert 0.03 < np.mean([m4.seasonal(row, 4) for row in noise]) < 0.2
    assert not m4.seasonal(np.tile(np.arange(1.0, 25), 3), 24), "R's acf has no 24th lag of 72 values"


@pytest.mark.parametrize("period", [4, 7, 12])
def test_decomposition_is_that_of_statsmodels(period: int) -> None:
    """Multiplicative, classical, two-sided: the indices of another implementation, for even and odd seasons."""
    seasonal_decompose = pytest.importorskip("statsmodels.tsa.seasonal").seasonal_decompose
    past = np.random.default_rng(1).uniform(1, 3, size=5 * period + 3)
    expected = seasonal_decompose(past, model="multiplicative", period=period).seasonal[:period]
    np.testing.assert_allclose(m4.indices_of(past, period), expected)


@pytest.mark.parametrize("frequency", M4)
def test_naive2_scores_exactly_one(frequency: str, tmp_path: Path) -> None:
    """By definition, on every frequency."""
    naive = competition(tmp_path, frequency).naive()
    assert naive["naive2"] == 1.0
    assert (naive["last value"] == 1.0) == (m4.FREQUENCIES[frequency].period == 1)


def test_scores_by_hand(tmp_path: Path) -> None:
    """sMAPE, MASE and OWA of the last value, from the files, series by series, with the formulas of the R code."""
    task = competition(tmp_path, "quarterly")
    sums = np.zeros(4)
    for past, future in series("quarterly"):
        scale = np.mean([abs(b - a) for a, b in zip(past, past[4:], strict=False)])
        for place, forecast in enumerate((np.full(8, past[-1]), m4.naive2(np.array(past), 4, 8))):
            truth = np.array(future)
            sums[place] += np.mean(200 * abs(truth - forecast) / (abs(truth) + abs(forecast)))
            sums[2 + place] += np.mean(abs(truth - forecast)) / scale
    batch = next(task.test.ordered(100))
    metrics = task.metrics(task.tally(torch.zeros(SERIES, 8), batch))
    assert metrics["smape"] == pytest.approx(sums[0] / SERIES, rel=1e-9)
    assert metrics["mase"] == pytest.approx(sums[2] / SERIES, rel=1e-9)
    assert metrics["owa"] == pytest.approx((sums[0] / sums[1] + sums[2] / sums[3]) / 2, rel=1e-9)
    perfect = task.metrics(task.tally(batch.y[:, :8, 0].double(), batch))
    assert perfect == pytest.approx({"loss": 0, "smape": 0, "mase": 0, "owa": 0}, abs=1e-12)


def test_splits_are_one_horizon_apart(tmp_path: Path) -> None:
    """Test is the competition's, valid the last training values, train ends before; inputs end where targets begin."""
    task = competition(tmp_path)
    made = series("monthly")
    for split, ahead in ((task.train, 2), (task.valid, 1), (task.test, 0)):
        assert isinstance(split, Cuts)
        batch = next(split.ordered(SERIES))
        for row, (past, future) in enumerate(made):
            end = len(past) + 18 - ahead * 18
            whole = np.array([*past, *future])[:end]
            x = np.concatenate([np.full(36, whole[0]), whole[:-18]])[-36:]
            last, mean = x[-1], x.mean()
            np.testing.assert_allclose(batch.x[row, :, 0], (x - last) / mean, atol=1e-6)
            np.testing.assert_allclose(batch.y[row, :18, 0], (whole[-18:] - last) / mean, rtol=1e-9)
            np.testing.assert_allclose(split.targets()[row], whole[-18:])
    assert len(fingerprint(task)) == 16


def drawn(split: Cuts, seed: int, batches: int) -> Iterator[torch.Tensor]:
    return (batch.y for batch in islice(split.shuffled(10, torch.Generator().manual_seed(seed)), batches))


def test_training_windows_stay_before_validation(tmp_path: Path) -> None:
    """Every cut is a window of the training values alone, all cuts come, and the generator alone decides which."""
    task = competition(tmp_path)
    assert isinstance(task.train, Cuts)
    allowed = set()
    for past, _ in series("monthly"):
        known = np.array(past[:-18])
        allowed |= {round(known[end], 6) for end in range(len(known) - 18)}
    lasts = {round(float(value), 6) for y in drawn(task.train, 0, 900) for value in y[:, 36, 0]}
    assert lasts <= allowed
    assert len(lasts) > 0.8 * len(allowed)
    first, again, other = (torch.cat(list(drawn(task.train, seed, 3))) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_series_too_short_to_train_on_are_still_scored(tmp_path: Path) -> None:
    """Sixteen quarters leave a validation window and no training window."""
    made = series("quarterly")
    made[4] = (made[4][0][:16], made[4][1])
    written(tmp_path / "M4/Dataset/Train", "quarterly", "Train", [past for past, _ in made])
    written(tmp_path / "M4/Dataset/Test", "quarterly", "Test", [future for _, future in made])
    task = load("series/m4/quarterly", tmp_path)
    assert [len(split) for split in (task.train, task.valid, task.test)] == [29, 30, 30]


@pytest.mark.parametrize(
    "folder", ["M4/Dataset/{}", "M4-methods/Dataset/{}", "Dataset/{}", "{}", "m4", "all_datasets/m4", "."]
)
def test_every_layout_is_one_task(folder: str, tmp_path: Path) -> None:
    """The repository, its folders, and the flat folder of the Time-Series-Library; rows of test in any order."""
    expected = fingerprint(competition(tmp_path / "repository", "weekly"))
    made = series("weekly")
    written(tmp_path / "data" / folder.format("Train"), "weekly", "Train", [past for past, _ in made])
    path = written(tmp_path / "data" / folder.format("Test"), "weekly", "Test", [future for _, future in made])
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([head, *reversed(lines)]).replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert fingerprint(load("series/m4/weekly", tmp_path / "data")) == expected


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        ("Train", '"Y3"', '"Y2"', r"Yearly-train\.csv:4: column 'Y2': series 'Y2' stands in line 3 already|Y2"),
        ("Train", '"Y3","', '"Y3","x', r"Yearly-train\.csv:4: column 'Y3': 'x.*' is no positive number"),
        ("Train", '"Y3","', '"Y3","-', r"Yearly-train\.csv:4: column 'Y3': '-.*' is no positive number"),
        ("Train", '"Y3","', '"Y3","","', r"Yearly-train\.csv:4: column 'Y3': a series without values|before the end"),
        ("Train", '"Y3",', '"Z3",', r"Yearly-test\.csv: no row for series 'Z3' of Yearly-train\.csv"),
        ("Test", '"Y3","', '"Y3","5","', r"Yearly-test\.csv: every series needs 6 values"),
        ("Test", '"Y30"', '\n"Y30"', r"Yearly-test\.csv:31: an empty line"),
    ],
)
def test_damaged_files_are_refused(part: str, old: str, new: str, message: str, tmp_path: Path) -> None:
    """With file, line and series."""
    competition(tmp_path, "yearly")
    path = tmp_path / f"M4/Dataset/{part}/Yearly-{part.lower()}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DamagedData, match=message):
        load("series/m4/yearly", tmp_path)


def test_missing_and_cut_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Test without train, fewer series than were published, a series that stands still."""
    with pytest.raises(MissingData, match=r"Yearly-train\.csv .*not found in .*get it with: git clone"):
        load("series/m4/yearly", tmp_path)
    competition(tmp_path, "yearly")
    monkeypatch.setitem(m4.FREQUENCIES, "yearly", replace(m4.FREQUENCIES["yearly"], series=23_000))
    with pytest.raises(DamagedData, match=r"Yearly-train\.csv: expected 23,000 series, found 30"):
        load("series/m4/yearly", tmp_path)
    monkeypatch.setitem(m4.FREQUENCIES, "yearly", replace(m4.FREQUENCIES["yearly"], series=1))
    written(tmp_path / "M4/Dataset/Train", "yearly", "Train", [[7.0] * 20])
    written(tmp_path / "M4/Dataset/Test", "yearly", "Test", [[7.0] * 6])
    with pytest.raises(DamagedData, match="series 'Y1' never changes, so MASE is undefined"):
        load("series/m4/yearly", tmp_path)


def test_a_run_on_m4_trains_and_is_scored(tmp_path: Path) -> None:
    """From the files to a record, guards and augmentation included."""
    recipe = Stabilisation(scaling=0.1, jitter=0.1)
    competition(tmp_path, "quarterly")
    guards._held.clear()
    spec = RunSpec(
        Names("series/m4/quarterly", "lstm", "none", "adam"), "1", Architecture(), recipe, OPTIMIZERS["adam"],
        Budget(3_000, batch=8, steps=12, evaluate=12, curve=30, seconds=60), "cpu", 0,
    )  # fmt: skip
    record = run_one(spec, tmp_path)
    guards._held.clear()
    assert (record.status, record.reason) == ("ok", None)
    assert record.metrics["test"].keys() == {"loss", "smape", "mase", "owa"}
    assert record.score == record.metrics["test"]["owa"]
    assert record.curve[-1]["train"]["loss"] < record.curve[0]["train"]["loss"]
