"""The front door, used as a person would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fakes
import killable
import pytest
from nearby import work_here

from bench import matrix
from bench.cli import BAD_INPUT, FAILED, INTERRUPTED, OK, STORAGE, duration
from bench.machine import label
from bench.record import NaiveRecord, encode
from bench.store import Store, stores
from report import leaderboard_text

ROOT = Path(__file__).parents[1]

MINE = """
name = "mine"
summary = "two cells, two seeds"
base = "quick"
seeds = [0, 1]
pairs = 2

[[block]]
tasks = ["series/seasonal"]
architectures = ["lstm", "gru"]
stabilisations = ["none", "gentle+dropout"]
optimizers = ["hot"]

[budget]
parameters = 2_000
steps = 6
evaluate = 3
curve = 16

[stabilisation.gentle]
clip_norm = 0.1

[optimizer.hot]
rule = "adam"
lr = 0.02
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


@pytest.fixture
def nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are made in this process."""
    work_here(monkeypatch)


def front(*words: str | Path) -> int:
    return matrix.main([str(word) for word in words])


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[str]:
    """The mistakes that a command is refused with."""
    assert front(*words) == BAD_INPUT
    return capsys.readouterr().err.splitlines()


def test_a_matrix_from_start_to_report(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores, naive rows, times, pages; the same command again runs nothing; one more seed runs that seed alone."""
    command = ["--matrix", mine, "--results", tmp_path / "r", "--out", tmp_path / "o", "--workers", "2"]
    assert front(*command) == OK
    shown = capsys.readouterr().out
    assert "[8/8, 0 s left] ok" in shown
    assert "series/seasonal (synthetic)" in shown
    assert shown.splitlines()[-1].startswith("next: python -m bench.matrix")
    assert (tmp_path / "o/mine/index.html").is_file()
    (store,) = stores(tmp_path / "r")
    assert store.path.name == f"{label()}.jsonl"
    kinds = [row["kind"] for row in store.rows()]
    assert (kinds.count("run"), kinds.count("naive"), kinds.count("time")) == (8, 1, 4)
    before = store.path.read_bytes()
    command.append("--no-report")
    assert front(*command) == OK
    assert "resuming mine: 8 of 8 runs are finished" in capsys.readouterr().out
    assert store.path.read_bytes() == before
    work_here(monkeypatch)
    assert front(*command, "--seeds", "0-2") == OK
    assert "[4/4, 0 s left]" in capsys.readouterr().out
    assert len(store.done()) == 12


