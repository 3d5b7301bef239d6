"""What is asked of spoken digits: which one is it, or which ones are they, in order? Loss, metric and naive answers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import edit_distance

from tasks.base import Batch, Sequences, Tally
from tasks.card import Card
from tasks.decoding import BLANK, Labels, decode


@dataclass(frozen=True)
class _Speech:
    """What both kinds of task hold."""

    card: Card
    train: Sequences
    valid: Sequences
    test: Sequences
    symbols = False

    @property
    def inputs(self) -> int:
        return self.train.x.shape[2]

    @property
    def time(self) -> int:
        return self.train.x.shape[1]


@dataclass(frozen=True)
class Isolated(_Speech):
    """One digit a recording, one answer a recording."""

    outputs = 10
    per_step = False

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(out, batch.y)

    def tally(self, out: Tensor, batch: Batch) -> Tally:
        count = len(batch.y)
        correct = (out.argmax(1) == batch.y).sum().item()
        return {"loss": self.loss(out, batch).item() * count, "count": count, "correct": correct}

    def metrics(self, tally: Tally) -> dict[str, float]:
        return {"accuracy": 100 * tally["correct"] / tally["count"], "loss": tally["loss"] / tally["count"]}

    def naive(self) -> dict[str, float]:
        majority = self.train.y.bincount(minlength=self.outputs).argmax()
        return {
            "majority class": 100 * (self.test.y == majority).double().mean().item(),
            "ridge on mean and sd of features": self._ridge(),
        }

    def _ridge(self) -> float:
        """Accuracy on test of a linear map from each recording's mean and sd, its penalty chosen on valid."""
        train, valid, test = (_mean_and_sd(split) for split in (self.train, self.valid, self.test))
        targets = F.one_hot(self.train.y, self.outputs).double() - 0.1

        def accuracy(weights: Tensor, x: Tensor, y: Tensor) -> float:
            return 100 * ((x @ weights).argmax(1) == y).double().mean().item()

        candidates = []
        for penalty in (1e-2, 1e-1, 1.0, 1e1, 1e2):
            square = train.T @ train + penalty * torch.eye(train.shape[1], dtype=train.dtype)
            candidates.append(torch.linalg.solve(square, train.T @ targets))
        best = max(candidates, key=lambda weights: accuracy(weights, valid, self.valid.y))
        return accuracy(best, test, self.test.y)


@dataclass(frozen=True)
class Connected(_Speech):
    """A string of digits a recording, aligned by CTC (Graves et al. 2006): label 0 is the blank, d + 1 the digit d."""

    outputs = 11
    per_step = True

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """Mean over sequences of their negative log likelihood in nats."""
        assert batch.lengths is not None
        assert batch.y_lengths is not None
        log_probs, y = out.log_softmax(2).transpose(0, 1), batch.y
        if torch.are_deterministic_algorithms_enabled():  # torch's CUDA backward adds in any order; the CPU's does not
            log_probs, y = log_probs.cpu(), y.cpu()
        return F.ctc_loss(log_probs, y, batch.lengths, batch.y_lengths, BLANK, reduction="sum") / len(y)

    def tally(self, out: Tensor, batch: Batch) -> Tally:
        assert batch.lengths is not None
        answers, references = decode(out, batch.lengths), _references(batch)
        return {
            "loss": self.loss(out, batch).item() * len(references),
            "count": len(references),
            "edits": sum(map(edit_distance, answers, references)),
            "words": sum(map(len, references)),
        }

    def metrics(self, tally: Tally) -> dict[str, float]:
        return {"wer": 100 * tally["edits"] / tally["words"], "loss": tally["loss"] / tally["count"]}

    def naive(self) -> dict[str, float]:
        """Answers that do not listen; the constant one is chosen on train."""
        train, test = (_references(Batch(split.x, split.y, None, split.y_lengths)) for split in (self.train, self.test))
        most = self.train.y.shape[1]
        constants = [(label,) * times for label in range(1, self.outputs) for times in range(1, most + 1)]
        best = min(constants, key=lambda constant: _wer(constant, train))
        return {"empty answer": _wer((), test), "best constant string": _wer(best, test)}


def _references(batch: Batch) -> list[Labels]:
    assert batch.y_lengths is not None
    return [tuple(y[:length]) for y, length in zip(batch.y.tolist(), batch.y_lengths.tolist(), strict=True)]


def _wer(constant: Labels, references: list[Labels]) -> float:
    """Word error rate in % of one and the same answer to everything."""
    return 100 * sum(edit_distance(constant, one) for one in references) / sum(map(len, references))


def _mean_and_sd(split: Sequences) -> Tensor:
    """Mean and standard deviation of each feature over a recording's frames, and a one: (sequence, 2 * feature + 1)."""
    assert split.lengths is not None
    count = split.lengths[:, None].double()
    mean = split.x.double().sum(1) / count  # padding is zeros
    square = split.x.double().square().sum(1) / count
    return torch.cat([mean, (square - mean.square()).clamp(min=0).sqrt(), torch.ones_like(count)], dim=1)
