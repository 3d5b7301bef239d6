"""Streams of symbols: batches are those of the whole stream, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from stories import story, written

import tasks
from bench import guards
from tasks import ngrams
from tasks.base import IGNORE, Batch, Stream, fingerprint
from tasks.data import symbols
from tasks.language import own

pytestmark = pytest.mark.usefixtures("text_cache")


class Whole(Stream):
    """The rule of batches as it was when every stream lay in memory: whole arrays, rotated, filled up and cut."""

    def _cut(self, symbols: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = torch.cat([symbols.new_tensor([self.start]), symbols[:-1]])
        time = -(-len(symbols) // count)
        missing = time * count - len(symbols)
        x = torch.cat([inputs, inputs.new_full((missing,), self.start)])
        y = torch.cat([symbols, symbols.new_full((missing,), IGNORE)])
        return x.view(count, time), y.view(count, time)

    def _windows(self, x: torch.Tensor, y: torch.Tensor) -> Iterator[Batch]:
        for begin in range(0, x.shape[1], self.window):
            span = slice(begin, begin + self.window)
            yield Batch(x[:, span], y[:, span], carried=begin > 0)

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        time = len(self.symbols) // (size * self.window) * self.window
        while True:
            offset = int(torch.randint(len(self.symbols), (1,), generator=generator))
            yield from self._windows(*self._cut(self.symbols.roll(-offset)[: time * size], size))

    def ordered(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        x, y = self._cut(self.symbols, self.columns)
        if limit is not None:
            keep = max(1, limit // self.columns) * self.window
            x, y = x[:, :keep], y[:, :keep]
        for columns in torch.arange(self.columns).split(size):
            yield from self._windows(x[columns], y[columns])


def same(found: Iterator[Batch], wanted: Iterator[Batch]) -> None:
    for a, b in zip(found, wanted, strict=True):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.y, b.y)
        assert a.carried == b.carried
        assert a.x.dtype == a.y.dtype == torch.int64


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8, torch.uint16, torch.uint32])
@pytest.mark.parametrize("length", [1, 5, 16, 17, 100, 2_003])
def test_batches_are_those_of_the_whole_stream(kind: torch.dtype, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch of training and of evaluation, at every size, is what copying the whole stream gave."""
    numbers = torch.randint(50, (length,), generator=torch.Generator().manual_seed(length))
    for window in (3, 32):
        new, old = Stream(numbers.to(kind), window, 7), Whole(numbers, window, 7)
        for size in (1, 3, 16, 64):
            for at_once in (1, 2**16):
                monkeypatch.setattr("tasks.base.AT_ONCE", at_once)
                for limit in (None, 1, 70):
                    same(new.ordered(size, limit), old.ordered(size, limit))
                if length >= size * window:
                    seeds = (torch.Generator().manual_seed(size) for _ in range(2))
                    same(*(islice(split.shuffled(size, next(seeds)), 30) for split in (new, old)))


def test_a_mapped_stream_stays_where_it_is(tmp_path: Path) -> None:
    """It is taken nowhere as a whole, and a batch of it is."""
    np.arange(200, dtype=np.uint8).tofile(tmp_path / "numbers")
    stream = Stream(torch.from_numpy(np.memmap(tmp_path / "numbers", np.uint8, mode="c")), 8, 0)
    assert stream.mapped
    assert stream.to("meta") is stream
    assert next(stream.ordered(16)).to("meta").x.is_meta
    assert stream.present() == {*range(200)}
    assert Stream(torch.arange(200), 8, 0).to("meta").symbols.is_meta


class Spoken:
    """A split that speaks for its arrays itself."""

    def __init__(self, said: str) -> None:
        self.said = said

    def digest(self) -> str:
        return self.said


def test_a_split_may_have_a_digest_of_its_own() -> None:
    """Then the fingerprint is made of it, and asks for no arrays."""
    task = tasks.load("language/grammar")
    first = fingerprint(task)
    task.train = Spoken("one")
    assert len({first, fingerprint(task)}) == 2
    assert fingerprint(task) != (setattr(task, "train", Spoken("two")), fingerprint(task))[1]


def test_grammar_keeps_its_fingerprint() -> None:
    """The fingerprint of committed records, made of arrays that were copied."""
    assert fingerprint(tasks.load("language/grammar")) == "add0e987eaffa456"


def test_counts_and_guards_are_the_same_on_a_mapped_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Naive scores, overlap and vocabulary of a mapped text are those of the text in memory, piece by piece or not."""
    card = replace(tasks.TASKS["language/grammar"], name="language/own/story", dataset="own")
    options = {"text": str(written(tmp_path, story(30_000))), "unit": "word"}
    small = own(card, options)
    for name, value in (("KEPT", 1), ("LARGE", 1)):
        monkeypatch.setattr(symbols, name, value)
    monkeypatch.setattr("bench.overlap.STRETCH", 1_000)
    large = own(card, options)
    assert large.train.mapped
    assert not small.train.mapped
    assert large.naive() == small.naive()
    assert guards.overlap(large) is guards.scalers(large) is None
    large.test = replace(large.test, symbols=large.train.symbols[5_000:9_000])
    with pytest.raises(guards.Guard, match="114 of 114 pieces of test are in train too"):
        guards.overlap(large)


def test_only_the_first_symbols_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each split as many as MOST says, which no text of these tests reaches."""
    train, valid, test = (np.random.default_rng(seed).integers(9, size=900) for seed in range(3))
    monkeypatch.setattr(ngrams, "MOST", 500)
    assert ngrams.naive(train, valid, test, 9, 0) == ngrams.naive(train[:500], valid[:500], test[:500], 9, 0)
