"""The folders on this machine: of data, and of what is derived from them. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """LSTM_BENCH_CACHE, or the usual place below the home folder."""
    named = os.environ.get("LSTM_BENCH_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "lstm-training-bench"


def data() -> Path:
    """LSTM_BENCH_DATA, or `data` in the cache folder, where `python -m tasks fetch` puts what it gets."""
    named = os.environ.get("LSTM_BENCH_DATA")
    return Path(named) if named else cache() / "data"
