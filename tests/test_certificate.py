"""A certificate says what a run's techniques did, and names those that did nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from toys import Labels, network, tiny

from bench import run as room
from bench import train
from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.cells import Cell
from bench.certificate import observed, trained
from bench.dropout import Dropout
from bench.noise import Noise
from bench.normalisation import Plain
from bench.spec import Optimizer, Stabilisation
from bench.train import Fit
from bench.watched import decays


def certified(task: str = "series/mackey-glass", **changes: Any) -> dict[str, Any]:
    record = room.run_one(tiny(task, **changes))
    assert record.status == "ok", record.reason
    return record.certificate


def recipe(**fields: Any) -> dict[str, Any]:
    return certified(stabilisation=Stabilisation(**fields))


def test_every_run_says_its_forget_bias_its_clipping_and_its_guards() -> None:
    """The few facts that stand in every record of a network with gates."""
    found = certified()
    assert found["clipped"] == 0.0
    assert abs(found["forget_bias"]) < 0.5
    assert found["orthogonality_error"] > 0
    assert found["guards"] == {
        "overlap": "ok",
        "scalers": "ok",
        "metric": "ok",
        "causality": "not asked: an output may depend on the whole sequence",
        "carried": "not asked: no stream: sequences begin without a state",
    }
    assert found["rate"] == {"first": 0.01, "highest": 0.01, "last": 0.01}
    assert "idle" not in found


@pytest.mark.parametrize("bias", [1.0, -2.0])
def test_the_forget_bias_after_build_is_the_one_asked_for(bias: float) -> None:
    """The sum of both of torch's biases."""
    assert recipe(forget_bias=bias)["forget_bias"] == pytest.approx(bias)


def test_chrono_remembers_longer() -> None:
    """The mean of log u with u uniform in [1, T - 1], T being 32 here."""
    expected = (31 * math.log(31) - 31 + 1) / 30
    assert recipe(chrono=True)["forget_bias"] == pytest.approx(expected, abs=0.5)


def test_orthogonal_is_orthogonal() -> None:
    """W' W - 1 vanishes after orthogonal initialisation, and not before."""
    assert recipe(initial="orthogonal")["orthogonality_error"] < 1e-5 < recipe()["orthogonality_error"]


def test_shares_that_were_dropped_are_those_asked_for() -> None:
    """Counted in masks of a training pass."""
    assert recipe(dropout=0.5)["dropout"]["share"] == pytest.approx(0.5, abs=0.1)
    assert recipe(recurrent_dropout=0.25)["candidates_dropped"] == pytest.approx(0.25, abs=0.05)
    assert recipe(zoneout=0.3, zoneout_memory=0.6)["zoneout"] == pytest.approx(0.3, abs=0.05)
    assert recipe(zoneout=0.3, zoneout_memory=0.6)["zoneout_memory"] == pytest.approx(0.6, abs=0.05)
    assert recipe(weight_drop=0.5)["weights_dropped"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("kind", "mask"), [("layers", "step"), ("variational", "sequence")])
def test_the_mask_is_seen_to_be_shared_over_time_or_not(kind: str, mask: str) -> None:
    """From what a training pass drops, not from the recipe."""
    assert recipe(dropout=0.5, dropout_kind=kind)["dropout"]["mask"] == mask


@pytest.mark.parametrize(("kind", "steps"), [("input", 1), ("recurrent", 32)])
def test_statistics_are_of_the_whole_or_of_each_step(kind: str, steps: int) -> None:
    """How many time steps have statistics of their own, and what is normalised."""
    places = ["input_norm", *(["recurrent_norm", "cell_norm"] if kind == "recurrent" else [])]
    assert recipe(batch_norm=kind)["batch_norm"] == {"places": places, "statistics": steps, "momentum": 0.1}


def test_statistics_are_those_that_were_made() -> None:
    """Far steps that too few sequences reach have none, although there is room for them."""
    spec = tiny("speech/digits", stabilisation=Stabilisation(batch_norm="recurrent"))
    task, _ = room.loaded("speech/digits", None)
    assert 0 < room.run_one(spec).certificate["batch_norm"]["statistics"] < task.time


