"""A CSV of the reader's own as a forecasting task: what may be asked for, and what is made of it.

`series:csv=my.csv,time=date,horizon=24`. The first 70 % of the rows are for training, the last 20 % for test, and the
tenth between them for validation, in time: nothing is shuffled. Errors are on values standardised by the training rows.
Standard library only where it is imported: the front door asks for OPTIONS and `metric`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tasks.data.source import DamagedData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OPTIONS: dict[str, str] = {
    "csv": "the file, with a header; .gz too",
    "time": "the column of times; rows have to be in their order (default: none, the rows are equally far apart)",
    "horizon": "rows to forecast",
    "input": "rows to forecast from (default: 4 times the horizon, 96 at most)",
    "columns": "the columns to forecast, a+b+c (default: all but the time)",
    "period": "rows of a season, for the seasonal naive row",
    "fill": "what to do about missing values: refuse (default) or previous, the last value of the column",
}
"""option -> what it is."""

FEW = 4
"""Windows that every split has to have: a score of fewer says nothing."""


@dataclass(frozen=True)
class Asked:
    """The options, read."""

    csv: Path
    time: str | None
    horizon: int
    input: int
    columns: tuple[str, ...] | None
    period: int | None
    fill: Literal["refuse", "previous"]


def metric(options: Mapping[str, str]) -> tuple[str, Literal["lower", "higher"], str]:
    """Primary metric, its better direction and its unit. Raises ValueError that names every wrong option."""
    asked(options)
    return "mse", "lower", ""


def asked(options: Mapping[str, str]) -> Asked:
    """The options as values. Raises ValueError that names every wrong one."""
    mistakes = [f"{key}: missing, {OPTIONS[key]}" for key in ("csv", "horizon") if not options.get(key)]
    whole: dict[str, int] = {}
    for key in ("horizon", "input", "period"):
        text = options.get(key)
        if text and text.isascii() and text.isdecimal() and len(text) <= 6 and int(text) > 0:
            whole[key] = int(text)
        elif text:
            mistakes.append(f"{key}: expected a whole number from 1 to 999999, got {text!r}")
    columns = options.get("columns")
    chosen = tuple(columns.split("+")) if columns else None
    if chosen and ("" in chosen or len(set(chosen)) < len(chosen)):
        mistakes.append(f"columns: expected names like a+b, each once, got {columns!r}")
    if chosen and options.get("time") in chosen:
        mistakes.append(f"columns: {options['time']!r} is the time")
    fill = options.get("fill", "refuse")
    if fill not in ("refuse", "previous"):
        mistakes.append(f"fill: expected refuse or previous, got {fill!r}")
    length = whole.get("input", min(96, 4 * whole.get("horizon", 24)))
    period = whole.get("period")
    if period is not None and period > length:
        mistakes.append(
            f"period: a season of {period} rows does not fit into an input of {length}; take a larger input"
        )
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return Asked(
        Path(options["csv"]),
        options.get("time"),
        whole["horizon"],
        length,
        chosen,
        period,
        "previous" if fill == "previous" else "refuse",
    )


def values(wanted: Asked) -> NDArray[np.float64]:
    """(time, column). Raises DamagedData with what to do, MissingData where there is no file."""
    from tasks.data import table
    from tasks.data.benchmarks import borders

    made = table.read(wanted.csv, time=wanted.time, columns=wanted.columns, fill=wanted.fill)
    train, valid, end = borders(len(made.values))
    name = wanted.csv.name
    for split, rows in (("training", train - wanted.input), ("validation", valid - train), ("test", end - valid)):
        windows = rows - wanted.horizon + 1
        if windows < FEW:
            raise DamagedData(
                f"{name}: {end} rows leave {max(windows, 0)} windows for {split}, and {FEW} are the fewest; "
                "take a smaller horizon or input, or more rows"
            )
    for column, known in zip(made.names, made.values[:train].T, strict=True):
        if (known == known[0]).all():
            others = f"columns={'+'.join(other for other in made.names if other != column) or '...'}"
            raise DamagedData(
                f"{name}: column {column!r} never changes in the first {train} rows, on which it is learned; "
                f"leave it out with {others if len(others) < 80 else 'columns=...'}"
            )
    return made.values
