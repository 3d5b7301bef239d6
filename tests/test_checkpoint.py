"""A run that was interrupted goes on with the same bits, and nothing but its own checkpoint is ever believed."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toys import Labels, Symbols, network

from bench import averages, checkpoint, schedules, train
from bench.axes import OPTIMIZERS, STABILISATIONS
from bench.checkpoint import Keeper, load, save
from bench.clipping import Clipping
from bench.clock import Stopwatch
from bench.optimizers import build
from bench.rng import stream
from bench.run import weights_sha256
from bench.schedules import Schedule
from bench.sense import nonsense
from bench.spec import Architecture, Budget, Optimizer, Stabilisation
from bench.train import fit
from bench.training import Fit, Training
from tasks.base import Batch, Sequences, Tally

BUDGET = Budget(parameters=1_000, batch=16, steps=14, evaluate=4, curve=16, seconds=60)
BREAK = 10
"""The update at which a run is interrupted: between two evaluations, behind the start of both kinds of averages."""
ADAM = OPTIMIZERS["adam"]


class Interrupted(Exception):
    """What stands for a kill."""


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")),
]


def made(
    task: Any,
    recipe: Stabilisation,
    rule: Optimizer,
    keeper: Keeper,
    budget: Budget = BUDGET,
    cell: str = "lstm",
    device: str = "cpu",
) -> tuple[str, Fit, list[int]]:
    """All that can be seen of a run from its seed on: weights, result, and where it leaves the global generator."""
    model = network(task, Architecture(cell), recipe).to(device)
    torch.manual_seed(5)
    optimizer = build(rule, model.parameters(), model.hidden)
    schedule, average = schedules.build(rule, optimizer, budget.steps), averages.build(recipe, rule, budget.steps)
    result = fit(model, task, recipe, optimizer, budget, stream(0, "order"), schedule, average, keeper=keeper)
    return weights_sha256(model), replace(result, seconds=0.0), torch.get_rng_state().tolist()


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The same run, killed at update BREAK, a minute after the one before, and then gone on with."""
    real, clock = train.update, [0.0]
    monkeypatch.setattr(checkpoint, "monotonic", lambda: clock[0])

    def dies(*values: Any) -> Any:
        if values[-1] == BREAK:
            raise Interrupted
        clock[0] += 61.0 * (values[-1] == BREAK - 1)
        return real(*values)

    def run(task: Any, recipe: Stabilisation, rule: Optimizer, *rest: Any, **words: Any) -> Any:
        keeper = Keeper(tmp_path / "run.pt", "me")
        with monkeypatch.context() as patch:
            patch.setattr(train, "update", dies)
            with pytest.raises(Interrupted):
                made(task, recipe, rule, keeper, *rest, **words)
        torch.manual_seed(99)  # whatever the new process does before
        steps: list[int] = []
        with monkeypatch.context() as patch:
            patch.setattr(train, "update", lambda *values: (steps.append(values[-1]), real(*values))[1])
            found = made(task, recipe, rule, keeper, *rest, **words)
        assert steps[0] == BREAK  # no update is made twice
        return found

    return run


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on_with_the_same_bits(name: str, device: str, broken: Callable[..., Any]) -> None:
    """Weights, curve, rates, clipped updates and the generator are those of the run that was never stopped."""
    rule, recipe, budget = OPTIMIZERS[name], Stabilisation(dropout=0.3, clip_norm=0.5), BUDGET
    if rule.nonmono is not None:  # so that the average has begun when the run is interrupted
        rule, recipe, budget = replace(rule, lr=20.0, nonmono=1), Stabilisation(), replace(BUDGET, evaluate=1)
    whole = made(Labels(), recipe, rule, Keeper(), budget, device=device)
    assert broken(Labels(), recipe, rule, budget, device=device) == whole
    if rule.nonmono is not None:
        assert 0 < whole[1].averaged_from < BREAK


class Clips(Labels):
    """The labels, told to be speech."""

    card = replace(Labels.card, name="speech/toy")


class Words(Symbols):
    """The symbols, told to be language."""

    card = replace(Symbols.card, name="language/toy")


