"""The six benchmarks of long-term forecasting beside ETT, in the files of Autoformer or those of LSTNet.

| name | rows | variates | step | what |
| --- | --- | --- | --- | --- |
| electricity | 26,304 | 321 | 1 h | consumption of 321 clients, 2012 to 2014 |
| traffic | 17,544 | 862 | 1 h | occupancy of roads around San Francisco, 2015 and 2016 |
| solar | 52,560 | 137 | 10 min | output of 137 photovoltaic plants in Alabama, 2006 |
| exchange | 7,588 | 8 | 1 day | exchange rates of eight countries, 1990 to 2016 |
| weather | 52,696 | 21 | 10 min | 21 quantities at one station in Germany, 2020 |
| ili | 966 | 7 | 1 week | influenza-like illness in the United States, 2002 to 2020 |

The first four are Lai et al. 2018 (LSTNet, arXiv:1703.07015, github laiguokun/multivariate-time-series-data: no header,
no times); with a date in front, and the other two, they are the CSV files of Wu et al. 2021 (Autoformer,
arXiv:2106.13008). Either layout is read, compressed or not, in the data folder or one folder below. The numbers are the
same, so are the tasks.

Protocol (Dataset_Custom of data_provider/data_loader.py, thuml/Autoformer): the first int(0.7 n) rows for training, the
last int(0.2 n) for test, those between for validation; input of 96 rows and horizons of 96, 192, 336 and 720, but for
ILI 36 and 24 to 60; standardised by the training rows, errors on standardised values.

Weather has -9999 where an instrument failed, and its clock neither rises by ten minutes everywhere nor always rises.
Rule: a -9999 takes the last valid value of its column, which knows nothing of the future and keeps every row; rows are
taken in the order of the file, as the published scores took them, and uneven steps are counted (`about`). Left in,
one -9999 in the training rows would set the scale of its whole column. Scores that others report with -9999 left in are
therefore not these on the columns of wind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data import SOURCES, DamagedData, Source, table
from tasks.data.cache import Arrays, cached
from tasks.data.placing import checksum
from tasks.data.source import missing

READER = 1
"""Raised whenever the arrays made of the same file would change."""


@dataclass(frozen=True)
class Benchmark:
    """What is known of a dataset and its protocol."""

    rows: int
    variates: int
    period: int | None  # steps of the season, where it fits into the input
    files: tuple[str, ...]  # Autoformer's CSV, then LSTNet's text; each may end in .gz too
    input: int = 96
    times: table.Order = "rising"
    sentinels: tuple[float, ...] = ()


BENCHMARKS: dict[str, Benchmark] = {
    "electricity": Benchmark(26_304, 321, 24, ("electricity/electricity.csv", "electricity/electricity.txt")),
    "traffic": Benchmark(17_544, 862, 24, ("traffic/traffic.csv", "traffic/traffic.txt")),
    "solar": Benchmark(52_560, 137, None, ("Solar/solar_AL.csv", "Solar/solar_AL.txt", "solar-energy/solar_AL.txt")),
    "exchange": Benchmark(7_588, 8, None, ("exchange_rate/exchange_rate.csv", "exchange_rate/exchange_rate.txt")),
    "weather": Benchmark(52_696, 21, None, ("weather/weather.csv",), times="any", sentinels=(-9999.0,)),
    "ili": Benchmark(966, 7, None, ("illness/national_illness.csv",), input=36),
}


def borders(rows: int) -> tuple[int, int, int]:
    """The rows at which train, valid and test end: 70, 10 and 20 %."""
    return int(rows * 0.7), rows - int(rows * 0.2), rows


def values(name: str, data: Path | None) -> NDArray[np.float64]:
    """(time, variate): every row of the file."""
    found: NDArray[np.float64] = _arrays(name, data)["values"]
    return found


def about(name: str, data: Path | None) -> str:
    """What was made of the file, in a sentence."""
    found = _arrays(name, data)
    rows, variates = found["values"].shape
    return (
        f"{rows:,} rows of {variates} variates; {int(found['filled']):,} missing values taken from the row above, "
        f"{int(found['uneven']):,} uneven steps of time"
    )


def _arrays(name: str, data: Path | None) -> Arrays:
    """What stands in the file, parsed once: traffic takes seconds, and less than 1 GB."""
    path = found(SOURCES[name], data, BENCHMARKS[name].files)
    return cached(f"series-{name}", (READER, BENCHMARKS[name], checksum(path)), lambda: _parsed(BENCHMARKS[name], path))


def _parsed(known: Benchmark, path: Path) -> Arrays:
    plain = path.name.removesuffix(".gz").endswith(".txt")  # LSTNet's: numbers and nothing else
    made = table.read(
        path,
        time=None if plain else "date",
        header=not plain,
        fill="previous" if known.sentinels else "refuse",
        sentinels=known.sentinels,
        order=known.times,
    )
    if made.values.shape != (known.rows, known.variates):
        rows, variates = made.values.shape
        raise DamagedData(
            f"{path.name}: expected {known.rows} rows of {known.variates} variates, found {rows} of {variates}; "
            "download it again"
        )
    return {"values": made.values, "filled": np.array(made.filled), "uneven": np.array(made.uneven)}


def found(source: Source, data: Path | None, names: Sequence[str]) -> Path:
    """The first of these files that is there, compressed or not: in its folder, beside it, or one folder below."""
    for name in [] if data is None else names:
        for place in (name, f"{name}.gz", Path(name).name, f"{Path(name).name}.gz"):
            for path in (Path(data or "") / place, *sorted(Path(data or "").glob(f"*/{place}"))):
                if path.is_file():
                    return path
    raise missing(source, data, " or ".join(names))
