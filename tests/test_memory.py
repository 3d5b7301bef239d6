"""The memory tasks ask for what they say, and their baselines are right."""

from __future__ import annotations

import math
from itertools import islice

import pytest
import torch

import tasks
from tasks.base import fingerprint
from tasks.cards import TASKS, without_memory
from tasks.memory import BLANK, DELIMITER, HELD, SYMBOLS, adding, copy
from tasks.memory_cards import LENGTHS

MEMORY = [name for name, card in TASKS.items() if card.family == "memory"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_lengths_reach_from_50_to_1000() -> None:
    """Both problems exist at every length."""
    assert (LENGTHS[0], LENGTHS[-1]) == (50, 1000)
    assert set(MEMORY) == {f"memory/{kind}/{length}" for kind in ("adding", "copy") for length in LENGTHS}


def test_the_sum_is_of_two_marked_values_one_in_each_half() -> None:
    """Two marks, one in each half, and the target is the sum of their values."""
    batch = adding(200, 51, generator())
    values, marks = batch.x.unbind(2)
    assert set(marks.unique().tolist()) == {0.0, 1.0}
    assert marks[:, :25].sum(1).tolist() == marks[:, 25:].sum(1).tolist() == [1.0] * 200
    assert 0 <= float(values.min()) <= float(values.max()) <= 1
    for row in range(200):
        assert float(batch.y[row]) == pytest.approx(float(values[row][marks[row] == 1].sum()))


def test_copy_asks_for_the_first_ten_symbols_in_the_last_ten_steps() -> None:
    """Blanks, one delimiter ten steps before the end, and the answer is blank before."""
    x, y = (lambda batch: (batch.x.argmax(2), batch.y))(copy(100, 30, generator()))
    assert x.shape == y.shape == (100, 30 + 2 * HELD)
    assert torch.equal(x[:, :HELD], y[:, -HELD:])
    assert int(x[:, :HELD].max()) < SYMBOLS
    assert (y[:, :-HELD] == BLANK).all()
    assert (x == DELIMITER).sum(1).tolist() == [1] * 100
    assert (x[:, -HELD - 1] == DELIMITER).all()
    assert x[:, :HELD].unique().tolist() == list(range(SYMBOLS))


def test_the_adding_baseline_is_that_of_the_best_constant() -> None:
    """Answering 1 is off by 1/6, and no other constant does better."""
    y = adding(200_000, 50, generator()).y.double()
    assert float((y - 1).square().mean()) == pytest.approx(without_memory("memory/adding/50"), rel=0.01)
    assert float(y.var()) == pytest.approx(1 / 6, rel=0.01)


def test_the_copy_baseline_is_ten_guesses_among_eight() -> None:
    """Uniform over the symbols where they are asked for, certain elsewhere: 10 ln 8 / (T + 20)."""
    task = tasks.load("memory/copy/50")
    batch = next(task.test.ordered(64))
    out = torch.full((64, task.time, task.outputs), -1e4)
    out[:, :, BLANK] = 0
    out[:, -HELD:, BLANK] = -1e4
    out[:, -HELD:, :SYMBOLS] = 0
    found = task.metrics(task.tally(out, batch))
    assert found["nats"] == pytest.approx(10 * math.log(8) / 70, rel=1e-5) == task.naive()["no memory"]
    assert found["recalled"] == pytest.approx(100 / SYMBOLS, abs=5)


@pytest.mark.parametrize("name", ["memory/adding/50", "memory/copy/50"])
def test_a_perfect_answer_solves(name: str) -> None:
    """The truth scores 0, which is solved; the baseline is not."""
    task = tasks.load(name)
    batch = next(task.test.ordered(16))
    if task.per_step:
        out = 1e4 * torch.nn.functional.one_hot(batch.y, task.outputs).float()
    else:
        out = batch.y.view(16, 1)
    score = task.metrics(task.tally(out, batch))[task.card.metric]
    assert task.card.solved is not None
    assert score == pytest.approx(0, abs=1e-6)
    assert score < task.card.solved < task.naive()["no memory"]


@pytest.mark.parametrize("name", ["memory/adding/100", "memory/copy/50"])
def test_training_never_sees_an_example_twice(name: str) -> None:
    """Fresh examples come from the order's generator alone, and are in no fixed split."""
    task = tasks.load(name)
    first = [batch.x for batch in islice(task.train.shuffled(32, generator(5)), 3)]
    again = [batch.x for batch in islice(task.train.shuffled(32, generator(5)), 3)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    rows = torch.cat(first).flatten(1)
    fixed = torch.cat([split.tensors()["x"] for split in (task.train, task.valid, task.test)]).flatten(1)
    assert len(rows.unique(dim=0)) == len(rows)
    assert len(torch.cat([rows, fixed]).unique(dim=0)) == len(rows) + len(fixed)


def test_each_length_is_a_task_of_its_own() -> None:
    """Fingerprints differ, and are the same on every load."""
    names = ("memory/adding/50", "memory/adding/100", "memory/copy/50")
    found = [fingerprint(tasks.load(name)) for name in names]
    assert len(set(found)) == 3
    assert found == [fingerprint(tasks.load(name)) for name in names]
