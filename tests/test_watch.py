"""A running matrix seen through its records: read once, as they arrive, without a lock."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRAMMAR, GRU, LSTM, SGD
from rich.console import Console

from bench.record import encode
from bench.store import Store
from report import tail, watch
from report.tail import Tail, Watched

ROOT = Path(__file__).parents[1]


def append(path: Path, *records: made.Record) -> None:
    """The lines of some records at the end of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(encode(record) + "\n" for record in records)


def scores(*values: float) -> list[made.Record]:
    """Runs of one technique."""
    return [made.run(DIGITS, LSTM, seed, value) for seed, value in enumerate(values)]


def test_only_new_lines_are_read(tmp_path: Path) -> None:
    """Each record comes once; nothing new is nothing, and a file that does not exist yet is no error."""
    path = tmp_path / "core" / "machine.jsonl"
    found = Tail(path)
    assert found.poll() == []
    first, second, third = scores(1.0, 2.0, 3.0)
    append(path, first)
    assert [row["score"] for row in found.poll()] == [1.0]
    assert found.poll() == []
    append(path, second, third)
    assert [row["score"] for row in found.poll()] == [2.0, 3.0]


def test_a_cut_line_is_waited_for(tmp_path: Path) -> None:
    """Half a line is no damage: its record comes when the rest is there."""
    path = tmp_path / "machine.jsonl"
    line = encode(made.run(DIGITS, LSTM)) + "\n"
    found = Tail(path)
    path.write_text(line[:100], encoding="utf-8")
    assert (found.poll(), found.damaged) == ([], 0)
    path.write_text(line[:-1], encoding="utf-8")
    assert (found.poll(), found.damaged) == ([], 0)
    path.write_text(line, encoding="utf-8")
    assert len(found.poll()) == 1


def test_damage_is_counted_and_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that are no record, of another checksum or far too long never stop the rest."""
    monkeypatch.setattr(tail, "MAX_LINE", 5000)
    path = tmp_path / "machine.jsonl"
    good = encode(made.run(DIGITS, LSTM)) + "\n"
    path.write_text("no json\n\n" + good.replace('"score":1.0', '"score":9.0') + "x" * 5500 + "\n" + good)
    found = Tail(path)
    assert len(found.poll()) == 1
    assert found.damaged == 4  # the long line counts by its pieces


def test_a_file_that_was_mended_is_read_anew(tmp_path: Path) -> None:
    """What was seen before is not new again, and the damage that was set aside is forgotten."""
    path = tmp_path / "core" / "machine.jsonl"
    append(path, *scores(1.0, 2.0))
    with path.open("a", encoding="utf-8") as file:
        file.write("damage\n")
    seen = Watched(tmp_path / "core")
    assert len(seen.poll(0)) == 2
    assert seen.damaged == 1
    with Store(path) as store:
        store.append(made.run(DIGITS, GRU))
        fresh = seen.poll(1)  # while the writer holds the lock
    assert [row["names"]["architecture"] for row in fresh] == ["gru"]
    assert (seen.damaged, seen.arrivals) == (0, [1])
    assert not any("curve" in row for row in seen.rows.values())


def test_the_pace_counts_what_arrived_while_watching() -> None:
    """Over the last five minutes, or since the start; silent where nothing came."""
    assert watch.pace([], 0, 60) == ""
    assert watch.pace([10.0, 20.0, 30.0], 0, 60) == "3.0 runs a minute"
    assert watch.pace([10.0, 500.0, 510.0], 0, 600) == "0.40 runs a minute"
    assert watch.pace([0.0], 0, 0) == ""


def test_the_view_shows_counts_last_runs_leaders_and_failures() -> None:
    """Three best of each task, a row with a failed seed below those without; lower is better turns the order."""
    rows = made.plain(
        [
            *(made.run(DIGITS, t, s, 80.0 + i + s) for i, t in enumerate([LSTM, GRU, CLIP]) for s in range(3)),
            *(made.run(GRAMMAR, t, 0, 3.0 + i) for i, t in enumerate([LSTM, GRU])),
            made.run(DIGITS, SGD, 0, 99.0),
            made.failed(made.run(DIGITS, SGD, 1), "diverged", "Traceback\nloss is not finite", step=212),
            made.run(DIGITS, ("lstm", "l2", "adam"), 0, 10.0),
        ]
    )
    text = watch.view("core", rows, 100)
    assert text.startswith("core: 14 runs (13 ok, 1 diverged)\n")
    assert f"  ok        {DIGITS} lstm/none/sgd cpu s0  accuracy 99.00 %\n" in text
    assert f"1 failure\n  diverged  {DIGITS} lstm/none/sgd cpu s1  at step 212: loss is not finite\n" in text
    best = text[text.index("best so far") : text.index("1 failure")]
    lines = [line.split() for line in best.splitlines() if "/adam" in line or "/sgd" in line]
    assert [[cell for cell in line if "/" in cell and "digits" not in cell][-1] for line in lines] == [
        *("lstm/clip/adam", "gru/none/adam", "lstm/none/adam"),
        *("lstm/none/adam", "gru/none/adam"),
    ]
    assert "83.00 ± 2.5" in best


def test_the_view_fits_and_names_are_inert() -> None:
    """No line is wider than asked; a name is text."""
    bad = ("[red]a[/]\x1b[31m", "x" * 300, "n\nn")
    for width in (40, 80, 200):
        text = watch.view("core\x1b", made.plain([made.run(DIGITS, bad), made.run(DIGITS, LSTM)]), width)
        assert max(map(len, text.splitlines())) <= width
        assert "\x1b" not in text
    assert "[red]a[/]\ufffd[31m" in text


def test_a_view_of_nothing_is_a_view() -> None:
    """Without runs, only the count."""
    naive = made.NaiveRecord("n", made.task_of(DIGITS), {"guess": 1.0})
    assert watch.view("core", made.plain([naive]), 80) == "core: 0 runs\n"


def watched(results: Path, names: list[str] | None, steps: list[list[made.Record]]) -> None:
    """Watch while records are appended, one list a pause."""
    left = list(steps)
    path = results / "core" / "machine.jsonl"

    def pause(_: float) -> None:
        if records := left.pop(0):
            append(path, *records)

    watch.watch(results, names, len(steps) + 1, clock=lambda: 0.0, sleep=pause)


def test_without_a_terminal_a_line_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was there in one line, each record that comes in its own, and last a command to paste."""
    one, two, three = scores(1.0, 2.0, 3.0)
    append(tmp_path / "core" / "machine.jsonl", one)
    watched(tmp_path, ["core"], [[], [two, three]])
    assert capsys.readouterr().out.splitlines() == [
        "core: 1 run (1 ok)",
        f"ok        {DIGITS} lstm/none/adam cpu s1  accuracy 2.000 %",
        f"ok        {DIGITS} lstm/none/adam cpu s2  accuracy 3.000 %",
        "python -m report --matrix core",
    ]


