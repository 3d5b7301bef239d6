"""The effect certificate: what a run's techniques did, read from the model and its training, not from the recipe.

A technique that did nothing (a threshold never reached, an average that never began) is named in `idle`: its row is one
of the baseline under another name, and the report says so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench import penalties
from bench.augment import augmented
from bench.cells import Cell
from bench.clipping import Clipping
from bench.dropout import Dropout
from bench.network import Layer, Network
from bench.noise import Noise, add_to_gradients, noisy_weights
from bench.normalisation import MOMENTUM, Recurrent, Units
from bench.optimizers import build
from bench.spec import RunSpec, Stabilisation
from bench.train import Fit, update
from tasks.base import Batch, Task

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
            if _penalised(recipe):
                seen.added = float(penalties.loss(model, task, recipe, out, seen.taken) - task.loss(out, seen.taken))
            if raw:
                moved = torch.cat([(now - then).flatten() for now, then in zip(weights, raw, strict=True)])
                seen.moved = float(moved.std())
    return seen


def _penalised(recipe: Stabilisation) -> bool:
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
    if _penalised(recipe):
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


def decays(model: Network, task: Task, spec: RunSpec) -> str:
    """How weights shrink where the loss has no gradient: coupled (in the gradient), decoupled (beside it), or both.

    Each is one update of a copy, by an optimizer of its own, with a loss of 0.
    """
    asked = Stabilisation(l2=spec.stabilisation.l2, decay=spec.stabilisation.decay)
    flat: Any = SimpleNamespace(loss=lambda out, batch: 0 * out.sum())
    batch = next(task.train.ordered(2)).to(next(model.parameters()).device)

    def tried(recipe: Stabilisation) -> Network:
        other = copy.deepcopy(model).train()
        other.penalised = False
        optimizer = build(spec.optimizer, other.parameters(), other.hidden)
        update(other, flat, recipe, optimizer, batch, None, Clipping(recipe))
        return other

    with _aside(model):
        coupled = any(bool(w.grad.any()) for w in tried(asked).matrices if w.grad is not None)
        moved = tried(replace(asked, l2=0.0))
    decoupled = any(not torch.equal(w, then) for w, then in zip(moved.matrices, model.matrices, strict=True))
    return " and ".join(name for name, found in (("coupled", coupled), ("decoupled", decoupled)) if found) or "none"


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
    "clipping": lambda f, r: (
        f["clipped"] == 0 and any(v is not None for v in (r.clip_norm, r.clip_value, r.agc, r.autoclip))
    ),
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
