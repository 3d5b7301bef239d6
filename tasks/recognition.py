"""What is asked of speech: which word is it, or what is said, in order? Loss, metric and naive answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import edit_distance

from tasks.base import Batch, Sequences, Tally
from tasks.card import Card
from tasks.decoding import BLANK, decode
from tasks.recordings import Recordings

DIGITS = tuple("0123456789")
FREQUENT = 10
"""Words among which the best constant answer is sought: a rarer one repeated is right less often."""

Words = tuple[Hashable, ...]


@dataclass(frozen=True)
class _Speech:
    """What both kinds of task hold."""

    card: Card
    train: Sequences | Recordings
    valid: Sequences | Recordings
    test: Sequences | Recordings
    labels: tuple[str, ...] = DIGITS
    symbols = False

    @property
    def inputs(self) -> int:
        return self.train.bands if isinstance(self.train, Recordings) else self.train.x.shape[2]

    @property
    def time(self) -> int:
        return int(self.train.lengths.max()) if isinstance(self.train, Recordings) else self.train.x.shape[1]


@dataclass(frozen=True)
class Isolated(_Speech):
    """One word a recording, one answer a recording."""

    per_step = False

    @property
    def outputs(self) -> int:
        return len(self.labels)

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
        targets = F.one_hot(self.train.y, self.outputs).double() - 1 / self.outputs

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
    """What is said in a recording, aligned by CTC (Graves et al. 2006): label 0 is the blank, n + 1 is `labels[n]`.

    Errors are counted in words: each label is one, or labels are characters that spell words with spaces between.
    """

    spelled: bool = False
    per_step = True

    @property
    def outputs(self) -> int:
        return 1 + len(self.labels)

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
        answers = [self._words(labels) for labels in decode(out, batch.lengths)]
        references = self._references(batch)
        return {
            "loss": self.loss(out, batch).item() * len(references),
            "count": len(references),
            "edits": sum(map(_edits, answers, references)),
            "words": sum(map(len, references)),
        }

    def metrics(self, tally: Tally) -> dict[str, float]:
        """Errors of the corpus over its words; where nothing is said, every word of an answer is an error."""
        return {"wer": 100 * tally["edits"] / max(tally["words"], 1), "loss": tally["loss"] / tally["count"]}

    def naive(self) -> dict[str, float]:
        """Answers that do not listen; the constant one is chosen on train."""
        train, test = (self._references(split) for split in (self.train, self.test))
        counts = Counter(word for one in train for word in one)
        words = [word for word, _ in counts.most_common(FREQUENT)] if self.spelled else range(1, self.outputs)
        constants = [(word, times) for word in words for times in range(1, 1 + max(map(len, train)))]
        on_train = {word: _Counted(word, train) for word in words}
        word, times = min(constants, key=lambda constant: on_train[constant[0]].wer(constant[1]))
        return {"empty answer": _Counted(None, test).wer(0), "best constant string": _Counted(word, test).wer(times)}

    def _references(self, said: Batch | Sequences | Recordings) -> list[Words]:
        assert said.y_lengths is not None
        if isinstance(said, Recordings):
            return [self._words(said.string(number).tolist()) for number in range(len(said))]
        lengths = said.y_lengths.tolist()
        return [self._words(labels[:length]) for labels, length in zip(said.y.tolist(), lengths, strict=True)]

    def _words(self, labels: Sequence[int]) -> Words:
        return tuple("".join(self.labels[label - 1] for label in labels).split()) if self.spelled else tuple(labels)


def _edits(answer: Words, reference: Words) -> int:
    return edit_distance(answer, reference)  # torchaudio's: one each for deletion, insertion and substitution


class _Counted:
    """References, and how often a word is in each: all that the errors of an answer of that word alone depend on."""

    def __init__(self, word: Hashable, references: Sequence[Words]) -> None:
        self.sizes = np.array([len(one) for one in references])
        self.same = np.array([one.count(word) for one in references])

    def wer(self, times: int) -> float:
        """Word error rate in % of answering the word, so many times, to everything.

        Of the longer string all but the matches are errors, and as many match as both have of the word.
        """
        edits = np.maximum(self.sizes, times) - np.minimum(self.same, times)
        return float(100 * edits.sum() / max(self.sizes.sum(), 1))


def _mean_and_sd(split: Sequences | Recordings) -> Tensor:
    """Mean and standard deviation of each feature over a recording's frames, and a one: (sequence, 2 * feature + 1)."""
    size = len(split) if isinstance(split, Sequences) else 64  # what is mapped need not fit into memory
    return torch.cat([_summary(batch) for batch in split.ordered(size)])


def _summary(batch: Batch) -> Tensor:
    assert batch.lengths is not None
    count = batch.lengths[:, None].double()
    mean = batch.x.double().sum(1) / count  # padding is zeros
    square = batch.x.double().square().sum(1) / count
    return torch.cat([mean, (square - mean.square()).clamp(min=0).sqrt(), torch.ones_like(count)], dim=1)
