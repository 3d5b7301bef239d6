"""Facts about the language tasks: the grammar's entropy, streams and their windows, published counts."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks import load, ngrams
from tasks.base import IGNORE, Batch, Split, Stream, Task
from tasks.data import DamagedData, MissingData, grammar, text

SIZES = (1, 3, 16, 64)


@pytest.fixture(scope="module")
def task() -> Task:
    """The grammar task."""
    return load("language/grammar")


class Fading(torch.nn.Module):
    """A stateful toy network: its output depends on all past inputs, with weights that fade."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.table = torch.randn(symbols, symbols, generator=generator, dtype=torch.float64)
        self.past: Tensor | None = None

    def forward(self, batch: Batch) -> Tensor:
        past = (
            self.past
            if batch.carried and self.past is not None
            else self.table.new_zeros(len(batch.x), len(self.table))
        )
        outs = []
        for symbol in batch.x.T:
            past = 0.9 * past + self.table[symbol]
            outs.append(past)
        self.past = past
        return torch.stack(outs, dim=1)


def score(task: Task, split: Split, size: int, model: Fading) -> dict[str, float]:
    total: dict[str, float] = {}
    for batch in split.ordered(size):
        for key, value in task.tally(model(batch), batch).items():
            total[key] = total.get(key, 0) + value
    return task.metrics(total)


def test_grammar_is_the_same_bytes_every_time() -> None:
    """One seed gives one stream, and another seed another."""
    assert grammar.sample(2_000, 5).tobytes() == grammar.sample(2_000, 5).tobytes()
    assert grammar.sample(2_000, 5).tobytes() != grammar.sample(2_000, 6).tobytes()


def test_every_state_has_a_distribution() -> None:
    """The probabilities of each state sum to one, and all words of the vocabulary are used."""
    for rule in grammar.table().values():
        assert sum(probability for probability, _ in rule.values()) == pytest.approx(1, abs=1e-12)
    assert {word for rule in grammar.table().values() for word in rule} == set(grammar.VOCABULARY)


def test_entropy_equals_the_sampled_surprisal() -> None:
    """The exact entropy rate and the mean surprisal of a long sample agree within four standard errors."""
    symbols = grammar.sample(200_000, 99)
    ends = np.flatnonzero(symbols == grammar.VOCABULARY.index(grammar.END)) + 1
    surprisal = grammar.surprisal(symbols)
    sentences = np.array([part.sum() for part in np.split(surprisal, ends)[:-1]])
    lengths = np.diff(ends, prepend=0)
    excess = sentences - grammar.entropy() * lengths  # mean zero, and independent from sentence to sentence
    assert abs(excess.mean()) < 4 * excess.std() / math.sqrt(len(excess))
    nats, length = grammar.sentence()
    assert abs(sentences.mean() - nats) < 4 * sentences.std() / math.sqrt(len(sentences))
    assert abs(lengths.mean() - length) < 4 * lengths.std() / math.sqrt(len(lengths))


def test_agreement_is_never_broken() -> None:
    """A verb in the wrong number, or the wrong bracket, has no probability at all."""
    number = {word: index for index, word in enumerate(grammar.VOCABULARY)}

    def possible(sentence: str) -> bool:
        return bool(np.isfinite(grammar.surprisal(np.array([number[word] for word in sentence.split()]))).all())

    assert possible("( dogs near fox see child ) .")
    assert not possible("( dogs near fox sees child ) .")
    assert not possible("( dogs near fox see itself ) .")
    assert not possible("( dogs near fox see child ] .")


def test_an_oracle_reaches_the_floor_and_nothing_naive_does(task: Task) -> None:
    """Knowing the grammar scores the floor on test; the trigram is at least a tenth above, the unigram far above."""
    naive = task.naive()
    oracle = math.exp(grammar.surprisal(task.test.tensors()["symbols"].numpy()).mean())
    assert oracle == pytest.approx(naive["entropy floor"], rel=0.03)
    assert max(oracle, naive["entropy floor"]) * 1.1 < naive["trigram"] < naive["unigram"] < task.outputs


def test_ngram_probabilities_sum_to_one() -> None:
    """The trigram model spreads exactly one over the vocabulary after any history, seen or unseen."""
    train, valid, size = grammar.sample(500, 1), grammar.sample(500, 2), len(grammar.VOCABULARY)

    def total_nats(*symbols: int) -> float:
        return len(symbols) * ngrams.naive(train, valid, np.array(symbols), size, start=0)["trigram"]

    for history in ((0, 3), (33, 33)):
        shares = [math.exp(total_nats(*history) - total_nats(*history, symbol)) for symbol in range(size)]
        assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("size", SIZES)
def test_every_symbol_is_a_target_exactly_once(size: int) -> None:
    """Evaluation asks for each symbol once and sees the true symbol before it, whatever the batch size."""
    stream = Stream(torch.arange(1_003), 32, start=-1)
    batches = list(stream.ordered(size))
    x = torch.cat([batch.x.flatten() for batch in batches])
    y = torch.cat([batch.y.flatten() for batch in batches])
    assert torch.equal(y[y != IGNORE].sort().values, torch.arange(1_003))
    assert torch.equal(x[y != IGNORE], y[y != IGNORE] - 1)


