"""One spec in, one record out: every named choice changes the run, the same spec gives the same run."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import tiny

import tasks
from bench import run as room
from bench import worker
from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.core import PREFERENCE, obstacle
from bench.execute import here, in_processes, run_one
from bench.plan import DEVICES, ONLY
from bench.record import decode, encode
from bench.sense import nonsense
from bench.spec import Architecture, Backend, RunSpec, Stabilisation
from bench.train import fit

PLAIN_TASKS = ("series/mackey-glass", "language/grammar", "speech/digits")


@cache
def plain_weights(task: str) -> str:
    """Weights of the baseline after its ten updates."""
    return room.run_one(tiny(task)).weights


@pytest.fixture(scope="module")
def baseline() -> str:
    return plain_weights(PLAIN_TASKS[0])


def a_task_for(recipe: Stabilisation) -> str:
    """The first task on which the recipe means something."""
    return next(task for task in PLAIN_TASKS if nonsense(Architecture(), recipe, tasks.TASKS[task]) is None)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "lstm"])
def test_every_architecture_changes_the_run(name: str, baseline: str) -> None:
    """Another architecture ends with other weights and a score of its own."""
    record = room.run_one(tiny(architecture=ARCHITECTURES[name]))
    assert record.status == "ok"
    assert record.weights != baseline
    assert record.parameters == pytest.approx(1_500, rel=0.2)


@pytest.mark.parametrize("name", [name for name in STABILISATIONS if name != "none"])
def test_every_stabilisation_changes_the_run(name: str) -> None:
    """The knob that nobody reads would show here: each recipe ends with other weights than doing nothing."""
    spec = tiny(a_task_for(STABILISATIONS[name]), stabilisation=STABILISATIONS[name])
    if name == "early-stop":  # changes a run that overfits: a patience of one evaluation, and a rate that overshoots
        spec = replace(spec, stabilisation=Stabilisation(patience=1), optimizer=replace(spec.optimizer, lr=2.0))
        spec = replace(spec, budget=replace(spec.budget, evaluate=1))
        whole = room.run_one(replace(spec, stabilisation=Stabilisation()))
        assert room.run_one(spec).weights != whole.weights
        return
    if name.startswith("clip"):
        spec = replace(spec, stabilisation=replace(STABILISATIONS[name], **_tight(STABILISATIONS[name])))
    record = room.run_one(spec)
    assert record.status == "ok"
    assert record.weights != plain_weights(spec.names.task)
    if name.startswith("clip"):
        assert record.probes["clipped"] > 0


def _tight(recipe: Stabilisation) -> dict[str, float]:
    """A threshold that ten updates of a tiny network do reach."""
    return {"clip_norm": 1e-3} if recipe.clip_norm else {"clip_value": 1e-5}


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "adam"])
def test_every_optimizer_changes_the_run(name: str, baseline: str) -> None:
    """Another rule ends with other weights."""
    spec = tiny(optimizer=OPTIMIZERS[name])
    if spec.optimizer.schedule != "constant" or spec.optimizer.nonmono:  # evaluations that do not improve set them off
        eager = replace(spec.optimizer, lr=5.0, nonmono=1 if spec.optimizer.nonmono else None)
        spec = replace(spec, budget=replace(spec.budget, evaluate=1, steps=30), optimizer=eager)
        plain = replace(spec.optimizer, schedule="constant", nonmono=None, warmup=0.0)
        assert room.run_one(spec).weights != room.run_one(replace(spec, optimizer=plain)).weights
        return
    assert room.run_one(spec).weights != baseline


VARIED = [
    tiny(),
    tiny(seed=1),
    tiny(stabilisation=STABILISATIONS["dropout"]),
    tiny(stabilisation=STABILISATIONS["recurrent-bn"]),
    tiny(architecture=Architecture(cell="gru", depth=2)),
    tiny("language/grammar", architecture=ARCHITECTURES["attention"]),
    tiny("speech/connected", architecture=ARCHITECTURES["bilstm"], optimizer=OPTIMIZERS["nadam"]),
]


def test_same_spec_same_weights_whatever_the_workers_and_the_order() -> None:
    """Twice here, with one worker, with two, backwards: identical sha256 of the weights."""
    import bench.worker

    bench.worker.prepare()
    expected = {record.id: record.weights for record in here(room.run_one, VARIED, None)}
    assert len(set(expected.values())) == len(VARIED)
    for workers, specs in ((1, VARIED), (2, VARIED[::-1])):
        found = {record.id: record.weights for record in in_processes(run_one, specs, None, workers)}
        assert found == expected


def test_a_record_tells_the_whole_story() -> None:
    """Resolved values, task, curve from step 0, back end, weights, probes, machine, versions; and it is one line."""
    record = room.run_one(tiny())
    assert decode(encode(record))["weights"] == record.weights
    assert record.backend in PREFERENCE["cpu"]
    assert [point["step"] for point in record.curve] == [0, 5, 10]
    assert set(record.curve[0]) == {"step", "train", "valid", "test"}
    assert record.task["fingerprint"] == room.loaded("series/mackey-glass", None)[1]
    assert record.machine["threads"] == 1
    assert record.versions["torch"] == torch.__version__.split("+")[0]
    assert record.score == record.metrics["test"]["mse"]
    for side in ("start", "end"):
        assert len(record.probes["gradient"][side]["norms"]) == 32
    assert record.probes["gap"]["step"] == record.best_step


@pytest.mark.parametrize("name", ["fused", "eager"])
def test_a_back_end_that_was_asked_for_runs(name: Backend) -> None:
    """The record says which one was asked for and which one ran."""
    record = room.run_one(tiny(backend=name))
    assert (record.status, record.backend, record.spec["backend"]) == ("ok", name, name)


@pytest.mark.parametrize("name", ONLY)
def test_a_back_end_of_one_device_refuses_the_other(name: Backend) -> None:
    """What the plan knows without torch of the devices of a back end is what the back end says."""
    (other,) = set(DEVICES) - {ONLY[name]}
    cells = room.network(tiny(), room.loaded("series/mackey-glass", None)[0]).cells
    assert obstacle(name, cells, torch.device(other)) is not None


def test_a_back_end_that_cannot_is_a_skipped_row() -> None:
    """Cells that the back end asked for does not compute are skipped with its reason: nothing has failed."""
    record = room.run_one(tiny(backend="fused", stabilisation=STABILISATIONS["hardtanh"]))
    assert record.status == "skipped"
    assert "back end fused: torch's own layer computes plain cells alone" in record.reason


def test_divergence_is_a_record_with_its_step() -> None:
    """A run whose loss is not finite says where, has no score, and raises nothing."""
    spec = tiny(optimizer=replace(OPTIMIZERS["momentum"], lr=10.0, momentum=0.999))
    record = room.run_one(replace(spec, stabilisation=STABILISATIONS["relu"], budget=replace(spec.budget, steps=300)))
    assert record.status == "diverged"
    assert record.score is None
    assert 0 < record.step <= 300
    encode(record)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("a bug"), "failed"),
        (MemoryError(), "out-of-memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), "out-of-memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out-of-memory"),
        (tasks.data.MissingData("fsdd: not there; get it with: git clone"), "skipped"),
        (tasks.data.DamagedData("expected sha256"), "skipped"),
    ],
)
def test_every_ending_is_a_record(error: Exception, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong inside a run, the matrix gets a record that says what, without a machine's paths."""

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(room, "network", broken)
    record = room.run_one(tiny())
    assert record.status == status
    assert str(error) in record.reason
    assert str(Path.cwd()) not in record.reason


