"""`python -m report cite`: a row is found by what a person would call it, and what is printed can be used as it is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_records import CLIP, GRAMMAR, GRU, LSTM, SGD, failed, run, write
from test_literature import parsed

from bench import cli, rerun
from bench.finding import find as find_run
from bench.matrices import MATRICES
from bench.matrix import options
from bench.methods import cited
from bench.plan import plan
from report import BadInput, suite
from report.__main__ import main
from report.board import board_of
from report.citable import SHOWN, Citable, find
from report.cite import again, bibliography, sentence

ROOT = Path(__file__).parents[1]
ETTH = "series/etth1/24"
KNOWN = {"versions": {"torch": "2.14.1", "lstm-training-bench": "0.1.0"}}

Cite = Callable[..., Citable]


@pytest.fixture
def cite(tmp_path: Path) -> Cite:
    """The row by this name, among the records given."""

    def made(asked: str, *records: Any, matrix: str = "mine") -> Citable:
        write(tmp_path, records, matrix)
        return find(asked, tmp_path)

    return made


def three(task: str = ETTH, technique: tuple[str, str, str] = CLIP, **changes: Any) -> list[Any]:
    """Three seeds that ended ok, with the suite's version."""
    scores = enumerate((0.39, 0.40, 0.42))
    return [run(task, technique, seed, score, **{**KNOWN, **changes}) for seed, score in scores]


def everything() -> list[Any]:
    """A small star on two tasks."""
    return [record for task in (ETTH, GRAMMAR) for technique in (LSTM, GRU, CLIP) for record in three(task, technique)]


def refused(asked: str, results: Path) -> str:
    with pytest.raises(BadInput) as caught:
        find(asked, results)
    return str(caught.value)


def test_a_sentence_is_computed_from_the_records(cite: Cite) -> None:
    """Task, technique, score with interval, seeds, updates and version stand in it."""
    records = [replace(one, steps=1400 + 50 * place) for place, one in enumerate(three())]
    assert sentence(cite("series/etth1/24/lstm/clip/adam", *records)) == (
        "On series/etth1/24, lstm with clip, trained by adam, reaches mse 0.4033 ± 0.038 (mean ± half the 95 % t "
        "interval over 3 seeds, 0-2) on test, after 1,400 to 1,500 updates, LSTM Training Bench 0.1.0."
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r[:2], "0.3950 (mean over 2 seeds, 0-1, too few for an interval) on test, after 1,000 updates"),
        (lambda r: r[:1], "0.3900 (seed 0 alone, so without an interval)"),
        (lambda r: [replace(one, score=0.5) for one in r], "0.5000 (mean over 3 seeds, 0-2, all equal)"),
        (
            lambda r: [*r[:2], failed(r[2], "diverged", "not finite")],
            "0.3950 (mean over 2 seeds, 0-1, too few for an interval; 1 of 3 seeds gave no score: diverged)",
        ),
        (
            lambda r: [failed(one, end, "x") for one, end in zip(r, ("diverged", "timeout", "diverged"), strict=True)],
            "trained by adam, gives no score (seeds 0-2: 2 diverged and 1 timeout), LSTM",
        ),
        (
            lambda r: [replace(one, versions={"lstm-training-bench": "not installed"}) for one in r],
            "LSTM Training Bench of a version that the records do not name.",
        ),
        (lambda r: [replace(one, certificate={"idle": ["clip"]}) for one in r], "; clip did nothing in these runs."),
        (lambda r: [replace(one, spec={**one.spec, "tuned": 8}) for one in r], ", tuned by 8 trials, LSTM"),
    ],
)
def test_a_sentence_hides_nothing(cite: Cite, change: Callable[[list[Any]], list[Any]], said: str) -> None:
    """Few seeds, equal scores, failures, an unknown version, an idle technique and tuning are said."""
    assert said in sentence(cite("series/etth1/24/lstm/clip/adam", *change(three())))


def test_synthetic_data_and_a_bare_network_are_said(cite: Cite) -> None:
    """No reader takes a generated task for data, or `none` for a technique."""
    row = cite(f"{GRAMMAR}/lstm/none/adam", *three(GRAMMAR, LSTM))
    assert sentence(row).startswith("On the synthetic task language/grammar, lstm without stabilisation, trained by")


@pytest.mark.parametrize(
    "asked",
    [
        "{hash}",
        "rec:{hash}",
        "{part}",
        "rec:{part}",
        "mine:{hash}",
        "mine:series/etth1/24/lstm/clip/adam",
        "series/etth1/24/lstm/clip/adam",
        "series/etth1/24/lstm/clip/adam/cpu",
        "series/etth1/24/clip",
        "mine:series/etth1/24/clip/cpu",
        "series/etth1/24/lstm/clip/adam/cpu/s1",
        "{id}",
    ],
)
def test_a_row_answers_to_all_its_names(cite: Cite, asked: str) -> None:
    """Hash or the start of it, triple or label, with matrix and device or without, a run's name or id."""
    row = cite(f"{ETTH}/clip", *everything())
    said = asked.format(hash=row.record, part=row.record[:5], id=row.ids[1])
    assert cite(said, *everything()).signature == row.signature


