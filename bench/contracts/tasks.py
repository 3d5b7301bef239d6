"""What a task keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor

from bench.contracts import hold
from tasks.base import IGNORE, Batch, Sequences, Stream, Task, fingerprint

SURE = 30.0
"""A logit that leaves nothing to the other classes."""


def card(task: Task) -> str | None:
    """its card says where the data come from, which version they are, and which way is better"""
    hold(task.card.reference and task.card.summary, "the card has no reference or no summary")
    hold(task.card.version, "the card has no version")
    hold(task.card.better in ("lower", "higher"), f"better is {task.card.better!r}, neither lower nor higher")
    return None


def shapes(task: Task) -> str | None:
    """batches have the shape that the task says, in training and in order"""
    generator = torch.Generator().manual_seed(0)
    for batch in (next(task.train.shuffled(4, generator)), next(task.test.ordered(4))):
        hold(len(batch.x) == 4, f"a batch of 4 has {len(batch.x)} sequences")
        wanted = torch.int64 if task.symbols else torch.float32
        hold(batch.x.dtype == wanted, f"x is {batch.x.dtype}, and not {wanted}")
        if task.symbols:
            low, high = int(batch.x.min()), int(batch.x.max())
            hold(0 <= low <= high < task.inputs, f"symbols from {low} to {high}, and inputs is {task.inputs}")
        else:
            hold(batch.x.shape[2] == task.inputs, f"a frame has {batch.x.shape[2]} features, inputs is {task.inputs}")
            hold(batch.x.isfinite().all(), "x holds a value that is not finite")
    longest = next(task.train.shuffled(4, generator)).x.shape[1]
    hold(longest <= task.time, f"a training sequence has {longest} steps, and time is {task.time}")
    return None


def loss_and_tally(task: Task) -> str | None:
    """the mean loss of a batch is the tally's loss over its count, and has a gradient"""
    batch = next(task.valid.ordered(4))
    out = _guess(task, batch).requires_grad_()
    loss = task.loss(out, batch)
    metrics = task.metrics(task.tally(out.detach(), batch))
    one, other = float(loss.detach()), metrics["loss"]
    hold(math.isclose(one, other, rel_tol=1e-4), f"loss() gives {one:.6g}, metrics(tally()) {other:.6g}")
    loss.backward()  # type: ignore[no-untyped-call]
    hold(out.grad is not None and float(out.grad.norm()) > 0, "the loss has no gradient")
    hold(task.card.metric in metrics, f"the metrics are {', '.join(metrics)}, without {task.card.metric}")
    return None


def perfect(task: Task) -> str | None:
    """the true answer scores better than a guess"""
    batch = next(task.valid.ordered(16))
    truth = answer(task, batch)
    if truth is None:
        return "no answer can be derived from the targets"
    best, guess = (task.metrics(task.tally(out, batch))[task.card.metric] for out in (truth, _guess(task, batch)))
    better = best < guess if task.card.better == "lower" else best > guess
    hold(better, f"{task.card.metric} of the true answer is {best:.4g}, of a guess {guess:.4g}: {task.card.better}?")
    return None


def answer(task: Task, batch: Batch) -> Tensor | None:
    """The output that says the targets; None where it cannot be derived."""
    y = batch.y
    if y.is_floating_point():
        return y.reshape(len(y), -1) if y[0].numel() == task.outputs else None
    if batch.y_lengths is not None:
        return _spelled(task, batch)
    return SURE * torch.nn.functional.one_hot(y.clamp(min=0), task.outputs).float()


def _spelled(task: Task, batch: Batch) -> Tensor | None:
    """CTC: each label for one frame, blank (label 0) everywhere else."""
    assert batch.y_lengths is not None
    out = torch.zeros(len(batch.x), batch.x.shape[1], task.outputs)
    out[:, :, 0] = SURE
    for row, count in enumerate(batch.y_lengths.tolist()):
        if 2 * count > (batch.x.shape[1] if batch.lengths is None else int(batch.lengths[row])):
            return None
        for place, label in enumerate(batch.y[row, :count].tolist()):
            out[row, 2 * place] = 0.0
            out[row, 2 * place, label] = SURE
    return out


def _guess(task: Task, batch: Batch) -> Tensor:
    shape = (*batch.x.shape[:2], task.outputs) if task.per_step else (len(batch.x), task.outputs)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def splits(task: Task) -> str | None:
    """no two splits share a sequence, and every sequence of test comes once"""
    from bench.guards import overlap

    if isinstance(task.test, Stream):
        symbols = sum(int((batch.y != IGNORE).sum()) for batch in task.test.ordered(16))
        hold(symbols == len(task.test.symbols), f"{symbols} targets of {len(task.test.symbols)} symbols")
    else:
        count = sum(len(batch.x) for batch in task.test.ordered(7))
        hold(count == len(task.test), f"{count} sequences come in order, and test has {len(task.test)}")
    if isinstance(task.train, Sequences) and isinstance(task.test, Sequences) and isinstance(task.valid, Sequences):
        seen = [{row.numpy().tobytes() for row in split.x} for split in (task.train, task.valid, task.test)]
        shared = seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2]
        hold(not shared, f"{len(shared)} sequences stand in two splits")
    overlap(task)
    return None


def batches(task: Task) -> str | None:
    """every training batch has the size asked for, and the order is the generator's alone"""

    def few(seed: int) -> list[Tensor]:
        drawn = task.train.shuffled(8, torch.Generator().manual_seed(seed))
        return [batch.x for batch in islice(drawn, 3)]

    first, again, other = few(0), few(0), few(1)
    hold(all(len(x) == 8 for x in first), "a training batch is not of the size asked for")
    hold(all(torch.equal(a, b) for a, b in zip(first, again, strict=True)), "one seed gives two orders")
    same = all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, other, strict=True))
    hold(not same, "two seeds give one order")
    return None


def naive(task: Task) -> str | None:
    """there are answers that need no network, and their scores are finite"""
    scores = task.naive()
    hold(scores, "naive() names no answer")
    hold(all(math.isfinite(value) for value in scores.values()), f"not all finite: {scores}")
    return None


def same_data(task: Task, again: Task) -> str | None:
    """loading twice gives the same data"""
    hold(fingerprint(task) == fingerprint(again), "two loads have two fingerprints: draw from a fixed seed")
    return None


CHECKS: tuple[Callable[[Task], str | None], ...] = (*(card, shapes, loss_and_tally, perfect, splits, batches, naive),)
