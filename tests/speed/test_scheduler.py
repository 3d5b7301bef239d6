"""What scheduling costs beside the runs themselves: runs of no work, their records kept. Reported, not asserted.

pytest tests/speed/test_scheduler.py -s
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest
from fakes import nothing, specs

from bench.execute import in_processes
from bench.store import Store

RUNS, WORKERS = int(os.environ.get("SCHEDULER_RUNS", "10000")), 2


def resident() -> float:
    """MiB of this process that are in memory now (statm of proc(5))."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_many_runs_of_no_work(tmp_path: Path) -> None:
    """Milliseconds a run on warm workers, the whole time with the start of two workers and every record on the disk,
    and what the parent's memory grew by."""
    todo = [replace(spec, seed=seed) for seed, spec in enumerate(specs(1, seconds=60) * RUNS)]
    before = begin = 0.0
    start = perf_counter()
    with Store(tmp_path / "many.jsonl") as store:
        for count, record in enumerate(in_processes(nothing, todo, None, WORKERS), 1):
            store.append(record)
            if count == RUNS // 100:
                before, begin = resident(), perf_counter()
    end = perf_counter()
    assert len(store.path.read_bytes().splitlines()) == RUNS
    each = 1e3 * (end - begin) / (RUNS - RUNS // 100)
    print(f"\n{RUNS} runs on {WORKERS} workers: {end - start:.1f} s in all, {each:.2f} ms a run on warm workers")
    print(f"memory of the parent: {before:.0f} MiB early on, {resident() - before:.1f} MiB more at the end")
