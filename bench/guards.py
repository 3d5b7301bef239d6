"""Checks at every start: of a task, that its test split is no secret shared; of a model, that it cannot cheat.

Faults of this kind do not crash: they make scores too good. Each check fails with what was found and where to look.
None draws a random number or moves a weight.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from bench.network import Network
from bench.spec import RunSpec, Stabilisation
from bench.train import evaluate
from tasks.base import Batch, Sequences, Split, Stream, Task
from tasks.published import TOO_GOOD
from tasks.series import Windows

FEW = 24
"""Sequences that a model is tried on."""
SHARED = 0.01
"""The share of a stream's windows that may stand in another split too: short sentences repeat by chance."""
CLOSE = 1e-4
"""Relative differences below this are the order of sums."""


class Guard(AssertionError):
    """A check failed: what it found, and what to try."""


def _sequences(split: Split) -> Iterator[bytes]:
    """A hash of each sequence with its answer."""
    for batch in split.ordered(256):
        for i in range(len(batch.x)):
            n = len(batch.x[i]) if batch.lengths is None else int(batch.lengths[i])
            text = batch.x[i, :n].contiguous().numpy().tobytes() + batch.y[i].contiguous().numpy().tobytes()
            yield hashlib.blake2b(text, digest_size=16).digest()


def overlap(task: Task) -> None:
    """No sequence, and no window of a stream, stands in two splits."""
    names = ("train", "valid", "test")
    found = {name: set(_sequences(getattr(task, name))) for name in names}
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        shared = len(found[one] & found[other])
        allowed = SHARED * len(found[other]) if isinstance(task.test, Stream) else 0
        if shared > allowed:
            raise Guard(
                f"{shared} of {len(found[other])} sequences of {other} are in {one} too; split first, cut windows then"
            )


def scalers(task: Task) -> None:
    """What was fitted was fitted on train: features have mean 0 and deviation 1 there, every symbol is seen there."""
    if isinstance(task.train, Stream):
        seen = set(task.train.symbols.unique().tolist())
        late = {s for name in ("valid", "test") for s in getattr(task, name).symbols.unique().tolist()} - seen
        if len(late) > 1:  # one symbol may stand for all that is unknown
            raise Guard(f"{len(late)} symbols occur in valid or test alone; fit the vocabulary on train")
        return
    frames = _frames(task.train)
    if task.card.family not in ("speech", "series") or task.card.study is not None or frames is None:
        return  # drawn values, which nothing is fitted to; a study keeps the scalers of all of train
    off = max(float(frames.mean(0).abs().max()), float((frames.std(0, correction=0) - 1).abs().max()))
    if off > 1e-2:
        raise Guard(f"features of train are off mean 0 and deviation 1 by {off:.3g}; fit the scaler on train alone")


def _frames(split: Split) -> Tensor | None:
    """(frame, feature) of what a scaler was fitted to."""
    if isinstance(split, Windows):
        return split.series.double()
    if not isinstance(split, Sequences) or split.x.dim() != 3:
        return None
    if split.lengths is None:
        return split.x.flatten(0, 1).double()
    return split.x[torch.arange(split.x.shape[1]) < split.lengths.unsqueeze(1)].double()


def metric(model: Network, task: Task) -> None:
    """The score does not depend on how many sequences are scored side by side."""
    first, *others = (evaluate(model, task, task.valid, FEW, size) for size in (FEW, 7, 1))
    for other in others:
        for name, value in first.items():
            if not math.isclose(value, other[name], rel_tol=CLOSE, abs_tol=1e-6):
                raise Guard(
                    f"{name} of the same sequences is {value} in one batch and {other[name]} in small ones; add up "
                    "sums over examples, and divide once"
                )


def causality(model: Network, task: Task) -> None:
    """In a causal task no output changes with what comes after it."""
    if not task.card.causal:
        return
    batch = _first(model, task)
    half = batch.x.shape[1] // 2
    later = batch.x.clone()
    later[:, half:] = later[:, half:].roll(1, 0).flip(1)
    out, other = model(batch)[0], model(replace(batch, x=later))[0]
    if not _alike(out[:, :half], other[:, :half]):
        raise Guard(f"changing the input from step {half} on changed an output before it; mask the future")


def carried(model: Network, task: Task) -> None:
    """A stream read window by window gives what it gives in one pass."""
    windows = not model.recurrent or model.attention is not None  # each window by itself, by design
    if not isinstance(task.valid, Stream) or windows or _counts_steps(model):
        return
    device = next(model.parameters()).device
    parts = [batch.to(device) for batch in task.valid.ordered(task.valid.columns, 2 * task.valid.columns)][:2]
    state, outs = None, []
    for batch in parts:
        out, state = model(batch, state if batch.carried else None)
        outs.append(out)
    x, y = (torch.cat([getattr(batch, name) for batch in parts], dim=1) for name in ("x", "y"))
    whole, _ = model(Batch(x, y))
    if not _alike(torch.cat(outs, dim=1), whole):
        raise Guard("a stream read in windows differs from one pass over it; hand on the state of every layer")


def _counts_steps(model: Network) -> bool:
    """Whether time steps have statistics of their own, counted from the start of a window."""
    return any(cell.recipe.batch_norm == "recurrent" for cell in model.cells)


def _first(model: Network, task: Task) -> Batch:
    return next(task.valid.ordered(8)).to(next(model.parameters()).device)


def _alike(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=CLOSE, atol=1e-5)


OF_TASKS: Mapping[str, Callable[[Task], None]] = {"overlap": overlap, "scalers": scalers}
OF_MODELS: Mapping[str, Callable[[Network, Task], None]] = {
    "metric": metric,
    "causality": causality,
    "carried": carried,
}

_passed: set[object] = set()
"""What this process has checked: a task once, a model once for each recipe and architecture."""


def check(model: Network, task: Task, spec: RunSpec) -> list[str]:
    """The names of the checks that hold for this run. Raises Guard."""
    name = spec.names.task
    if name not in _passed:
        for guard in OF_TASKS.values():
            guard(task)
        _passed.add(name)
    key = (name, spec.architecture, _shaping(spec.stabilisation), spec.backend)
    if key not in _passed:
        model = copy.deepcopy(model).eval()
        with torch.inference_mode():
            for test in OF_MODELS.values():
                test(model, task)
        _passed.add(key)
    return [*OF_TASKS, *OF_MODELS]


def _shaping(recipe: Stabilisation) -> Stabilisation:
    """The parts of a recipe that change what an evaluation computes."""
    return Stabilisation(
        batch_norm=recipe.batch_norm, layer_norm=recipe.layer_norm, weight_norm=recipe.weight_norm,
        activation=recipe.activation, zoneout=recipe.zoneout, zoneout_memory=recipe.zoneout_memory, tied=recipe.tied,
        bptt=recipe.bptt,
    )  # fmt: skip


def too_good(task: Task, score: float) -> str | None:
    """Why a score is better than can be believed; None where it can. The row stands, with this beside it."""
    name, sign = task.card.name, 1 if task.card.better == "lower" else -1
    bound = TOO_GOOD.get(name)
    if bound is not None and sign * score < sign * bound:
        return f"{task.card.metric} {score:.4g} is beyond {bound:g}, which nothing known reaches: look for a leak"
    floor = task.naive().get("entropy floor") if task.card.metric == "perplexity" and task.card.synthetic else None
    if floor is not None and score < floor:
        return f"perplexity {score:.4g} is below the entropy of the source, {floor:.4g}: look for a leak"
    return None
