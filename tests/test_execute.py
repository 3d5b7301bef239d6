"""Whatever happens to a worker costs one run and becomes its record."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import GREEDY, HANG, KILL, KILL_ONCE, QUIT, RAISE, SEGV, failing, fake, memory, nothing, slow, specs, start

from bench.execute import in_processes
from bench.record import RunRecord, unfinished
from bench.spec import RunSpec

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def quick_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that load no torch: what is tested here is what becomes of them."""
    monkeypatch.setattr("bench.execute.start", start)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[int, RunRecord]:
    """Fourteen runs of which seven go wrong, on two workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.execute.start", start)
        patch.setenv("FAKE_MARKS", str(tmp_path_factory.mktemp("marks")))
        made = in_processes(fake, specs(14), None, 2, memory=2**30)
        return {record.spec["seed"]: record for record in made}


def test_every_run_has_its_record(ended: dict[int, RunRecord]) -> None:
    """Fourteen runs, fourteen records; the innocent ones are ok, and so is the one that was killed only once."""
    faulty = {KILL, HANG, QUIT, RAISE, GREEDY, SEGV}
    assert sorted(ended) == list(range(14))
    assert {seed for seed, record in ended.items() if record.status == "ok"} == set(range(14)) - faulty
    assert [seed for seed, record in ended.items() if record.status == "ok" and record.score != seed] == []
    assert ended[KILL_ONCE].status == "ok"


@pytest.mark.parametrize(
    ("seed", "status", "words"),
    [
        (KILL, "crashed", "signal 9 (SIGKILL), twice"),
        (HANG, "timeout", "longer than 2 s"),
        (QUIT, "crashed", "exit code 4"),
        (SEGV, "crashed", "signal 11 (SIGSEGV)"),
        (RAISE, "failed", "KeyError: 'nobody expected this'"),
        pytest.param(
            GREEDY,
            "out-of-memory",
            "more than 1 GiB, the limit of a run: MemoryError: ",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="a limit on data counts mappings on Linux alone"),
        ),
    ],
)
def test_faults_are_named(ended: dict[int, RunRecord], seed: int, status: str, words: str) -> None:
    """A worker that is killed again and again leaves its signal, one that ended itself its code, at once; a hung run
    its limit, a raised error its words, and one that asked for too much its limit of memory."""
    assert ended[seed].status == status
    assert ended[seed].reason == words


def test_a_worker_is_replaced_after_a_fault() -> None:
    """The run after one that failed has a fresh process; the run after one that ended well stays in it."""
    where = [(r.status, r.reason) for r in in_processes(failing, specs(6), None, 1)]
    assert [status for status, _ in where] == ["ok", "failed"] * 3
    assert [pid for _, pid in where[::2]] == [pid for _, pid in where[1::2]]
    assert len({pid for _, pid in where}) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on data counts mappings on Linux alone")
def test_memory_is_limited_run_by_run() -> None:
    """An allocation above the limit ends that run, the same or a smaller one below it does not; no limit, no end."""
    runs = specs(4)
    assert [r.status for r in in_processes(memory, runs, None, 1, memory=2**28)] == ["ok", "out-of-memory", "ok", "ok"]
    assert [r.status for r in in_processes(memory, runs, None, 1)] == ["ok"] * 4
    over = [replace(spec, device="cuda") for spec in runs]
    assert [r.status for r in in_processes(memory, over, None, 1, memory=2**28)] == ["ok"] * 4  # CUDA maps far more


def method(spec: RunSpec, data: Path | None) -> RunRecord:
    """How this process was started, and what its parent left it."""
    about = [multiprocessing.get_start_method(), os.environ["OMP_NUM_THREADS"], os.environ["LSTM_BENCH_MARK"]]
    return unfinished(spec, "ok", " ".join([*about, str("torch" in sys.modules)]))


def test_workers_are_spawned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never forked: nothing of the parent's is in them, but for its environment and the threads they are to have."""
    monkeypatch.setenv("LSTM_BENCH_MARK", "inherited")
    (record,) = in_processes(method, specs(1), None, 1, threads=3)
    assert record.reason == "spawn 3 inherited False"


def without_kernels(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that asks for a kernel where there is none."""
    from bench import native

    assert native.function("bits") is None
    return unfinished(spec, "ok", native.problem())


def test_workers_are_silent_about_absent_kernels(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The front door says it once; a worker runs what there is."""
    monkeypatch.undo()  # a worker as it is
    monkeypatch.setenv("CXX", "no-compiler")
    monkeypatch.setenv("LSTM_BENCH_CACHE", str(tmp_path))
    (record,) = in_processes(without_kernels, specs(1, seconds=60), None, 1)
    assert (record.status, record.reason) == ("ok", "no C++ kernels: CXX names 'no-compiler', which is not there")
    assert capfd.readouterr().err == ""


def test_the_longest_are_begun_first() -> None:
    """The order is that of the weights, whatever the order given; without weights it is the order given."""
    runs, begun = specs(6), list[int]()

    def made(**how: Any) -> list[int]:
        begun.clear()
        list(in_processes(nothing, runs, None, 1, lambda spec: begun.append(spec.seed), **how))
        return begun

    assert made(weigh=lambda spec: float(spec.seed % 4)) == [3, 2, 1, 5, 0, 4]
    assert made() == [0, 1, 2, 3, 4, 5]


def test_a_clock_that_jumps_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits are on the monotonic clock: an hour back or on is no timeout, and a hung run is found nevertheless."""
    real, jumps = time.time, iter([3600.0, -3600.0] * 10_000)
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    todo = [spec for spec in specs(6) if spec.seed in (0, HANG)]
    assert {r.spec["seed"]: r.status for r in in_processes(fake, todo, None, 2)} == {0: "ok", HANG: "timeout"}


def test_a_clock_that_jumps_changes_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a wall clock that goes an hour back at each reading, runs have the same ids and scores, and took no less
    than nothing; no source of bench reads that clock."""
    from bench.execute import here, run_one
    from bench.progress import Finish

    todo = [replace(spec, budget=replace(spec.budget, steps=4, evaluate=2, curve=16)) for spec in specs(2)]
    before = list(here(run_one, todo, None))
    real, count = time.time, iter(range(1, 1_000_000))
    monkeypatch.setattr(time, "time", lambda: real() - 3600 * next(count))
    finish = Finish({spec.name: 1.0 for spec in todo}, 1)
    finish.begin(todo[0].name)
    after = list(here(run_one, todo, None))
    finish.end(todo[0].name)
    assert [(r.id, r.score, r.weights) for r in after] == [(r.id, r.score, r.weights) for r in before]
    assert all((record.cost["seconds"] or 0) >= 0 for record in after)
    assert (finish.left() or -1) >= 0
    reads = re.compile(r"\btime\.time\(|from time import.*\btime\b")
    assert [path.name for path in (ROOT / "bench").rglob("*.py") if reads.search(path.read_text())] == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc")
def test_closing_the_iterator_leaves_no_worker_behind() -> None:
    """Ctrl-C closes the iterator: the workers end at once, finished or not."""
    running: Iterator[RunRecord] = in_processes(slow, specs(4, seconds=99), None, 2)
    timer = threading.Timer(2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        next(running)
    running.close()
    assert children() == []


def children() -> list[int]:
    """Live child processes of this one, but for Python's resource tracker."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z" and "resource_tracker" not in command:
            found.append(int(stat.parent.name))
    return found