@pytest.mark.usefixtures("nearby")
def test_damage_is_mended_and_the_run_done_again(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line that was cut is set aside with a warning, and its run is made again."""
    command = ["--matrix", mine, "--results", tmp_path, "--no-report", "--no-timing", "--architecture", "gru"]
    assert front(*command) == OK
    (store,) = stores(tmp_path)
    done = store.done()
    lines = store.path.read_text().splitlines(keepends=True)
    store.path.write_text("".join([lines[0][:200] + "\n", *lines[1:]]))
    capsys.readouterr()
    assert front(*command) == OK
    said = capsys.readouterr()
    assert "warning:" in said.err
    assert "set aside" in said.err
    assert "3 of 4 runs are finished" in said.out
    assert store.done() == done


@pytest.mark.usefixtures("nearby")
def test_a_new_task_version_has_naive_rows_of_its_own(mine: Path, tmp_path: Path) -> None:
    """Naive rows of an older version do not stand in for those of the one that runs."""
    command = ["--matrix", mine, "--results", tmp_path, "--no-report", "--no-timing", "--architecture", "gru"]
    assert front(*command) == OK
    (store,) = stores(tmp_path)
    (first,) = [row for row in store.rows() if row["kind"] == "naive"]
    older = replace(
        NaiveRecord(**{k: v for k, v in first.items() if k != "schema"}), task=first["task"] | {"version": "0"}
    )
    store.path.write_text(encode(older) + "\n")
    assert front(*command) == OK
    assert [row["task"]["version"] for row in store.rows() if row["kind"] == "naive"] == [
        "1"
    ]  # same id: the newest line counts


def test_every_mistake_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown names, seeds and workers out of range: a line each, exit code 2, nothing run."""
    words = ["--optimizer", "nadma", "--task", "seris", "--seeds", "x", "--seeds", "3-", "--workers", "0"]
    found = refused(capsys, *words, "--stabilisation", "clip+clop")
    assert len(found) == 6
    assert all(line.startswith("error: ") for line in found)
    assert "Did you mean 'nadam'" in "\n".join(found)


def test_who_makes_the_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An executor that is not known, or not installed, and limits out of range: refused, with what to try."""
    found = refused(capsys, "--executor", "rya", "--memory", "0", "--gpu-share", "0")
    assert len(found) == 3
    assert "unknown executor 'rya'. Did you mean 'ray'?" in found[0]
    assert "--memory must be in [0.001, 1000000] GiB, got 0.0" in found[1]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (found_,) = refused(capsys, "--executor", "ray")
    assert found_.endswith("which is not here; get it with: pip install 'lstm-training-bench[ray]'")


def test_a_lost_device(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its runs are marked and the exit code says so; those of the CPU are made, and the next command makes the rest."""
    monkeypatch.setattr("bench.cli.cuda_present", lambda: True)
    monkeypatch.setattr("bench.execute.start", fakes.start)
    monkeypatch.setattr("bench.execute.run_one", fakes.on_gpu)
    monkeypatch.setattr("bench.execute.naive_rows", lambda *_: ())
    words = ["--matrix", mine, "--results", tmp_path, "--no-report", "--no-timing", "--architecture", "gru"]
    assert front(*words, "--gpu-share", "1") == FAILED
    said = capsys.readouterr().out
    assert "device-lost series/seasonal/gru/none/hot/cuda/s1  RuntimeError: CUDA error" in said
    (store,) = stores(tmp_path)
    assert {row["status"] for row in store.rows() if row["spec"]["device"] == "cpu"} == {"ok"}
    assert [row["spec"]["device"] for row in store.rows() if row["status"] == "device-lost"].count("cuda") >= 1
    lost = 8 - len(store.done())
    monkeypatch.setattr("bench.execute.run_one", fakes.nothing)
    assert front(*words) == OK
    assert f"[{lost}/{lost}, 0 s left]" in capsys.readouterr().out
    assert {row["status"] for row in store.rows()} == {"ok"}


def test_an_empty_filter_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """What keeps nothing is bad input, with the nearest that keeps something."""
    (found,) = refused(capsys, "--task", "speech/connected", "--architecture", "stacked-4")
    assert "nearest:" in found


def test_cuda_asked_for_and_absent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No silent run on the CPU under a CUDA label."""
    monkeypatch.setattr("bench.cli.cuda_present", lambda: False)
    (found,) = refused(capsys, "--device", "cuda")
    assert "CUDA was asked for" in found


def test_cuda_of_a_cluster_is_not_looked_for_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The machine that the command is given on need not have what the cluster has."""
    pytest.importorskip("ray", reason="Ray is an extra: pip install 'lstm-training-bench[ray]'")
    monkeypatch.setattr("bench.cli.cuda_present", lambda: False)
    words = ["--executor", "ray", "--device", "cuda", "--task", "series/seasonal", "--dry-run"]
    assert front(*words, "--results", tmp_path) == OK
    assert "without the runs on CUDA: there is no such device here" in capsys.readouterr().out


def test_cuda_runs_are_planned_where_there_is_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a CUDA device every configuration is run on both, unless one is asked for."""
    monkeypatch.setattr("bench.cli.cuda_present", lambda: True)
    seen: list[int] = []
    monkeypatch.setattr(matrix, "run", lambda matrix, todo, options: seen.append(len(todo.runs)) or OK)
    for words in ([], ["--device", "cuda"], ["--device", "cpu", "--device", "cuda"]):
        assert front(*words) == OK
    assert seen == [2 * seen[1], seen[1], 2 * seen[1]]


@pytest.mark.usefixtures("nearby")
def test_a_back_end_that_was_asked_for(mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its runs stand beside those of the automatic choice, and the report never takes the two for one technique."""
    command = ["--matrix", mine, "--results", tmp_path, "--no-report", "--no-timing", "--architecture", "gru"]
    for words in ([], ["--backend", "fused"], ["--backend", "fused"]):
        assert front(*command, *words) == OK
    assert "4 of 4 runs are finished" in capsys.readouterr().out
    (store,) = stores(tmp_path)
    runs = [row for row in store.rows() if row["kind"] == "run"]
    assert len(runs) == 8
    assert {row["backend"] for row in runs if row["name"].split("/")[-2] == "cpu+fused"} == {"fused"}

    from report.board import board_of

    board = board_of(tmp_path, "mine")
    assert [group.apart for group in board.groups] == ["auto", "fused"]
    assert [board.of(group)["seeds"].dropna().to_list() for group in board.groups] == [[2, 2], [2, 2]]


def test_a_matrix_file_names_a_back_end(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key of the file, checked like the option, which stands above it."""
    for written, words in (('"fussed"', "Did you mean 'fused'"), ("3", "must be the name of a back end, got 3")):
        mine.write_text(f"backend = {written}\n{MINE}")
        assert words in "\n".join(refused(capsys, "--matrix", mine))
    mine.write_text(f'backend = "fussed"\n{MINE}')
    assert front("--matrix", mine, "--backend", "eager", "--list") == OK
    capsys.readouterr()
    (found,) = refused(capsys, "--backend", "fnn")
    assert "unknown back end 'fnn'. Did you mean 'fn'?" in found


def test_a_back_end_that_cannot_be_had(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before anything runs: CUDA without CUDA, kernels without a compiler, a device it does not run on."""
    monkeypatch.setattr("bench.cli.cuda_present", lambda: False)
    monkeypatch.setattr("bench.native.problem", lambda: "no C++ kernels: no C++ compiler found")
    for name in ("triton", "graph"):
        assert f"back end {name} needs CUDA" in refused(capsys, "--backend", name)[0]
    assert refused(capsys, "--backend", "cpp")[-1] == "error: no C++ kernels: no C++ compiler found"
    monkeypatch.setattr("bench.cli.cuda_present", lambda: True)
    assert "runs on cpu alone" in refused(capsys, "--backend", "cpp", "--device", "cuda")[0]
    assert "runs on cuda alone" in refused(capsys, "--backend", "triton", "--device", "cpu")[0]


def test_a_back_end_brings_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is CUDA, a back end of one kind of device is planned there alone."""
    monkeypatch.setattr("bench.cli.cuda_present", lambda: True)
    seen: list[set[str]] = []
    monkeypatch.setattr(matrix, "run", lambda matrix, todo, _: seen.append({spec.device for spec in todo.runs}) or OK)
    for name in ("triton", "cpp", "fn"):
        assert front("--backend", name) == OK
    assert seen == [{"cuda"}, {"cpu"}, {"cpu", "cuda"}]


def test_kernels_are_built_before_the_workers_start(
    mine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The front door says that it builds, and once why there is nothing to run; an automatic choice goes on."""
    monkeypatch.setattr(matrix, "run", lambda *_: OK)
    monkeypatch.setattr("bench.native.ready", lambda: False)
    monkeypatch.setattr("bench.native.problem", lambda: "no C++ kernels: no C++ compiler found")
    assert front("--matrix", mine, "--device", "cpu") == OK
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "building the C++ kernels: once, for less than a minute",
        "warning: no C++ kernels: no C++ compiler found; slower back ends are used",
    ]
    assert said.out == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace('["lstm", "gru"]', '["lstm", "gur"]'), "Did you mean 'gru'"),
        (lambda text: text.replace("lr = 0.02", "lr = -1"), "lr must be in (0, 100], got -1"),
        (lambda text: text.replace("lr = 0.02", "speed = 1"), "unknown key 'speed'"),
        (lambda text: text.replace("seeds = [0, 1]", "seeds = 3"), "seeds must be a list"),
        (lambda text: text.replace("steps = 6", "steps = 0"), "steps must be in [1,"),
        (lambda text: text.replace('name = "mine"', 'name = "../mine"'), "name must be of small letters"),
        (lambda text: text.replace('name = "mine"', 'name = "quick"'), "is a preset's"),
        (lambda text: text.replace("clip_norm", "clip_nrom"), "Did you mean 'clip_norm'"),
        (lambda text: text.replace("[[block]]", "[block]"), "at least one [[block]]"),
        (lambda text: text.replace("series/seasonal", "series/seasonnal"), "Did you mean 'series/seasonal'"),
        (lambda text: text[:100], "mine.toml:"),
        (lambda text: "\0", "mine.toml:"),
    ],
)
def test_a_matrix_file_is_checked(
    mine: Path, capsys: pytest.CaptureFixture[str], change: Callable[[str], str], words: str
) -> None:
    """Each mistake in a file is named before anything runs."""
    mine.write_text(change(MINE))
    assert words in "\n".join(refused(capsys, "--matrix", mine))


