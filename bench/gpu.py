"""What a time on CUDA says beside itself: the device, its clocks, and which of cuDNN's algorithms was the reference."""

from __future__ import annotations

from typing import Any, Literal

import torch

Algorithm = Literal["persistent small-H", "persistent small-H forward, standard backward", "standard"]


def about(hidden: int) -> dict[str, Any]:
    """The facts of the current device, and cuDNN's algorithm for an LSTM of this width. None where not known."""
    known = torch.cuda.get_device_properties()
    return {
        "gpu": known.name,
        "sm_mhz": _sm_clock(),
        "sm_mhz_max": known.clock_rate / 1e3,  # torch states kHz
        "memory_mhz_max": known.memory_clock_rate / 1e3,
        "cudnn": torch.backends.cudnn.version(),
        "algorithm": lstm_algorithm(hidden),
    }


def _sm_clock() -> int | None:
    """MHz of the multiprocessors over the last moment; torch asks the driver through a package that may be absent."""
    try:
        return torch.cuda.clock_rate()
    except (ImportError, RuntimeError):
        return None


def lstm_algorithm(hidden: int) -> Algorithm:
    """What torch asks of cuDNN for an LSTM or GRU in float32 that is not packed (get_algo in ATen's cudnn/RNN.cpp).

    Two widths decide: a table of times over widths compares algorithms as well, and has to say so.
    """
    if hidden <= 128:
        return "persistent small-H"
    return "persistent small-H forward, standard backward" if hidden <= 192 else "standard"