def test_missing_results_are_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so once, and takes the newest matrix as soon as there is one."""
    watched(tmp_path, None, [[], [], scores(5.0)])
    assert capsys.readouterr().out.splitlines() == [
        f"no records yet below {tmp_path}; waiting",
        "core: 1 run (1 ok)",
        "python -m report --matrix core",
    ]
    watch.watch(tmp_path, ["quick"], 2, sleep=lambda _: None)
    assert capsys.readouterr().out.splitlines() == [
        f"no records yet below {tmp_path / 'quick'}; waiting",
        "python -m report --matrix quick",
    ]


def test_the_newest_matrix_is_taken(tmp_path: Path) -> None:
    """By when its file was written; measurements of the core are no matrix."""
    for age, name in enumerate(["new", "old"]):
        path = made.write(tmp_path, scores(1.0), name)
        os.utime(path, (1e9 - age, 1e9 - age))
    core = tmp_path / "core" / "machine.jsonl"
    core.parent.mkdir()
    core.write_text((next((ROOT / "results" / "core").glob("*.jsonl"))).read_text().splitlines()[0] + "\n")
    assert watch.newest(tmp_path) == [tmp_path / "new"]
    assert watch.newest(tmp_path / "nowhere") == []


def test_on_a_terminal_a_live_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The view is drawn on the screen, and the last line is still a command."""
    screen = io.StringIO()
    live = Console(file=screen, force_terminal=True, width=90, height=40, color_system=None)
    monkeypatch.setattr(watch, "Console", lambda **_: live)
    append(tmp_path / "core" / "machine.jsonl", *scores(80.0, 82.0, 84.0))
    watched(tmp_path, ["core"], [[made.run(DIGITS, GRU, 0, 90.0)]])
    assert "core: 4 runs (4 ok)" in screen.getvalue()
    assert "Ctrl-C ends this view, not the run" in screen.getvalue()
    assert capsys.readouterr().out == "python -m report --matrix core\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_is_no_error(tmp_path: Path) -> None:
    """It ends with 0 and the command to paste, and leaves no file behind."""
    made.write(tmp_path, scores(1.0))
    code = (
        "import sys, argparse, pathlib; from report import watch\n"
        "sys.exit(watch.run(argparse.Namespace(results=pathlib.Path(sys.argv[1]), matrix=None)))"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "core: 1 run (1 ok)\n"
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (0, "python -m report --matrix core\n", "")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["machine.jsonl"]
