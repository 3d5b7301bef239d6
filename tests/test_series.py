"""Facts about the forecasting tasks: splits, scaling, windows, naive rows."""

from __future__ import annotations

from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks import forecasts, load
from tasks.base import Task, fingerprint
from tasks.data import DamagedData, MissingData, ett, mackey_glass, seasonal
from tasks.series import Series, Windows, standardised

EMBEDDED = {"series/mackey-glass": mackey_glass, "series/seasonal": seasonal}

REPEAT_LAST = {  # MSE and MAE on test of repeating the last value, measured independently of this code
    "etth1/24": (1.222, 0.671),
    "etth1/48": (1.267, 0.695),
    "etth1/96": (1.294, 0.713),
    "etth1/168": (1.325, 0.730),
    "etth1/336": (1.330, 0.746),
    "etth1/720": (1.335, 0.755),
    "ettm1/24": (0.720, 0.476),
    "ettm1/96": (1.214, 0.665),
}


@cache
def embedded(name: str) -> Task:
    return load(name)


@pytest.mark.parametrize("name", EMBEDDED)
def test_generators_give_the_same_bytes_every_time(name: str) -> None:
    """A generated series is the same each time, of the stated length, and finite."""
    values = EMBEDDED[name].values()
    assert values.tobytes() == EMBEDDED[name].values().tobytes()
    assert len(values) == EMBEDDED[name].BORDERS[-1]
    assert np.isfinite(values).all()


def test_mackey_glass_solves_its_equation() -> None:
    """The derivative of the solution, by fourth-order differences, is the right-hand side of the equation."""
    path = mackey_glass.integrated(mackey_glass.history(), 5_000)
    for now in range(2_000, 5_000, 7):
        near, far = path[now + 1] - path[now - 1], path[now + 2] - path[now - 2]
        derivative = (8 * near - far) / (12 * mackey_glass.STEP)
        assert derivative == pytest.approx(mackey_glass.slope(path[now], path[now - mackey_glass.LAG]), abs=1e-6)


@pytest.mark.parametrize("name", EMBEDDED)
def test_windows_begin_at_the_border(name: str) -> None:
    """x and y are neighbouring rows, the first test target is the border row, and the last is the last row."""
    task, source = embedded(name), EMBEDDED[name]
    scaled = torch.from_numpy(standardised(source.values(), source.BORDERS[0]))
    border, end = source.BORDERS[1:]
    batches = list(task.test.ordered(100))
    assert torch.equal(batches[0].x[0], scaled[border - source.INPUT : border])
    assert torch.equal(batches[0].y[0], scaled[border : border + source.HORIZON])
    assert torch.equal(batches[0].x[7], scaled[border + 7 - source.INPUT : border + 7])
    assert torch.equal(batches[-1].y[-1], scaled[end - source.HORIZON : end])
    assert sum(len(batch.x) for batch in batches) == len(task.test) == end - border - source.HORIZON + 1


@pytest.mark.parametrize("name", EMBEDDED)
def test_shapes_and_a_perfect_answer(name: str) -> None:
    """Outputs are horizon x variates, the answer itself scores 0, and loss equals the tally's mean."""
    task, source = embedded(name), EMBEDDED[name]
    batch = next(task.valid.ordered(5))
    assert batch.x.shape == (5, source.INPUT, task.inputs) == (5, task.time, task.inputs)
    assert batch.y.shape == (5, source.HORIZON, task.inputs)
    assert task.outputs == source.HORIZON * task.inputs
    assert task.metrics(task.tally(batch.y.flatten(1), batch)) == {"loss": 0, "mse": 0, "mae": 0}
    out = torch.zeros(5, task.outputs)
    assert float(task.loss(out, batch)) == pytest.approx(task.metrics(task.tally(out, batch))["mse"], rel=1e-5)


def test_the_scaler_knows_the_training_rows_alone() -> None:
    """Other test rows change no training value; training columns have mean 0 and population deviation 1."""
    values = seasonal.values()
    border = seasonal.BORDERS[0]
    scaled = standardised(values, border)
    values[border:] = 1e6
    assert np.array_equal(scaled[:border], standardised(values, border)[:border])
    assert scaled[:border].mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert scaled[:border].std(axis=0, ddof=0) == pytest.approx(1, abs=1e-5)


def test_relative_windows_change_no_error() -> None:
    """Taking the last row from a window and its horizon leaves every error as it was, and the last row zero."""
    rows = torch.from_numpy(standardised(seasonal.values(), 4_000))[:300]
    plain, relative = Windows(rows, 48, 24), Windows(rows, 48, 24, relative=True)
    for one, other in zip(plain.ordered(50), relative.ordered(50), strict=True):
        assert not other.x[:, -1].any()
        assert torch.equal(other.x, one.x - one.x[:, -1:])
        assert torch.equal(other.y, one.y - one.x[:, -1:])
    assert torch.equal(rows, relative.series)
    for period in (1, 48):
        assert forecasts.repeated(relative, 24, period) == pytest.approx(
            forecasts.repeated(plain, 24, period), rel=1e-5
        )


