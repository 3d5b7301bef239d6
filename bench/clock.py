"""The one stopwatch: monotonic, stopped for evaluation, waits for CUDA before it reads."""

from __future__ import annotations

from time import perf_counter

import torch


def now(device: str) -> float:
    """Seconds on a monotonic clock, after all work queued on the device is done."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return perf_counter()


class Stopwatch:
    """Seconds between each go() and the halt() after it, added up."""

    def __init__(self, device: str) -> None:
        self.seconds = 0.0
        self._device = device
        self._started = 0.0

    def go(self) -> None:
        self._started = now(self._device)

    def halt(self) -> None:
        self.seconds += now(self._device) - self._started