class Values(Labels):
    """The last two frames of a sequence, from all of it: a series."""

    card = replace(Labels.card, name="series/toy", metric="loss", better="lower")
    outputs = 6

    def __init__(self) -> None:
        super().__init__()
        for name in ("train", "valid", "test"):
            x = getattr(self, name).x
            setattr(self, name, Sequences(x, x[:, -2:]))

    def loss(self, out: torch.Tensor, batch: Batch) -> torch.Tensor:
        return (out.view_as(batch.y) - batch.y).square().mean()

    def tally(self, out: torch.Tensor, batch: Batch) -> Tally:
        return {"loss": float(self.loss(out, batch)) * len(out), "count": len(out)}

    def metrics(self, tally: Tally) -> dict[str, float]:
        return {"loss": tally["loss"] / tally["count"]}


class Overfitted(Clips):
    """Validation labels are wrong: the longer the training, the worse."""

    def __init__(self) -> None:
        super().__init__()
        self.valid = Sequences(self.valid.x, 1 - self.valid.y, self.valid.lengths)


EARLY = replace(BUDGET, evaluate=6, steps=40)
"""Early stopping: the best weights are those of an evaluation before the break, and are scored after it."""
CHANGED = {"swa": Stabilisation(swa=0.25), "early-stop": Stabilisation(patience=2)}
"""So that a run of a few updates has something to remember."""


@pytest.mark.parametrize("name", STABILISATIONS)
def test_every_stabilisation_goes_on_with_the_same_bits(name: str, broken: Callable[..., Any]) -> None:
    """Masks, noise, averages, histories of norms, population statistics and the best weights are all kept."""
    recipe, budget = CHANGED.get(name, STABILISATIONS[name]), EARLY if name == "early-stop" else BUDGET
    toys = (Overfitted(),) if name == "early-stop" else (Clips(), Words(), Values())
    task = next(toy for toy in toys if nonsense(Architecture(), recipe, toy.card) is None)
    rule = replace(ADAM, lr=0.1) if name == "early-stop" else ADAM
    whole = made(task, recipe, rule, Keeper(), budget)
    assert broken(task, recipe, rule, budget) == whole
    if name == "early-stop":
        assert whole[1].restored
        assert whole[1].best_step < BREAK <= whole[1].steps
    if name in ("ema", "swa"):
        assert whole[1].averaged_from < BREAK


@pytest.mark.parametrize(
    ("cell", "recipe"),
    [
        ("lstm", Stabilisation()),
        ("gru", Stabilisation(bptt=3, autoclip=10)),
        ("lstm", Stabilisation(dropout=0.3, dropout_kind="variational", zoneout=0.1, zoneout_memory=0.2)),
        ("rnn", Stabilisation(batch_norm="recurrent", ema=0.9, weight_drop=0.2)),
        ("lstm", Stabilisation(weight_noise=0.05, gradient_noise=0.01, swa=0.25, patience=4)),
    ],
)
def test_a_stream_goes_on_from_its_hidden_state(cell: str, recipe: Stabilisation, broken: Callable[..., Any]) -> None:
    """The batch after the break continues a stream: its state is that of the batch before, under several techniques at
    once, with a schedule that looks at validation."""
    batches = list(islice(Words().train.shuffled(BUDGET.batch, stream(0, "order")), BREAK))
    assert batches[BREAK - 1].carried
    whole = made(Words(), recipe, OPTIMIZERS["adam-plateau"], Keeper(), cell=cell)
    assert broken(Words(), recipe, OPTIMIZERS["adam-plateau"], cell=cell) == whole


def test_nothing_that_changes_is_forgotten() -> None:
    """Every attribute of a part of training is kept, or is one that training never changes."""
    settings = {
        Schedule: {"rule", "optimizer", "steps", "rates"},
        averages.Average: {"decay", "nonmono"},
        Clipping: {"recipe"},
        Stopwatch: {"_device", "_started"},
        Fit: set(),
    }
    model = network(Labels())
    rule = OPTIMIZERS["adam-plateau"]
    optimizer = build(rule, model.parameters())
    schedule = schedules.build(rule, optimizer, 10)
    average = averages.build(Stabilisation(ema=0.9), rule, 10)
    training = Training(model, optimizer, schedule, average, Clipping(Stabilisation()), Stopwatch("cpu"))
    parts = training._parts()
    for part, kept in parts.values():
        if not isinstance(part, Training):
            assert set(kept) | settings[type(part)] == set(vars(part))
    given = {"model", "optimizer", *parts}
    assert {known.name for known in fields(Training)} <= given | set(parts["loop"][1])


