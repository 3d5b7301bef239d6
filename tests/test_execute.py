"""Whatever happens to a worker costs one run and becomes its record."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from toys import tiny

from bench.execute import in_processes
from bench.record import RunRecord, unfinished
from bench.spec import RunSpec

KILL, HANG, QUIT, RAISE = 3, 5, 7, 8


def fake(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that does to its worker what its seed says."""
    if spec.seed == KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    if spec.seed == HANG:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if spec.seed == QUIT:
        os._exit(4)
    if spec.seed == RAISE:
        raise KeyError("nobody expected this")
    return replace(unfinished(spec, "ok"), score=float(spec.seed), reason=os.environ["OMP_NUM_THREADS"])


def slow(spec: RunSpec, data: Path | None) -> RunRecord:
    time.sleep(600)
    return unfinished(spec, "ok")


def specs(count: int) -> list[RunSpec]:
    spec = tiny()
    return [replace(spec, seed=seed, budget=replace(spec.budget, seconds=2)) for seed in range(count)]


@pytest.fixture(scope="module")
def ended() -> dict[int, RunRecord]:
    """Ten runs of which four go wrong, on two workers."""
    return {record.spec["seed"]: record for record in in_processes(fake, specs(10), None, 2)}


def test_every_run_has_its_record(ended: dict[int, RunRecord]) -> None:
    """Ten runs, ten records; the six innocent ones are ok."""
    assert sorted(ended) == list(range(10))
    assert [seed for seed, record in ended.items() if record.status == "ok" and record.score != seed] == []
    assert sum(record.status == "ok" for record in ended.values()) == 6


@pytest.mark.parametrize(
    ("seed", "status", "words"),
    [
        (KILL, "crashed", "signal 9 (SIGKILL)"),
        (HANG, "timeout", "longer than 2 s"),
        (QUIT, "crashed", "exit code 4"),
        (RAISE, "failed", "nobody expected this"),
    ],
)
def test_faults_are_named(ended: dict[int, RunRecord], seed: int, status: str, words: str) -> None:
    """A killed worker leaves its signal, a hung one its limit, a raised error its words."""
    assert ended[seed].status == status
    assert words in ended[seed].reason


def test_workers_have_one_thread(ended: dict[int, RunRecord]) -> None:
    """The number of threads is set before a worker starts."""
    assert ended[0].reason == "1"


def without_kernels(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that asks for a kernel where there is none."""
    from bench import native

    assert native.function("bits") is None
    return unfinished(spec, "ok", native.problem())


def test_workers_are_silent_about_absent_kernels(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The front door says it once; a worker runs what there is."""
    monkeypatch.setenv("CXX", "no-compiler")
    monkeypatch.setenv("LSTM_BENCH_CACHE", str(tmp_path))
    (record,) = in_processes(without_kernels, specs(1), None, 1)
    assert (record.status, record.reason) == ("ok", "no C++ kernels: CXX names 'no-compiler', which is not there")
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc")
def test_closing_the_iterator_leaves_no_worker_behind() -> None:
    """Ctrl-C closes the iterator: the workers end at once, finished or not."""
    running: Iterator[RunRecord] = in_processes(
        slow, [replace(s, budget=replace(s.budget, seconds=99)) for s in specs(4)], None, 2
    )
    import threading

    timer = threading.Timer(3, lambda: os.kill(os.getpid(), signal.SIGINT))
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