def test_layer_norm_and_weight_norm_say_where() -> None:
    """Which products are normalised, and which matrices have gains."""
    assert recipe(layer_norm=True)["layer_norm"] == ["input_norm", "recurrent_norm", "cell_norm"]
    assert recipe(weight_norm=True)["weight_norm"] == ["weight_hh", "weight_ih"]


def test_clipping_is_the_share_of_clipped_updates() -> None:
    """A threshold that every gradient exceeds, and one that none does: that one is idle."""
    assert recipe(clip_norm=1e-6)["clipped"] == 1.0
    loose = recipe(clip_norm=1e6)
    assert (loose["clipped"], loose["idle"]) == (0.0, ["clipping"])
    assert 0 < recipe(autoclip=10)["clipped"] <= 1


def test_early_stopping_says_what_it_saved() -> None:
    """Updates left out of the budget, and whether older weights came back."""
    spec = tiny(stabilisation=Stabilisation(patience=1), optimizer=replace(OPTIMIZERS["sgd"], lr=9.0))
    spec = replace(spec, budget=replace(spec.budget, evaluate=1))
    found = room.run_one(spec).certificate["early_stop"]
    assert 0 < found["updates_saved"] < 10
    assert found["restored"]
    patient = recipe(patience=100)
    assert patient["idle"] == ["early stopping"]


def test_decay_is_coupled_or_decoupled() -> None:
    """L2 is in the gradient, decay beside it; AdamW has one of its own."""
    assert recipe(l2=1e-4)["decay"] == "coupled"
    assert recipe(decay=0.01)["decay"] == "decoupled"
    assert recipe(l2=1e-4, decay=0.01)["decay"] == "coupled and decoupled"
    assert certified(optimizer=OPTIMIZERS["adamw"])["decay"] == "decoupled"
    assert "decay" not in recipe()


