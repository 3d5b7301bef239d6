"""How a process is made ready to run: its threads counted, heap kept, deterministic.

The environment must be set before torch starts, so `environment()` goes to whoever spawns the process.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any

THREADS = 1
"""Threads of several processes on the same cores wait for each other at every barrier; one each is fastest by far.
Only the table of the core asks for more, in a process that is alone."""

DETERMINISM = "LSTM_BENCH_DET"
"""`warn`: operations that cannot repeat themselves run all the same (--det warn); anything else: they end their run."""

_made: dict[str, Any] = {}
"""What prepare() last made of this process; empty where it never ran."""


def environment(threads: int = THREADS) -> Mapping[str, str]:
    """Variables of a worker process."""
    return {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "MKL_DYNAMIC": "FALSE",
        "CUBLAS_WORKSPACE_CONFIG": ":16:8",  # the one value that both cuBLAS and cuDNN ask for in deterministic mode
    }


def keep_heap() -> bool:
    """Tell glibc to keep freed blocks: without it every step pays page faults, and timings compare allocators."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    m_mmap_threshold, m_trim_threshold, m_top_pad = -3, -1, -2  # malloc.h
    return bool(
        mallopt(m_mmap_threshold, 1 << 30) and mallopt(m_trim_threshold, 2**31 - 1) and mallopt(m_top_pad, 1 << 26)
    )


def die_with_parent() -> None:
    """See to it that this process ends when its parent does, however that happens and whatever this one is at.

    On Linux the kernel sends SIGKILL, which waits for no handler, when the thread that spawned this process ends
    (prctl(2)); bench.lanes spawns from the thread that runs the matrix. Elsewhere a thread waits for the parent's end.
    """
    parent = multiprocessing.parent_process()
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if parent is not None and os.getppid() != parent.pid:  # it ended before the kernel was asked
            os._exit(1)
    elif parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def obey() -> None:
    """Signals of a worker: Ctrl-C is the parent's to handle, being told to end works at once, and none is orphaned."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's handler would wait for the end of a call into C
    die_with_parent()


def prepare(threads: int = THREADS) -> dict[str, Any]:
    """Settings of this process, made and read back. Call once, before the first tensor."""
    heap = keep_heap()
    import torch

    torch.set_num_threads(threads)
    # use_deterministic_algorithms(True) by a call that does not load torch's compiler, with its time and memory
    torch.set_deterministic_debug_mode("warn" if os.environ.get(DETERMINISM) == "warn" else "error")
    # the fill is all of the mode's cost, and nothing here reads fresh memory
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    denormals = torch.set_flush_denormal(True)
    gc.freeze()  # what the imports made stays: no collection need look through it again
    _made.update(heap_kept=heap, flush_denormal=denormals)
    return {"threads": torch.get_num_threads(), **_made}


def start(threads: int = THREADS) -> None:
    """First thing in a worker process."""
    obey()
    from bench import plugins

    os.environ.update(environment(threads))
    plugins.inherit()
    prepare(threads)


def peak_mib() -> float | None:
    """The most memory this process has held since it began, in MiB; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def settings() -> dict[str, Any]:
    """The settings in force, as every record states them."""
    import torch

    from bench import isa, native

    return {
        "threads": torch.get_num_threads(),
        "kernels": native.level() if native.problem() is None else None,  # instruction set of the C++ kernels
        **isa.in_force(),
        "deterministic": torch.get_deterministic_debug_mode() == 2,  # not where it only warns
        **_made,
    }
