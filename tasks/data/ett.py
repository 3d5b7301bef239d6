"""Electricity Transformer Temperature: ETTh1 (hourly) and ETTm1 (every 15 minutes), seven variates.

Zhou et al. 2021, Informer, arXiv:2012.07436. The split is the usual one (data_provider/data_loader.py of
thuml/Autoformer): 12 months of 30 days for training, 4 for validation, 4 for test; what comes after is unused.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data import SOURCES, DamagedData
from tasks.data.source import located

COLUMNS = ("date", "HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
ROWS = {"etth1": 17_420, "ettm1": 69_680}
PER_DAY = {"etth1": 24, "ettm1": 96}
INPUT = 96


def borders(name: str) -> tuple[int, int, int]:
    """The rows at which train, valid and test end."""
    month = 30 * PER_DAY[name]
    return 12 * month, 16 * month, 20 * month


def values(name: str, data: Path | None) -> NDArray[np.float64]:
    """(time, 7): every row of the file, without its date."""
    (path,) = located(SOURCES[name], data).values()
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    if tuple(header) != COLUMNS or len(rows) != ROWS[name] or any(len(row) != len(COLUMNS) for row in rows):
        raise DamagedData(
            f"{path.name}: expected {ROWS[name]} rows of {', '.join(COLUMNS)}; found {len(rows)} of {header}"
        )
    return np.array([[float(value) for value in row[1:]] for row in rows])
