"""What is done to a gradient that is too long."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm

from bench.spec import Stabilisation

SMALLEST = 1e-3
"""A unit's weights count as at least this long, so that a unit at zero can leave it (Brock et al. 2021)."""


@dataclass
class Clipping:
    """The gradient's norm at every update so far, which AutoClip's threshold rests on."""

    recipe: Stabilisation
    norms: list[float] = field(default_factory=list)

    def __call__(self, weights: list[nn.Parameter]) -> bool:
        """Clip the gradients of these weights as the recipe says; whether any was changed."""
        recipe, clipped = self.recipe, False
        weights = [weight for weight in weights if weight.grad is not None]
        if recipe.clip_norm is not None:
            norm = clip_grad_norm_(weights, recipe.clip_norm)
            clipped |= bool(norm > recipe.clip_norm)
        if recipe.clip_value is not None:
            largest = get_total_norm(_gradients(weights), math.inf)
            clipped |= bool(largest > recipe.clip_value)
            clip_grad_value_(weights, recipe.clip_value)
        if recipe.agc is not None:
            clipped |= adaptive(weights, recipe.agc)
        if recipe.autoclip is not None:
            clipped |= self._automatic(weights, recipe.autoclip)
        return clipped

    def _automatic(self, weights: list[nn.Parameter], percentile: float) -> bool:
        """The threshold is a percentile of all norms so far, this one included (Seetharaman et al. 2020)."""
        norm = get_total_norm(_gradients(weights))
        self.norms.append(float(norm))
        threshold = float(torch.tensor(self.norms).quantile(percentile / 100))
        clip_grad_norm_(weights, threshold)
        return self.norms[-1] > threshold


def adaptive(weights: list[nn.Parameter], largest: float) -> bool:
    """Adaptive gradient clipping (Brock et al. 2021): each unit's gradient at most `largest` times its weights' norm.

    A unit is a row of a matrix, or a whole vector, as in the authors' code. Whether any was clipped.
    """
    clipped = False
    for weight in weights:
        assert weight.grad is not None
        limit = largest * _unit_norms(weight.detach()).clamp(min=SMALLEST)
        norm = _unit_norms(weight.grad)
        over = norm > limit
        if bool(over.any()):
            clipped = True
            weight.grad.mul_(torch.where(over, limit / norm.clamp(min=1e-12), 1.0))
    return clipped


def _unit_norms(values: Tensor) -> Tensor:
    """(row, 1) of a matrix, a scalar of a vector: an element of a bias may be near zero, and would never move."""
    return values.norm() if values.dim() < 2 else values.norm(dim=tuple(range(1, values.dim())), keepdim=True)


def _gradients(weights: list[nn.Parameter]) -> list[Tensor]:
    return [weight.grad for weight in weights if weight.grad is not None]
