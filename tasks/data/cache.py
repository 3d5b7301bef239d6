"""A folder of derived arrays, so that a worker need not compute features that another has computed before.

Nothing depends on it: a file that cannot be read is made again, a folder that cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data import places

Arrays = Mapping[str, NDArray[Any]]


def cached(name: str, key: object, make: Callable[[], Arrays]) -> Arrays:
    """What `make` returns, from disk where it has been made before under the same `name` and `key`.

    `key` is everything that the arrays depend on; its `repr` is hashed into the file's name.
    """
    path = places.cache() / f"{name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}.npz"
    # a zip archive carries a CRC for each array; a damaged one fails in a dozen ways, and they all mean "make it again"
    with contextlib.suppress(Exception), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)
    made = make()
    with contextlib.suppress(OSError):
        _write(path, made)
    return made


def _write(path: Path, arrays: Arrays) -> None:
    """Whole or not at all: readers and other writers never see half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
