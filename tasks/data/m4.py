"""The M4 competition: 100,000 series of six frequencies, each to be forecast once.

Makridakis, Spiliotis & Assimakopoulos 2018, IJF 34:802; github Mcompetitions/M4-methods, Dataset/Train and /Test.
A file has a header, and a series in each row: its name, its values, and empty cells up to the length of the longest.
The competition's horizons; the score is OWA, the mean of sMAPE and MASE relative to those of Naive2 (formulas as in
"Benchmarks and Evaluation.R" of that repository). Its seasonality for weekly and daily series is 1, which is what MASE
and Naive2 take here too. Naive2's published sMAPE / MASE: yearly 16.342 / 3.974, quarterly 11.012 / 1.371, monthly
14.427 / 1.063, weekly 9.161 / 2.777, daily 3.045 / 3.278, hourly 18.383 / 2.396 (repeated as constants by public code
that computes OWA); the task's naive row gives ours.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data import SOURCES, DamagedData, table
from tasks.data.benchmarks import found
from tasks.data.cache import Arrays, cached
from tasks.data.placing import checksum
from tasks.data.times import NUMBER, short

_EMPTY = frozenset(("", "NA"))

READER = 1
"""Raised whenever the arrays made of the same files would change."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Frequency:
    """What the competition says of one frequency, and the input that a network is given here."""

    series: int
    horizon: int
    period: int
    input: int  # about twice the horizon, and whole seasons; a shorter series is continued backwards by its first value


FREQUENCIES: dict[str, Frequency] = {
    "yearly": Frequency(23_000, 6, 1, 12),
    "quarterly": Frequency(24_000, 8, 4, 16),
    "monthly": Frequency(48_000, 18, 12, 36),
    "weekly": Frequency(359, 13, 1, 26),
    "daily": Frequency(4_227, 14, 1, 28),
    "hourly": Frequency(414, 48, 24, 96),
}


def arrays(frequency: str, data: Path | None) -> Arrays:
    """Everything that is known of a frequency's series, parsed once; monthly, the largest, takes less than 2 GB.

    values and ends: all series in a row, training and test values together, and where each ends; scale: (series,) mean
    absolute seasonal difference of the training values, by which MASE divides; naive2: (3, series, horizon) its
    forecasts of the last horizon but two, the last but one, and the last; short of values, the last value is repeated.
    """
    train, test = (found(SOURCES["m4"], data, _names(frequency, part)) for part in ("Train", "Test"))
    known, sums = FREQUENCIES[frequency], [checksum(train), checksum(test)]
    return cached(f"m4-{frequency}", (READER, known, sums), lambda: _parsed(known, train, test))


def _names(frequency: str, part: str) -> tuple[str, ...]:
    """Where a file may stand: the repository, its folders alone, or all files in one, as others pass them on."""
    file = f"{frequency.title()}-{part.lower()}.csv"
    places = ("M4/Dataset", "M4-methods/Dataset", "Dataset", "M4", "m4", ".")
    return tuple(f"{place}/{folder}{file}" for place in places for folder in (f"{part}/", ""))


