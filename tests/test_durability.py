"""Nothing is ever lost: kills, full disks, second runners. docs/durability.md says what is promised.

LSTM_BENCH_LONG=MINUTES runs the long forms: 50 kills and more until the minutes are over, 20 pairs of runners.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import killable
import pytest
from killable import outcome, store
from toys import tiny

from bench import checkpoint, cli, worker
from bench import run as room
from bench.execute import in_processes
from bench.record import RunRecord, unfinished
from bench.spec import RunSpec, Stabilisation
from bench.store import Busy, Store

ROOT = Path(__file__).parents[1]
MINUTES = float(os.environ.get("LSTM_BENCH_LONG", "0"))
KILLS, PAIRS = (50, 20) if MINUTES else (5, 2)
linux = pytest.mark.skipif(sys.platform != "linux", reason="kills a process group")


def one(seed: int = 0, status: str = "ok") -> RunRecord:
    return replace(unfinished(tiny(seed=seed), status), curve=[{"step": 0, "valid": {"loss": 0.1 + seed}}])


def runner(results: Path, **variables: str) -> subprocess.Popen[str]:
    """A killable matrix under way, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests/killable.py"), str(results), "--workers", "2"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and what was said on stderr."""
    _, said = process.communicate(timeout=300)
    return process.returncode, said


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the killable matrix leaves behind when nothing happens to it."""
    results = tmp_path_factory.mktemp("unbroken") / "r"
    assert ended(runner(results))[0] == cli.OK
    assert len(outcome(results)) == killable.RUNS
    return outcome(results)


def told(results: Path) -> set[str]:
    """The ids of the records that the store said it has."""
    path = results.with_suffix(".told")
    return set(path.read_text().split("\n")[:-1]) if path.exists() else set()


@linux
def test_kills_lose_nothing(unbroken: list[str], tmp_path: Path) -> None:
    """SIGKILL of the whole tree at a random moment, over and over until the matrix is complete, then the next matrix.

    No record that was said to be stored is lost, none is there twice, and the end is that of a matrix without a kill.
    """
    chance, kills, matrices, begun = random.Random(6), 0, 0, time.monotonic()
    assert ended(runner(tmp_path / "whole"))[0] == cli.OK
    usual = time.monotonic() - begun  # kills come all over a matrix, however slow this machine is just now

    def more() -> bool:
        return kills < KILLS or time.monotonic() - begun < 60 * MINUTES

    while more():
        results, code = tmp_path / str(matrices), -signal.SIGKILL
        while code == -signal.SIGKILL:
            process = runner(results)
            try:
                _, said = process.communicate(timeout=chance.uniform(0, usual) if more() else 300)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                kills += 1
            code = process.returncode
            assert told(results) <= {row["id"] for row in store(results).rows()}
        assert code == cli.OK, said
        assert outcome(results) == unbroken
        matrices += 1
    print(f"{kills} kills, {matrices} matrices")


WATCHED = "DURABILITY_WATCHED"


def dies_once(spec: RunSpec, data: Path | None) -> RunRecord:
    """A real run whose process is killed at update 6 the first time; the updates it makes are told in a file."""
    from bench import train

    real, seen = train.update, Path(os.environ[WATCHED])

    def update(*values: Any) -> Any:
        before = seen.read_text() if seen.exists() else ""
        if values[-1] == 6 and not before.endswith("killed\n"):
            seen.write_text(before + "killed\n")
            os.kill(os.getpid(), signal.SIGKILL)
        seen.write_text(before + f"{values[-1]}\n")
        return real(*values)

    train.update = update
    return room.run_one(spec, data)


@linux
def test_a_killed_worker_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL in the middle of training: the run is given to another process, which makes the updates that are left,
    and its record has the weights, the curve and the score of the run that nobody killed."""
    monkeypatch.setenv(WATCHED, str(tmp_path / "seen"))
    monkeypatch.setenv(checkpoint.SECONDS, "0")
    monkeypatch.setenv(checkpoint.FOLDER, "")
    spec = tiny(stabilisation=Stabilisation(dropout=0.2, weight_noise=0.05, ema=0.9))
    worker.prepare()
    whole = room.run_one(spec)
    with checkpoint.used(tmp_path / "unfinished"):
        (found,) = in_processes(dies_once, [spec], None, 1)
        if found.status == "crashed":  # an executor that does not try again leaves it to the next command
            (found,) = in_processes(dies_once, [spec], None, 1)
        kept = list((tmp_path / "unfinished").iterdir())
        assert [path.stem for path in kept] == [spec.id]  # until whoever stores the record says so
        checkpoint.forget(spec.id)
        assert list((tmp_path / "unfinished").iterdir()) == []
    assert (tmp_path / "seen").read_text().split() == ["1", "2", "3", "4", "5", "killed", "6", "7", "8", "9", "10"]
    assert (found.status, found.weights, found.score) == ("ok", whole.weights, whole.score)
    assert found.curve == whole.curve
    assert replace(found, cost={}, machine={}) == replace(whole, cost={}, machine={})


@linux
def test_a_disk_that_fills_up_under_a_matrix(unbroken: list[str], tmp_path: Path) -> None:
    """With real workers: the runner ends with exit code 3, finished runs are kept, and with room it goes on to the end
    of an unbroken matrix."""
    results = tmp_path / "r"
    code, said = ended(runner(results, KILLABLE_FULL="40"))
    assert code == cli.STORAGE
    assert "No space left on device" in said
    assert 0 < len(outcome(results)) < killable.RUNS
    assert ended(runner(results))[0] == cli.OK
    assert outcome(results) == unbroken


@linux
def test_two_runners_on_one_folder(unbroken: list[str], tmp_path: Path) -> None:
    """The second is refused with words and exit code 3, has run nothing, and the first goes on to its end."""
    for pair in range(PAIRS):
        results, gate = tmp_path / str(pair), tmp_path / f"gate{pair}"
        first = runner(results, KILLABLE_GATE=str(gate))
        try:
            while not told(results):
                assert first.poll() is None
                time.sleep(0.02)
            code, said = ended(runner(results))
            assert (code, first.poll()) == (cli.STORAGE, None)
            assert "another run is writing to" in said
        finally:
            gate.touch()
            code, said = ended(first)
        assert code == cli.OK, said
        assert outcome(results) == unbroken
    print(f"{PAIRS} pairs")


def test_the_lock_of_a_dead_owner_holds_nobody(tmp_path: Path) -> None:
    """Its file stays, and means nothing: the system lets go of a lock when its owner ends."""
    path = tmp_path / "m.jsonl"
    code = f"import pathlib, sys; from bench.store import Store; store = Store(pathlib.Path({str(path)!r}))"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{code}; store.__enter__(); print(flush=True); sys.stdin.read()"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(Busy), Store(path):
        pass
    holder.kill()
    holder.communicate()
    assert path.with_suffix(".lock").exists()
    with Store(path) as opened:
        opened.append(one())