def test_the_signature_is_that_of_the_leaderboard(tmp_path: Path) -> None:
    """Every row's hash leads to the signature that the tables print."""
    write(tmp_path, [*everything(), failed(run(ETTH, SGD), "diverged", "not finite")], "mine")
    rows = board_of(tmp_path, "mine").techniques
    assert len(rows) == 7
    for record, signature in zip(rows["record"], rows["signature"], strict=True):
        assert find(record, tmp_path).signature == signature


def test_an_unknown_row_is_answered_with_the_nearest(tmp_path: Path) -> None:
    """Names, hashes and matrices each get a did-you-mean; what is too short is said."""
    write(tmp_path, everything(), "mine")
    record = find(f"{ETTH}/clip", tmp_path).record
    typo = record[:7] + ("0" if record[7] != "0" else "1")
    assert f"Did you mean '{record}'" in refused(f"rec:{typo}", tmp_path)
    assert "Did you mean 'series/etth1/24/clip'" in refused("series/etth1/24/clop", tmp_path)
    assert "unknown matrix 'mime'. Did you mean 'mine'?" in refused("mime:series/etth1/24/clip", tmp_path)
    assert "first 4 digits or more" in refused("rec:abc", tmp_path)
    assert "unknown row ''" in refused("", tmp_path)


def test_several_rows_are_listed_with_their_hashes(tmp_path: Path) -> None:
    """A label that stands on two tasks is not guessed at; each line names one row."""
    write(tmp_path, everything(), "mine")
    head, *lines = refused("clip", tmp_path).splitlines()
    assert head == "'clip' is 2 rows; name one by its hash:"
    assert [find(line.split()[0], tmp_path).group.task for line in lines] == [GRAMMAR, ETTH]
    assert [find(line.split()[1], tmp_path).group.task for line in lines] == [GRAMMAR, ETTH]


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    """At most ten are named, the rest counted."""
    for matrix in range(12):
        write(tmp_path, [replace(one, steps=matrix) for one in three()], f"mine{matrix}")
    lines = refused(f"{ETTH}/lstm/clip/adam", tmp_path).splitlines()
    assert len(lines) == SHOWN + 2
    assert lines[-1] == "and 2 more"


def test_no_results_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder, and one with nothing but a skipped run, are bad input in words."""
    assert main(["--results", str(tmp_path), "cite", "clip"]) == 2
    assert "no results below" in capsys.readouterr().err
    write(tmp_path, [failed(run(ETTH, CLIP), "skipped", "no data")], "mine")
    assert main(["--results", str(tmp_path), "cite", "clip"]) == 2
    assert "nothing to cite yet" in capsys.readouterr().err


def entries(text: str) -> dict[str, dict[str, str]]:
    """BibTeX as BibTeX reads it: an entry at every @, each of which must be one."""
    found = [part.strip() for part in re.split(r"(?=@)", text)[1:]]
    bodies = [re.split(r"\n+%", part)[0].strip() for part in found]
    assert all(body.endswith("\n}") for body in bodies)
    made = {}
    for body in bodies[1:]:
        _, key, fields = parsed(body)
        made[key] = fields
    return made


@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
@pytest.mark.parametrize("stabilisation", ["none", "clip", "clip+dropout", "layer-norm"])
@pytest.mark.parametrize("task", [ETTH, GRAMMAR])
def test_everything_that_a_row_uses_is_cited(cite: Cite, task: str, stabilisation: str, optimizer: str) -> None:
    """One entry for the suite, then one for each publication of the methods and of the data."""
    technique = ("gru", stabilisation, optimizer)
    text = bibliography(cite("/".join([task, *technique]), *three(task, technique)))
    assert text.startswith("@misc{lstmtrainingbench,\n  author = {{The LSTM Training Bench authors}},")
    assert list(entries(text)) == list(cited(*technique, task))
    assert len(entries(text)) >= 3
    assert "%" not in text


def test_the_suites_entry_names_version_and_row(cite: Cite) -> None:
    """The note leads back to the row."""
    row = cite(f"{ETTH}/lstm/clip/adam", *three())
    assert f"  note = {{Version 0.1.0, row rec:{row.record}}},\n" in bibliography(row)
    assert f"  year = {{{suite.RELEASED[:4]}}},\n" in bibliography(row)


def test_what_has_no_publication_is_said(cite: Cite) -> None:
    """A matrix file's own technique and a task of this suite are comments; the known parts of a pair stay cited."""
    technique = ("lstm", "clip+own-thing", "adam")
    text = bibliography(cite("series/seasonal/lstm/clip+own-thing/adam", *three("series/seasonal", technique)))
    assert text.splitlines()[-2:] == [
        "% own-thing: a technique of this matrix's own",
        "% series/seasonal: generated by this suite",
    ]
    assert {"pascanu2013", "kingma2015"} <= set(entries(text))


