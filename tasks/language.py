"""Language modelling: the next symbol of a stream, given all before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from tasks import ngrams
from tasks.base import IGNORE, Batch, Split, Stream, Tally, Task
from tasks.card import Card
from tasks.data import DamagedData, corpora, grammar, own_text, symbols, text
from tasks.data.text import Corpus

CORPORA: dict[str, tuple[Callable[[Path | None], Corpus], int]] = {  # reader, steps of truncated BPTT
    "language/grammar": (lambda _: grammar.corpus(), 32),  # three sentences
    "language/warandpeace": (text.war_and_peace, 100),  # a line and a half
    "language/wikitext2": (text.wikitext2, 35),  # as in torch's word_language_model example
    **{f"language/{name}": (reader, corpora.PUBLISHED[name].window) for name, reader in corpora.READERS.items()},
}


def build(card: Card, data: Path | None) -> Task:
    """The language task of a card."""
    read, window = CORPORA[card.name]
    return _task(card, read(data), window)


def own(card: Card, options: Mapping[str, str]) -> Task:
    """The task of a text of the reader's own (tasks.data.own_text). Raises DamagedData and ValueError."""
    wanted = own_text.asked(options)
    if any(path.is_dir() for path in wanted.files):
        raise DamagedData(f"{wanted.files[0].name}: a text is one file, and there is a folder; name the file")
    found = symbols.prepared(symbols.Reading(wanted.unit, wanted.files, wanted.window, wanted.vocabulary))
    if len(found.corpus.vocabulary) > own_text.MOST:
        raise DamagedData(
            f"{wanted.files[0].name}: {len(found.corpus.vocabulary):,} different words; keep the most frequent ones "
            "with vocabulary=10000, or read the text with unit=character"
        )
    return _task(card, found.corpus, wanted.window)


def _task(card: Card, corpus: Corpus, window: int) -> Task:
    train, valid, test = (
        Stream(torch.from_numpy(found), window, corpus.start) for found in (corpus.train, corpus.valid, corpus.test)
    )
    return Language(card, corpus, len(corpus.vocabulary), len(corpus.vocabulary), window, train, valid, test)


@dataclass
class Language:
    """Symbol-by-symbol prediction, scored by perplexity or by bits per character."""

    card: Card
    corpus: Corpus
    inputs: int
    outputs: int
    time: int
    train: Split
    valid: Split
    test: Split
    symbols: bool = True
    per_step: bool = True

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """Mean cross entropy over the targets. out: (batch, time, symbol)."""
        return F.cross_entropy(out.flatten(0, 1), batch.y.flatten(), ignore_index=IGNORE)

    def tally(self, out: Tensor, batch: Batch) -> Tally:
        """Nats and number of the targets; a padded column's end counts for nothing."""
        nats = F.cross_entropy(out.flatten(0, 1), batch.y.flatten(), ignore_index=IGNORE, reduction="none")
        return {"loss": float(nats.double().sum()), "count": int((batch.y != IGNORE).sum())}

    def metrics(self, tally: Tally) -> dict[str, float]:
        """Nats per symbol, and their exponential (perplexity) or their bits."""
        nats = tally["loss"] / tally["count"]
        return {"loss": nats, self.card.metric: self._score(nats)}

    def naive(self) -> dict[str, float]:
        """Unigram and trigram; where the process is known also its entropy floor, a bound and not a baseline."""
        corpus = self.corpus
        nats = ngrams.naive(corpus.train, corpus.valid, corpus.test, self.outputs, corpus.start)
        if corpus.entropy is not None:
            nats["entropy floor"] = corpus.entropy
        return {label: self._score(value) for label, value in nats.items()}

    def _score(self, nats: float) -> float:
        if self.card.metric == "bpc":
            return nats / math.log(2)
        return math.exp(min(nats, 700.0))  # a diverged network's perplexity is huge, not an overflow
