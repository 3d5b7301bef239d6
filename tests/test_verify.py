"""Every check of `report verify`: a small valid file, one thing broken, and the finding with its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.record import MAX_LINE, NaiveRecord, RunRecord, TrialRecord, decode, encode
from bench.spec import digest
from bench.tune import SEEDS
from report.__main__ import main
from report.checks import betrays
from report.verify import Findings, Source, sources, verify
from tests.report_records import GRU, LSTM, TASKS, Record, run, task_of

ROOT = Path(__file__).parents[1]
LABEL = "test-avx2-2-abcd"
MACHINE = {"label": LABEL, "cpu": "test", "threads": 1, "deterministic": True}
GRAMMAR = "language/grammar"
HOME = "/" + "home/ada"


def one(seed: int = 0, technique: tuple[str, str, str] = LSTM, name: str = GRAMMAR, **changes: Any) -> RunRecord:
    """A run to which nothing can be said."""
    points = [{"step": step, "valid": {"loss": 1.0}} for step in (0, 50, 100)]
    whole = {"weights": "a" * 64, "machine": MACHINE, "curve": points, "best_step": 50, "score": 3.5}
    metric = TASKS.get(name, {"metric": "mse"})["metric"]
    whole["metrics"] = {"test": {metric: changes.get("score", 3.5)}}
    return run(name, technique, seed, **{**whole, **changes})


def naive(floor: float = 2.7) -> NaiveRecord:
    return NaiveRecord(digest(task_of(GRAMMAR)), task_of(GRAMMAR), {"entropy floor": floor})


def trial(index: int = 0, seed: int | None = None) -> TrialRecord:
    made = one(SEEDS + index if seed is None else seed)
    return TrialRecord(
        made.id, f"{GRAMMAR}/lstm/none/adam/cpu/trial{index}", "of", made.names, made.spec, index, {"lr": 0.1}, "ok",
        valid=1.0, task=made.task, machine=MACHINE,
    )  # fmt: skip


def fine() -> list[Record]:
    """Two configurations with three seeds, a naive row and a trial."""
    return [*(one(seed, which) for which in (LSTM, GRU) for seed in range(3)), naive(), trial()]  # type: ignore[list-item]


def put(folder: Path, records: list[Any], matrix: str = "mine", label: str = LABEL) -> Path:
    """The file of some records; a record may be a line as it stands."""
    path = folder / matrix / f"{label}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [record if isinstance(record, str) else encode(record) + "\n" for record in records]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def found(folder: Path) -> Findings:
    return verify(sources(folder))


def signed(**changes: Any) -> str:
    """The line of a good run with some fields changed, and a checksum that holds."""
    from bench.record import _checksum, canonical

    body = {key: value for key, value in {**decode(encode(one())), **changes}.items() if value is not ...}
    return canonical({**body, "sum": _checksum(body)}) + "\n"


def test_a_good_file_has_no_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every record is counted, nothing is said of it, and the status is 0."""
    put(tmp_path, fine())
    assert main(["verify", str(tmp_path)]) == 0
    said = "SUCCESS 8 records, 8 checksums, 0 duplicates, schema 1, 1 kind of machine, torch 2.14.1\n"
    assert capsys.readouterr().out == said


def test_committed_results_are_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    """What is in results/ passes every check; the one warning is of features that differ between processors."""
    assert main(["verify", str(ROOT / "results")]) == 0
    *said, last = capsys.readouterr().out.splitlines()
    assert last.startswith("SUCCESS ")
    assert ", 0 duplicates, schema 1, " in last
    assert [line for line in said if line.startswith("warning") and "data fingerprints" not in line] == []


