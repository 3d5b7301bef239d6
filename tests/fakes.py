"""Runs that do to their worker what their seed says, and workers that start in no time: they load no torch."""

from __future__ import annotations

import mmap
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from bench import worker
from bench.matrices import QUICK
from bench.plan import Filters, plan
from bench.record import RunRecord, unfinished
from bench.spec import RunSpec

KILL, HANG, QUIT, RAISE, KILL_ONCE, GREEDY, SEGV = 3, 5, 7, 8, 11, 12, 13
MARKS = "FAKE_MARKS"
"""Environment variable: a folder where runs leave marks."""


def start(threads: int) -> None:
    """In place of bench.execute.start."""
    worker.obey()


def mark(name: str) -> bool:
    """Leave a mark; whether it was there already."""
    path = Path(os.environ[MARKS]) / name
    there = path.exists()
    path.touch()
    return there


def fake(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that does to its worker what its seed says; the reason tells its process."""
    if spec.seed == KILL or (spec.seed == KILL_ONCE and not mark("killed")):
        os.kill(os.getpid(), signal.SIGKILL)
    if spec.seed == HANG:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if spec.seed == QUIT:
        if mark("quit"):
            return unfinished(spec, "ok")
        os._exit(4)
    if spec.seed == SEGV:
        os.kill(os.getpid(), signal.SIGSEGV)
    if spec.seed == RAISE:
        raise KeyError("nobody expected this")
    if spec.seed == GREEDY:
        try:
            bytearray(2**33)
        except MemoryError as error:
            return unfinished(spec, "out-of-memory", f"MemoryError: {error}")
    return replace(unfinished(spec, "ok"), score=float(spec.seed), reason=str(os.getpid()))


def failing(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that fails where its seed is odd, and says which process it was in."""
    return unfinished(spec, "failed" if spec.seed % 2 else "ok", str(os.getpid()))


def nothing(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run of no work at all, with a record of the usual size."""
    return replace(unfinished(spec, "ok"), curve=[{"step": n, "train": {"loss": 1.0}} for n in range(20)])


def slow(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that lasts, and cannot be talked out of it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
    return unfinished(spec, "ok")


def brief(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run of a twentieth of a second; that of seed 0 never ends and cannot be talked out of it."""
    if spec.seed == 0:
        slow(spec, data)
    time.sleep(0.05)
    return replace(unfinished(spec, "ok"), score=1.0, task={"metric": "mse", "unit": ""})


def memory(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that maps anonymous memory: seed 1 more than it may, seed 2 less."""
    try:
        mmap.mmap(-1, {1: 2**30, 2: 2**26}.get(spec.seed, 4096), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError as error:
        raise MemoryError(str(error)) from None
    return unfinished(spec, "ok")


def on_gpu(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that says what its worker sees of CUDA, and as its score how many are under way. Seed 1 finds its device
    gone, seed 2 its memory short, seed 4 is itself at fault."""
    if spec.device == "cuda" and spec.seed in ERRORS:
        raise RuntimeError(ERRORS[spec.seed])
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    if MARKS not in os.environ:
        return unfinished(spec, "ok", seen)
    mark(str(os.getpid()))
    time.sleep(0.1)
    together = len(list(Path(os.environ[MARKS]).iterdir()))
    Path(os.environ[MARKS], str(os.getpid())).unlink()
    return replace(unfinished(spec, "ok", seen), score=float(together))


ERRORS = {
    1: "CUDA error: unspecified launch failure",
    2: "CUDA out of memory. Tried to allocate 20.00 GiB.",
    4: "CUDA error: device-side assert triggered",
}


def specs(count: int, seconds: int = 2, **changes: object) -> list[RunSpec]:
    """Runs of seeds 0, 1, 2 ... that may take so long."""
    (spec,) = plan(QUICK, Filters(("series/mackey-glass",), ("lstm",), ("none",), ("adam",), (0,)), ["cpu"]).runs
    spec = replace(spec, **changes)  # type: ignore[arg-type]
    return [replace(spec, seed=seed, budget=replace(spec.budget, seconds=seconds)) for seed in range(count)]
