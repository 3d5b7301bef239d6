"""One spec in, one record out. The only module that knows every table."""

from __future__ import annotations

import hashlib
import math
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import tasks
from bench import averages, certificate, faults, guards, isa, machine, probes, schedules, worker
from bench.checkpoint import Keeper
from bench.core import NoBackend
from bench.network import Network, Shape, solve_width
from bench.optimizers import NoPackage, build
from bench.record import NaiveRecord, RunRecord, Status, TrialRecord, unfinished
from bench.rng import derived, stream
from bench.spec import RunSpec, digest
from bench.train import Fit, evaluate, fit
from bench.tune import Trial, lost
from tasks.base import Task, fingerprint
from tasks.data import DamagedData, MissingData


@lru_cache(maxsize=1)
def loaded(name: str, data: Path | None) -> tuple[Task, str]:
    """A task and its fingerprint; the last one is kept, since a worker mostly stays with one task."""
    task = tasks.load(name, data)
    return task, fingerprint(task)


def describe(task: Task, print_: str) -> dict[str, Any]:
    """What a record says of its task."""
    card = task.card
    return {
        "name": card.name,
        "version": card.version,
        "fingerprint": print_,
        "metric": card.metric,
        "better": card.better,
        "unit": card.unit,
    }


def network(spec: RunSpec, task: Task) -> Network:
    """The untrained network of a run, on its device."""
    shape = Shape.of(task)
    width = solve_width(shape, spec.architecture, spec.budget.parameters)
    return Network(shape, spec.architecture, spec.stabilisation, width, spec.seed, spec.backend).to(spec.device)


def run_one(spec: RunSpec, data: Path | None = None) -> RunRecord:
    """Train, score and probe one configuration with one seed. Every ending is a record; nothing is raised."""
    try:
        return _run(spec, data)
    except (MissingData, DamagedData, NoBackend, NoPackage, isa.NotPinned) as error:
        return unfinished(spec, "skipped", str(error))
    except Exception as error:
        return unfinished(spec, *_ending(error, spec.device))


def trial_one(trial: Trial, data: Path | None = None) -> TrialRecord:
    """Train one point of a technique's space and score it on validation. Every ending is a record."""
    spec = trial.spec
    record = replace(lost(trial, "ok", ""), reason=None)
    try:
        isa.check(spec.isa, worker.settings())
        task, print_ = loaded(spec.names.task, data)
        model = network(spec, task)
        guards.check(model, task, spec)
        result = _fit(model, task, spec, print_, blind=True)
    except (MissingData, DamagedData, NoBackend, NoPackage, isa.NotPinned) as error:
        return replace(record, status="skipped", reason=str(error))
    except Exception as error:
        status, reason = _ending(error, spec.device)
        return replace(record, status=status, reason=reason)
    record = replace(
        record,
        curve=[_finite_point(point) for point in result.curve],
        steps=result.steps,
        task=describe(task, print_),
        cost={"seconds": round(result.seconds, 3), "peak_mib": worker.peak_mib()},
        machine=record.machine | worker.settings(),
    )
    if result.diverged is not None:
        return replace(record, status="diverged", reason=f"at step {result.diverged}: loss is not finite")
    valid = _scored(result)["valid"]
    return replace(record, valid=valid["loss"], score=valid[task.card.metric])


def _scored(result: Fit) -> dict[str, Any]:
    """The point of the curve whose weights the run ends with."""
    step = result.best_step if result.restored else result.steps
    return next(point for point in result.curve if point["step"] == step)


def _fit(model: Network, task: Task, spec: RunSpec, print_: str, blind: bool = False) -> Fit:
    """Train as the spec says, with the seed's own streams."""
    keeper = Keeper.of(spec.id, {"task": print_, **_here(spec)})
    torch.manual_seed(derived(spec.seed, "dropout"))  # masks, noise and augmentation draw from it, nothing else
    optimizer = build(spec.optimizer, model.parameters(), model.hidden)
    schedule = schedules.build(spec.optimizer, optimizer, spec.budget.steps)
    average = averages.build(spec.stabilisation, spec.optimizer, spec.budget.steps)
    order = stream(spec.seed, "order")
    return fit(model, task, spec.stabilisation, optimizer, spec.budget, order, schedule, average, blind, keeper)


