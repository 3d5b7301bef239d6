"""Every task of the table keeps the contract."""

from __future__ import annotations

import math
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import torch

import tasks
from tasks.base import IGNORE, Stream, fingerprint
from tasks.cards import TASKS, matching

EMBEDDED = [name for name, card in TASKS.items() if card.synthetic and (card.family != "memory" or "/50" in name)]
"""Of the memory tasks only T = 50 and 500: the others differ in length alone."""
REAL = [
    *("speech/fsdd", "speech/fsdd-speakers/theo", "speech/fsdd-connected"),
    *("language/warandpeace", "language/wikitext2", "series/etth1/24", "series/ettm1/96"),
]


@pytest.fixture(scope="module", params=[*EMBEDDED, *REAL])
def task(request: pytest.FixtureRequest) -> tasks.base.Task:
    folder = None if TASKS[request.param].synthetic else request.getfixturevalue("data")
    return tasks.load(request.param, folder)


def test_shapes(task: tasks.base.Task) -> None:
    """Batches have the shape that the task says, in training and in order."""
    generator = torch.Generator().manual_seed(0)
    for batch in (next(task.train.shuffled(4, generator)), next(task.test.ordered(4))):
        assert len(batch.x) == 4
        assert batch.x.dtype == (torch.int64 if task.symbols else torch.float32)
        assert batch.x.shape[1] <= max(task.time, batch.x.shape[1])
        if not task.symbols:
            assert batch.x.shape[2] == task.inputs
            assert bool(batch.x.isfinite().all())
        else:
            assert 0 <= int(batch.x.min()) <= int(batch.x.max()) < task.inputs


def test_loss_and_tally_agree(task: tasks.base.Task) -> None:
    """The mean loss of a batch is the tally's loss over its count, and has a gradient."""
    batch = next(task.valid.ordered(4))
    shape = (*batch.x.shape[:2], task.outputs) if task.per_step else (len(batch.x), task.outputs)
    out = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = task.loss(out, batch)
    tally = task.tally(out.detach(), batch)
    assert task.metrics(tally)["loss"] == pytest.approx(float(loss.detach()), rel=1e-4)
    loss.backward()
    assert float(out.grad.norm()) > 0
    assert task.card.metric in task.metrics(tally)


def test_splits_are_disjoint_and_whole(task: tasks.base.Task) -> None:
    """No two splits share a stretch of data, and every sequence of test comes once."""
    if isinstance(task.test, Stream):
        symbols = sum(int((batch.y != IGNORE).sum()) for batch in task.test.ordered(16))
        assert symbols == len(task.test.symbols)
        return
    assert sum(len(batch.x) for batch in task.test.ordered(7)) == len(task.test)
    if task.card.family == "speech":
        seen = [{row.numpy().tobytes() for row in split.x} for split in (task.train, task.valid, task.test)]
        assert not seen[0] & seen[1]
        assert not seen[0] & seen[2]
        assert not seen[1] & seen[2]


def test_training_batches_are_full_and_follow_the_generator(task: tasks.base.Task) -> None:
    """Every training batch has the size asked for; the order is the generator's alone."""

    def few(seed: int) -> list[torch.Tensor]:
        batches = task.train.shuffled(8, torch.Generator().manual_seed(seed))
        return [batch.x for batch in islice(batches, 3)]

    assert all(len(x) == 8 for x in few(0))
    assert all(torch.equal(a, b) for a, b in zip(few(0), few(0), strict=True))
    assert not all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(few(0), few(1), strict=True))


def test_naive_rows_are_finite(task: tasks.base.Task) -> None:
    """Each task has answers that need no network."""
    scores = task.naive()
    assert scores
    assert all(math.isfinite(value) for value in scores.values())


@pytest.mark.parametrize("name", EMBEDDED)
def test_fingerprint_belongs_to_the_data(name: str) -> None:
    """Loading twice gives one fingerprint; one changed value gives another."""
    task = tasks.load(name)
    first = fingerprint(task)
    assert fingerprint(tasks.load(name)) == first
    next(iter(task.test.tensors().values())).view(-1)[0] += 1
    assert fingerprint(task) != first


@pytest.mark.parametrize("name", [name for name, card in TASKS.items() if not card.synthetic])
def test_absent_data_say_how_to_get_them(name: str, tmp_path: Path) -> None:
    """Without its files a task raises MissingData with a command that names the folder."""
    for folder in (None, tmp_path):
        with pytest.raises(tasks.data.MissingData, match=r"not found in .*get it with: \S+"):
            tasks.load(name, folder)


def test_names_select_what_stands_below_them() -> None:
    """`series/etth1` is its six horizons; a study is selected by its own name alone."""
    assert len(matching("series/etth1")) == 6
    assert matching("speech/fsdd") == ["speech/fsdd"]
    assert matching("speech/fsdd/10%") == ["speech/fsdd/10%"]
    assert matching("speech/fsdd", ["speech/fsdd/10%", "speech/fsdd-connected"]) == ["speech/fsdd/10%"]
    assert matching("nothing") == []


def test_every_card_has_a_reference_and_a_direction() -> None:
    """What to cite stands with each task, and no two share a name."""
    assert all(card.reference and card.better in ("lower", "higher") for card in TASKS.values())
    assert max(Counter(card.name for card in TASKS.values()).values()) == 1
