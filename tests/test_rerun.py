"""A record that is run again: found, rebuilt, compared, and the words that are said of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from toys import tiny

from bench import cli, compared, rerun, worker
from bench.compared import verdict
from bench.finding import find, recorded
from bench.plan import BadInput
from bench.record import RunRecord, unfinished
from bench.spec import RunSpec
from bench.store import Store, stores

ROOT = Path(__file__).parents[1]

COMMITTED = (
    "overfitting:series/mackey-glass/10%/lstm/none/adam/cpu/s1",
    "overfitting:series/mackey-glass/10%/lstm/zoneout/adam/cpu/s2",
    "memory:memory/adding/200/lstm/relu/adam/cpu/s1",  # it diverged
)
"""Embedded data, and among the quickest of their kind."""

OLD = {
    "status": "ok",
    "score": 2.0,
    "weights": "a" * 64,
    "backend": "cpp",
    "code": "c1",
    "task": {"metric": "mse", "fingerprint": "f1"},
    "machine": {"label": "m1", "threads": 1, "capability": "AVX2", "kernels": None},
    "versions": {"torch": "2.14.1", "numpy": "2.4.6"},
}


def kept(folder: Path, *records: RunRecord, matrix: str = "toy", machine: str = "here") -> Path:
    """A results file that holds these records."""
    store = Store(folder / matrix / f"{machine}.jsonl")
    with store:
        for record in records:
            store.append(record)
    return store.path


def ended(spec: RunSpec, score: float = 1.0) -> RunRecord:
    """The record of a run that was never made."""
    return replace(unfinished(spec, "ok"), score=score, weights="a" * 64)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line of a command that was refused."""
    assert rerun.main([str(word) for word in words]) == cli.BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_every_committed_run_is_rebuilt_from_its_record() -> None:
    """The values of a record make the run that has its id."""
    rows = [found.row for found in recorded(stores(ROOT / "results"))]
    assert len(rows) > 900
    for row in rows:
        spec = RunSpec.of(row["spec"], row["names"], seconds=1)
        assert (spec.id, spec.name, spec.configuration_id) == (row["id"], row["name"], row["configuration"])


def test_a_run_is_rebuilt_with_what_was_asked_for() -> None:
    """Back end, trials and instruction set are among the values."""
    spec = tiny(backend="fn", tuned=8, isa="avx2")
    assert RunSpec.of(spec.values(), asdict(spec.names), spec.budget.seconds) == spec


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stabilisation": {"clip": 1}}, "unexpected keyword argument 'clip'"),
        ({"stabilisation": {"dropout": 2}}, r"dropout must be in \[0, 0.95\], got 2"),
        ({"optimizer": {"rule": "adam"}}, "'lr'"),
        ({"budget": None}, "not the values of a run"),
        ({"isa": "avx3"}, "isa must be one of native"),
        ({"seed": "0"}, "seed must be a whole number"),
        ({"later": 1}, "some of them would not be read"),
    ],
)
def test_values_that_are_no_run_of_this_code(change: dict[str, Any], words: str) -> None:
    """Refused in words, and never run as something else."""
    spec = tiny()
    with pytest.raises(ValueError, match=words):
        RunSpec.of(spec.values() | change, asdict(spec.names), seconds=1)


@pytest.mark.parametrize(
    ("change", "siblings", "said"),
    [
        ({}, [], ("IDENTICAL", "weights sha256 aaaaaaaaaaaaaaaa, mse 2")),
        (
            {"weights": "b" * 64, "score": 2.4},
            [1.5, 2.0, 2.5],
            ("WITHIN TOLERANCE", "mse 2.4 against 2: 0.4 of 0.5, the standard deviation over 3 seeds"),
        ),
        (
            {"weights": "b" * 64, "score": 2.6},
            [1.5, 2.0, 2.5],
            ("DIFFERENT", "mse 2.6 against 2: 0.6, more than 0.5, the standard deviation over 3 seeds"),
        ),
        (
            {"weights": "b" * 64},
            [2.0, 9.0],
            ("WITHIN TOLERANCE", "mse 2 against 2: 0 of 0.02, 1% of the record's, for want of 3 seeds"),
        ),
        (
            {"score": 2.03},
            [],
            ("DIFFERENT", "mse 2.03 against 2: 0.03, more than 0.02, 1% of the record's, for want of 3 seeds"),
        ),
        ({"status": "diverged", "step": 7, "score": None}, [], ("DIFFERENT", "diverged at step 7 against ok")),
    ],
)
def test_what_is_said_of_a_score(change: dict[str, Any], siblings: list[float], said: tuple[str, str]) -> None:
    """Equal weights and score, a score that seeds reach too, or one that they do not."""
    found = verdict(OLD, OLD | change, siblings)
    assert (found.word, found.text, found.differs) == (*said, ())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ("IDENTICAL", "diverged at step 7")),
        ({"weights": "b" * 64}, ("WITHIN TOLERANCE", "diverged at step 7, by other weights")),
        ({"step": 8}, ("DIFFERENT", "diverged at step 8 against diverged at step 7")),
        ({"status": "timeout", "step": None}, ("DIFFERENT", "timeout against diverged at step 7")),
    ],
)
def test_what_is_said_of_a_run_without_a_score(change: dict[str, Any], said: tuple[str, str]) -> None:
    """It is compared by where it ended."""
    old = OLD | {"status": "diverged", "step": 7, "score": None}
    found = verdict(old, old | change, [])
    assert (found.word, found.text) == said


