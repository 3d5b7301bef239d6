"""Results of several machines become one set: each record once, conflicts named, or nothing written at all."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from toys import tiny

from bench.matrix import main
from bench.record import NaiveRecord, Record, RunRecord, encode, unfinished
from bench.store import Store
from report.flat import proof

LABEL = unfinished(tiny(), "ok").machine["label"]


def one(seed: int, status: Any = "ok", score: float = 1.0, seconds: float = 1.0, label: str = LABEL) -> RunRecord:
    """A run of this seed, and what came of it."""
    record = unfinished(tiny(seed=seed), status, None if status == "ok" else "said why")
    ended = {"score": score, "weights": f"{seed}".zfill(64)} if status == "ok" else {}
    return replace(record, machine={**record.machine, "label": label}, cost={"seconds": seconds}, **ended)


def put(results: Path, records: Iterable[Record], label: str = LABEL, matrix: str = "mine") -> Path:
    path = results / matrix / f"{label}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{encode(record)}\n" for record in records))
    return path


def merge(*words: object) -> int:
    return main(["merge", *map(str, words)])


def outcomes(results: Path) -> dict[str, set[tuple[str, str]]]:
    """File -> id and outcome of each of its records."""
    return {
        str(path.relative_to(results)): {(row["id"], proof(row)) for row in Store(path).rows()}
        for path in sorted(results.rglob("*.jsonl"))
    }


def contents(results: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(results.rglob("*.jsonl"))}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Three machines' results: of one kind the first two, and every case of a record twice but conflict."""
    naive = NaiveRecord("n", {"name": "toy", "version": "1"}, {"last": 2.0})
    a = [one(0), one(1, "skipped"), one(2, "timeout"), one(3, seconds=1), naive]
    b = [one(0), one(1), one(2, "diverged"), one(3, seconds=9), one(4, "timeout"), naive]
    c = [one(4, "crashed"), one(5)]
    put(tmp_path / "a", a)
    put(tmp_path / "b", b)
    put(tmp_path / "b", [one(0, score=7.0, label="other-kind")], "other-kind")
    put(tmp_path / "c", c)
    return tmp_path / "a", tmp_path / "b", tmp_path / "c"