def test_training_order_depends_on_the_generator_alone() -> None:
    """One seed, one order of full batches; another seed, another; an epoch shows a window once."""
    train = Windows(torch.arange(50.0)[:, None], 8, 3)

    def epoch(seed: int) -> list[float]:
        batches = islice(train.shuffled(9, torch.Generator().manual_seed(seed)), len(train) // 9)
        return [value for batch in batches for value in batch.x[:, 0, 0].tolist()]

    assert epoch(0) == epoch(0) != epoch(1)
    assert len(set(epoch(0))) == len(epoch(0)) == 36


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_score_does_not_depend_on_the_evaluation_batch(name: str) -> None:
    """A forecast is scored the same in batches of 1, 3, 16 and 64 windows."""
    task = embedded(name)
    found = []
    for size in (1, 3, 16, 64):
        total = {"loss": 0.0, "absolute": 0.0, "count": 0.0}
        for batch in task.valid.ordered(size, limit=200):
            out = batch.x[:, -1:].expand_as(batch.y).flatten(1)
            for key, value in task.tally(out, batch).items():
                total[key] += value
        assert total["count"] == 200 * task.outputs
        found.append(task.metrics(total))
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-9)


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_linear_forecast_beats_the_last_value(name: str) -> None:
    """The naive rows of the embedded series; only one of them has a season."""
    task = embedded(name)
    naive = task.naive()
    assert 0 < naive["linear"] < naive["last value"]
    assert ("seasonal naive" in naive) == (name == "series/seasonal")


def test_moments_give_the_mean_squared_error() -> None:
    """A linear forecast's error from the moments of a split equals the one from its values."""
    generator = torch.Generator().manual_seed(0)
    split = Windows(torch.randn(400, 2, generator=generator), 6, 4)
    batch = next(split.ordered(len(split)))
    weights = torch.randn(2, 6, 4, generator=generator).double()
    x, y = forecasts.design(batch)
    assert forecasts.moments(split).mse(weights) == pytest.approx(float((x @ weights - y).square().mean()), rel=1e-9)


@pytest.mark.parametrize("name", REPEAT_LAST)
def test_repeating_the_last_value_scores_what_it_should(name: str, data: Path) -> None:
    """The error of repeating the last value equals the figures measured elsewhere with the usual split."""
    task = load(f"series/{name}", data)
    assert isinstance(task, Series)
    metrics = task.metrics(forecasts.repeated(task.test, task.horizon, 1))
    assert (round(metrics["mse"], 3), round(metrics["mae"], 3)) == REPEAT_LAST[name]


def test_naive_rows_on_etth1(data: Path) -> None:
    """At 24 steps the season beats the last value and a linear forecast beats both."""
    naive = load("series/etth1/24", data).naive()
    assert naive["linear"] < 0.31 < naive["seasonal naive"] < 0.5 < naive["last value"]


def test_ett_splits_are_the_usual_ones(data: Path) -> None:
    """12, 4 and 4 months of 30 days; train ends where valid's first target is, and the rest of the file is unused."""
    task = load("series/etth1/24", data)
    assert [len(split) for split in (task.train, task.valid, task.test)] == [8_521, 2_857, 2_857]
    scaled = torch.from_numpy(standardised(ett.values("etth1", data), 8_640))
    batch = next(task.test.ordered(1))
    last = scaled[11_519]
    assert torch.equal(batch.x[0], scaled[11_520 - 96 : 11_520] - last)
    assert torch.equal(batch.y[0], scaled[11_520 : 11_520 + 24] - last)
    assert torch.equal(task.train.tensors()["series"], scaled[:8_640])
    assert len(task.test.tensors()["series"]) == 2_880 + 96
    assert len(fingerprint(task)) == 16


def test_missing_series_name_the_command(tmp_path: Path) -> None:
    """Without the file, the error says what is missing and how to get it."""
    for folder in (None, tmp_path):
        with pytest.raises(MissingData, match=r"ETTh1.csv not found .* get it with: python -m tasks fetch"):
            load("series/etth1/24", folder)


def test_a_damaged_series_is_refused(tmp_path: Path) -> None:
    """A file with other bytes than the pinned ones is not read."""
    (tmp_path / "ETT-small").mkdir()
    (tmp_path / "ETT-small/ETTh1.csv").write_text("date,OT\n2016-07-01 00:00:00,30.5\n")
    with pytest.raises(DamagedData, match="sha256"):
        load("series/etth1/24", tmp_path)


def test_other_columns_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns or a number of rows other than the published ones are an error, even in a file that was let through."""
    path = tmp_path / "ETTh1.csv"
    path.write_text("date,OT\n2016-07-01 00:00:00,30.5\n")
    monkeypatch.setattr(ett, "located", lambda name, data: {"ETTh1.csv": path})
    with pytest.raises(DamagedData, match="17420 rows of date, HUFL"):
        ett.values("etth1", tmp_path)