def test_what_differs_is_named() -> None:
    """Each fact that the record states and that is another one now; what it does not state is not guessed at."""
    new = OLD | {
        "backend": "fused",
        "code": "c2",
        "task": {"metric": "mse", "fingerprint": "f2"},
        "machine": {
            "label": "m2",
            "threads": 2,
            "capability": "AVX512",
            "kernels": "avx2",
            "isa": "avx2",
            "mkl": "auto",
        },
        "versions": {"torch": "2.15.0", "numpy": "2.4.6", "scipy": "1"},
    }
    assert list(compared.differences(OLD, new)) == [
        "threads 1 -> 2",
        "ATen's instruction set AVX2 -> AVX512",
        "machine m1 -> m2",
        "torch 2.14.1 -> 2.15.0",
        "data fingerprint f1 -> f2",
        "back end cpp -> fused",
        "code c1 -> c2",
        "pinned instruction set native -> avx2",
        "the kernels' instruction set none -> avx2",
    ]


def test_a_record_is_found(tmp_path: Path) -> None:
    """By its id or the first of it, by its name, by matrix and name, by file and line."""
    first, second = ended(tiny()), ended(tiny(seed=1))
    path = kept(tmp_path, first, second)
    elsewhere = kept(tmp_path, ended(replace(tiny(), budget=replace(tiny().budget, steps=20))), matrix="other")
    for asked in (second.id, second.id[:5], second.name, f"{path}:2"):
        found = find(asked, tmp_path)
        assert (found.path, found.line, found.row["id"]) == (path, 2, second.id)
    assert find(f"toy:{first.name}", tmp_path).path == path
    assert find(f"other:{first.name}", tmp_path).path == elsewhere


def test_of_several_records_each_is_named(tmp_path: Path) -> None:
    """The same name in two matrices, or on two machines."""
    paths = [kept(tmp_path, ended(tiny()), machine=machine) for machine in ("here", "there")]
    with pytest.raises(BadInput, match="is 2 records; name one by file and line: ") as error:
        find(tiny().name, tmp_path)
    assert all(f"{path}:1 ({tiny().id}" in str(error.value) for path in paths)


def test_a_record_that_is_not_there(tmp_path: Path) -> None:
    """What was asked, and what comes close; no line that is no run is taken for one."""
    path = kept(tmp_path, ended(tiny()))
    with path.open("a", encoding="utf-8") as file:
        file.write("junk\n")
    for asked, words in (
        (tiny().name.replace("lstm", "lstn"), f"Did you mean '{tiny().name}'"),
        ("0000", "no run with the id '0000' among 1 below"),
        (f"{path}:2", "is no record: Expecting value"),
        (f"{path}:9", "is no record: there is nothing on that line"),
        (f"{path}x.jsonl:1", "there is no file"),
        ("\x1b[31m/red", "no run with the name '\ufffd"),
    ):
        with pytest.raises(BadInput) as error:
            find(asked, tmp_path)
        assert words in str(error.value)
    with pytest.raises(BadInput, match="no runs below"):
        find("0000", tmp_path / "empty")
    (naive,) = [
        f"{ROOT}/results/memory/x86-64-avx512f-2-6937.jsonl:{line}"
        for line, _, row in Store(ROOT / "results/memory/x86-64-avx512f-2-6937.jsonl").lines()
        if isinstance(row, dict) and row["kind"] == "naive" and row["task"]["name"] == "memory/copy/50"
    ]
    with pytest.raises(BadInput, match="is a record of kind 'naive'; only runs are run again"):
        find(naive, tmp_path)


