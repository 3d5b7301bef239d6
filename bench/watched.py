"""What can be seen of a training pass, and of an update with nothing to learn: of copies, so that nothing moves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from bench import penalties
from bench.augment import augmented
from bench.cells import Cell
from bench.clipping import Clipping
from bench.dropout import Dropout
from bench.network import Network
from bench.noise import Noise, noisy_weights
from bench.optimizers import build
from bench.spec import RunSpec, Stabilisation
from bench.train import update
from tasks.base import Batch, Task

SEQUENCES = 16
"""Training sequences of the pass that is watched."""


@dataclass
class Pass:
    """What could be seen of one training pass."""

    given: Batch
    taken: Batch  # after augmentation
    added: float = 0.0  # what the recipe added to the task's loss
    moved: float = 0.0  # standard deviation of what was added to the weights
    dropped: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # before and after dropout, (time, batch, ...)
    rows: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # symbols, and what the embedding made of them
    noises: list[Noise] = field(default_factory=list)  # one a direction and layer
    matrices: list[Tensor] = field(default_factory=list)  # the recurrent ones as they were computed with


def watched(model: Network, task: Task, recipe: Stabilisation) -> Pass:
    """One training pass of a copy; no generator and no weight is moved."""
    model = copy.deepcopy(model).train()
    batch = next(task.train.ordered(SEQUENCES)).to(next(model.parameters()).device)
    with _aside(model), torch.no_grad():
        seen = Pass(batch, augmented(batch, recipe))
        for module in model.modules():
            if isinstance(module, Dropout):
                module.register_forward_hook(lambda _, inputs, out: seen.dropped.append((inputs[0], out)))
                _listen(module, "embedded", lambda inputs, out: seen.rows.append((inputs[1], out)))
            elif isinstance(module, Cell):
                _listen(module, "noise", lambda _, out: seen.noises.append(out))
                _listen(module, "recurrent_weight", lambda _, out: seen.matrices.append(out))
        weights = list(model.parameters())
        raw = [weight.clone() for weight in weights] if recipe.weight_noise else []
        with noisy_weights(weights, recipe.weight_noise):
            out, _ = model(seen.taken)
            if penalised(recipe):
                seen.added = float(penalties.loss(model, task, recipe, out, seen.taken) - task.loss(out, seen.taken))
            if raw:
                moved = torch.cat([(now - then).flatten() for now, then in zip(weights, raw, strict=True)])
                seen.moved = float(moved.std())
    return seen


def penalised(recipe: Stabilisation) -> bool:
    """Whether the recipe adds to the task's loss."""
    return bool(recipe.label_smoothing or recipe.activation_penalty or recipe.temporal_penalty)


def _listen(module: Any, name: str, hear: Callable[[Any, Any], None]) -> None:
    """Have `hear(arguments, result)` called whenever this method is."""
    method = getattr(module, name)

    def heard(*arguments: Any) -> Any:
        result = method(*arguments)
        hear(arguments, result)
        return result

    setattr(module, name, heard)


def _aside(model: Network) -> AbstractContextManager[None]:
    """Within it torch's global generators may be drawn from: they stand afterwards where they stood."""
    device = next(model.parameters()).device
    return torch.random.fork_rng(devices=[] if device.type == "cpu" else [device], device_type="cuda")


def decays(model: Network, task: Task, spec: RunSpec) -> str:
    """How weights shrink where the loss has no gradient: coupled (in the gradient), decoupled (beside it), or both.

    Each is one update of a copy, by an optimizer of its own, with a loss of 0. The strength is 1 wherever there is any:
    the kind does not depend on it, and a new Prodigy's rate is so small that single precision would not show less.
    """
    asked = Stabilisation(l2=float(spec.stabilisation.l2 > 0), decay=float(spec.stabilisation.decay > 0))
    rule = replace(spec.optimizer, decay=float(spec.optimizer.decay > 0))
    flat: Any = SimpleNamespace(loss=lambda out, batch: (0 * out).sum())
    batch = next(task.train.ordered(2)).to(next(model.parameters()).device)

    def tried(recipe: Stabilisation) -> Network:
        other = copy.deepcopy(model).train()
        other.penalised = False
        optimizer = build(rule, other.parameters(), other.hidden)
        update(other, flat, recipe, optimizer, batch, None, Clipping(recipe))
        return other

    with _aside(model):
        coupled = any(bool(w.grad.any()) for w in tried(asked).matrices if w.grad is not None)
        moved = tried(replace(asked, l2=0.0))
    decoupled = any(not torch.equal(w, then) for w, then in zip(moved.matrices, model.matrices, strict=True))
    return " and ".join(name for name, found in (("coupled", coupled), ("decoupled", decoupled)) if found) or "none"