def test_nothing_is_kept_before_it_is_time(tmp_path: Path) -> None:
    """A run of less than a minute writes no checkpoint; neither does one that has no folder."""
    made(Labels(), Stabilisation(), ADAM, Keeper(tmp_path / "run.pt"))
    assert list(tmp_path.iterdir()) == []
    assert Keeper.of("0123456789abcdef", {}).path is None


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkpoint of a run after all but its last update."""
    monkeypatch.setenv(checkpoint.SECONDS, "0")
    path = tmp_path / "run.pt"
    made(Labels(), Stabilisation(dropout=0.3), ADAM, Keeper(path, "me"))
    assert load(path, "me")["result"]["steps"] == BUDGET.steps - 1
    return path


def test_damage_is_a_beginning(kept: Path) -> None:
    """Whatever byte is changed, wherever the file is cut: it is noticed, removed, and the run begins anew."""
    whole = kept.read_bytes()
    for place in [*range(70), *range(70, len(whole), 2_999), len(whole) - 1]:
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
            kept.write_bytes(damaged)
            assert load(kept, "me") is None
            assert not kept.exists()
    unbroken = made(Labels(), Stabilisation(dropout=0.3), ADAM, Keeper())
    kept.write_bytes(whole[:-1])
    assert made(Labels(), Stabilisation(dropout=0.3), ADAM, Keeper(kept, "me")) == unbroken


def test_a_checkpoint_belongs_to_one_run_of_one_code_on_one_machine(kept: Path) -> None:
    """With any other fact it is ignored and removed."""
    assert Keeper(kept, "me").owner != Keeper.of("me", {}).owner
    facts = {"code": "c", "versions": {"torch": "1"}, "machine": {"isa": "avx2"}, "task": "t"}
    owners = {Keeper.of("run", facts).owner, Keeper.of("other", facts).owner}
    owners |= {Keeper.of("run", facts | {name: "another"}).owner for name in facts}
    assert len(owners) == 2 + len(facts)
    assert load(kept, "someone else") is None
    assert not kept.exists()


class Evil:
    """Runs something when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["EVIL"],)


@pytest.mark.parametrize("kind", ["torch", "plain pickle", "array"])
def test_a_malicious_file_runs_nothing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects inside a checkpoint, a bare pickle and an array of objects, each with a checksum that is right: the file
    is refused and removed, the run begins anew, and no code of it has run."""
    monkeypatch.setenv("EVIL", str(tmp_path / "harm"))
    body = BytesIO()
    if kind == "torch":
        torch.save({"model": Evil()}, body)
    elif kind == "plain pickle":
        body.write(pickle.dumps({"model": Evil()}))
    else:
        np.save(body, np.array([Evil()], dtype=object), allow_pickle=True)
    path = tmp_path / "run.pt"
    path.write_bytes(checkpoint._sum("me", body.getvalue()) + b"\n" + body.getvalue())
    assert load(path, "me") is None
    assert list(tmp_path.iterdir()) == []
    harm = {
        "torch": lambda file: torch.load(file, weights_only=False),
        "plain pickle": pickle.load,
        "array": lambda file: np.load(file, allow_pickle=True),
    }
    body.seek(0)
    harm[kind](body)
    assert (tmp_path / "harm").is_dir()  # the file is as dangerous as it is said to be


def test_a_full_disk_costs_the_checkpoint_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on to the same end, and no half file is left; an older checkpoint stands."""
    monkeypatch.setenv(checkpoint.SECONDS, "0")
    path = tmp_path / "run.pt"
    save(path, "me", {"older": 1})

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    unbroken = made(Labels(), Stabilisation(), ADAM, Keeper())
    assert made(Labels(), Stabilisation(), ADAM, Keeper(tmp_path / "other.pt", "me")) == unbroken
    with pytest.raises(OSError, match="No space.*run.pt"):
        save(path, "me", {"newer": 2})
    assert load(path, "me") == {"older": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_finished_runs_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints of finished runs and files half written are swept away; that of an unfinished one stays until its
    record is stored."""
    monkeypatch.delenv(checkpoint.FOLDER, raising=False)
    for name in ("a.pt", "b.pt", "c.pt.tmp"):
        (tmp_path / name).touch()
    with checkpoint.used(tmp_path):
        checkpoint.sweep({"a"})
        assert [path.name for path in tmp_path.iterdir()] == ["b.pt"]
        assert Keeper.of("b", {}).path == tmp_path / "b.pt"
        checkpoint.forget("b")
        checkpoint.forget("b")
        assert list(tmp_path.iterdir()) == []
    assert checkpoint.FOLDER not in os.environ