def test_the_score_does_not_depend_on_the_evaluation_batch(task: Task) -> None:
    """A network that remembers everything scores the same in batches of 1, 3, 16 and 64 columns."""
    model = Fading(task.inputs)
    found = [score(task, task.valid, size, model) for size in SIZES]
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-9)


def test_training_windows_continue_each_other(task: Task) -> None:
    """Targets are the inputs shifted by one, across windows too, and only an epoch's first window starts afresh."""
    windows = len(task.train.tensors()["symbols"]) // (32 * task.time)
    batches = list(islice(task.train.shuffled(32, torch.Generator().manual_seed(0)), windows + 1))
    assert [batch.carried for batch in batches] == [False] + [True] * (windows - 1) + [False]
    x = torch.cat([batch.x for batch in batches[:windows]], dim=1)
    y = torch.cat([batch.y for batch in batches[:windows]], dim=1)
    assert batches[0].x.shape == (32, task.time)
    assert torch.equal(x[:, 1:], y[:, :-1])


def test_training_order_depends_on_the_generator_alone(task: Task) -> None:
    """One seed, one order; another seed, another order."""

    def first(seed: int) -> Tensor:
        torch.rand(seed + 1)  # the global generator has no say
        return next(task.train.shuffled(8, torch.Generator().manual_seed(seed))).y

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


def test_a_perfect_answer_scores_one_and_a_uniform_one_the_vocabulary(task: Task) -> None:
    """Perplexity is 1 for certainty, and the number of symbols for ignorance; the loss is the tally's mean."""
    batch = next(task.test.ordered(16))
    sure = 100.0 * torch.nn.functional.one_hot(batch.y, task.outputs)
    assert task.metrics(task.tally(sure, batch))["perplexity"] == pytest.approx(1)
    unsure = torch.zeros_like(sure)
    metrics = task.metrics(task.tally(unsure, batch))
    assert metrics["perplexity"] == pytest.approx(task.outputs, rel=1e-5)
    assert float(task.loss(unsure, batch)) == pytest.approx(metrics["loss"], rel=1e-5)


def test_wikitext2_has_the_published_counts(data: Path) -> None:
    """2,088,628 / 217,646 / 245,569 tokens with <eos>, of 33,278 types."""
    corpus = text.wikitext2(data)
    assert [len(split) for split in (corpus.train, corpus.valid, corpus.test)] == [2_088_628, 217_646, 245_569]
    assert len(corpus.vocabulary) == 33_278 == corpus.train.max() + 1
    assert (corpus.train == corpus.start).sum() == 36_718  # lines


def test_war_and_peace_is_the_book_alone(data: Path) -> None:
    """The three parts are the whole book in order, 90/5/5, without a word of Project Gutenberg."""
    corpus = text.war_and_peace(data)
    parts = ["".join(corpus.vocabulary[i] for i in split) for split in (corpus.train, corpus.valid, corpus.test)]
    total = sum(map(len, parts))
    assert [round(100 * len(part) / total, 2) for part in parts] == [90, 5, 5]
    assert "Gutenberg" not in "".join(parts)
    assert parts[2].endswith("recognize a dependence of which we are not\nconscious.\n")
    assert text.UNSEEN not in parts[0]
    assert corpus.vocabulary[corpus.start] == "\n"


def test_bits_are_nats_over_ln_2(data: Path) -> None:
    """War and Peace is scored in bits per character, below its trigram's and unigram's."""
    task = load("language/warandpeace", data)
    assert task.metrics({"loss": 10 * math.log(2), "count": 10})["bpc"] == pytest.approx(1)
    naive = task.naive()
    assert naive["trigram"] == pytest.approx(2.850, abs=1e-3)
    assert naive["trigram"] < naive["unigram"] < math.log2(task.outputs)


def test_a_text_without_markers_is_refused() -> None:
    """What does not look like a Project Gutenberg file is not taken for one."""
    with pytest.raises(DamagedData, match="markers"):
        text.body("Well, Prince, so Genoa and Lucca are now just family estates of the Buonapartes.")


@pytest.mark.parametrize(("name", "file"), [("warandpeace", "warandpeace.txt"), ("wikitext2", "wiki.train.tokens")])
def test_missing_text_names_the_command(name: str, file: str, tmp_path: Path) -> None:
    """Without the files, the error says which one is missing and how to get it."""
    for folder in (None, tmp_path):
        with pytest.raises(MissingData, match=rf"{file} not found .* get it with: python -m tasks fetch"):
            load(f"language/{name}", folder)


def test_a_damaged_text_is_refused(tmp_path: Path) -> None:
    """A file with other bytes than the pinned ones is not read."""
    (tmp_path / "warandpeace").mkdir()
    (tmp_path / "warandpeace/warandpeace.txt").write_text("Eh bien, mon prince.")
    with pytest.raises(DamagedData, match="sha256"):
        load("language/warandpeace", tmp_path)
