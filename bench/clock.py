"""What reads time: the stopwatch of a run, and the seconds of one step. Both wait for CUDA."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import torch


def now(device: str) -> float:
    """Seconds on a monotonic clock, after all work queued on the device is done."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return perf_counter()


class Stopwatch:
    """Seconds between each go() and the halt() after it, added up: monotonic, stopped for evaluation."""

    def __init__(self, device: str) -> None:
        self.seconds = 0.0
        self._device = device
        self._started = 0.0

    def go(self) -> None:
        self._started = now(self._device)

    def halt(self) -> None:
        self.seconds += now(self._device) - self._started


def seconds(step: Callable[[], object], device: str) -> float:
    """Seconds of one step: between two events on an idle CUDA device, on the monotonic clock elsewhere."""
    if not device.startswith("cuda"):
        begin = perf_counter()
        step()
        return perf_counter() - begin
    before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    before.record()
    step()
    after.record()
    after.synchronize()
    return before.elapsed_time(after) / 1e3
