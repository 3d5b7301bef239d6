"""How much memory a run may take: a limit round it in its worker, so that one allocation too many ends that run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

GIB = 2**30
CGROUP = Path("/sys/fs/cgroup/memory.max")
"""What a container or a job of a scheduler may take, which may be less than the machine has (cgroup v2)."""


def physical() -> int | None:
    """Bytes of memory of this machine, or of the container around this process; None where neither is told."""
    try:
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    try:
        return min(found, int(CGROUP.read_text()))
    except (OSError, ValueError):  # no such file, or `max`
        return found


def share(workers: int) -> int | None:
    """Bytes for each of so many runs side by side; None where the machine does not say what it has."""
    found = physical()
    return None if found is None else found // workers


@cache
def fresh() -> int:
    """Bytes of data of this process when first asked, before any run (VmData of proc(5)): libraries take them all."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


@contextmanager
def limited(memory: int | None) -> Iterator[None]:
    """Within it this process gets no more than `memory` bytes beside what a fresh worker has; None: no limit.

    RLIMIT_DATA counts what is asked for, touched or not, and malloc then says that there is no more, in torch a
    RuntimeError. Only Linux counts mappings too (setrlimit(2)), without which it would bind nothing.
    """
    if memory is None or sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = fresh() + memory
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
