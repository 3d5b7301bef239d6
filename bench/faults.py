"""What a fault is called: an error, or how a process ended -> a status and a reason. No torch."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any, TypeVar

from pebble import ProcessExpired

from bench.lanes import Lane
from bench.limits import GIB
from bench.record import Status

J = TypeVar("J")
R = TypeVar("R")

MEMORY = ("can't allocate memory", "out of memory", "not enough memory")
"""Of torch's allocators: DefaultCPUAllocator, CUDA's, and the driver's own."""
OWN = ("device-side assert",)
"""CUDA errors that say nothing of the device: a run's own index was wrong, and the next process finds it well."""
LOST = (
    "CUDA error",
    "no CUDA-capable device",
    "No CUDA GPUs are available",
    "GPU is lost",
    "fallen off the bus",
    "NVIDIA driver",
    "CUDA driver",
    "driver shutting down",
    "cudaErrorDevicesUnavailable",
)
"""Of a CUDA device that is gone, or that a driver no longer reaches (torch.AcceleratorError, RuntimeError)."""
FREE = ("does not have a deterministic implementation", "not deterministic because it uses CuBLAS")
"""Of torch's operations that cannot repeat themselves to the last bit, in deterministic mode (bench.worker)."""
ITS_OWN = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
"""Signals that a process brings on itself; all others come from outside: the kernel short of memory, a person."""


def status(error: BaseException, device: str) -> Status:
    """What a run on this device that raised this error ended as."""
    text = str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(word in text for word in MEMORY)):
        return "out-of-memory"
    if device.startswith("cuda") and any(word in text for word in LOST) and not any(word in text for word in OWN):
        return "device-lost"
    return "nondeterministic" if any(word in text for word in FREE) else "failed"


def ending(code: int | None) -> tuple[str, bool]:
    """How a process ended, in words, and whether the cause was outside it."""
    if code is None:
        return "its worker was lost", True
    if code >= 0:
        return f"exit code {code}", False
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a real-time signal
        name = "no name"
    return f"signal {-code} ({name})", name not in ITS_OWN


def outcome(lane: Lane[J], ended: Callable[[J, Status, str], R], memory: int | None, again: bool) -> R | None:
    """The record of a lane's run that is over, however it ended; None for one to be made `again`."""
    job, future = lane.job, lane.future
    assert job is not None
    assert future is not None
    bound = memory is not None and lane.device == "cpu"
    most = f"more than {memory / GIB:.3g} GiB, the limit of a run: " if bound and memory else ""
    try:
        record: Any = future.result()
    except CancelledError:
        return ended(job, "timeout", f"longer than {lane.limit} s")
    except (ProcessExpired, BrokenProcessPool) as error:
        how, outside = ending(error.exitcode if isinstance(error, ProcessExpired) else lane.exitcode)
        outside |= isinstance(error, BrokenProcessPool)  # it ended before the run began
        if outside and again:
            return None
        return ended(job, "crashed", f"{how}, twice" if outside else how)
    except Exception as error:  # the run was to return a record, or its answer could not be read
        word = status(error, lane.device)
        return ended(job, word, f"{most if word == 'out-of-memory' else ''}{type(error).__name__}: {error}")
    if most and getattr(record, "status", "ok") == "out-of-memory":
        record = replace(record, reason=f"{most}{record.reason}")
    found: R = record
    return found