def _parsed(known: Frequency, train: Path, test: Path) -> Arrays:
    names, values, ends = series(train)
    later, truths, stops = series(test)
    for path, count in ((train, len(names)), (test, len(later))):
        if count != known.series:
            raise DamagedData(f"{path.name}: expected {known.series:,} series, found {count:,}; download it again")
    at = {name: index for index, name in enumerate(later)}
    if lost := next((name for name in names if name not in at), None):
        raise DamagedData(f"{test.name}: no row for series {lost!r} of {train.name}; download both again")
    if not (np.diff(stops, prepend=0) == known.horizon).all():
        raise DamagedData(f"{test.name}: every series needs {known.horizon} values; download it again")
    truth = truths.reshape(-1, known.horizon)[[at[name] for name in names]]
    pieces, scale, forecasts = [], np.empty(len(names)), np.empty((3, len(names), known.horizon))
    for index, past in enumerate(np.split(values, ends[:-1])):
        if len(past) <= known.period + known.horizon:
            raise DamagedData(f"{train.name}: series {names[index]!r} has {len(past)} values; download it again")
        scale[index] = np.abs(past[known.period :] - past[: -known.period]).mean()
        if not scale[index] > 0:
            raise DamagedData(f"{train.name}: series {names[index]!r} never changes, so MASE is undefined")
        for place, cut in enumerate((2, 1, 0)):
            seen = past[: max(1, len(past) - cut * known.horizon)]
            forecasts[place, index] = naive2(seen, known.period, known.horizon)
        pieces += [past, truth[index]]
    lengths = np.diff(ends, prepend=0) + known.horizon
    return {"values": np.concatenate(pieces), "ends": np.cumsum(lengths), "scale": scale, "naive2": forecasts}


def series(path: Path) -> tuple[list[str], Values, NDArray[np.int64]]:
    """Names of the series of a file, all their values in a row, and where each ends. Raises DamagedData."""
    names: dict[str, int] = {}
    values, ends = array("d"), array("q")
    lines = table.rows(path)
    if not next(lines, None):
        table.fault(path, 1, "the file is empty")
    for line, (name, *cells) in lines:
        if name in names:
            table.fault(path, line, f"series {name!r} stands in line {names[name]} already; keep one of them")
        names[name] = line
        length = next((index for index, cell in enumerate(cells) if cell in _EMPTY), len(cells))
        if not _EMPTY.issuperset(cells[length:]):
            table.fault(path, line, f"an empty cell before the end of the series, its value {length + 1}", name)
        del cells[length:]
        if not cells:
            table.fault(path, line, "a series without values", name)
        for cell in cells:
            if not NUMBER.fullmatch(cell) or not 0 < float(cell) < math.inf:
                table.fault(path, line, f"{short(cell)} is no positive number", name)
        values.extend(map(float, cells))
        ends.append(len(values))
    if not names:
        table.fault(path, 1, "no series below the header")
    return list(names), np.frombuffer(values, dtype=np.float64), np.frombuffer(ends, dtype=np.int64)


def naive2(past: Values, period: int, horizon: int) -> Values:
    """The last value, seasonally adjusted where the series is seasonal: the benchmark of M4."""
    if not seasonal(past, period):
        return np.full(horizon, past[-1])
    indices = indices_of(past, period)
    place = np.arange(len(past), len(past) + horizon) % period
    # R takes the last `period` indices and repeats them, which is the same season going on
    return past[-1] / indices[(len(past) - 1) % period] * indices[place]


def seasonal(past: Values, period: int) -> bool:
    """Whether the autocorrelation at the period is beyond its 90 % limit (SeasonalityTest of M4's R code)."""
    # R's acf stops at 10 log10(n) lags: beyond it there is no value, and the test says no
    if period == 1 or len(past) < 3 * period or period > math.floor(10 * math.log10(len(past))):
        return False
    centred = past - past.mean()
    total = float(centred @ centred)
    if total == 0:
        return False
    acf = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, period + 1)]) / total
    limit = 1.645 / math.sqrt(len(past)) * math.sqrt(1 + 2 * float(np.square(acf[:-1]).sum()))
    return bool(abs(acf[-1]) > limit)


def indices_of(past: Values, period: int) -> Values:
    """(period,) multiplicative seasonal indices by classical decomposition, as R's decompose; their mean is 1."""
    width = np.full(period + 1 - period % 2, 1 / period)
    if period % 2 == 0:
        width[[0, -1]] /= 2
    half = len(width) // 2
    ratio = past[half:-half] / np.convolve(past, width, mode="valid")
    place = np.arange(half, len(past) - half) % period
    figure = np.bincount(place, weights=ratio, minlength=period) / np.bincount(place, minlength=period)
    return figure / figure.mean()
