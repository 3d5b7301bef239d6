"""`report add`: someone's records come in whole and once, or not at all."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.record import decode
from bench.store import Store
from report.__main__ import main
from tests.report_records import GRU, task_of
from tests.test_verify import GRAMMAR, HOME, LABEL, MACHINE, fine, found, one, put, signed

ROOT = Path(__file__).parents[1]


def add(results: Path, file: Path, *more: str) -> int:
    return main(["--results", str(results), "add", str(file), *more])


def target(results: Path, matrix: str = "mine") -> Path:
    return results / matrix / f"{LABEL}.jsonl"


def written(results: Path) -> list[Path]:
    return sorted(results.rglob("*.jsonl"))


def test_records_come_in_word_for_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every line as it was, in the file of its machine, and what to do next; the same file again adds nothing."""
    file, results = put(tmp_path / "theirs", fine(), label="from-a-friend"), tmp_path / "results"
    assert add(results, file, "--matrix", "mine") == 0
    assert target(results).read_bytes() == file.read_bytes()
    assert capsys.readouterr().out.splitlines() == [
        f"matrix mine (as asked), machine {LABEL} (test, None cores, None)",
        f"added 8 records (1 naive, 6 run, 1 trial; torch 2.14.1), 0 were there: {target(results)}",
        "next: python -m report",
    ]
    assert add(results, file, "--matrix", "mine") == 0
    assert target(results).read_bytes() == file.read_bytes()
    assert "nothing to add: all 8 records are in" in capsys.readouterr().out
    assert not found(results).of("error")


