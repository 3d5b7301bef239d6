"""The effect certificate: what a run's techniques did, read from the model and its training, not from the recipe.

A technique that did nothing (a threshold never reached, an average that never began) is named in `idle`: its row is one
of the baseline under another name, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.cells import Cell
from bench.network import Layer, Network
from bench.noise import add_to_gradients
from bench.normalisation import MOMENTUM, Recurrent, Units
from bench.spec import RunSpec, Stabilisation
from bench.train import Fit
from bench.watched import decays, penalised, watched
from tasks.base import Task

Facts = dict[str, Any]


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
    """Masks and shares of one training pass, of what the recipe asks for; 0 where nothing of the kind was seen."""
    seen, found = watched(model, task, recipe), dict[str, Any]()
    if recipe.dropout:
        found["dropout"] = _dropout(*seen.dropped[-1]) if seen.dropped else {"share": 0.0}
    if recipe.embedding_dropout:
        found["symbols_dropped"] = _share([_absent(symbols, rows) for symbols, rows in seen.rows])
    if recipe.weight_drop:
        found["weights_dropped"] = _share([matrix == 0 for matrix in seen.matrices])
    if recipe.recurrent_dropout:
        found["candidates_dropped"] = _share([~noise.update for noise in seen.noises if noise.update is not None])
    for place, name in enumerate(("zoneout", "zoneout_memory")):
        if getattr(recipe, name):
            kept = [noise.keep[place] for noise in seen.noises if place < len(noise.keep)]
            found[name] = _share([keep for keep in kept if isinstance(keep, Tensor)])
    if recipe.weight_noise:
        found["weight_noise"] = _round(seen.moved)
    if recipe.spec_augment:
        found["masked"] = _round(float((seen.taken.x != seen.given.x).float().mean()))
    if recipe.jitter or recipe.scaling:
        found["input_change"] = _round(float((seen.taken.x - seen.given.x).std()))
    if penalised(recipe):
        found["added_loss"] = _round(seen.added)
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


def _absent(symbols: Tensor, rows: Tensor) -> Tensor:
    """Of each symbol that occurs, whether its row is zero. rows: (time, batch, feature)."""
    first = torch.from_numpy(np.unique(symbols.cpu().numpy(), return_index=True)[1])
    return (rows == 0).all(-1).flatten().cpu()[first]


def _share(masks: list[Tensor]) -> float:
    """The mean of all these booleans; 0 where there are none."""
    return _round(float(torch.cat([mask.flatten() for mask in masks]).float().mean())) if masks else 0.0


def shape(model: Network, task: Task, recipe: Stabilisation) -> Facts:
    """What the network is made of after training, where the recipe asks for something else than usual."""
    found: Facts = {}
    if recipe.activation != "tanh":
        found["activation"] = sorted({cell.activation for cell in model.cells})
    if recipe.tied:
        found["tied"] = model.embed is not None and model.head.weight is model.embed.weight
    if recipe.weight_norm:
        found["weight_norm"] = sorted({name for cell in model.cells for name in cell.gains})
    if recipe.layer_norm:
        found["layer_norm"] = _places(model, Units)
    if recipe.batch_norm is not None:
        steps = max((norm.steps_seen for norm in model.modules() if isinstance(norm, Recurrent)), default=0)
        found["batch_norm"] = {"places": _places(model, Recurrent), "statistics": steps, "momentum": MOMENTUM}
    if recipe.bptt is not None:
        # of the longest training sequence: none where it is no longer than a piece
        found["cuts"] = max(
            ((task.time - 1) // layer.cut for layer in model.layers if isinstance(layer, Layer) and layer.cut),
            default=0,
        )
    if model.residual:
        found["residual"] = len(model.layers) - 1  # layers that are passed by
    return found


def _places(model: Network, kind: type[Units] | type[Recurrent]) -> list[str]:
    """What is normalised, of the input's part of the gates, the state's part and the memory."""
    places = ("input_norm", "recurrent_norm", "cell_norm")
    return [place for place in places if any(isinstance(getattr(cell, place), kind) for cell in model.cells)]


def trained(result: Fit, spec: RunSpec) -> Facts:
    """What training counted, however it ended."""
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
    if recipe.gradient_noise:
        found["gradient_noise"] = {"first": _noise(recipe, 1), "last": _noise(recipe, steps)}
    return found


def _noise(recipe: Stabilisation, step: int) -> float:
    """The standard deviation of what is added to a gradient of zeros at this update."""
    weight = torch.nn.Parameter(torch.zeros(4_096))
    weight.grad = torch.zeros_like(weight)
    with torch.random.fork_rng(devices=[]):
        add_to_gradients([weight], recipe.gradient_noise, step)
    return _round(float(weight.grad.std()))


def _nothing(name: str) -> Callable[[Facts, Stabilisation], bool]:
    """Whether an entry that is there says that nothing was done."""
    return lambda facts, _: name in facts and not facts[name]


IDLE: Mapping[str, Callable[[Facts, Stabilisation], bool]] = {
    "clipping": lambda f, r: r.clips and f["clipped"] == 0,
    "averaging": lambda f, r: "averaged_from" in f and f["averaged_from"] is None,
    "early stopping": lambda f, r: f.get("early_stop") == {"updates_saved": 0, "restored": False},
    "dropout": lambda f, r: "dropout" in f and f["dropout"]["share"] == 0,
    "decay": lambda f, r: f.get("decay") == "none",
    "batch normalisation": lambda f, r: "batch_norm" in f and f["batch_norm"]["statistics"] == 0,
    "layer normalisation": _nothing("layer_norm"),
    "weight normalisation": _nothing("weight_norm"),
    "truncation": _nothing("cuts"),
    "tied weights": _nothing("tied"),
    "embedding dropout": _nothing("symbols_dropped"),
    "recurrent dropout": _nothing("candidates_dropped"),
    "zoneout": lambda f, r: {f[name] for name in ("zoneout", "zoneout_memory") if name in f} == {0.0},
    "weight drop": _nothing("weights_dropped"),
    "weight noise": _nothing("weight_noise"),
    "masks on spectrograms": _nothing("masked"),
    "noise and scale": _nothing("input_change"),
    "penalty": _nothing("added_loss"),
}
"""When a technique that was asked for did nothing."""


def certificate(model: Network, task: Task, spec: RunSpec, start: Facts, result: Fit) -> Facts:
    """Everything that can be said of a run that ended: `start` is what built() said before training."""
    recipe = spec.stabilisation
    found = start | shape(model, task, recipe) | observed(model, task, recipe) | trained(result, spec)
    if recipe.l2 or recipe.decay or spec.optimizer.decay:
        found["decay"] = decays(model, task, spec)
    idle = [name for name, did_nothing in IDLE.items() if did_nothing(found, recipe)]
    return found | ({"idle": idle} if idle else {})


def _mean(values: list[float]) -> float | None:
    return _round(sum(values) / len(values)) if values else None


def _round(value: float) -> float:
    return float(f"{value:.4g}")