Change = Callable[[RunRecord], RunRecord]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: replace(r, status="skipped", reason="no \x1b data"), "was skipped: no \ufffd data"),
        (lambda r: replace(r, spec=r.spec | {"protocol": "0"}), "was made under protocol 0; this code follows 1"),
        (
            lambda r: replace(r, spec=r.spec | {"task_version": "9"}),
            "is of version 9 of series/mackey-glass; this code",
        ),
        (lambda r: replace(r, spec=r.spec | {"task": "series/mackey"}), "unknown task 'series/mackey'. Did you mean"),
        (lambda r: replace(r, spec=r.spec | {"seed": 5}), "its values have the id"),
        (lambda r: replace(r, names={}), "not the values of a run of this code"),
        (lambda r: replace(r, score=None), "ended ok and has no score"),
        (lambda r: replace(r, score=10**400), "ended ok and has no score"),
    ],
)
def test_a_record_that_this_code_would_not_run(
    change: Change, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused in one line, before anything runs."""
    path = kept(tmp_path, change(ended(tiny())))
    assert words in refused(capsys, f"{path}:1")


def test_an_instruction_set_that_cannot_be_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the record was made at it or it is asked for."""
    monkeypatch.setattr("bench.isa.facts", lambda: {"simd": "avx2"})
    path = kept(tmp_path, ended(tiny()), ended(tiny(isa="avx512")))
    for words in ([f"{path}:1", "--isa", "avx512"], [f"{path}:2"]):
        assert "this processor has avx2 at most" in refused(capsys, *words)
    assert "unknown instruction set 'avx3'" in refused(capsys, f"{path}:1", "--isa", "avx3")


def test_it_runs_as_the_record_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one worker, on as many threads, at the instruction set and as deterministic as the record was made."""
    seen: list[tuple[Any, ...]] = []

    def fake(run: object, specs: list[RunSpec], data: object, workers: int, **how: Any) -> Iterator[RunRecord]:
        seen.append((specs[0].isa, workers, how["threads"], how["level"], os.environ[worker.DETERMINISM]))
        yield ended(specs[0])

    monkeypatch.setattr("bench.execute.in_processes", fake)
    monkeypatch.setattr("bench.cli.kernels", lambda *_: None)
    pinned, plain = tiny(isa="generic"), replace(ended(tiny()), machine={"threads": 2, "deterministic": False})
    path = kept(tmp_path, ended(pinned), plain)
    assert rerun.main([f"{path}:1"]) == rerun.main([f"{path}:2"]) == cli.OK
    assert rerun.main([f"{path}:2", "--isa", "generic"]) == rerun.main([f"{path}:1", "--isa", "native"]) == cli.OK
    assert seen == [
        ("generic", 1, 1, "generic", "error"),
        ("native", 1, 2, "native", "warn"),
        ("generic", 1, 2, "generic", "warn"),
        ("native", 1, 1, "native", "error"),
    ]


def test_a_record_and_its_forgeries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run again in this very place it is identical; other weights or another score are seen. Nothing is written."""
    from bench.execute import in_processes, run_one

    (real,) = in_processes(run_one, [tiny()], None, 1)
    assert real.score is not None
    forged = [replace(real, weights="0" * 64), replace(real, score=1.02 * real.score)]
    paths = [kept(tmp_path, record, machine=f"m{number}") for number, record in enumerate([real, *forged])]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    said = []
    for path in paths:
        code = rerun.main([f"{path}:1", "--json"])
        said.append((code, json.loads(capsys.readouterr().out)))
        monkeypatch.setattr(rerun, "again", lambda *_: real)  # as the first one has shown
    assert [(code, one["verdict"]) for code, one in said] == [
        (cli.OK, "IDENTICAL"),
        (cli.OK, "WITHIN TOLERANCE"),
        (cli.FAILED, "DIFFERENT"),
    ]
    assert [one["differs"] for _, one in said] == [[], [], []]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_words_where_nothing_differs(tmp_path: Path) -> None:
    """A score that nothing explains is said to be that."""
    path = kept(tmp_path, ended(tiny()))
    found = find(f"{path}:1", tmp_path)
    new = ended(tiny(), score=3.0)
    text = rerun.told(found, new, verdict(found.row, asdict(new), rerun.siblings(found)), as_json=False)
    assert text.splitlines() == [
        "DIFFERENT score 3 against 1: 2, more than 0.01, 1% of the record's, for want of 3 seeds",
        "what differs from the record:",
        "  nothing that is recorded",
    ]


def test_seeds_that_tell_how_far_a_score_may_be(tmp_path: Path) -> None:
    """Those of the configuration in the record's own file: one score a seed, failures left out."""
    other = tiny(optimizer=replace(tiny().optimizer, lr=0.5))
    kept(tmp_path, ended(tiny(seed=7), 99.0), machine="there")
    path = kept(
        tmp_path,
        *(ended(tiny(seed=seed), float(seed)) for seed in (1, 2, 4)),
        unfinished(tiny(seed=5), "diverged"),
        ended(tiny(seed=4), 3.0),
        ended(other, 50.0),
    )
    assert sorted(rerun.siblings(find(f"{path}:1", tmp_path))) == [1.0, 2.0, 3.0]


def test_missing_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing, and which command gets it; a record's reason holds no folder, so neither does this."""
    asked = "plain:series/etth1/24/lstm/clip+early-stop/adam/cpu/s0"
    told = refused(capsys, asked, "--results", ROOT / "results", "--data", tmp_path)
    assert "get it with: python -m tasks fetch etth1 --data DIR" in told


def test_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends it with the code of the other commands."""
    path = kept(tmp_path, ended(tiny()))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rerun, "again", interrupted)
    assert rerun.main([f"{path}:1"]) == cli.INTERRUPTED


@pytest.mark.parametrize("name", COMMITTED)
def test_a_committed_record_comes_out_again(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On a machine of its kind with its versions, the same bits; anywhere else, what seeds reach too."""
    code = rerun.main([name, "--results", str(ROOT / "results"), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert code == cli.OK, f"{said['text']}; {said['differs']}"
    if all(line.startswith("code ") for line in said["differs"]):
        assert said["verdict"] == "IDENTICAL"
