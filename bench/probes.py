"""Vanishing gradients and overfitting, measured."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from bench.cells import Cell
from bench.dropout import Dropout
from bench.network import Layer, Network
from bench.train import Fit
from tasks.base import Batch, Task

SEQUENCES = 16
"""Training sequences that the gradient probe looks at: the first ones, the same for every run of a task."""

TINY = 1e-30
"""Norms below this are not told from zero in float32 and take no part in the fit."""


def gradient_norms(model: Network, task: Task, batch: Batch) -> list[float | None]:
    """Norm of the gradient that the last frame's loss sends to the hidden state 0, 1, 2, ... steps before it.

    The state is h of the top layer, in the forward direction, so that the distance is one of time alone. Only the last
    frame of each sequence is left to speak: where a loss has terms at every step, the others are cut off, so the norm
    at distance k is what travelled k steps, as in Pascanu, Mikolov & Bengio 2013. Each sequence is compared with its
    own last frame, so that the mean at a distance that only long sequences reach is still one of decay; distance 0
    holds the mean norm itself. None where no sequence is long enough. The model is left as it was.
    """
    model = copy.deepcopy(model).train()  # a copy: batch normalisation counts what it sees
    for module in model.modules():
        if isinstance(module, Dropout):
            module.eval()
        elif isinstance(module, Cell):
            module.noisy = False
    top, trace = model.layers[-1], list[Tensor]()
    assert isinstance(top, Layer)
    top.trace = trace
    batch = batch.to(next(model.parameters()).device)
    out, _ = model(batch)
    lengths = batch.lengths if batch.lengths is not None else torch.full((len(batch.x),), batch.x.shape[1])
    if task.per_step:
        last = torch.arange(out.shape[1]).unsqueeze(0) == (lengths - 1).unsqueeze(1)
        out = torch.where(last.unsqueeze(2).to(out.device), out, out.detach())
    gradients = torch.autograd.grad(task.loss(out, batch), trace, allow_unused=True)
    found = torch.stack(
        [torch.zeros_like(h).norm(dim=1) if g is None else g.norm(dim=1) for g, h in zip(gradients, trace, strict=True)]
    )  # (time, batch)
    profiles = [found[:n, i].flip(0).tolist() for i, n in enumerate(lengths.tolist())]  # by distance, one a sequence
    scale = math.fsum(profile[0] for profile in profiles) / len(profiles)
    norms: list[float | None] = []
    for k in range(len(found)):
        reached = [profile[k] / profile[0] for profile in profiles if k < len(profile) and profile[0] > 0]
        mean = scale * math.fsum(reached) / len(reached) if reached else math.nan
        norms.append(mean if math.isfinite(mean) else None)
    return norms


def decay(norms: list[float | None]) -> dict[str, float | None]:
    """`rate`, the slope of log2(norm) against distance by least squares, and `half_life` = -1 / rate in steps.

    half_life is None where the gradient does not decay, and both are where fewer than two norms can be told from zero.
    """
    points = [(k, math.log2(norm)) for k, norm in enumerate(norms) if norm is not None and norm > TINY]
    if len(points) < 2:
        return {"rate": None, "half_life": None}
    mean_k = math.fsum(k for k, _ in points) / len(points)
    mean_y = math.fsum(y for _, y in points) / len(points)
    rate = math.fsum((k - mean_k) * (y - mean_y) for k, y in points) / math.fsum((k - mean_k) ** 2 for k, _ in points)
    return {"rate": rate, "half_life": -1 / rate if rate < 0 else None}


def vanishing(model: Network, task: Task) -> dict[str, Any]:
    """Gradient norms by distance and their half-life; nothing for a model without a recurrence."""
    if not model.recurrent:
        return {}
    norms = gradient_norms(model, task, next(task.train.ordered(SEQUENCES)))
    return {"norms": [None if n is None else float(f"{n:.4g}") for n in norms], **decay(norms)}


def overfitting(fit: Fit) -> dict[str, float | None]:
    """Losses at the point of lowest validation loss, and the generalisation gap there: validation minus training."""
    at = next((point for point in fit.curve if point["step"] == fit.best_step), None)
    if at is None or fit.best_step == 0:
        return {}
    losses = {name: at[name]["loss"] for name in ("train", "valid", "test")}
    return {"step": fit.best_step, **losses, "gap": losses["valid"] - losses["train"]}
