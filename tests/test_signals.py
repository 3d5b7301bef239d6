"""Ctrl-C, a polite kill and the death of the parent: what is finished is kept, and no worker is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.cli import INTERRUPTED
from bench.interrupts import Interrupts
from bench.store import stores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="POSIX signals; looks for processes in /proc")

REPEATS = 20 if os.environ.get("LSTM_BENCH_LONG") else 3
ROOT = Path(__file__).parents[1]
COMMAND = """
import sys
sys.path.insert(0, "tests")
import bench.execute, fakes
bench.execute.run_one, bench.execute.start = fakes.brief, fakes.start
from bench.matrix import main
sys.exit(main(sys.argv[1:]))
"""
WORDS = ["--task", "series/mackey-glass", "--architecture", "lstm", "--stabilisation", "none", "--optimizer", "adam"]
WORDS += ["--seeds", "0-399", "--workers", "3", "--device", "cpu", "--no-timing", "--no-report"]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A matrix of 400 runs under way: three are finished, and one never will be, on three workers."""
    command = [sys.executable, "-c", COMMAND, *WORDS, "--results", str(tmp_path / "r")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **pipes) as made:
        assert made.stdout is not None
        for line in made.stdout:
            if line.startswith("[3/400"):
                break
        yield made
        made.kill()


def finished(folder: Path) -> int:
    """Runs that are whole in the results."""
    (store,) = stores(folder)
    assert store.path.read_bytes().endswith(b"\n")
    assert all(not isinstance(found, ValueError) for _, _, found in store.lines())
    return len(store.done())


def left(session: int) -> list[int]:
    """Processes of a command that live on two seconds later: it began a session of its own; a zombie is dead."""
    end = time.monotonic() + 2
    while alive := [pid for pid, (state, *_, at) in processes() if at == session and state not in "ZX"]:
        if time.monotonic() > end:
            return alive
        time.sleep(0.05)
    return []


def processes() -> Iterator[tuple[int, tuple[str, int, int, int]]]:
    """Every process: its state, parent, group and session."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, *rest = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        parent, group, session = map(int, rest)
        yield int(path.parent.name), (state, parent, group, session)


def interrupt(made: subprocess.Popen[str]) -> None:
    made.send_signal(signal.SIGINT)


def terminal(made: subprocess.Popen[str]) -> None:
    """As a terminal does: the whole group hears of it."""
    os.killpg(made.pid, signal.SIGINT)


def terminate(made: subprocess.Popen[str]) -> None:
    made.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("told", [interrupt, terminal, terminate] * REPEATS)
def test_told_once(
    running: subprocess.Popen[str], told: Callable[[subprocess.Popen[str]], None], tmp_path: Path
) -> None:
    """It ends with code 130, says how much is kept and how to resume, and leaves no worker, not even a deaf one."""
    told(running)
    out, error = running.communicate(timeout=30)
    assert running.returncode == INTERRUPTED
    assert f"stopped: {finished(tmp_path / 'r')} of 400 runs are made and kept; those under way are dropped" in out
    assert "interrupted: every finished run is kept. Resume with: python -m bench.matrix --task" in error
    assert "Traceback" not in error
    assert left(running.pid) == []


@pytest.mark.parametrize("again", range(REPEATS))
def test_told_twice(running: subprocess.Popen[str], tmp_path: Path, again: int) -> None:
    """Whether the second one finds it still at work or not: the same code, whole results, no worker."""
    terminal(running)
    time.sleep(0.01 * again)
    terminal(running)
    running.communicate(timeout=30)
    assert running.returncode == INTERRUPTED
    assert finished(tmp_path / "r") >= 3
    assert left(running.pid) == []


@pytest.mark.parametrize("again", range(REPEATS))
def test_the_parent_dies(running: subprocess.Popen[str], tmp_path: Path, again: int) -> None:
    """SIGKILL asks nobody: its workers end with it, within two seconds, whatever they are at."""
    running.kill()
    running.wait()
    assert left(running.pid) == []
    assert finished(tmp_path / "r") >= 3


@pytest.fixture
def handlers() -> Iterator[dict[int, object]]:
    """The handlers of this process, put back in the end."""
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield dict(found)
    for number, handler in found.items():
        signal.signal(number, handler)


def test_a_record_is_put_away_first(handlers: dict[int, object]) -> None:
    """A signal while a record is kept is heard when that is done; outside, at once. A command that was told nothing
    puts the handlers back; one that was told hears no more."""
    kept: list[str] = []
    with Interrupts():
        pass
    assert {number: signal.getsignal(number) for number in handlers} == handlers

    def keep(interrupts: Interrupts) -> None:
        with interrupts.keeping():
            os.kill(os.getpid(), signal.SIGINT)
            kept.append("whole")

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        keep(interrupts)
    assert kept == ["whole"]
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_the_second_time_waits_for_nothing() -> None:
    """Not even for a record that is being kept."""
    command = (
        "import time; from bench.interrupts import Interrupts\n"
        "with Interrupts() as told, told.keeping(): print('ready', flush=True); time.sleep(600); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", command], cwd=ROOT, stdout=subprocess.PIPE, text=True) as made:
        assert made.stdout is not None
        assert made.stdout.readline() == "ready\n"
        made.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            made.wait(0.5)
        made.send_signal(signal.SIGINT)
        assert made.wait(30) == INTERRUPTED
