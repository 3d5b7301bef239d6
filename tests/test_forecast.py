"""A forecast samples little and adds up right. How near it comes is for docs/tuning.md: no test asserts a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from toys import tiny

from bench import forecast as room
from bench.axes import ARCHITECTURES
from bench.forecast import Cost, Ratio, Sample, Work, commonest, forecast, place, probe, seconds, variants
from bench.matrices import MATRICES, QUICK
from bench.plan import Filters, plan
from bench.spec import RunSpec

QUICK_RUNS = plan(QUICK, Filters(), ["cpu"]).runs
TASK = {"speech/digits": 3.0, "language/grammar": 2.0}


def made_up(spec: RunSpec, data: Path | None) -> Cost:
    """Costs that are a product of a task's and its techniques' own."""
    cost = TASK.get(spec.names.task, 1.0)
    cost *= 2.0 if spec.architecture == ARCHITECTURES["gru"] else 1.0
    cost *= 5.0 if spec.stabilisation.batch_norm == "recurrent" else 1.0
    cost *= 0.5 if spec.optimizer.rule == "adagrad" else 1.0
    return Cost(run=cost, trial=cost / 2, step=cost / 100, ready=0.0, load=0.0, spent=0.1)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[RunSpec]:
    """What was probed, in this process and at once."""
    seen: list[RunSpec] = []

    class Here:
        def schedule(self, function: Any, args: list[Any]) -> Future[Any]:
            seen.append(args[0])
            future: Future[Any] = Future()
            future.set_result(function(*args))
            return future

    @contextmanager
    def pool(workers: int, **_: object) -> Iterator[Here]:
        yield Here()

    monkeypatch.setattr(room, "pool", pool)
    return seen


def truth(specs: list[RunSpec]) -> float:
    return sum(made_up(spec, None).run for spec in specs)


def test_costs_that_multiply_are_foretold_exactly(asked: list[RunSpec]) -> None:
    """Runs of a matrix over workers, the techniques' ratios taken from wherever they were sampled."""
    for workers in (1, 3):
        found = forecast(Work(QUICK_RUNS), None, workers, made_up)
        assert found == pytest.approx(truth(QUICK_RUNS) / workers)


def test_a_sample_is_much_smaller_than_the_matrix(asked: list[RunSpec], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no time for more than the tasks, one configuration each is probed; 1 is every other ratio."""
    runs = plan(MATRICES["standard"], Filters(), ["cpu"]).runs
    monkeypatch.setattr(room, "LEAST", 0.0)
    monkeypatch.setattr(room, "MOST", 0.0)
    found = forecast(Work(runs), None, 2, made_up)
    assert len(asked) == len({place(spec) for spec in runs}) < len(runs) / 100
    assert found == pytest.approx(sum(TASK.get(spec.names.task, 1.0) for spec in runs) / 2)


def test_techniques_are_sampled_once_in_each_family_before_anything_twice(asked: list[RunSpec]) -> None:
    """The first probes after the tasks' own are all on one task of a family."""
    forecast(Work(QUICK_RUNS), None, 1, made_up)
    tasks = len({place(spec) for spec in QUICK_RUNS})
    families = list(dict.fromkeys(spec.names.task.split("/")[0] for spec in asked[tasks:]))
    firsts = list(dict.fromkeys(spec.names.task for spec in asked[tasks:]))[: len(families)]
    assert [task.split("/")[0] for task in firsts] == families


def test_trials_cost_less_and_times_are_taken_alone() -> None:
    """A trial has its own cost; the timed pass is not shared out; every pass starts workers that read the task."""
    spec = tiny()
    bases, sample = {place(spec): spec}, Sample({place(spec): Cost(10.0, 4.0, 0.5, 0.2, 3.0, 1.0)}, {}, started=2.0)
    assert seconds(Work([spec] * 4), bases, sample, 2) == pytest.approx(4 * 10 / 2 + 2 * (2 + 3))
    assert seconds(Work([spec] * 4, [spec] * 6), bases, sample, 2) == pytest.approx((4 * 10 + 6 * 4) / 2 + 3 * (2 + 3))
    timed = seconds(Work([spec], (), [spec], 20), bases, sample, 2) - seconds(Work([spec]), bases, sample, 2)
    assert timed == pytest.approx(2 + 3 + 3 * 0.2 + 22 * 3 * 0.5)


def test_a_ratio_is_taken_from_the_nearest_sample() -> None:
    """Here before the family, the family before anywhere, and 1 where nothing is known."""
    here, near, far = ((task, "cpu", "auto") for task in ("series/a", "series/b", "speech/c"))
    choice, other = ("optimizer", "sgd"), ("optimizer", "adagrad")
    sample = Sample({}, {(near, choice): Ratio(2, 2, 2), (far, choice): Ratio(3, 3, 3), (far, other): Ratio(4, 4, 4)})
    assert sample.ratio(here, choice).run == 2
    assert sample.ratio(here, other).run == 4
    assert sample.ratio(here, ("optimizer", "nobody")).run == 1
    sample.ratios[here, choice] = Ratio(5, 5, 5)
    assert sample.ratio(here, choice).run == 5


def test_the_base_of_a_star_is_its_middle() -> None:
    """And each of its techniques is one choice away from it."""
    for task in ("speech/digits", "series/mackey-glass"):
        runs = [spec for spec in QUICK_RUNS if spec.names.task == task]
        base = commonest(runs)
        assert (base.names.architecture, base.names.stabilisation, base.names.optimizer) == ("lstm", "none", "adam")
        around = [choice for choice, _ in variants(Work(runs), base)]
        assert len(around) == len(set(around))
        assert {name for axis, name in around if axis == "optimizer"} == {s.names.optimizer for s in runs} - {"adam"}


def test_a_probe_measures_every_part() -> None:
    """A run costs more than a trial of it, and a trial more than its updates; a task without data has no cost."""
    spec = tiny()
    cost = probe(spec, None)
    assert cost is not None
    assert cost.run > cost.trial > cost.step * spec.budget.steps > 0
    (absent,) = plan(
        MATRICES["standard"], Filters(("series/etth1/24",), ("lstm",), ("none",), ("adam",), (0,)), ["cpu"]
    ).runs
    assert probe(absent, Path("/nowhere")) is None


def test_what_cannot_run_costs_nothing(asked: list[RunSpec]) -> None:
    """Tasks without data are left out of the sum."""
    assert forecast(Work(QUICK_RUNS), None, 2, lambda spec, data: None) == 0.0
