"""Facts about real series in their official layouts: which files are read, how they are split, and what is refused."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench import guards
from bench.axes import ARCHITECTURES, OPTIMIZERS, REFERENCE
from bench.budgets import STANDARD
from bench.network import Shape, count, solve_width
from bench.overlap import shared
from bench.run import run_one
from bench.spec import Architecture, Budget, Names, RunSpec, Stabilisation
from tasks import TASKS, forecasts, load
from tasks.card import Card
from tasks.data import SOURCES, DamagedData, MissingData, benchmarks, ett, own_series
from tasks.data.cache import Arrays
from tasks.data.ett import COLUMNS
from tasks.series import Series, own
from tasks.series_cards import BENCHMARKS
from tasks.windows import Windows

ROWS, VARIATES = 1_500, 3
SMALL = Budget(parameters=20_000, batch=8, steps=4, evaluate=2, curve=16, seconds=60)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept from one test to the next."""
    # of data alone: kernels in another cache would be compiled again
    monkeypatch.setattr("tasks.data.cache.places", SimpleNamespace(cache=lambda: tmp_path / "cache"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every benchmark has 1,500 rows of 3 variates."""
    made = {name: replace(known, rows=ROWS, variates=VARIATES) for name, known in benchmarks.BENCHMARKS.items()}
    monkeypatch.setattr(benchmarks, "BENCHMARKS", made)


def numbers(rows: int = ROWS) -> np.ndarray:
    """Noisy seasons, rounded as files have them."""
    time = np.arange(rows)[:, None]
    noise = np.random.default_rng(0).normal(size=(rows, VARIATES))
    return np.round(np.sin(time / 4 + np.arange(VARIATES)) + 0.3 * noise, 4) + 5


def plain(values: np.ndarray) -> bytes:
    """LSTNet's layout."""
    return "".join(",".join(map(repr, row)) + "\n" for row in values.tolist()).encode()


def dated(values: np.ndarray, form: str = "%Y-%m-%d %H:%M:%S") -> bytes:
    """Autoformer's layout."""
    start = datetime(2016, 7, 1, 2)
    head = "date," + ",".join([*map(str, range(values.shape[1] - 1)), "OT"]) + "\n"
    times = [(start + timedelta(hours=row)).strftime(form) for row in range(len(values))]
    lines = plain(values).decode().splitlines()
    return (head + "".join(f"{time},{line}\n" for time, line in zip(times, lines, strict=True))).encode()


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("electricity", "electricity/electricity.csv", dated),
        ("electricity", "all_six_datasets/electricity/electricity.csv", dated),
        ("electricity", "electricity.csv", dated),
        ("electricity", "electricity/electricity.txt", plain),
        ("electricity", "electricity/electricity.txt.gz", lambda values: gzip.compress(plain(values))),
        ("traffic", "traffic/traffic.csv", dated),
        ("traffic", "multivariate-time-series-data/traffic/traffic.txt.gz", lambda v: gzip.compress(plain(v))),
        ("solar", "Solar/solar_AL.txt", plain),
        ("solar", "solar-energy/solar_AL.txt.gz", lambda values: gzip.compress(plain(values))),
        ("exchange", "exchange_rate/exchange_rate.csv", lambda values: dated(values, "%Y/%m/%d %H:%M")),
        ("exchange", "exchange_rate/exchange_rate.txt.gz", lambda values: gzip.compress(plain(values))),
        ("weather", "weather/weather.csv", dated),
        ("weather", "weather.csv.gz", lambda values: gzip.compress(dated(values).replace(b"\n", b"\r\n"))),
        ("ili", "illness/national_illness.csv", dated),
    ],
)
@pytest.mark.usefixtures("small")
def test_every_official_layout_is_one_task(
    name: str, file: str, content: Callable[[np.ndarray], bytes], tmp_path: Path
) -> None:
    """Autoformer's CSV and LSTNet's text, nested or not, compressed or not: 70, 10 and 20 % of one table."""
    values = numbers()
    put(tmp_path / "data" / file, content(values))
    np.testing.assert_array_equal(benchmarks.values(name, tmp_path / "data"), values)
    horizon = TASKS[f"series/{name}/{24 if name == 'ili' else 96}"].name.rpartition("/")[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(benchmarks.BENCHMARKS, name, replace(benchmarks.BENCHMARKS[name], input=36))
        task = load(f"series/{name}/{horizon}", tmp_path / "data")
    assert isinstance(task, Series)
    train, valid = 1_050, 1_200
    known = values[:train]
    scaled = ((values - known.mean(axis=0)) / known.std(axis=0)).astype(np.float32)
    assert (task.inputs, task.outputs) == (VARIATES, VARIATES * int(horizon))
    batch = next(task.test.ordered(1))
    last = scaled[valid - 1]
    np.testing.assert_array_equal(batch.x[0], scaled[valid - 36 : valid] - last)
    np.testing.assert_array_equal(batch.y[0], scaled[valid : valid + int(horizon)] - last)
    assert [len(split) for split in (task.train, task.valid, task.test)] == [
        rows - int(horizon) + 1 for rows in (train - 36, valid - train, ROWS - valid)
    ]


def test_published_shapes_and_splits() -> None:
    """Rows, variates and split borders are those of the papers; every horizon has a card and a source."""
    shapes = {name: (known.rows, known.variates) for name, known in benchmarks.BENCHMARKS.items()}
    assert shapes == {
        "electricity": (26_304, 321),
        "traffic": (17_544, 862),
        "solar": (52_560, 137),
        "exchange": (7_588, 8),
        "weather": (52_696, 21),
        "ili": (966, 7),
    }
    assert benchmarks.borders(26_304) == (18_412, 21_044, 26_304)
    assert benchmarks.borders(966) == (676, 773, 966)
    for name, _, variates, horizons, _, _ in BENCHMARKS:
        known = benchmarks.BENCHMARKS[name]
        assert variates == known.variates
        assert known.period is None or known.period <= known.input
        assert SOURCES[name].command(Path("DIR"))
        for horizon in horizons:
            assert TASKS[f"series/{name}/{horizon}"].dataset == name
            assert benchmarks.borders(known.rows)[0] > known.input + horizon


@pytest.mark.usefixtures("small")
def test_weather_takes_sentinels_and_uneven_steps_by_its_rule(tmp_path: Path) -> None:
    """-9999 takes the value above it, no row is lost or moved, and what was done is counted."""
    values = numbers()
    lines = dated(values).decode().splitlines()
    lines[100] = ",".join([*lines[100].split(",")[:2], "-9999", "-9999.0"])
    lines[200], lines[201] = lines[201], lines[200]
    put(tmp_path / "weather/weather.csv", ("\n".join(lines) + "\n").encode())
    values[99, 1:] = values[98, 1:]
    values[[199, 200]] = values[[200, 199]]
    np.testing.assert_array_equal(benchmarks.values("weather", tmp_path), values)
    assert benchmarks.about("weather", tmp_path) == (
        "1,500 rows of 3 variates; 2 missing values taken from the row above, 3 uneven steps of time"
    )
    put(tmp_path / "electricity/electricity.csv", ("\n".join(lines) + "\n").encode())
    with pytest.raises(DamagedData, match=r"electricity\.csv:202: column 'date': time .* comes after"):
        benchmarks.values("electricity", tmp_path)


@pytest.mark.usefixtures("small")
def test_other_shapes_and_damage_are_refused(tmp_path: Path) -> None:
    """A row or a column too few, a hole, and a file that is not there."""
    file = tmp_path / "exchange_rate/exchange_rate.txt"
    put(file, plain(numbers()[:-1]))
    with pytest.raises(DamagedData, match=r"exchange_rate\.txt: expected 1500 rows of 3 variates, found 1499 of 3"):
        benchmarks.values("exchange", tmp_path)
    put(file, plain(numbers()[:, :2]))
    with pytest.raises(DamagedData, match="found 1500 of 2"):
        benchmarks.values("exchange", tmp_path)
    put(file, plain(numbers()).replace(b",", b",,", 1))
    with pytest.raises(DamagedData, match=r"exchange_rate\.txt:1: column '2': an empty cell|2: 3 cells where 4 belong"):
        benchmarks.values("exchange", tmp_path)
    with pytest.raises(MissingData, match=r"traffic.csv or traffic/traffic.txt not found in .* fetch traffic"):
        benchmarks.values("traffic", tmp_path)


@pytest.mark.usefixtures("small")
def test_a_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call reads the cache; another file is parsed anew."""
    file = tmp_path / "illness/national_illness.csv"
    put(file, dated(numbers()))
    first = benchmarks.values("ili", tmp_path)
    times: list[Path] = []
    parsed = benchmarks._parsed

    def counted(known: benchmarks.Benchmark, path: Path) -> Arrays:
        times.append(path)
        return parsed(known, path)

    monkeypatch.setattr(benchmarks, "_parsed", counted)
    np.testing.assert_array_equal(benchmarks.values("ili", tmp_path), first)
    assert not times
    put(file, dated(numbers() + 1))
    np.testing.assert_array_equal(benchmarks.values("ili", tmp_path), first + 1)
    assert times


@pytest.mark.parametrize("name", ["etth2", "ettm2"])
def test_the_second_station_of_ett_has_the_protocol_of_the_first(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns, rows, borders and period are those of ETTh1 and ETTm1."""
    first = f"{name[:4]}1"
    assert (ett.ROWS[name], ett.PER_DAY[name], ett.borders(name)) == (
        ett.ROWS[first],
        ett.PER_DAY[first],
        ett.borders(first),
    )
    monkeypatch.setitem(ett.ROWS, name, 40)
    path = tmp_path / "ETT.csv"
    values = np.random.default_rng(0).normal(size=(40, 7)).round(3)
    path.write_bytes(dated(values).replace(b"date,0,1,2,3,4,5,OT", ",".join(("date", *COLUMNS)).encode()))
    monkeypatch.setattr(ett, "located", lambda source, data: {"ETT.csv": path})
    np.testing.assert_array_equal(ett.values(name, tmp_path), values)


def test_ett_is_read_as_the_csv_module_reads_it(data: Path) -> None:
    """The first and the last row of the real file."""
    values = ett.values("etth1", data)
    lines = (data / "ETT-small/ETTh1.csv").read_text(encoding="utf-8").splitlines()
    for row in (0, -1):
        line = lines[1:][row]
        assert values[row].tolist() == [float(cell) for cell in line.split(",")[1:]]


def test_a_column_that_never_changes_in_train_keeps_its_unit(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No division by zero, and the guard of scalers lets it pass."""
    values = numbers()
    values[:1_100, 1] = 2.0
    put(tmp_path / "illness/national_illness.csv", dated(values))
    task = load("series/ili/24", tmp_path)
    assert isinstance(task.train, Windows)
    assert not task.train.series[:, 1].any()
    assert task.test.tensors()["series"].isfinite().all()
    assert guards.scalers(task) is None


def test_nights_are_no_leak_but_days_are() -> None:
    """Rows of zeros stand in every split; eight different rows that do are found."""
    days = torch.rand(300, 2, generator=torch.Generator().manual_seed(0)) * (torch.arange(300) % 30 < 15)[:, None]
    train, test = Windows(days[:200], 8, 4), Windows(days[150:], 8, 4)
    clean = Windows(days[192:], 8, 4)
    assert shared(train, clean)[0] == 0
    assert shared(train, test)[0] > 0


def test_batches_of_wide_windows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A split of many variates yields small batches, and the same windows."""
    split = Windows(torch.rand(60, 5), 8, 4)
    whole = next(split.ordered(1_000))
    monkeypatch.setattr("tasks.windows.HELD", 12 * 5 * 3)
    parts = list(split.ordered(1_000))
    assert {len(part.x) for part in parts} == {3, 1}
    assert torch.equal(torch.cat([part.y for part in parts]), whole.y)


def test_the_linear_forecast_is_the_same_some_variates_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fitting two variates at once, or all five, gives one score."""
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(400, 5)).cumsum(axis=0)).float()
    splits = [Windows(rows[begin : begin + 130], 12, 4, relative=True) for begin in (0, 130, 260)]
    whole = forecasts.linear(*splits)
    monkeypatch.setattr(forecasts, "VARIATES", 2)
    assert forecasts.linear(*splits) == pytest.approx(whole, rel=1e-9)


def card(metric: tuple[str, str, str]) -> Card:
    return Card("series/own/mine", "", *metric, reference="", dataset="own")  # type: ignore[arg-type]


def test_an_own_csv_is_a_task(tmp_path: Path) -> None:
    """70, 10 and 20 % in time of the columns asked for, with naive rows of its period."""
    put(tmp_path / "my.csv", dated(numbers()))
    options = {"csv": str(tmp_path / "my.csv"), "time": "date", "horizon": "6", "columns": "OT+0", "period": "24"}
    task = own(card(own_series.metric(options)), options)
    assert isinstance(task, Series)
    assert (task.time, task.horizon, task.inputs, task.outputs) == (24, 6, 2, 12)
    assert [len(split.tensors()["series"]) for split in (task.train, task.valid, task.test)] == [1_050, 174, 324]
    expected = numbers()[:, [2, 0]]
    expected = (expected - expected[:1_050].mean(axis=0)) / expected[:1_050].std(axis=0)
    np.testing.assert_allclose(task.train.tensors()["series"], expected[:1_050], rtol=1e-6)
    naive = task.naive()
    assert set(naive) == {"last value", "seasonal naive", "linear"}
    assert all(np.isfinite(value) for value in naive.values())


def test_real_series_of_ones_own(data: Path) -> None:
    """Sunspots are a task; CO2 is one once its gaps are filled; sixty years of El Niño are few."""
    folder = data / "statsmodels-series"
    spots = {"csv": str(folder / "sunspots.csv"), "time": "YEAR", "horizon": "6", "input": "22"}
    task = own(card(own_series.metric(spots)), spots)
    assert task.naive()["linear"] < task.naive()["last value"]
    weekly = {"csv": str(folder / "co2.csv"), "time": "date", "horizon": "12", "period": "48"}
    with pytest.raises(
        DamagedData, match=r"co2\.csv:8: column 'co2': an empty cell; fill it or remove .*fill=previous"
    ):
        own(card(own_series.metric(weekly)), weekly)
    assert len(own(card(("mse", "lower", "")), {**weekly, "fill": "previous"}).test) == 456 - 12 + 1
    wide = {"csv": str(folder / "elnino.csv"), "time": "YEAR", "horizon": "6"}
    with pytest.raises(DamagedData, match=r"elnino\.csv: 61 rows leave 2 windows for validation, and 4 are the fewest"):
        own(card(("mse", "lower", "")), wide)
    assert own(card(("mse", "lower", "")), {**wide, "horizon": "2"}).inputs == 12


def test_a_column_of_ones_own_that_never_changes_is_refused(tmp_path: Path) -> None:
    """It has no scale, and the message says how to do without it."""
    values = numbers()
    values[:1_050, 1] = 4
    put(tmp_path / "my.csv", dated(values))
    with pytest.raises(DamagedData, match=r"my\.csv: column '1' never changes in the first 1050 rows.* columns=0\+OT"):
        own(card(("mse", "lower", "")), {"csv": str(tmp_path / "my.csv"), "time": "date", "horizon": "6"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": ""}, "horizon: missing, rows to forecast"),
        ({"horizon": "0"}, "horizon: expected a whole number from 1 to 999999, got '0'"),
        ({"horizon": "-3"}, "horizon: expected a whole number"),
        ({"horizon": "1e3"}, "horizon: expected a whole number"),
        ({"horizon": "٣"}, "horizon: expected a whole number"),
        ({"input": "12345678901"}, "input: expected a whole number"),
        ({"period": "25"}, "period: a season of 25 rows does not fit into an input of 24; take a larger input"),
        ({"columns": "a+a"}, r"columns: expected names like a\+b, each once, got 'a\+a'"),
        ({"columns": "a+t"}, "columns: 't' is the time"),
        ({"fill": "mean"}, "fill: expected refuse or previous, got 'mean'"),
        ({"fill": "mean", "horizon": "x"}, "horizon: expected .*; fill: expected"),
    ],
)
def test_wrong_options_are_named(changes: dict[str, str], message: str) -> None:
    """Each with what was given and what is taken, all at once, before any file is opened."""
    options = {"csv": "none.csv", "time": "t", "horizon": "6", **changes}
    with pytest.raises(ValueError, match=message):
        own_series.metric(options)
    with pytest.raises(DamagedData, match=message):
        own(card(("mse", "lower", "")), options)
    assert set(options) <= set(own_series.OPTIONS)


@pytest.mark.usefixtures("small")
def test_a_run_on_a_benchmark_trains_and_is_scored(tmp_path: Path) -> None:
    """From the CSV to a record, guards included."""
    put(tmp_path / "data/illness/national_illness.csv", dated(numbers()))
    spec = RunSpec(
        Names("series/ili/24", "lstm", "none", "adam"), "1", Architecture(), Stabilisation(), OPTIMIZERS["adam"], SMALL,
        "cpu", 0,
    )  # fmt: skip
    record = run_one(spec, tmp_path / "data")
    assert (record.status, record.reason) == ("ok", None)
    assert record.score is not None
    assert record.score > 0
    shutil.rmtree(tmp_path / "data")
    guards._held.clear()


def test_budgets_fit_every_benchmark_and_architecture() -> None:
    """A width is found whose network comes near the budget, heads of hundreds of thousands of outputs included."""
    for name, _, variates, horizons, _, _ in BENCHMARKS:
        horizon = horizons[-1]
        budget = STANDARD[f"series/{name}/{horizon}"].parameters
        shape = Shape(variates, variates * horizon, False, False, False, benchmarks.BENCHMARKS[name].input)
        for architecture in ("lstm", "bilstm", "projection", "stacked-4", "transformer"):
            width = solve_width(shape, ARCHITECTURES[architecture], budget)
            limit = 0.06 if architecture in REFERENCE else 0.02
            assert count(shape, ARCHITECTURES[architecture], width) == pytest.approx(budget, rel=limit), name
