"""What is computed once is kept; what is damaged is made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.data.cache import cached


def test_the_cache_makes_things_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second call reads, another key makes anew, and a damaged file is made again without a word."""
    monkeypatch.setenv("LSTM_BENCH_CACHE", str(tmp_path))
    made = []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return {"x": np.arange(1000, dtype=np.float32)}

    for _ in range(2):
        np.testing.assert_array_equal(cached("thing", ("a", 1), make)["x"], make()["x"])
    assert len(made) == 3  # twice by this test itself
    cached("thing", ("a", 2), make)
    assert len(made) == 4
    assert len(list(tmp_path.iterdir())) == 2, "and leaves no temporary file"
    for damage in (lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data[:999] + b"!" + data[1000:]):
        file = next(tmp_path.iterdir())
        file.write_bytes(damage(file.read_bytes()))
        before = len(made)
        for _ in range(2):
            for key in (("a", 1), ("a", 2)):
                np.testing.assert_array_equal(cached("thing", key, make)["x"], np.arange(1000))
        assert len(made) == before + 1
