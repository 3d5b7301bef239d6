"""The effect certificate: what a run's techniques did, read from the model and its training, not from the recipe.

A technique that did nothing (a threshold never reached, an average that never began) is named in `idle`: its row is one
of the baseline under another name, and the report says so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from bench.augment import augmented
from bench.cells import Cell
from bench.dropout import Dropout
from bench.network import Network
from bench.normalisation import Recurrent
from bench.spec import Architecture, RunSpec, Stabilisation
from bench.train import Fit
from tasks.base import Task

Facts = dict[str, Any]
SEQUENCES = 16
"""Training sequences of the pass in which masks are watched."""


def built(model: Network) -> Facts:
    """What the untrained network begins with: forget gates and recurrent matrices."""
    forget = [float(_summed(cell, cell.keeps).mean()) for cell in model.cells if cell.keeps is not None]
    found: Facts = {"forget_bias": _mean(forget)} if forget else {}
    errors = [_orthogonality(cell) for cell in model.cells if hasattr(cell.weights, "weight_hh_l0")]
    known = [error for error in errors if error is not None]
    return found | ({"orthogonality_error": _mean(known)} if known else {})


def _summed(cell: Cell, gate: int | None) -> Tensor:
    """The sum of both of torch's biases of a gate."""
    assert gate is not None
    parts = [part for name, part in cell.weights.named_parameters() if name.startswith("bias_")]
    return torch.stack([part.detach().chunk(cell.gates)[gate] for part in parts]).sum(0)


def _orthogonality(cell: Cell) -> float | None:
    """The largest entry of W' W - 1 over the gates' blocks of W_hh; None where they are not square."""
    blocks = cell.raw("weight_hh").detach().chunk(cell.gates)
    if blocks[0].dim() < 2 or blocks[0].shape[0] != blocks[0].shape[1]:
        return None
    one = torch.eye(len(blocks[0]), device=blocks[0].device)
    return float(f"{max(float((w.t() @ w - one).abs().max()) for w in blocks):.3g}")


def observed(model: Network, task: Task, recipe: Stabilisation) -> Facts:
    """Masks, shares and statistics of one training pass of a copy; no generator and no weight is moved."""
    model = copy.deepcopy(model).train()
    seen: list[tuple[Tensor, Tensor]] = []
    for module in model.modules():
        if isinstance(module, Dropout):
            module.register_forward_hook(lambda _, inputs, out: seen.append((inputs[0].detach(), out.detach())))
    batch = next(task.train.ordered(SEQUENCES)).to(next(model.parameters()).device)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        changed = augmented(batch, recipe)
        model(changed)
        noises = [
            cell.noise(task.time, batch.x.new_zeros(1, len(batch.x), 1, dtype=torch.float)) for cell in model.cells
        ]
        dropped = (
            [(cell.recurrent_weight() == 0).float().mean().item() for cell in model.cells] if recipe.weight_drop else []
        )
    found: Facts = {}
    if recipe.dropout and seen:
        found["dropout"] = _dropout(*seen[-1])
    if recipe.weight_drop:
        found["weights_dropped"] = _mean(dropped)
    if recipe.recurrent_dropout:
        found["candidates_dropped"] = _mean(
            [1 - n.update.float().mean().item() for n in noises if n.update is not None]
        )
    for name, place in (("zoneout", 0), ("zoneout_memory", 1)):
        kept = [n.keep[place] for n in noises if place < len(n.keep)]
        shares = [keep.float().mean().item() for keep in kept if isinstance(keep, Tensor)]
        if shares:
            found[name] = _mean(shares)
    if recipe.batch_norm is not None:
        norms = [module for module in model.modules() if isinstance(module, Recurrent)]
        found["batch_norm"] = {"statistics": max((norm.steps for norm in norms), default=0), "layers": len(norms)}
    if recipe.spec_augment:
        found["masked"] = _round(float((changed.x != batch.x).float().mean()))
    if recipe.jitter or recipe.scaling:
        found["input_change"] = _round(float((changed.x - batch.x).std()))
    return found


def _dropout(x: Tensor, out: Tensor) -> Facts:
    """The share of units dropped, and whether one dropped once is dropped at every step. x, out: (time, batch, ...)."""
    alive = x != 0
    dropped = (out == 0) & alive
    always = (dropped | ~alive).all(0) & alive.any(0)
    once = dropped.any(0)
    return {
        "share": _round(float(dropped.sum() / alive.sum().clamp(min=1))),
        "mask": "sequence" if bool((once == always).all()) else "step",
    }


def trained(result: Fit, spec: RunSpec) -> Facts:
    """What training counted."""
    recipe, steps = spec.stabilisation, max(result.steps, 1)
    found: Facts = {"clipped": _round(result.clipped / steps)}
    if result.rates:
        found["rate"] = {
            name: float(f"{rate:.4g}") for name, rate in zip(("first", "highest", "last"), result.rates, strict=True)
        }
    if recipe.patience is not None:
        found["early_stop"] = {"updates_saved": result.saved, "restored": result.restored}
    if recipe.ema is not None or recipe.swa is not None or spec.optimizer.nonmono is not None:
        found["averaged_from"] = result.averaged_from
    if recipe.l2 or recipe.decay or spec.optimizer.decay:
        kinds = [
            name for name, used in (("coupled", recipe.l2), ("decoupled", recipe.decay or spec.optimizer.decay)) if used
        ]
        found["decay"] = " and ".join(kinds)
    return found


def shape(model: Network, architecture: Architecture, recipe: Stabilisation) -> Facts:
    """What the network is made of, where the recipe asks for something else than usual."""
    found: Facts = {}
    if recipe.activation != "tanh":
        found["activation"] = sorted({cell.activation for cell in model.cells})
    if recipe.tied and model.embed is not None:
        found["tied"] = model.head.weight is model.embed.weight
    if recipe.bptt is not None:
        found["bptt"] = recipe.bptt
    if architecture.residual:
        found["residual"] = True
    return found


IDLE: Mapping[str, Callable[[Facts, Stabilisation], bool]] = {
    "clipping": lambda f, r: (
        f["clipped"] == 0 and any(v is not None for v in (r.clip_norm, r.clip_value, r.agc, r.autoclip))
    ),
    "averaging": lambda f, r: "averaged_from" in f and f["averaged_from"] is None,
    "early stopping": lambda f, r: f.get("early_stop") == {"updates_saved": 0, "restored": False},
    "dropout": lambda f, r: "dropout" in f and f["dropout"]["share"] == 0,
    "zoneout": lambda f, r: bool(r.zoneout) and f.get("zoneout", 0) == 0,
    "weight drop": lambda f, r: bool(r.weight_drop) and f.get("weights_dropped", 0) == 0,
}
"""When a technique that was asked for did nothing."""


def certificate(model: Network, task: Task, spec: RunSpec, start: Facts, result: Fit) -> Facts:
    """Everything that can be said of a run that ended: `start` is what built() said before training."""
    recipe = spec.stabilisation
    found = start | shape(model, spec.architecture, recipe) | observed(model, task, recipe) | trained(result, spec)
    idle = [name for name, did_nothing in IDLE.items() if did_nothing(found, recipe)]
    return found | ({"idle": idle} if idle else {})


def _mean(values: list[float]) -> float | None:
    return _round(sum(values) / len(values)) if values else None


def _round(value: float) -> float:
    return float(f"{value:.4g}")