def test_only_new_records_are_added(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that are there are left as they are, whatever order the file has."""
    put(tmp_path, fine()[:3])
    before = target(tmp_path).read_bytes()
    file = put(tmp_path / "theirs", fine()[::-1])
    assert add(tmp_path, file, "--matrix", "mine") == 0
    assert target(tmp_path).read_bytes().startswith(before)
    assert len(target(tmp_path).read_bytes().splitlines()) == 8
    assert ", 3 were there: " in capsys.readouterr().out


def test_the_matrix_is_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the folder is one of a matrix it is taken, and said; where it is not, --matrix is asked for."""
    (tmp_path / "results/mine").mkdir(parents=True)
    assert add(tmp_path / "results", put(tmp_path / "theirs", fine())) == 0
    assert "matrix mine (the name of the file's folder)" in capsys.readouterr().out
    assert add(tmp_path / "results", put(tmp_path, fine(), "smal")) == 2
    said = capsys.readouterr().err
    assert "Name it with --matrix" in said
    assert "Did you mean 'small'?" in said


@pytest.mark.parametrize("name", ["../mine", "/tmp", "a/b", "..", "", "Mine", "a" * 65, "a\x1b"])
def test_no_name_leaves_the_results(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A matrix that is no plain name is refused, and nothing is written anywhere."""
    file = put(tmp_path / "theirs", fine())
    assert add(tmp_path / "results", file, "--matrix", name) == 2
    assert "\x1b" not in capsys.readouterr().err
    assert written(tmp_path) == [file]


@pytest.mark.parametrize("label", ["../../x", "A", "x" * 65, "", "a\n"])
def test_no_label_leaves_the_results(tmp_path: Path, label: str) -> None:
    """A machine's label becomes a file's name: another kind of text is refused."""
    file = put(tmp_path / "theirs", [one(0, machine={**MACHINE, "label": label})])
    assert add(tmp_path / "results", file, "--matrix", "mine") == 2
    assert written(tmp_path) == [file]


def test_one_kind_of_machine_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two labels, or none, are refused by name."""
    file = put(tmp_path / "theirs", [one(0), one(1, machine={**MACHINE, "label": "second"})])
    assert add(tmp_path / "results", file, "--matrix", "mine") == 2
    assert f"it names second, {LABEL}" in capsys.readouterr().err
    assert add(tmp_path / "results", put(tmp_path / "theirs", ["{}\n"]), "--matrix", "mine") == 2
    assert "it names none" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        lambda: signed(reason=f"in {HOME}/bench"),
        lambda: signed(score=3.4),
        lambda: signed(luck=1),
        lambda: signed(certificate={"too_good": "a leak"}),
        lambda: signed().replace("3.5", "3.4"),
        lambda: signed()[:-1],
        lambda: "{\n",
    ],
    ids=["private", "score", "schema", "too good", "edited", "cut", "no JSON"],
)
def test_a_file_with_a_fault_adds_nothing(tmp_path: Path, line: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One bad line in eight refuses all: status 1, the line is named, the target is as it was."""
    put(tmp_path, fine()[:2])
    before = target(tmp_path).read_bytes()
    file = put(tmp_path / "theirs", [*fine()[1:], line()])
    assert add(tmp_path, file, "--matrix", "mine") == 1
    said = capsys.readouterr().out
    assert f"{file} line 8: " in said
    assert said.splitlines()[-1].startswith("REFUSED, nothing was added: ")
    assert target(tmp_path).read_bytes() == before


def test_few_seeds_are_welcome(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What lacks seeds of its preset comes in with a warning."""
    committed = next((ROOT / "results/plain").glob("*51dd.jsonl"))
    lines = committed.read_text(encoding="utf-8").splitlines(keepends=True)
    few = [line for line in lines if decode(line).get("spec", {}).get("seed", 0) == 0]
    file = put(tmp_path / "theirs", few, "plain", committed.stem)
    assert add(tmp_path / "results", file) == 0
    said = capsys.readouterr().out
    assert said.count("has no seed 1, 2; the preset plain has 0, 1, 2") == 3
    assert "shown without a rank" in said


def test_another_outcome_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record that is there with another content is never replaced, and both places are named."""
    put(tmp_path, fine())
    before = target(tmp_path).read_bytes()
    file = put(tmp_path / "theirs", [one(0, score=3.2), one(1), one(2)])
    assert add(tmp_path, file, "--matrix", "mine") == 1
    said = capsys.readouterr().out
    assert f"{file} line 1: {GRAMMAR}/lstm/none/adam/cpu/s0 is in {target(tmp_path)} with another outcome" in said
    assert target(tmp_path).read_bytes() == before


def test_what_would_not_fit_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other seeds of a configuration under another torch, and other data for a task, are refused."""
    put(tmp_path, [one(0), one(0, GRU)])
    new: dict[str, Any] = {"versions": {"torch": "2.15.0"}}
    assert add(tmp_path, put(tmp_path / "theirs", [one(1, **new)]), "--matrix", "mine") == 1
    assert "torch 2.15.0, other seeds" in capsys.readouterr().out
    other: dict[str, Any] = {"task": task_of(GRAMMAR, fingerprint="f" * 16)}
    assert add(tmp_path, put(tmp_path / "theirs", [one(1, **other)]), "--matrix", "mine") == 1
    assert "one machine, two versions of the data" in capsys.readouterr().out
    assert len(target(tmp_path).read_bytes().splitlines()) == 2


def test_a_run_that_was_tried_again(tmp_path: Path) -> None:
    """A crash and the run after it come in together, in their order."""
    crash = replace(one(0), status="crashed", reason="signal 9", score=None, weights=None)
    file = put(tmp_path / "theirs", [crash, one(0), one(0)])
    assert add(tmp_path, file, "--matrix", "mine") == 0
    assert target(tmp_path).read_bytes().splitlines() == file.read_bytes().splitlines()[:2]
    assert Store(target(tmp_path)).done() == {one(0).id: "ok"}


def test_nobody_else_may_be_writing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While a matrix runs into the same file, nothing is added: status 3."""
    file = put(tmp_path / "theirs", fine())
    with Store(target(tmp_path)):
        assert add(tmp_path, file, "--matrix", "mine") == 3
    assert "another run is writing to" in capsys.readouterr().err
    assert target(tmp_path).read_bytes() == b""


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full in the middle of the records none of them stays."""
    put(tmp_path, fine()[:2])
    before = target(tmp_path).read_bytes()

    def half(store: Store, lines: list[str]) -> None:
        with store.path.open("ab") as file:
            file.write("\n".join(lines).encode()[:700])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Store, "extend", half)
    assert add(tmp_path, put(tmp_path / "theirs", fine()), "--matrix", "mine") == 3
    assert target(tmp_path).read_bytes() == before


def test_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there, or a folder, is bad input."""
    assert add(tmp_path, tmp_path / "none.jsonl") == 2
    assert add(tmp_path, tmp_path) == 2
    assert capsys.readouterr().err.count("is no file") == 2
