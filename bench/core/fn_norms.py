"""Normalisation inside the loop of `fn`: step by step going forward, and its backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from bench.core.recurrence import Norms
from bench.normalisation import EPSILON, FEWEST, MOMENTUM, Recurrent


class Normed(NamedTuple):
    """What the backward of one normalisation needs; empty where there is none."""

    gain: Tensor | None = None
    x: Tensor | None = None  # (step, row, feature): as it came, but of batch normalisation whitened
    rstd: Tensor | None = None  # (step, feature), batch normalisation only
    share: Tensor | None = None  # (step, row, 1): how much a row had to say in its step's statistics


class Layerwise:
    """Layer normalisation of x, (step, row, feature), called for one step at a time."""

    def __init__(self, x: Tensor, gain: Tensor, shift: Tensor | None) -> None:
        self.x, self.gain, self.shift = x, gain, shift

    def __call__(self, t: int) -> Tensor:
        return torch.native_layer_norm(self.x[t], self.gain.shape, self.gain, self.shift, EPSILON)[0]

    @property
    def normed(self) -> Normed:
        return Normed(self.gain, self.x)


class Batchwise:
    """Batch normalisation of x, (step, row, feature), called for one step at a time, as `Recurrent.forward` does it.

    valid: (step, row), False where a sequence has ended, or None. The whitened x is written to `white`.
    """

    def __init__(
        self, population: Recurrent, x: Tensor, white: Tensor, gain: Tensor, shift: Tensor | None, valid: Tensor | None
    ) -> None:
        steps, rows, features = x.shape
        self.population, self.x, self.white, self.gain, self.valid = population, x, white, gain, valid
        self.shift = torch.zeros_like(gain) if shift is None else shift
        self.rstd = x.new_empty(steps, features)
        self.counts: list[int] = [rows] * steps if valid is None else valid.sum(1).tolist()
        fewest = min(FEWEST, max(rows, 2))
        self.enough = [population.training and count >= fewest for count in self.counts]

    def __call__(self, t: int) -> Tensor:
        x, slot = self.x[t], min(t, self.population.steps - 1)
        if self.enough[t]:  # in two passes: torch.var_mean takes ten times as long over the rows of a batch
            mean = self._counted(x, t).mean(0)
            white = torch.sub(x, mean, out=self.white[t])
            var = self._counted(white, t).square().mean(0)
            self._learn(slot, mean, var, self.counts[t])
        else:
            known = min(slot, max(self.population.steps_seen - 1, 0))
            white = torch.sub(x, self.population.mean[known], out=self.white[t])
            var = self.population.var[known]
        white.mul_(torch.rsqrt(var + EPSILON, out=self.rstd[t]))
        return torch.addcmul(self.shift, white, self.gain)

    def _counted(self, x: Tensor, t: int) -> Tensor:
        """The rows of step t that have not ended."""
        return x if self.valid is None else x[self.valid[t]]

    def _learn(self, slot: int, mean: Tensor, var: Tensor, count: int) -> None:
        """Let the population take in what a batch says of a step."""
        momentum = MOMENTUM if slot < self.population.steps_seen else 1.0
        self.population.mean[slot].lerp_(mean, momentum)
        self.population.var[slot].lerp_(var * (count / (count - 1)), momentum)
        self.population.remember(max(self.population.steps_seen, slot + 1))

    @property
    def normed(self) -> Normed:
        shares = [enough / count for enough, count in zip(self.enough, self.counts, strict=True)]
        share = self.x.new_tensor(shares).view(-1, 1, 1).expand(-1, self.x.shape[1], 1)
        return Normed(
            self.gain, self.white, self.rstd, share if self.valid is None else share * self.valid.unsqueeze(2)
        )


Step = Layerwise | Batchwise


def norm(norms: Norms, place: int, d: int, x: Tensor, shift: Tensor | None, valid: Tensor | None) -> Step:
    """The normalisation of z (place 0), W h (1) or c (2) in direction d. Only c is needed after it: z and W h go."""
    gain = (norms.gain_z, norms.gain_r, norms.gain_c)[place]
    assert gain is not None
    if norms.kind == "units":
        return Layerwise(x, gain[d], shift)
    white = torch.empty_like(x) if place == 2 else x
    return Batchwise(norms.populations[d][place], x, white, gain[d], shift, valid)


def joined(parts: Sequence[Tensor]) -> Tensor:
    """What came of each step, (step, row, feature)."""
    return parts[0].unsqueeze(0) if len(parts) == 1 else torch.stack(tuple(parts))


class Pullback:
    """The backward of either: the gradient of x, called for one step at a time, and that of the gain."""

    def __init__(self, normed: Normed) -> None:
        gain, x, rstd, share = normed
        assert gain is not None
        assert x is not None
        self.gain, self.x, self.share = gain, x, share
        if rstd is None:
            self.white, self.mean, self.rstd = torch.native_layer_norm(x, gain.shape, None, None, EPSILON)
        else:
            self.white, self.scale = x, rstd * gain

    def __call__(self, d: Tensor, t: int) -> Tensor:
        if self.share is None:
            found: Tensor = torch.ops.aten.native_layer_norm_backward(
                d, self.x[t], self.gain.shape, self.mean[t], self.rstd[t], self.gain, None, [True, False, False]
            )[0]
            return found
        white = self.white[t]
        common = torch.addcmul(d.sum(0), white, (d * white).sum(0)).mul_(self.share[t])
        return (d - common).mul_(self.scale[t])

    def whole(self, d: Tensor) -> Tensor:
        """The gradient of x at all steps."""
        return joined([self(part, t) for t, part in enumerate(d)])

    def gain_gradient(self, d: Tensor) -> Tensor:
        """d: (step, row, feature), what reached the normalised x."""
        return (d * self.white).sum((0, 1))