def test_a_matrix_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A missing file and a misspelt preset are told apart."""
    assert "neither a preset" in refused(capsys, "--matrix", tmp_path / "no.toml")[0]
    assert "Did you mean 'quick'" in refused(capsys, "--matrix", "quik")[0]


def test_results_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str], mine: Path) -> None:
    """An unwritable results folder is refused before the first run, with exit code 3."""
    (tmp_path / "taken").write_text("a file, not a folder")
    assert front("--matrix", mine, "--results", tmp_path / "taken") == STORAGE
    said = capsys.readouterr()
    assert "cannot write" in said.err
    assert "ok " not in said.out


def test_two_writers(tmp_path: Path, capsys: pytest.CaptureFixture[str], mine: Path) -> None:
    """A second command on the same results is told to wait."""
    with Store(tmp_path / "mine" / f"{label()}.jsonl"):
        assert front("--matrix", mine, "--results", tmp_path) == STORAGE
    assert "another run is writing" in capsys.readouterr().err


@pytest.mark.usefixtures("nearby")
def test_list_and_dry_run(capsys: pytest.CaptureFixture[str], mine: Path, tmp_path: Path) -> None:
    """What there is, how many runs, how many finished, about how long; nothing is written."""
    assert front("--list") == OK
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("speech/fsdd", "recurrent-bn", "nadam", "stacked-4", "standard"))
    assert front("--list", "--json", "--task", "series") == OK
    assert json.loads(capsys.readouterr().out)["configurations"][0]["task"].startswith("series/")
    assert front("--matrix", mine, "--dry-run", "--results", tmp_path / "r") == OK
    shown = capsys.readouterr().out
    assert "8 runs, 0 finished, 8 to run" in shown
    assert "start it: python -m bench.matrix --matrix" in shown
    assert not (tmp_path / "r").exists()
    assert front("--matrix", mine, "--dry-run", "--json", "--results", tmp_path / "r") == OK
    assert json.loads(capsys.readouterr().out)["runs"] == 8


@pytest.mark.usefixtures("nearby")
def test_json_events(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --json every line is an object: begins, ends, the pages."""
    monkeypatch.setattr("report.build", lambda _, out, names: [out / name / "index.html" for name in names])
    words = ["--matrix", mine, "--results", tmp_path / "r", "--out", tmp_path / "o", "--json", "--seeds", "0"]
    assert front(*words, "--no-timing", "--architecture", "lstm") == OK
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events].count("end") == 2
    assert events[-1] == {"event": "report", "pages": [str(tmp_path / "o/mine/index.html")]}


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path: Path, sent: signal.Signals) -> None:
    """Ctrl-C and a polite kill keep what is finished, end the workers, and say how to resume."""
    results = tmp_path / "r"
    running = subprocess.Popen(
        [sys.executable, ROOT / "tests/killable.py", results, "--workers", "2"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "KILLABLE_GATE": str(tmp_path / "never")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    while '"end"' not in (line := running.stdout.readline()):
        assert line
    running.send_signal(sent)
    _, error = running.communicate(timeout=30)
    assert running.returncode == INTERRUPTED
    assert "Resume with: python -m bench.matrix --matrix" in error
    assert 1 <= len(killable.store(results).done()) < killable.RUNS
    assert killable.store(results).path.read_text().endswith("\n")
    for _ in range(100):  # the last to end are reaped by the system, a moment later
        try:
            os.killpg(running.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a worker outlived the command")


@pytest.mark.usefixtures("nearby")
def test_failures_do_not_stop_the_matrix(mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Diverged runs are records like any other: the matrix ends well and the report counts them."""
    mine.write_text(
        MINE.replace('rule = "adam"\nlr = 0.02', 'rule = "sgd"\nlr = 10\nmomentum = 0.99').replace("6", "60")
    )
    words = ["--matrix", mine, "--results", tmp_path / "r", "--no-timing", "--no-report"]
    assert front(*words) == OK
    (store,) = stores(tmp_path / "r")
    assert {row["status"] for row in store.rows() if row["kind"] == "run"} <= {"ok", "diverged"}
    assert leaderboard_text(tmp_path / "r", "mine", 100)


@pytest.mark.usefixtures("nearby")
def test_absent_data_are_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real task without its data is skipped with the command that would get it, and tried again next time."""
    words = ["--matrix", "standard", "--task", "series/etth1/24", "--architecture", "gru", "--seeds", "0"]
    for _ in range(2):
        assert front(*words, "--results", tmp_path, "--data", tmp_path, "--no-report") == OK
        assert "get it with: python -m tasks fetch" in capsys.readouterr().out
    (store,) = stores(tmp_path)
    assert [row["status"] for row in store.rows()] == ["skipped"]
    assert len(store.path.read_text().splitlines()) == 1


def test_durations_read_well() -> None:
    """Seconds, minutes, hours."""
    assert [duration(seconds) for seconds in (5, 600, 9_000)] == ["5 s", "10 min", "2.5 h"]
