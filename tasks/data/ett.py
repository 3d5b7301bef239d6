"""Electricity Transformer Temperature: two stations, hourly (ETTh1, ETTh2) and every 15 minutes (ETTm1, ETTm2).

Zhou et al. 2021, Informer, arXiv:2012.07436; seven variates. The split is the usual one (data_provider/data_loader.py
of thuml/Autoformer): 12 months of 30 days for training, 4 for validation, 4 for test; what comes after is unused.
Published LSTM scores stand in tasks/published.py, with their source.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data import SOURCES, DamagedData, table
from tasks.data.source import located

COLUMNS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
ROWS = {"etth1": 17_420, "etth2": 17_420, "ettm1": 69_680, "ettm2": 69_680}
PER_DAY = {"etth1": 24, "etth2": 24, "ettm1": 96, "ettm2": 96}
INPUT = 96


def borders(name: str) -> tuple[int, int, int]:
    """The rows at which train, valid and test end."""
    month = 30 * PER_DAY[name]
    return 12 * month, 16 * month, 20 * month


def values(name: str, data: Path | None) -> NDArray[np.float64]:
    """(time, 7): every row of the file, without its date."""
    (path,) = located(SOURCES[name], data).values()
    found = table.read(path, time="date")
    if found.names != COLUMNS or len(found.values) != ROWS[name]:
        raise DamagedData(
            f"{path.name}: expected {ROWS[name]} rows of date, {', '.join(COLUMNS)}; "
            f"found {len(found.values)} of date, {', '.join(found.names)}"
        )
    return found.values
