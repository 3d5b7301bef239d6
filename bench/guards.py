"""Checks at every start: of a task, that its test split is no secret shared; of a model, that it cannot cheat.

Faults of this kind do not crash: they make scores too good. Each check fails with what was found and where to look, or
says why it asks nothing of this run. None draws a random number or moves a weight.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from bench.network import Network
from bench.overlap import shared
from bench.spec import RunSpec, Stabilisation
from bench.train import evaluate
from tasks.base import Batch, Sequences, Split, Stream, Task
from tasks.m4 import Cuts
from tasks.published import TOO_GOOD
from tasks.recordings import Recordings
from tasks.windows import Windows

FEW = 24
"""Sequences that a model is tried on."""
SHARED = 0.01
"""The share of a stream's runs, or of a collection's series, that may stand in another split too: some repeat."""
CLOSE = 1e-4
"""Relative differences below this are the order of sums."""
FITTED = 1e-4
"""Moments of train as near as this to 0 and 1 were fitted on train. Ours are within 2e-7; fitted on all splits, the
nearest of them, mackey-glass, would be off by 6e-4."""


class Guard(AssertionError):
    """A check failed: what it found, and what to try."""


def overlap(task: Task) -> str | None:
    """No sequence, no run of a stream and no target of a series stands in two splits."""
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        met, count = shared(getattr(task, one), getattr(task, other))
        if met > (SHARED * count if isinstance(task.test, Stream | Cuts) else 0):
            raise Guard(f"{met} of {count} pieces of {other} are in {one} too; split first, cut windows then")
    return None


def scalers(task: Task) -> str | None:
    """What was fitted was fitted on train: features have mean 0 and deviation 1 there, every symbol is seen there."""
    if isinstance(task.train, Stream):
        late = {symbol for name in ("valid", "test") for symbol in getattr(task, name).present()} - task.train.present()
        if len(late) > 1:  # one symbol may stand for all that is unknown
            raise Guard(f"{len(late)} symbols occur in valid or test alone; fit the vocabulary on train")
        return None
    if task.card.study is not None:
        return "a study keeps the scalers of all of train"
    if isinstance(task.train, Recordings):
        return "moments are summed over the files of train, which may not fit into memory"
    frames = _frames(task.train)
    if task.card.family not in ("speech", "series") or frames is None:
        return "values are drawn, nothing is fitted to them"
    spread = frames.std(0, correction=0)  # none where a column of a benchmark never changes in train
    off = max(float(frames.mean(0).abs().max()), float((spread[spread > FITTED] - 1).abs().amax()))
    if off > FITTED:
        raise Guard(f"features of train are off mean 0 and deviation 1 by {off:.3g}; fit the scaler on train alone")
    return None


def _frames(split: Split) -> Tensor | None:
    """(frame, feature) of what a scaler was fitted to."""
    if isinstance(split, Windows):
        return split.series.double()
    if not isinstance(split, Sequences) or split.x.dim() != 3:
        return None
    if split.lengths is None:
        return split.x.flatten(0, 1).double()
    return split.x[torch.arange(split.x.shape[1]) < split.lengths.unsqueeze(1)].double()


def metric(model: Network, task: Task) -> str | None:
    """The score does not depend on how many sequences are scored side by side, and none is left out."""
    first, *others = (evaluate(model, task, task.valid, FEW, size) for size in (FEW, 7, 1))
    for other in others:
        for name, value in first.items():
            if not math.isclose(value, other[name], rel_tol=CLOSE, abs_tol=1e-6):
                raise Guard(
                    f"{name} of the same sequences is {value} in one batch and {other[name]} in small ones; add up "
                    "sums over examples, divide once, and drop no last batch"
                )
    return None


def causality(model: Network, task: Task) -> str | None:
    """In a causal task no output changes with what comes after it."""
    if not task.card.causal:
        return "an output may depend on the whole sequence"
    batch = next(task.valid.ordered(8)).to(next(model.parameters()).device)
    half = batch.x.shape[1] // 2
    later = batch.x.clone()
    later[:, half:] = later[:, half:].roll(1, 0).flip(1)
    out, other = model(batch)[0], model(replace(batch, x=later))[0]
    if not _alike(out[:, :half], other[:, :half]):
        raise Guard(f"changing the input from step {half} on changed an output before it; mask the future")
    return None


def carried(model: Network, task: Task) -> str | None:
    """A stream that is scored window by window gives what it gives in one pass."""
    stream = task.valid
    if not isinstance(stream, Stream):
        return "no stream: sequences begin without a state"
    if not model.recurrent or model.attention is not None or _counts_steps(model):
        return "each window stands by itself, by design"
    outs: list[Tensor] = []
    hook = model.register_forward_hook(lambda _, inputs, out: outs.append(out[0]))
    evaluate(model, task, stream, 2 * stream.columns, stream.columns)  # two windows
    hook.remove()
    parts = [batch.to(outs[0].device) for batch in stream.ordered(stream.columns, 2 * stream.columns)]
    x, y = (torch.cat([getattr(batch, name) for batch in parts], dim=1) for name in ("x", "y"))
    whole, _ = model(Batch(x, y))
    if not _alike(torch.cat(outs, dim=1), whole):
        raise Guard("a stream read in windows differs from one pass over it; hand on the state of every layer")
    return None


def _counts_steps(model: Network) -> bool:
    """Whether time steps have statistics of their own, counted from the start of a window."""
    return any(cell.recipe.batch_norm == "recurrent" for cell in model.cells)


def _alike(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=CLOSE, atol=1e-5)


OF_TASKS: Mapping[str, Callable[[Task], str | None]] = {"overlap": overlap, "scalers": scalers}
OF_MODELS: Mapping[str, Callable[[Network, Task], str | None]] = {
    "metric": metric,
    "causality": causality,
    "carried": carried,
}

_held: dict[object, dict[str, str]] = {}
"""What this process has checked: a task once, a model once for each device, recipe and architecture."""


def check(model: Network, task: Task, spec: RunSpec) -> dict[str, str]:
    """check -> "ok", or why it asks nothing of this run. Raises Guard."""
    name = spec.names.task
    if name not in _held:
        _held[name] = {guard: _said(ask(task)) for guard, ask in OF_TASKS.items()}
    key = (name, spec.architecture, _shaping(spec.stabilisation), spec.backend, spec.device)
    if key not in _held:
        tried = copy.deepcopy(model).eval()
        with torch.inference_mode():
            _held[key] = {guard: _said(ask(tried, task)) for guard, ask in OF_MODELS.items()}
    return _held[name] | _held[key]


def _said(why_not: str | None) -> str:
    return "ok" if why_not is None else f"not asked: {why_not}"


def _shaping(recipe: Stabilisation) -> Stabilisation:
    """The parts of a recipe that change what an evaluation computes."""
    return Stabilisation(
        batch_norm=recipe.batch_norm, layer_norm=recipe.layer_norm, weight_norm=recipe.weight_norm,
        activation=recipe.activation, zoneout=recipe.zoneout, zoneout_memory=recipe.zoneout_memory, tied=recipe.tied,
        bptt=recipe.bptt, own=recipe.own,
    )  # fmt: skip


_floors: dict[str, float | None] = {}
"""task -> the entropy of its source, where that is known: counting its n-grams again for every run would cost."""


def _floor(task: Task) -> float | None:
    name = task.card.name
    if name not in _floors:
        known = task.card.metric == "perplexity" and task.card.synthetic
        _floors[name] = task.naive().get("entropy floor") if known else None
    return _floors[name]


def too_good(task: Task, score: float) -> str | None:
    """Why a score is better than can be believed; None where it can. The row stands, with this beside it."""
    name, sign = task.card.name, 1 if task.card.better == "lower" else -1
    bound = TOO_GOOD.get(name)
    if bound is not None and sign * score < sign * bound:
        return f"{task.card.metric} {score:.4g} is beyond {bound:g}, which nothing known reaches: look for a leak"
    floor = _floor(task)
    if floor is not None and score < floor:
        return f"perplexity {score:.4g} is below the entropy of the source, {floor:.4g}: look for a leak"
    return None
