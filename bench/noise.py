"""Noise: recurrent dropout, zoneout and weight drop, drawn once a pass outside the loop; on weights; on gradients.

A mask is a function of one 63-bit number and of the position alone, so that every back end and every device drops the
same units; that number comes from torch's global generator (see bench.rng).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_int64, c_uint64, c_void_p
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from bench import native
from bench.sequences import reverse
from bench.spec import Stabilisation

GOLDEN, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
"""The constants of SplitMix64 (Steele, Lea & Flood 2014), as signed 64-bit numbers."""


def fresh() -> int:
    """A number for one mask."""
    return int(torch.randint(2**63 - 1, ()))


def bits(number: int, shape: tuple[int, ...], p: float, device: torch.device) -> Tensor:
    """bool, True with probability `p` to within 2**-16, each element by itself.

    Four elements share a 64-bit word of SplitMix64, the generator that hashes a counter: word k of `number` is the
    same whoever computes it, and whatever came before.
    """
    count = int(torch.Size(shape).numel())
    threshold = round(p * 2**16)
    kernel = native.function("bits", c_void_p, c_int64, c_uint64, c_int64) if device.type == "cpu" else None
    if kernel is not None:
        drawn = torch.empty(shape, dtype=torch.bool)
        kernel(drawn.data_ptr(), count, number, threshold)
        return drawn
    words = torch.arange(1, -(-count // 4) + 1, device=device) * GOLDEN + number
    words = (words ^ _shift(words, 30)) * FIRST
    words = (words ^ _shift(words, 27)) * SECOND
    words = words ^ _shift(words, 31)
    parts = words.view(torch.int16)[:count].to(torch.int32) & 0xFFFF
    return (parts < threshold).view(shape)


def _shift(words: Tensor, by: int) -> Tensor:
    """Logical shift to the right; torch's own carries the sign."""
    return (words >> by) & ((1 << (64 - by)) - 1)


@dataclass(frozen=True)
class Noise:
    """The noise of one direction in one pass. Without training, zoneout is its expectation and nothing is dropped."""

    update: Tensor | None = None  # (time, batch, hidden) bool: where the candidate is written
    scale: float = 1.0  # what a written candidate is multiplied by
    keep: tuple[Tensor | float | None, ...] = ()  # a state each: bool, where the unit keeps its value; or p itself

    def drop(self, candidate: Tensor, t: int) -> Tensor:
        """The candidate of step t after recurrent dropout."""
        return candidate if self.update is None else torch.where(self.update[t], candidate * self.scale, 0.0)

    def zone(self, old: tuple[Tensor, ...], new: tuple[Tensor, ...], t: int) -> tuple[Tensor, ...]:
        """The states after zoneout: some units keep their old value."""
        mixed = []
        for keep, before, after in zip(self.keep, old, new, strict=True):
            if isinstance(keep, Tensor):
                after = torch.where(keep[t], before, after)
            elif keep is not None:
                after = keep * before + (1 - keep) * after
            mixed.append(after)
        return tuple(mixed)

    def turned(self, lengths: Tensor | None) -> Noise:
        """For a reader that comes from the end: masks belong to positions, not to the order of reading."""
        return replace(
            self,
            update=None if self.update is None else reverse(self.update, lengths),
            keep=tuple(reverse(keep, lengths) if isinstance(keep, Tensor) else keep for keep in self.keep),
        )


def draw(recipe: Stabilisation, training: bool, states: int, shape: tuple[int, ...], device: torch.device) -> Noise:
    """The noise of a pass over (time, batch, hidden), for a cell with this many states.

    Recurrent dropout falls on the candidate, what a step writes (g of the LSTM, n of the GRU, the new state of the
    simple network), a new mask each step (Semeniuta, Severyn & Barth 2016). Zoneout after Krueger et al. 2017.
    """
    keeps: list[Tensor | float | None] = []
    for p in (recipe.zoneout, recipe.zoneout_memory)[:states]:
        keeps.append((bits(fresh(), shape, p, device) if training else p) if p else None)
    if not training or not recipe.recurrent_dropout:
        return Noise(keep=tuple(keeps))
    written = 1 - recipe.recurrent_dropout
    return Noise(bits(fresh(), shape, written, device), 1 / written, tuple(keeps))


def drop_weights(weight: Tensor, p: float, training: bool) -> Tensor:
    """The recurrent matrix with each element dropped with probability p for the whole pass (Wan et al. 2013; Merity
    et al. 2018), the others scaled up; the gradient reaches the raw weight."""
    if not training or not p:
        return weight
    written = bits(fresh(), tuple(weight.shape), 1 - p, weight.device)
    return weight * (written / (1 - p))


@contextmanager
def noisy_weights(weights: list[nn.Parameter], deviation: float) -> Iterator[None]:
    """The weights with Gaussian noise on each for one pass forward and back (Graves 2011): the gradient is that of the
    noisy network, and the raw weights are there again afterwards."""
    if not deviation:
        yield
        return
    raw = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight in weights:
            weight.add_(torch.randn(weight.shape).to(weight.device), alpha=deviation)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(weights, raw, strict=True):
                weight.copy_(before)


def add_to_gradients(weights: list[nn.Parameter], eta: float, step: int) -> None:
    """Gaussian noise of variance eta / (1 + t)^0.55 on every gradient (Neelakantan et al. 2015); t counts from 0."""
    deviation = (eta / step**0.55) ** 0.5
    for weight in weights:
        if weight.grad is not None:
            weight.grad.add_(torch.randn(weight.shape).to(weight.device), alpha=deviation)