BROKEN: dict[str, tuple[str, Callable[[], str], str]] = {
    "edited": ("checksum", lambda: encode(one()).replace('"score":3.5', '"score":3.4') + "\n", "checksum differs"),
    "respelled": ("checksum", lambda: signed(cost={"seconds": 1e-5}).replace("1e-05", "1E-05"), "edited by hand"),
    "spaced": ("checksum", lambda: encode(one()).replace(',"', ', "', 1) + "\n", "edited by hand"),
    "no JSON": ("line", lambda: "{half a record\n", "not readable"),
    "NaN": ("line", lambda: encode(one()).replace('"score":3.5', '"score":NaN') + "\n", "not readable"),
    "too long": ("line", lambda: '{"a":"' + "b" * MAX_LINE + '"}\n', "line of"),
    "too deep": ("line", lambda: "[" * 100_000 + "\n", "not readable"),
    "newer": ("schema", lambda: signed(schema=2), "schema 2, this version reads 1: made by a newer version?"),
    "no schema": ("schema", lambda: '{"a":1}\n', "no schema number"),
    "unknown kind": ("schema", lambda: signed(kind="walk"), "unknown kind of record 'walk'"),
    "field missing": ("schema", lambda: signed(spec=...), "no field 'spec'"),
    "field unknown": ("schema", lambda: signed(luck=7), "unknown field 'luck'"),
    "wrong type": ("schema", lambda: signed(score="3.5"), "score is '3.5'"),
    "bool is no number": ("schema", lambda: signed(steps=True), "steps is 'True'"),
    "unknown status": ("schema", lambda: signed(status="fine"), "status is 'fine'"),
    "names": ("schema", lambda: signed(names={"task": "a"}), "names are not"),
    "no seed": ("schema", lambda: signed(spec={}), "spec has no seed"),
    "id": ("identity", lambda: signed(id="0" * 16), "id is not the hash"),
    "configuration": ("identity", lambda: signed(configuration="0" * 16), "configuration is not the hash"),
    "name": ("identity", lambda: signed(name="a/b"), "name is 'a/b'"),
    "task": ("identity", lambda: signed(task=task_of("series/etth1/24")), "do not name one task"),
    "naive id": ("identity", lambda: encode(replace(naive(), id="0" * 16)) + "\n", "not the hash of its task"),
    "seed of a trial": ("seed", lambda: encode(one(SEEDS)) + "\n", "of a run"),
    "seed of a run": ("seed", lambda: encode(trial(1, seed=1)) + "\n", "seed 1 of trial 1"),
    "no score": ("outcome", lambda: signed(score=None, metrics={}), "without a finite score"),
    "no weights": ("outcome", lambda: signed(weights=None), "without the sha256"),
    "no reason": ("outcome", lambda: signed(status="timeout"), "timeout without a reason"),
    "no step": ("outcome", lambda: signed(status="diverged", reason="nan"), "no step says when"),
    "curve": ("outcome", lambda: signed(curve=[{"step": 5}, {"step": 5}], best_step=5), "do not increase"),
    "best step": ("outcome", lambda: signed(best_step=51), "best_step 51"),
    "score": ("outcome", lambda: signed(score=3.4), "score 3.4 is not the perplexity on test, 3.5"),
    "alarm": ("too good", lambda: signed(certificate={"too_good": "look for a leak"}), "look for a leak"),
    "beyond": ("too good", lambda: encode(one(name="series/etth1/24", score=0.1)) + "\n", "beyond 0.2"),
    "path": ("privacy", lambda: signed(reason=f"no file '{HOME}/x.wav'"), "a path"),
    "host": ("privacy", lambda: signed(machine={**MACHINE, "hostname": "x"}), "field 'hostname' is private"),
    "address": ("privacy", lambda: signed(code="ada@example.org"), "an email address"),
    "machine": ("place", lambda: signed(machine={**MACHINE, "label": "other"}), "of machine 'other', in the file of"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_is_found_at_its_line(fault: str, tmp_path: Path) -> None:
    """One broken line among good ones: the one check that is about it says so, with file and line."""
    check, line, said = BROKEN[fault]
    path = put(tmp_path, [*fine()[1:], line()])
    errors = [problem for problem in found(tmp_path).of("error") if problem.check != "seeds"]
    assert {problem.check for problem in errors} == {check}
    assert any(said in problem.text for problem in errors), errors
    assert {problem.where for problem in errors} == {f"{path} line 8"}


def test_every_bit_of_a_line_counts(tmp_path: Path) -> None:
    """Whichever byte of a line is changed, it is found."""
    path = put(tmp_path, [naive()])
    data = path.read_bytes()
    assert not found(tmp_path).problems
    for place in range(len(data)):
        for bit in (0x01, 0x20, 0x80):
            path.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
            assert found(tmp_path).of("error"), (place, bit)


def test_every_cut_is_found(tmp_path: Path) -> None:
    """Of whatever length a last line is, it is found to be cut."""
    path = put(tmp_path, [one(), naive()])
    data, start = path.read_bytes(), path.read_bytes().index(b"\n") + 1
    for end in range(start + 1, len(data)):
        path.write_bytes(data[:end])
        assert [str(problem) for problem in found(tmp_path).of("error")] == [
            f"{path} line 2: cut short: the last line has no end"
        ]


def test_a_run_that_ended_is_not_run_again(tmp_path: Path) -> None:
    """A second score under one id is an error; a retry of a crash is a warning, the same line again a note."""
    crash = replace(one(0), status="crashed", reason="signal 9", score=None, weights=None)
    rest = [one(1), one(2)]
    path = put(tmp_path, [one(0), *rest, one(0, score=3.2)])
    (problem,) = found(tmp_path).of("error")
    assert (problem.check, problem.where) == ("duplicate", f"{path} line 4")
    assert "in line 1" in problem.text
    put(tmp_path, [crash, *rest, one(0), one(0)])
    retried = found(tmp_path)
    assert not retried.of("error")
    assert retried.doubles == 2
    assert "1 lines replace" in retried.of("warning")[0].text
    assert "1 lines stand there twice" in retried.of("note")[0].text


def test_seeds_are_the_presets(tmp_path: Path) -> None:
    """Elsewhere: those of the other configurations on a task. A run that was skipped is not missing."""
    skipped = replace(one(2, GRU), status="skipped", reason="no", score=None, weights=None)
    some: list[Any] = [one(0), one(1), one(2), one(0, GRU), one(1, GRU)]
    path = put(tmp_path, some)
    (problem,) = found(tmp_path).of("error")
    assert str(problem) == (
        f"{path} line 4: {GRAMMAR}/gru/none/adam/cpu has no seed 2; others on {GRAMMAR} have 0, 1, 2"
    )
    put(tmp_path, [*some, skipped])
    assert not found(tmp_path).of("error")


@pytest.mark.parametrize(("drop", "extra", "said"), [(1, 0, "has no seed 1;"), (None, 5, "has extra seed 5;")])
def test_committed_records_without_a_seed_fail(tmp_path: Path, drop: int | None, extra: int, said: str) -> None:
    """In a preset's folder the list is the preset's: neither a seed less nor one more."""
    committed = next((ROOT / "results/plain").glob("*51dd.jsonl"))
    lines = committed.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = [decode(line) for line in lines]
    first = next(i for i, row in enumerate(rows) if row["kind"] == "run" and row["spec"]["seed"] == (drop or 0))
    if drop is not None:
        del lines[first]
    else:
        row = rows[first]
        spec = {**row["spec"], "seed": extra}
        lines.append(signed(**{**row, "spec": spec, "id": digest(spec), "name": f"{row['name'][:-1]}{extra}"}))
    put(tmp_path, lines, "plain", committed.stem)
    (problem,) = found(tmp_path).of("error")
    assert problem.check == "seeds"
    assert said in problem.text


def test_a_preset_takes_its_own_rows_only(tmp_path: Path) -> None:
    """Records in the folder of another matrix are found, by name or by budget."""
    committed = next((ROOT / "results/plain").glob("*51dd.jsonl"))
    lines = committed.read_text(encoding="utf-8").splitlines(keepends=True)
    put(tmp_path, lines, "small", committed.stem)
    said = [problem.text for problem in found(tmp_path).of("error") if problem.check == "place"]
    assert len(said) == 9
    assert {text.partition(" preset ")[2] for text in said} == {"small"}
    row = next(row for row in map(decode, lines) if row["kind"] == "run")
    spec = {**row["spec"], "budget": {**row["spec"]["budget"], "steps": 1}}
    shared = digest({key: value for key, value in spec.items() if key != "seed"})
    put(tmp_path / "b", [signed(**{**row, "spec": spec, "id": digest(spec), "configuration": shared})], "plain",
        committed.stem)  # fmt: skip
    assert "its budget is not that of the preset plain" in [p.text for p in found(tmp_path / "b").problems]


def test_versions_that_mix(tmp_path: Path) -> None:
    """Within one configuration an error, within one file a warning with counts, of the code a note."""
    new: dict[str, Any] = {"versions": {"torch": "2.15.0"}}
    path = put(tmp_path, [one(0), one(1, **new)])
    (problem,) = found(tmp_path).of("error")
    assert problem.where == f"{path} line 2"
    assert "torch 2.15.0, other seeds" in problem.text
    put(tmp_path, [one(0), one(0, GRU, code="f00d", machine={**MACHINE, "threads": 2}, **new)])
    mixed = found(tmp_path)
    assert not mixed.of("error")
    assert sorted(p.text for p in mixed.of("warning")) == [
        "more than one number of threads: 1 (1 records), 2 (1 records)",
        "more than one version of torch: 2.14.1 (1 records), 2.15.0 (1 records)",
    ]
    assert ["code" in p.text for p in mixed.of("note")] == [True]


def test_data_that_changed(tmp_path: Path) -> None:
    """Two fingerprints of one task: an error on one machine, a warning between two."""
    other = task_of(GRAMMAR, fingerprint="f" * 16)
    put(tmp_path / "a", [one(0), one(0, GRU, task=other)])
    (problem,) = found(tmp_path / "a").of("error")
    assert problem.check == "data"
    assert problem.text.startswith(f"{GRAMMAR} 1 has 2 data fingerprints")
    put(tmp_path / "b", [one(0)])
    put(tmp_path / "b", [one(0, task=other, machine={**MACHINE, "label": "second"})], label="second")
    assert [p.level for p in found(tmp_path / "b").problems] == ["warning"]


def test_no_score_below_the_entropy_of_its_source(tmp_path: Path) -> None:
    """Where a naive row has the floor, a lower perplexity is an alarm, whichever line comes first."""
    for records in ([one(0, score=2.6), naive()], [naive(), one(0, score=2.6)]):
        put(tmp_path, records)
        (problem,) = found(tmp_path).of("error")
        assert problem.check == "too good"
        assert "2.6 is below the entropy of the source, 2.7" in problem.text


@pytest.mark.parametrize("matrix", ["My Results", "core"])
def test_folders_are_named_as_matrices_are(tmp_path: Path, matrix: str) -> None:
    """A folder that cannot be a matrix is named; `core` holds no runs."""
    put(tmp_path, [one(0)], matrix)
    assert [p.check for p in found(tmp_path).of("error")] == ["place"]


@pytest.mark.parametrize(
    ("asked", "where"),
    [({}, "cpu"), ({"backend": "fn"}, "cpu+fn"), ({"isa": "avx2"}, "cpu+avx2")],
)
def test_names_say_what_was_asked_for(tmp_path: Path, asked: dict[str, str], where: str) -> None:
    """A back end or an instruction set that was asked for is a part of the name, as RunSpec makes it."""
    spec = {**one().spec, **asked}
    shared = {key: value for key, value in spec.items() if key != "seed"}
    name = f"{GRAMMAR}/lstm/none/adam/{where}/s0"
    put(tmp_path, [signed(spec=spec, id=digest(spec), configuration=digest(shared), name=name)])
    assert not found(tmp_path).problems


def test_nothing_private_and_nothing_innocent() -> None:
    """Paths, addresses and shares are told from names, units and links."""
    for text in (HOME, f"is in {HOME}", f"({HOME}/x)", 'File "/opt/x/y.py"', "at /srv/data/x", "path:/" + "tmp/x",
                 "~/data", "D:\\data", "\\\\share", "ada.l@mail.example.org"):  # fmt: skip
        assert betrays(text), text
    for text in ("speech/digits/10%/lstm/none", "1/s", "clip/adam/cpu+fn", "AMD EPYC @ 2.4 GHz", "a / b", "and/or"):
        assert betrays(text) is None, text


def test_hostile_text_is_printed_inert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal escape, a bidi mark and a line break in a record reach no terminal."""
    evil = "\x1b[31m\u202eSUCCESS\n[bold]" + "x" * 500
    put(tmp_path, [signed(name=evil, luck=evil, kind="run"), signed(kind=evil), signed(schema=evil), signed(name=evil)])
    assert main(["verify", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert not set(said) & {"\x1b", "\u202e"}
    assert not any(line.startswith("SUCCESS") for line in said.splitlines())
    assert said.splitlines()[-1].startswith("FAILURE ")
    assert max(map(len, said.splitlines())) < 700


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: put(path, [])])
def test_nothing_to_verify_is_bad_input(tmp_path: Path, make: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """No folder, an empty one, an empty file: one line, status 2."""
    make(tmp_path / "none")
    assert main(["verify", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("error: ") == 1


def test_one_file_can_be_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is named as it is, and its folder is its matrix."""
    path = put(tmp_path, fine())
    assert Source.of(path) == Source(path, "mine", LABEL)
    assert main(["verify", str(path)]) == 0
    path.write_text(json.dumps({"schema": 1}) + "\n")
    assert main(["verify", str(path)]) == 1
    assert capsys.readouterr().out.endswith(f"FAILURE 1 problem in 0 records of {path}\n")