@pytest.mark.filterwarnings("ignore:put_ does not have:UserWarning")
@pytest.mark.parametrize(("mode", "status"), [("error", "nondeterministic"), ("warn", "ok")])
def test_an_operation_that_cannot_repeat_itself(mode: str, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends its run, with its name and what to do; or runs all the same, and the record does not claim more."""

    def scattered(*values: Any) -> Any:
        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))
        return fit(*values)

    monkeypatch.setenv(worker.DETERMINISM, mode)
    monkeypatch.setattr(room, "fit", scattered)
    before = torch.get_deterministic_debug_mode()
    worker.prepare()
    try:
        record = room.run_one(tiny())
        repeats = worker.settings()["deterministic"]
    finally:
        torch.set_deterministic_debug_mode(before)
    assert record.status == status
    assert repeats == (mode == "error")
    if mode == "error":
        assert "put_ does not have a deterministic implementation" in record.reason
        assert record.reason.endswith("with --det warn --retry it runs, and may not repeat itself")
    else:
        assert record.machine["deterministic"] is False


def test_absent_data_are_a_skipped_row_with_the_command(tmp_path: Path) -> None:
    """A real task without its files says what is missing and how to get it."""
    spec: RunSpec = replace(tiny(), names=replace(tiny().names, task="series/etth1/24"))
    for data in (None, tmp_path):
        record = room.run_one(spec, data)
        assert record.status == "skipped"
        assert "get it with: python -m tasks fetch" in record.reason


def test_naive_rows() -> None:
    """The naive record carries the task's scores and fingerprint; a task without data has none."""
    record = room.naive("series/seasonal")
    assert set(record.scores) == {"last value", "seasonal naive", "linear"}
    assert record.task["fingerprint"] == room.loaded("series/seasonal", None)[1]
    assert room.naive("series/etth1/24") is None


def test_grammar_is_never_below_its_floor() -> None:
    """No network's perplexity is below the entropy of the grammar: it would have seen what it predicts."""
    floor = room.naive("language/grammar").scores["entropy floor"]
    spec = tiny("language/grammar", architecture=ARCHITECTURES["attention"])
    record = room.run_one(replace(spec, budget=replace(spec.budget, steps=120, evaluate=60, parameters=20_000)))
    assert floor < record.score < 8
    assert math.isfinite(record.score)
