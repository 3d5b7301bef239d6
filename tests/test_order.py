"""Which run is begun next, how long the rest will take, and that many runs cost the parent nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import nothing, specs, start

from bench import progress
from bench.axes import ARCHITECTURES
from bench.estimates import weigher
from bench.execute import in_processes
from bench.plan import slowness
from bench.progress import Finish
from bench.store import Store
from bench.waiting import Waiting


def taken(jobs: list[tuple[str, float]], holding: str = "") -> list[tuple[str, float]]:
    """The jobs (task, seconds) in the order in which one worker takes them."""
    waiting, found = Waiting(jobs, lambda job: job[0], lambda job: job[1]), list[tuple[str, float]]()
    while waiting:
        found.append(waiting.take(holding))
        holding = found[-1][0]
    return found


def test_the_longest_first() -> None:
    """Within a task always; between tasks too, where a worker would else leave a much longer run for the end."""
    assert taken([("a", 1), ("a", 9), ("b", 30), ("a", 5)]) == [("b", 30), ("a", 9), ("a", 5), ("a", 1)]
    assert taken([("a", 10), ("b", 9), ("a", 3)])[:2] == [("a", 10), ("b", 9)]


def test_a_worker_stays_with_its_task() -> None:
    """It holds that task's data: a run of half the length of the longest is near enough."""
    jobs = [(task, seconds) for seconds in (10.0, 9.0, 8.0, 7.0) for task in "abc"]
    order = [task for task, _ in taken(jobs)]
    assert order == list("aaaabbbbcccc")
    assert taken(jobs, holding="c")[0] == ("c", 10)


def test_what_is_put_back_comes_first() -> None:
    """A run that is to be made again waits for nobody."""
    waiting = Waiting([("a", 1.0), ("b", 2.0)], lambda job: job[0], lambda job: job[1])
    waiting.back(("a", 0.5))
    assert [*waiting.rest()] == [("a", 0.5), ("b", 2.0), ("a", 1.0)]
    with pytest.raises(LookupError):
        waiting.take("a")


def row(spec: Any, seconds: float, steps: int = 10, status: str = "ok") -> dict[str, Any]:
    """What the estimate reads of a record."""
    names = {**vars(spec.names)}
    return {
        "status": status,
        "names": names,
        "spec": {"device": spec.device},
        "steps": steps,
        "cost": {"seconds": seconds},
    }


def test_records_say_how_long_a_run_takes() -> None:
    """The median second of an update in records of the same configuration; else its task's, by slowness; else counted
    updates. Runs that did not end well say nothing."""
    (plain,) = specs(1)
    deep = replace(plain, architecture=ARCHITECTURES["stacked-4"], names=replace(plain.names, architecture="stacked-4"))
    other = replace(plain, names=replace(plain.names, task="series/lorenz"))
    known = [row(plain, 1.0), row(plain, 3.0), row(plain, 2.0), row(plain, 99.0, status="timeout")]
    weigh = weigher([plain, deep, other], known)
    steps = plain.budget.steps
    assert weigh(plain) == pytest.approx(steps * 0.2)
    ratio = slowness(deep) / slowness(plain)
    assert ratio > 1
    assert weigh(deep) == pytest.approx(ratio * weigh(plain))
    assert weigh(other) == pytest.approx(weigh(plain))
    bare = weigher([plain, deep], [])
    assert bare(deep) == pytest.approx(ratio * bare(plain))
    longer = replace(plain, budget=replace(plain.budget, steps=2 * steps))
    assert bare(longer) == 2 * bare(plain)


def test_the_expected_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left by the estimates, as they have proved so far, on so many workers; never less than a run under way
    still needs."""
    clock = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: clock[0])
    finish = Finish({"long": 40.0, "a": 10.0, "b": 10.0, "c": 30.0}, 2)
    finish.begin("long")
    finish.begin("a")
    assert finish.left() is None
    assert finish.told() == ""
    clock[0] += 5  # `a` was said to take 10
    finish.end("a")
    finish.begin("b")
    assert finish.left() == pytest.approx((20 - 5 + 5 + 15) / 2)
    clock[0] += 5
    finish.end("b")
    finish.begin("c")
    assert finish.left() == pytest.approx(15)  # one worker's worth
    assert finish.told().startswith("15 s left, done at ")
    clock[0] += 15
    finish.end("c")
    assert finish.left() == 0  # `long` should be over
    finish.begin("long")  # made again
    assert finish.left() == pytest.approx(20)
    finish.end("long")
    assert finish.left() == 0
    assert finish.told() == "0 s left"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_many_runs_cost_the_parent_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each is made and kept once, in the order of their weights, and the parent grows by less than a record would
    take if it were held. tests/speed/test_scheduler.py has the times, and ten thousand."""
    monkeypatch.setattr("bench.execute.start", start)
    todo = [replace(spec, seed=seed) for seed, spec in enumerate(specs(1, seconds=60) * 300)]
    begun, early = list[int](), 0
    with Store(tmp_path / "many.jsonl") as store:
        runs = in_processes(
            nothing, todo, None, 2, lambda spec: begun.append(spec.seed), weigh=lambda spec: float(spec.seed)
        )
        for count, record in enumerate(runs):
            store.append(record)
            early = early or (resident() if count == 50 else 0)
    assert begun == [*reversed(range(300))]
    assert sorted(row["spec"]["seed"] for row in store.rows()) == [*range(300)]
    assert resident() - early < 50 * 2**20


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
