"""What else went on in the machine while steps were timed: others at work, stolen time, page faults. No torch here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")


@dataclass(frozen=True)
class Processors:
    """Time of all processors together since the machine started, in seconds."""

    busy: float
    stolen: float  # given away by the hypervisor
    total: float


@dataclass(frozen=True)
class Reading:
    """Counters of this process and of the machine; None where the system does not say."""

    own: float  # seconds of processor time of this process, all threads
    faults: int | None  # minor page faults of this process
    processors: Processors | None


@dataclass(frozen=True)
class Seen:
    """What happened between two readings; None where the system does not say."""

    others: float | None  # share of all processor time that other processes took
    steal: float | None  # share of all processor time that the hypervisor gave away
    faults: float | None  # minor page faults a step


def read() -> Reading:
    """The counters now."""
    times = os.times()
    return Reading(times.user + times.system, _faults(), _processors())


def between(begin: Reading, end: Reading, steps: int) -> Seen:
    """What happened from `begin` to `end`, in which `steps` steps were made."""
    faults = None if begin.faults is None or end.faults is None else (end.faults - begin.faults) / steps
    before, after = begin.processors, end.processors
    if before is None or after is None or after.total <= before.total:
        return Seen(None, None, faults)
    total = after.total - before.total
    others = (after.busy - before.busy) - (end.own - begin.own)
    return Seen(max(others / total, 0.0), (after.stolen - before.stolen) / total, faults)


def _faults() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def _processors() -> Processors | None:
    """The first line of the kernel's counters: user nice system idle iowait irq softirq steal, in ticks."""
    try:
        ticks = STAT.read_text().partition("\n")[0].split()[1:9]
        user, nice, system, idle, iowait, irq, softirq, steal = (int(t) / os.sysconf("SC_CLK_TCK") for t in ticks)
    except (OSError, ValueError):
        return None
    busy = user + nice + system + irq + softirq
    return Processors(busy, steal, busy + idle + iowait + steal)
