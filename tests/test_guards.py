"""Each guard catches the fault it is for, passes every honest task, and leaves no trace."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from toys import Labels, Symbols, network, tiny

import tasks
from bench import guards
from bench import run as room
from bench.axes import ARCHITECTURES, STABILISATIONS
from bench.guards import Guard
from bench.overlap import ROWS
from bench.run import weights_sha256
from bench.spec import Architecture
from tasks.base import Batch, Sequences, Stream
from tasks.cards import TASKS

EMBEDDED = [name for name, card in TASKS.items() if card.synthetic and card.study is None and card.family != "memory"]


@pytest.mark.parametrize("name", [*EMBEDDED, "memory/adding/50", "memory/copy/50", "speech/digits/10%"])
def test_honest_tasks_pass(name: str) -> None:
    """Every embedded task holds every check with a plain network."""
    task, spec = tasks.load(name), tiny()
    spec = replace(spec, names=replace(spec.names, task=name))
    guards._held.clear()
    held = guards.check(network(task), task, spec)
    assert list(held) == ["overlap", "scalers", "metric", "causality", "carried"]
    assert all(said == "ok" or said.startswith("not asked: ") for said in held.values())
    assert held["overlap"] == held["metric"] == "ok"
    assert (held["causality"] == "ok") == task.card.causal
    assert (held["carried"] == "ok") == isinstance(task.valid, Stream)


def test_a_check_that_asks_nothing_says_so() -> None:
    """A check that a run is not put to is not counted as held."""
    task, spec = Symbols(), tiny("language/grammar")
    guards._held.clear()
    assert guards.check(network(task), task, spec)["carried"] == "ok"
    attentive = replace(spec, architecture=ARCHITECTURES["attention"])
    held = guards.check(network(task, attentive.architecture), task, attentive)
    assert held["carried"] == "not asked: each window stands by itself, by design"


def test_a_shared_sequence_is_found() -> None:
    """One training sequence in test is one too many."""
    task = Labels()
    guards.overlap(task)
    x, y, lengths = (torch.cat([getattr(task.test, n)[1:], getattr(task.train, n)[:1]]) for n in ("x", "y", "lengths"))
    task.test = Sequences(x, y, lengths)
    with pytest.raises(Guard, match=r"1 of \d+ pieces of test are in train too; split first"):
        guards.overlap(task)


def test_a_shared_sequence_with_another_answer_is_found() -> None:
    """What a sequence is does not depend on its label."""
    task = Labels()
    task.test = Sequences(task.train.x[:5], 1 - task.train.y[:5], task.train.lengths[:5])
    with pytest.raises(Guard, match="5 of 5 pieces of test are in train too"):
        guards.overlap(task)


@pytest.mark.parametrize("shift", [0, 7, 40])
def test_a_stretch_of_train_in_test_is_found_wherever_it_begins(shift: int) -> None:
    """A text is looked for at every place, not only where windows begin."""
    task = copy.copy(tasks.load("language/grammar"))
    task.test = replace(task.test, symbols=task.train.symbols[shift : shift + 9_000])
    with pytest.raises(Guard, match=r"281 of 281 pieces of test are in train too"):
        guards.overlap(task)


def test_a_tenth_of_a_text_that_leaked_is_found() -> None:
    """More of the test text than chance would have."""
    task = copy.copy(tasks.load("language/grammar"))
    test = task.test.symbols.clone()
    test[3_000:4_600] = task.train.symbols[20_001:21_601]
    task.test = replace(task.test, symbols=test)
    with pytest.raises(Guard, match="of test are in train too"):
        guards.overlap(task)


def test_targets_that_were_trained_on_are_found() -> None:
    """Inputs may reach back over a border, to the row; targets may not."""
    task = copy.copy(tasks.load("series/seasonal"))
    guards.overlap(task)
    late = task.train.series[-task.test.length - ROWS :]
    task.valid = replace(task.valid, series=torch.cat([late, task.valid.series[task.valid.length :]]))
    with pytest.raises(Guard, match=r"1 of \d+ pieces of valid are in train too"):
        guards.overlap(task)


def fitted_on_all(name: str) -> Any:
    """A task whose features were scaled by the moments of all three splits."""
    task = copy.copy(tasks.load(name))
    splits = {part: getattr(task, part) for part in ("train", "valid", "test")}
    frames = torch.cat([guards._frames(split) for split in splits.values()])
    mean, sd = frames.mean(0).float(), frames.std(0, correction=0).float()
    for part, split in splits.items():
        field = "series" if hasattr(split, "series") else "x"
        object.__setattr__(task, part, replace(split, **{field: (getattr(split, field) - mean) / sd}))
    return task


@pytest.mark.parametrize("name", ["series/seasonal", "series/mackey-glass", "speech/digits", "speech/connected"])
def test_a_scaler_fitted_on_everything_is_found(name: str) -> None:
    """Features scaled by the moments of train, valid and test together, as a careless pipeline would."""
    with pytest.raises(Guard, match="fit the scaler on train alone"):
        guards.scalers(fitted_on_all(name))


def test_a_vocabulary_from_the_test_text_is_found() -> None:
    """Symbols that occur in test alone mean that test was read."""
    task = Symbols()
    guards.scalers(task)
    task.test = Stream(torch.arange(9), 8, 0)
    with pytest.raises(Guard, match="fit the vocabulary on train"):
        guards.scalers(task)


class MeanOfBatches(Labels):
    """A score that is a mean of batch means: it depends on how the last batch comes out."""

    def tally(self, out: Tensor, batch: Batch) -> dict[str, float]:
        found = super().tally(out, batch)
        return {"loss": found["loss"] / found["count"], "count": 1, "right": found["right"] / found["count"]}


def test_a_metric_that_depends_on_the_batch_is_found() -> None:
    """24 sequences in one batch, in sevens and one by one must score alike."""
    model = network(Labels()).eval()
    guards.metric(model, Labels())
    with pytest.raises(Guard, match="add up sums over examples"):
        guards.metric(model, MeanOfBatches())


class LastDropped(Sequences):
    """A split that leaves out the batch that is not full."""

    def ordered(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        return (batch for batch in super().ordered(size, limit) if len(batch.x) == size)


def test_a_last_batch_that_is_left_out_is_found() -> None:
    """Every sequence counts, whatever the size of the batches."""
    task = Labels()
    task.valid = LastDropped(task.valid.x, task.valid.y, task.valid.lengths)
    with pytest.raises(Guard, match="drop no last batch"):
        guards.metric(network(task).eval(), task)


def test_an_evaluation_that_loses_the_state_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop that scores is the one that is watched, not a copy of it."""
    task = Symbols()

    def forgetful(model: Any, task: Any, split: Any, limit: int, size: int) -> None:
        for batch in split.ordered(size, limit):
            model(batch)

    monkeypatch.setattr(guards, "evaluate", forgetful)
    with pytest.raises(Guard, match="hand on the state of every layer"):
        guards.carried(network(task).eval(), task)