HOSTILE = [
    "<script>alert(1)</script>",
    "@misc{evil, title={x}}",
    "}} @comment{",
    "$(touch gone)",
    "`id`; rm -rf x",
    "a\nb\r\nc",
    "\x1b[31mred\x1b]0;t\x07",
    "\u202eright-to-left",
    "'\"\\",
    "%0a=cmd|x",
    "x" * 5000,
    "\ud800 half",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_inert(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No control character, no entry of BibTeX that is not ours, no word that a shell would run."""
    record = run(ETTH, (name, name, name), versions={"torch": name, "lstm-training-bench": name})
    record = replace(record, id=name, names={**record.names, "task": name}, certificate={"idle": [name]})
    write(tmp_path, [record], "mine")
    (row,) = [find(wanted, tmp_path) for wanted in [board_of(tmp_path, "mine").techniques["record"].iloc[0]]]
    assert main(["--results", str(tmp_path), "cite", row.record]) == 0
    out = capsys.readouterr().out
    assert all(sign.isprintable() or sign == "\n" for sign in out)
    text = bibliography(row)
    assert list(entries(text)) == []
    assert re.findall(r"@\w+", text) == ["@misc"]
    assert text.isascii() or all(line.startswith("%") for line in text.splitlines() if not line.isascii())
    for line in again(row, tmp_path).splitlines():
        assert line.startswith("# ") or shlex.split(line)[:2] == ["python", "-m"]
        assert line.startswith("# ") or shlex.join(shlex.split(line)) == line


def test_the_commands_name_every_run(cite: Cite, tmp_path: Path) -> None:
    """Each seed's command finds the record that the row holds, though another matrix has the same run."""
    write(tmp_path, three()[:1], "other")
    row = cite(f"mine:{ETTH}/lstm/clip/adam", *three())
    lines = [line for line in again(row, tmp_path).splitlines() if "bench.rerun" in line]
    found = [rerun.options(shlex.split(line)[3:]) for line in lines]
    assert [str(one.data) for one in found] == ["DIR"] * 3
    runs = [find_run(one.record, one.results) for one in found]
    assert [one.row["id"] for one in runs] == row.ids
    assert {one.path.parent.name for one in runs} == {"mine"}
    assert again(row, tmp_path).splitlines()[-1] == f"# records: {tmp_path}/mine/machine.jsonl"


@pytest.mark.parametrize("asked", ["small:series/etth1/24/clip", "memory:memory/adding/50/gru"])
def test_a_committed_row_is_printed_whole(
    asked: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sentence, signature, BibTeX, commands, place; what is typed for all seeds is a plan of exactly the row's runs."""
    monkeypatch.chdir(ROOT)
    matrix, task = asked.rpartition("/")[0].split(":")
    assert main(["cite", asked]) == 0
    out = capsys.readouterr().out
    parts = (f"{task}, ", " | rec:", "@misc{lstmtrainingbench", "{kingma2015", "# again", "python -m bench.rerun ",
             "# all", "python -m bench.matrix ", f"# records: results/{matrix}/")  # fmt: skip
    places = [out.index(part) for part in parts]
    assert places == sorted(places)
    assert "--results results" not in out
    runs = re.findall(r"bench.rerun ([0-9a-f]{16})", out)
    assert len(runs) == 3
    (line,) = [line for line in out.splitlines() if "bench.matrix" in line]
    assert not re.search(r"--(tune|backend|isa|seeds)", line), "the preset has them"
    planned, filters = cli.chosen(read := options(shlex.split(line)[3:]))
    assert planned == MATRICES[matrix]
    assert sorted(spec.id for spec in plan(planned, filters, read.device).runs) == sorted(runs)


def test_a_matrix_file_and_other_settings_are_asked_for(cite: Cite, tmp_path: Path) -> None:
    """Own matrix, tuning, back end, instruction set and seeds are in the command."""
    changed = [replace(one, spec={**one.spec, "backend": "fn", "isa": "avx2", "tuned": 4}) for one in three()]
    words = again(cite(f"{ETTH}/lstm/clip/adam/cpu+fn+avx2", *changed), tmp_path)
    for part in ("--matrix mine.toml", "--tune 4", "--backend fn", "--isa avx2", "--seeds 0-2", "--device cpu"):
        assert part in words