@pytest.mark.parametrize("field", ["l2", "decay"])
def test_decay_that_never_came_is_idle(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for is not taken for what was done."""
    monkeypatch.setattr(train, "add_l2", lambda *_: None)
    monkeypatch.setattr(train, "shrink", lambda *_: None)
    found = recipe(**{field: 0.01})
    assert (found["decay"], found["idle"]) == ("none", ["decay"])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_kind_of_decay_is_the_same_under_every_rule(name: str) -> None:
    """A gradient of zero moves no weight, L2 is coupled and decay decoupled."""
    rule = replace(OPTIMIZERS[name], decay=0.0)
    task, model = Labels(), network(Labels())
    for asked, kind in (({}, "none"), ({"l2": 0.01}, "coupled"), ({"decay": 0.01}, "decoupled")):
        spec = tiny(stabilisation=Stabilisation(**asked), optimizer=rule)
        assert decays(model, task, spec) == kind


def test_averages_say_when_they_began() -> None:
    """And one that never began is idle: ten updates are too few for NT-ASGD."""
    assert recipe(ema=0.9)["averaged_from"] == 0
    assert recipe(swa=0.5)["averaged_from"] == 5
    never = certified(optimizer=OPTIMIZERS["nt-asgd"])
    assert (never["averaged_from"], never["idle"]) == (None, ["averaging"])


def test_the_rate_is_the_one_the_schedule_set() -> None:
    """First, highest and last update."""
    found = certified(optimizer=OPTIMIZERS["adam-one-cycle"])["rate"]
    rate = OPTIMIZERS["adam-one-cycle"].lr
    assert found["highest"] == rate
    assert found["first"] == pytest.approx(rate / 25)
    assert 0 < found["last"] < rate


def test_activation_and_augmentation() -> None:
    """The activation the cells compute with, and the share of a spectrogram that was masked."""
    assert recipe(activation="hardtanh")["activation"] == ["hardtanh"]
    assert certified(architecture=ARCHITECTURES["irnn"])["clipped"] == 0
    assert 0.05 < certified("speech/digits", stabilisation=STABILISATIONS["spec-augment"])["masked"] < 0.8
    shaken = certified("series/seasonal", stabilisation=Stabilisation(jitter=0.05))
    assert shaken["input_change"] == pytest.approx(0.05, rel=0.1)
    assert certified("language/grammar", stabilisation=STABILISATIONS["tied"])["tied"] is True


def test_watching_moves_nothing() -> None:
    """The generator stands where it stood, and so does every weight and statistic."""
    recipe = Stabilisation(dropout=0.5, weight_noise=0.1, zoneout=0.1, batch_norm="input", l2=0.01, decay=0.01)
    spec = tiny(stabilisation=recipe)
    task, _ = room.loaded("series/mackey-glass", None)
    model = room.network(spec, task)
    random, weights = torch.get_rng_state(), room.weights_sha256(model)
    observed(model, task, recipe)
    assert decays(model, task, spec) == "coupled and decoupled"
    assert torch.equal(torch.get_rng_state(), random)
    assert room.weights_sha256(model) == weights


def test_noise_and_penalties_leave_what_they_did() -> None:
    """The deviation of what is added to weights and gradients, and what is added to the loss."""
    assert recipe(weight_noise=0.075)["weight_noise"] == pytest.approx(0.075, rel=0.1)
    noise = recipe(gradient_noise=0.01)["gradient_noise"]
    assert noise["first"] == pytest.approx(0.1, rel=0.05)
    assert noise["last"] == pytest.approx((0.01 / 10**0.55) ** 0.5, rel=0.05)
    assert recipe(activation_penalty=2.0, temporal_penalty=1.0)["added_loss"] > 0
    smoothed = certified("language/grammar", stabilisation=Stabilisation(label_smoothing=0.1))
    assert smoothed["added_loss"] != 0
    dropped = certified("language/grammar", stabilisation=Stabilisation(embedding_dropout=0.5))
    assert dropped["symbols_dropped"] == pytest.approx(0.5, abs=0.25)


def test_truncation_says_how_often_it_cuts() -> None:
    """The windows have 32 steps: two pieces of 16, and a piece of 500 that is never full."""
    assert recipe(bptt=16)["cuts"] == 1
    longer = recipe(bptt=500)
    assert (longer["cuts"], longer["idle"]) == (0, ["truncation"])


DEAF = {
    "dropout": (Dropout, "forward", lambda self, x: x),
    "variational": (Dropout, "forward", lambda self, x: x),
    "embedding-dropout": (Dropout, "embedded", lambda self, embed, x: embed(x)),
    "recurrent-dropout": (Cell, "noise", lambda self, time, like: Noise(keep=(None,) * self.states)),
    "zoneout": (Cell, "noise", lambda self, time, like: Noise(keep=(None,) * self.states)),
    "weight-drop": (Cell, "recurrent_weight", lambda self: self.weight("weight_hh")),
    "layer-norm": (Cell, "_norms", lambda self, time: (Plain(), Plain(), Plain())),
    "batch-norm": (Cell, "_norms", lambda self, time: (Plain(), Plain(), Plain())),
    "weight-norm": (Cell, "_normed", lambda self: []),
}
"""Techniques, each with a network that does not listen to it."""


@pytest.mark.parametrize("name", DEAF)
def test_a_technique_that_nobody_reads_is_idle(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was asked for, the network did without, and the record says so."""
    monkeypatch.setattr(*DEAF[name])
    found = certified("language/grammar", stabilisation=STABILISATIONS[name])
    assert len(found["idle"]) == 1
    monkeypatch.undo()
    assert "idle" not in certified("language/grammar", stabilisation=STABILISATIONS[name])


def test_a_run_that_diverged_has_what_can_be_said_of_it() -> None:
    """How its gates began, how often it was clipped, and its guards."""
    found = Fit(steps=4, clipped=3, diverged=5, rates=[0.1, 0.1, 0.1])
    record = room.run_one(tiny(optimizer=Optimizer("sgd", lr=10.0), stabilisation=Stabilisation(activation="relu")))
    if record.status == "ok":
        pytest.fail("this one was meant to diverge")
    assert {"forget_bias", "clipped", "rate", "guards"} <= set(record.certificate)
    assert trained(found, tiny())["clipped"] == 0.75