def _here(spec: RunSpec) -> dict[str, Any]:
    """What the bits of a run depend on beside its values and data: a run that was kept goes on only under the same."""
    return {
        "code": machine.code(),
        "versions": machine.versions() | {name: _version(name) for name in ("pytorch_optimizer", "schedulefree")},
        "machine": machine.about() | worker.settings() | _cuda(spec.device),
    }


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _ending(error: Exception, device: str) -> tuple[Status, str]:
    """What a run that raised this ended as, and its story."""
    status = faults.status(error, device)
    advice = "; with --det warn --retry it runs, and may not repeat itself" if status == "nondeterministic" else ""
    return status, _story(error) + advice


def _story(error: BaseException) -> str:
    """The error and where it came from, by file name alone: a record holds no machine's paths."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    return f"{type(error).__name__}: {error} ({places})"


def _run(spec: RunSpec, data: Path | None) -> RunRecord:
    isa.check(spec.isa, worker.settings())
    task, print_ = loaded(spec.names.task, data)
    model = network(spec, task)
    held, start = guards.check(model, task, spec), certificate.built(model)
    gradient = {"start": probes.vanishing(model, task)}
    result = _fit(model, task, spec, print_)
    record = replace(
        unfinished(spec, "ok"),
        curve=[_finite_point(point) for point in result.curve],
        steps=result.steps,
        best_step=result.best_step,
        restored=result.restored,
        parameters=sum(weight.numel() for weight in model.parameters()),
        width=model.width,
        backend=model.backend,
        weights=weights_sha256(model),
        task=describe(task, print_),
        cost={"seconds": round(result.seconds, 3), "peak_mib": worker.peak_mib()},
        machine=machine.about() | worker.settings() | _cuda(spec.device),
        probes={"gradient": gradient},
        certificate=start | certificate.trained(result, spec) | {"guards": held},
    )
    if result.diverged is not None:
        return replace(record, status="diverged", step=result.diverged, reason="loss is not finite")
    test = evaluate(model, task, task.test)
    if not all(math.isfinite(value) for value in test.values()):
        return replace(record, status="diverged", step=result.steps, reason="test loss is not finite")
    scored = _finite_point(_scored(result))
    gradient["end"] = probes.vanishing(model, task)
    measured: dict[str, Any] = {"gradient": gradient, "gap": probes.overfitting(result), **_clipping(spec, result)}
    return replace(
        record,
        score=test[task.card.metric],
        metrics={"train": scored["train"], "valid": scored["valid"], "test": _finite(test)},
        probes=measured,
        certificate={**certificate.certificate(model, task, spec, start, result), "guards": held, **_alarm(task, test)},
    )


def _alarm(task: Task, test: Mapping[str, float]) -> dict[str, str]:
    """A score that cannot be believed, with the reason."""
    why = guards.too_good(task, test[task.card.metric])
    return {} if why is None else {"too_good": why}


def _clipping(spec: RunSpec, result: Fit) -> dict[str, Any]:
    """The fraction of updates whose gradient was clipped, where clipping was asked for."""
    return {"clipped": result.clipped / max(result.steps, 1)} if spec.stabilisation.clips else {}


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN and no infinity."""
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def _finite_point(point: dict[str, Any]) -> dict[str, Any]:
    return {key: _finite(value) if isinstance(value, Mapping) else value for key, value in point.items()}


def _cuda(device: str) -> dict[str, str]:
    return {"gpu": torch.cuda.get_device_name()} if device.startswith("cuda") else {}


def weights_sha256(model: torch.nn.Module) -> str:
    """sha256 over names and bytes of all weights and statistics, in the order of their names."""
    found = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        found.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def naive(name: str, data: Path | None = None) -> NaiveRecord | None:
    """The naive rows of a task; None where its data are not there, or a plug-in's task cannot say them."""
    try:
        task, print_ = loaded(name, data)
        scores = task.naive()
    except (MissingData, DamagedData):
        return None
    except Exception as error:
        if name not in tasks.PLUGGED:
            raise
        print(f"warning: no naive rows of {name}: {_story(error)}", file=sys.stderr)
        return None
    about = describe(task, print_)
    return NaiveRecord(digest(about), about, scores, machine.versions(), machine.code())