class Disconnected(Stream):
    """A stream whose windows say that they continue nothing."""

    def ordered(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        return (replace(batch, carried=False) for batch in super().ordered(size, limit))


def test_windows_that_do_not_ask_for_the_state_are_found() -> None:
    """A batch says whether it goes on from the one before."""
    task = Symbols()
    task.valid = Disconnected(task.valid.symbols, task.valid.window, 0)
    with pytest.raises(Guard, match="hand on the state of every layer"):
        guards.carried(network(task).eval(), task)


def test_a_network_that_sees_the_future_is_found() -> None:
    """Attention without its mask, and a second direction, are caught on a causal task."""
    task = Symbols()
    model = network(task, Architecture(attention=True)).eval()
    guards.causality(model, task)
    model.attention.causal = False
    with pytest.raises(Guard, match="mask the future"):
        guards.causality(model, task)
    with pytest.raises(Guard, match="mask the future"):
        guards.causality(network(task, Architecture(bidirectional=True)).eval(), task)


def test_a_state_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream read in windows must give what one pass over it gives."""
    task = Symbols()
    model = network(task, Architecture(depth=2)).eval()
    guards.carried(model, task)
    forward = model.forward

    def forgetful(batch: Batch, state: list[Any] | None = None) -> tuple[Tensor, list[Any]]:
        out, last = forward(batch, state)
        return out, [last[0], tuple(torch.zeros_like(part) for part in last[1])]

    monkeypatch.setattr(model, "forward", forgetful)
    with pytest.raises(Guard, match="hand on the state of every layer"):
        guards.carried(model, task)


@pytest.mark.parametrize("name", ["none", "dropout", "recurrent-bn", "zoneout"])
def test_guards_leave_no_trace(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run with and without its guards ends with the same weights."""
    spec = tiny("language/grammar", stabilisation=STABILISATIONS[name])
    guards._held.clear()
    guarded = room.run_one(spec)
    monkeypatch.setattr(guards, "check", lambda *_: {})
    assert room.run_one(spec).weights == guarded.weights


def test_the_model_is_left_as_it_was() -> None:
    """Weights, statistics and mode are those of before."""
    task, spec = tasks.load("language/grammar"), tiny("language/grammar")
    model = network(task, ARCHITECTURES["attention"]).train()
    before, random = weights_sha256(model), torch.get_rng_state()
    guards._held.clear()
    guards.check(model, task, spec)
    assert weights_sha256(model) == before
    assert model.training
    assert torch.equal(torch.get_rng_state(), random)


def test_a_failed_guard_is_a_failed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record says what was found; nothing is scored."""

    def broken(*_: object) -> None:
        raise Guard("7 of 9 sequences of test are in train too; split first, cut windows then")

    monkeypatch.setattr(guards, "check", broken)
    record = room.run_one(tiny())
    assert (record.status, record.score) == ("failed", None)
    assert "7 of 9 sequences of test are in train too" in record.reason


@pytest.mark.parametrize(
    ("name", "better", "score", "alarm"),
    [
        ("language/warandpeace", "lower", 0.7, True),
        ("language/warandpeace", "lower", 1.9, False),
        ("series/etth1/24", "lower", 0.1, True),
        ("series/etth1/24", "lower", 0.38, False),
        ("speech/digits", "higher", 100.0, False),
    ],
)
def test_a_score_that_nothing_known_reaches_is_an_alarm(name: str, better: str, score: float, alarm: bool) -> None:
    """The row stands, with the reason beside it."""
    task: Any = SimpleNamespace(card=TASKS[name], naive=dict)
    assert TASKS[name].better == better
    assert (guards.too_good(task, score) is not None) == alarm


def test_less_than_the_entropy_of_the_source_is_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The grammar's floor is exact: a perplexity below it has seen what it predicts."""
    task = tasks.load("language/grammar")
    floor = task.naive()["entropy floor"]
    assert guards.too_good(task, floor * 1.01) is None
    monkeypatch.setattr(task, "naive", lambda: pytest.fail("the n-grams of a task are counted once"))
    assert "below the entropy of the source" in guards.too_good(task, floor * 0.99)
