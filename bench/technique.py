"""A technique of the reader's own: what it may do, and where in training. TECHNIQUES is the table of plug-ins' ones.

Each method has one caller, named beside it; as they stand here they do nothing, and that is what every run without such
a technique has. What a technique has to remember belongs into buffers: they are part of the model's state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.base import Batch

if TYPE_CHECKING:
    from bench.network import Network


class Technique(nn.Module):
    """A technique that training asks at five places. Random numbers come from torch's global generator alone."""

    def built(self, model: Network) -> None:
        """Change the untrained network: initial values, hooks, modules in place of others. bench.network"""

    def batch(self, batch: Batch) -> Batch:
        """The batch that training sees, after the recipe's own augmentation. bench.train"""
        return batch

    def loss(self, loss: Tensor, model: Network, out: Tensor, batch: Batch) -> Tensor:
        """The training loss, a scalar, of the one that the recipe makes. `out` as in Task.loss. bench.penalties"""
        return loss

    def gradients(self, weights: Sequence[nn.Parameter], step: int) -> None:
        """Change the weights' `grad` at update `step`, from 1: after back-propagation, before clipping. bench.train"""

    def after(self, model: Network, step: int) -> None:
        """Change the weights after update `step`. bench.train"""


TECHNIQUES: dict[str, type[Technique]] = {}
"""name -> technique: filled by bench.plugins, read as Stabilisation.own."""


def made(name: str | None) -> Technique:
    """A technique for one run; for None one that does nothing. Raises KeyError for a name that no plug-in here has."""
    return Technique() if name is None else TECHNIQUES[name]()


def settle(technique: Technique, model: Network, seed: int) -> None:
    """Let the technique have the untrained network, with random numbers of this seed; the global generator stays."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        technique.built(model)