def test_each_record_is_there_once(
    places: tuple[Path, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A result counts more than a failure, a failure more than a skipped run; kinds of machine stay apart."""
    assert merge(*places, "--into", tmp_path / "all") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == [f"mine/{name}: {count} records" for name, count in sorted([(LABEL, 7), ("other-kind", 1)])]
    assert told[2] == ("14 records in 4 files: 2 there twice, 2 made again with the same outcome, 2 finished elsewhere")
    rows = Store(tmp_path / "all" / "mine" / f"{LABEL}.jsonl").rows()
    found = {row["spec"]["seed"]: row["status"] for row in rows if row["kind"] == "run"}
    assert found == {0: "ok", 1: "ok", 2: "diverged", 3: "ok", 4: found[4], 5: "ok"}
    assert len(Store(tmp_path / "all" / "mine" / "other-kind.jsonl").rows()) == 1


def test_lines_are_copied_to_the_letter(places: tuple[Path, ...], tmp_path: Path) -> None:
    """No record is written anew, and nothing else of a folder is taken along."""
    (places[0] / "mine" / "notes.txt").write_text("mine alone")
    theirs = {line for place in places for path in place.rglob("*.jsonl") for line in path.read_text().splitlines()}
    merge(*places, "--into", tmp_path / "all")
    for path in (tmp_path / "all").rglob("*.jsonl"):
        assert set(path.read_text().splitlines()) <= theirs
    assert {path.suffix for path in (tmp_path / "all").rglob("*.*")} <= {".jsonl", ".lock"}


def test_the_order_changes_no_outcome(places: tuple[Path, ...], tmp_path: Path) -> None:
    """Six orders of three sets, one result."""
    found = []
    for count, order in enumerate(permutations(places)):
        assert merge(*order, "--into", tmp_path / f"all{count}") == 0
        found.append(outcomes(tmp_path / f"all{count}"))
    assert all(one == found[0] for one in found)


def test_twice_is_once(places: tuple[Path, ...]) -> None:
    """Merged into the first, and again: not a byte moves, and lines that were there keep their order."""
    before = (places[0] / "mine" / f"{LABEL}.jsonl").read_text().splitlines()
    assert merge(*places) == 0
    first = contents(places[0])
    after = first[f"{LABEL}.jsonl"].decode().splitlines()
    assert [line for line in after if line in before] == [line for line in before if line in after]
    assert merge(*places) == 0
    assert contents(places[0]) == first


def test_a_conflict_is_named_and_the_first_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both outcomes and their places are said; the exit code is 1, and the rest is merged."""
    a, b = put(tmp_path / "a", [one(0, score=1.0)]), put(tmp_path / "b", [one(0, score=2.5), one(1)])
    assert merge(tmp_path / "a", tmp_path / "b") == 1
    said = capsys.readouterr().err
    assert f"conflict: mine/{LABEL}: {one(0).name}: ok, score 1.0, weights 000000000000" in said
    assert f"in {a} line 1, but ok, score 2.5" in said
    assert f"in {b} line 1; the first is kept" in said
    assert [row["score"] for row in Store(a).rows()] == [1.0, 1.0]
    assert merge(tmp_path / "b", tmp_path / "a", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert len(told["conflicts"]) == 1
    assert told["changed"] == 0


def test_damaged_lines_are_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed line, a cut one, one that is no record and a label that is a path; the whole ones are merged."""
    a, b = put(tmp_path / "a", [one(0)]), put(tmp_path / "b", [one(1), one(2, label="../../elsewhere")])
    changed = encode(one(3)).replace('"score":1.0', '"score":2.0')
    b.write_text(f"{b.read_text()}{changed}\n[]\n{encode(one(4))}")
    assert merge(tmp_path / "a", tmp_path / "b") == 1
    said = capsys.readouterr().err
    for number, words in ((2, "its machine's label"), (3, "checksum differs"), (4, "not a record"), (5, "cut short")):
        assert f"damaged: {b} line {number}: {words}" in said
    assert {row["spec"]["seed"] for row in Store(a).rows()} == {0, 1}
    assert not (tmp_path / "elsewhere.jsonl").exists()


def test_a_dry_run_writes_nothing(places: tuple[Path, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """It says the same."""
    before = sorted(places[0].rglob("*")), contents(places[0])
    assert merge(*places, "--dry-run") == 0
    assert (sorted(places[0].rglob("*")), contents(places[0])) == before
    assert "would be merged" in capsys.readouterr().out


def test_all_files_are_written_or_none(places: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full at the second file leaves the first as it was, and no new one."""
    put(places[1], [one(7)], matrix="another")
    before, write, count = contents(places[0]), os.write, 0

    def full(file: int, data: Any) -> int:
        nonlocal count
        count += len(data) > 0
        if count > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert merge(*places) == 3
    assert count == 2
    assert contents(places[0]) == before
    assert not [path for path in places[0].rglob("*") if path.suffix == ".tmp"]
    assert merge(*places) == 0


def test_nobody_else_writes_meanwhile(places: tuple[Path, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A matrix that is running keeps its file."""
    with Store(places[0] / "mine" / f"{LABEL}.jsonl"):
        before = contents(places[0])
        assert merge(*places) == 3
    assert contents(places[0]) == before
    assert "another run is writing to" in capsys.readouterr().err


def test_a_file_is_merged_into_its_folder(places: tuple[Path, ...]) -> None:
    """Files and folders of one matrix are as good as folders of results."""
    assert merge(places[0] / "mine" / f"{LABEL}.jsonl", places[1] / "mine") == 0
    assert sorted(path.name for path in (places[0] / "mine").glob("*.jsonl")) == sorted(
        [f"{LABEL}.jsonl", "other-kind.jsonl"]
    )


def test_bad_input_is_one_line_a_mistake(
    places: tuple[Path, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not there, what holds no records, what is no set."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.csv").touch()
    assert merge(tmp_path / "gone", tmp_path / "empty", tmp_path / "x.csv") == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(";")[0] for line in said] == [
        f"error: {tmp_path / 'gone'} does not exist",
        f"error: no .jsonl file below {tmp_path / 'empty'}",
        f"error: {tmp_path / 'x.csv'} is no .jsonl file of records",
    ]
    assert merge(places[0]) == 2
    assert "name a second, or --into DIR" in capsys.readouterr().err
    put(tmp_path / "d", [one(0)], matrix="No Matrix")
    assert merge(places[0], tmp_path / "d") == 2
    assert "folder 'No Matrix' cannot be a matrix's name" in capsys.readouterr().err
