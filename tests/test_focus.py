"""Pages over a part of the records, and leaderboards on standard output."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRAMMAR, GRU, LSTM, SGD, Record

from report import BadInput, drawing, focus, page, pages
from report.__main__ import main
from report.board import Board, board_of
from report.plots import PLOTS
from tasks.published import PUBLISHED

BELOW = "series/etth1/24"
SCORES = {
    DIGITS: {LSTM: (80, 81, 82), GRU: (84, 86, 88), CLIP: (70, 72, 74)},
    GRAMMAR: {LSTM: (4, 4.1, 4.2), GRU: (3.6, 3.9, 3.9), CLIP: (5, 5, 5.3)},
    BELOW: {LSTM: (0.5, 0.5, 0.5), GRU: (0.4, 0.4, 0.4)},
}
ROWS = 8 + 1 + len(PUBLISHED[BELOW])
"""Techniques, the naive answer, and what papers say."""


def star(scores: dict[str, dict[made.Technique, tuple[float, ...]]]) -> list[Record]:
    """A run for each score."""
    return [
        made.run(task, technique, seed, score, curve=[{"step": 0, "valid": {"loss": 1.0}}])
        for task, rows in scores.items()
        for technique, found in rows.items()
        for seed, score in enumerate(found)
    ]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two matrices: three techniques on three tasks, and others on one; a naive row."""
    folder = tmp_path / "results"
    task = made.task_of(BELOW)
    made.write(folder, [*star(SCORES), made.NaiveRecord("naive", task, {"seasonal": 0.52})])
    made.write(folder, star({DIGITS: {LSTM: (60, 61), SGD: (50, 52)}}), "other one")
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages with one figure, the first: figures have tests of their own."""
    for module in (drawing, page):
        monkeypatch.setattr(module, "PLOTS", PLOTS[:1])


def boards(results: Path) -> list[Board]:
    """Both."""
    return [board_of(results, name) for name in ("core", "other one")]


def tasks(found: list[Board]) -> list[str]:
    """The tasks of some boards, each once a board."""
    return [group.task for one in found for group in one.groups]


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (["series/etth1"], [BELOW]),
        (["series/etth1/"], [BELOW]),
        ([BELOW], [BELOW]),
        (["series"], [BELOW]),
        (["speech"], [DIGITS, DIGITS]),
        ([GRAMMAR, "speech/digits"], [DIGITS, GRAMMAR, DIGITS]),
    ],
)
def test_a_task_by_name_or_all_below_it(results: Path, asked: list[str], kept: list[str]) -> None:
    """Every matrix that holds one is kept, in its order; nothing of other tasks is left."""
    found = focus.focused(boards(results), asked, [])
    assert tasks(found) == kept
    for one in found:
        assert set(one.frames.runs["task"]) | set(one.frames.naive["task"]) <= set(tasks([one]))
        assert set(one.frames.curves["id"]) <= set(one.frames.runs["id"])


def test_a_task_is_no_prefix_of_a_word(results: Path) -> None:
    """`series/etth` is no task, and `series/etth1` was meant."""
    with pytest.raises(BadInput, match="unknown task 'series/etth'.*Known: language/grammar, series/etth1/24"):
        focus.focused(boards(results), ["series/etth"], [])


def test_a_part_says_what_the_whole_says(results: Path) -> None:
    """One task on its own page has the rows that it has on the whole page."""
    (whole, _), (part,) = boards(results), focus.focused(boards(results), [BELOW], [])
    columns = ["kind", "name", "mean", "gain", "rank", "record", "signature"]
    (group,) = part.groups
    theirs = next(other for other in whole.groups if other.task == BELOW)
    left, right = (one.of(each)[columns].reset_index(drop=True) for one, each in ((part, group), (whole, theirs)))
    pd.testing.assert_frame_equal(left, right)
    assert "seasonal" in set(part.rows["name"])


@pytest.mark.parametrize(
    "pair", [("clip", "gru"), ("lstm/clip/adam", "gru/none/adam"), ("clip", "gru/none/adam")], ids=" ".join
)
def test_two_techniques_the_first_as_baseline(results: Path, pair: tuple[str, str]) -> None:
    """On the tasks that have both, gru gains mean(gru) - mean(clip), turned where lower is better."""
    (found,) = focus.focused(boards(results), [], pair)
    assert found.baseline == CLIP
    assert tasks([found]) == [DIGITS, GRAMMAR]
    assert set(found.techniques["triple"]) == {CLIP, GRU}
    gains = found.techniques.set_index(["group", "triple"])["gain"]
    digits, grammar = (group.label for group in found.groups)
    assert gains[digits, GRU] == pytest.approx(86 - 72)
    assert gains[grammar, GRU] == pytest.approx(5.1 - 3.8)
    difference = found.techniques.set_index(["group", "triple"])["difference"]
    assert difference[digits, GRU] == pytest.approx(100 * 14 / 72)


def test_the_other_way_round_is_the_other_sign(results: Path) -> None:
    """gru as the baseline: clip loses what gru gained."""
    (found,) = focus.focused(boards(results), [DIGITS], ["gru", "clip"])
    assert found.baseline == GRU
    gains = found.techniques.set_index("triple")["gain"]
    assert gains[CLIP] == pytest.approx(72 - 86)


def test_a_label_and_a_full_name_over_matrices(results: Path) -> None:
    """`lstm/none/adam` is in both matrices; only the one that has sgd too is kept."""
    (found,) = focus.focused(boards(results), [], ["lstm/none/adam", "sgd"])
    assert found.frames.matrix == "other one"
    assert found.techniques.set_index("triple")["gain"][SGD] == pytest.approx(51 - 60.5)


def refused(capsys: pytest.CaptureFixture[str], results: Path, *words: str) -> str:
    """What is said of a command that cannot be done; nothing is written."""
    out = results.parent / "out"
    assert main(["--results", str(results), "--out", str(out), *words]) == 2
    assert not out.exists()
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_mistakes_are_said_together(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each name that is not known, with what was meant."""
    said = refused(capsys, results, "--task", "speech/digit", "--compare", "clop", "grru").splitlines()
    assert len(said) == 3
    assert said[0].startswith(
        "error: unknown task 'speech/digit'. Did you mean 'speech/digits'? Known: language/grammar"
    )
    assert said[1].startswith("error: unknown technique 'clop'. Did you mean 'clip'")
    assert said[2].startswith("error: unknown technique 'grru'. Did you mean 'gru'")


def test_two_that_never_meet(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two matrices, or of two tasks of one: no page, and the reason."""
    assert (
        refused(capsys, results, "--compare", "gru", "sgd") == "error: no matrix holds both gru and sgd on one task\n"
    )
    assert refused(capsys, results, "--task", "series/etth1", "--compare", "gru", "clip") == (
        "error: no matrix holds both gru and clip on series/etth1\n"
    )


def test_a_task_of_another_matrix(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--matrix` narrows what there is to choose from."""
    said = refused(capsys, results, "--matrix", "other one", "--task", GRAMMAR)
    assert said == f"error: unknown task {GRAMMAR!r}. Known: speech/digits\n"


@pytest.mark.parametrize("kind", ["md", "csv", "tex", "json"])
def test_a_format_is_printed_and_nothing_written(
    results: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leaderboard of one matrix is what its page's file holds."""
    before = sorted(results.parent.rglob("*"))
    monkeypatch.chdir(results.parent)
    assert main(["--results", "results", "--out", "out", "--matrix", "core", "--format", kind]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert sorted(results.parent.rglob("*")) == before
    assert "seasonal" in said.out
    assert "other one" not in said.out


def test_several_matrices_are_one_csv(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One header, then the rows of both, each with the name of its matrix."""
    assert main(["--results", str(results), "--format", "csv"]) == 0
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert {len(row) for row in rows} == {len(header)}
    assert header not in rows
    counts = [sum("core" in row for row in rows), sum("other one" in row for row in rows)]
    assert counts == [ROWS, 2]
    assert sum(counts) == len(rows)


def test_several_matrices_are_one_list(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON of both: one list of objects with the same keys."""
    assert main(["--results", str(results), "--format", "json", "--task", DIGITS]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len({tuple(sorted(row)) for row in found}) == 1
    assert sorted(row["matrix"] for row in found) == ["core"] * 3 + ["other one"] * 2


def test_several_matrices_have_headings(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Markdown of both: a first heading each."""
    assert main(["--results", str(results), "--format", "md"]) == 0
    assert re.findall(r"^# (.*)$", capsys.readouterr().out, re.MULTILINE) == ["core", "other one"]


@pytest.mark.usefixtures("quick")
def test_pages_lie_in_folders_of_their_own(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One matrix, some tasks and two techniques each have a folder; the whole page is not touched."""
    out = results.parent / "out"
    shared = ["--results", str(results), "--out", str(out)]
    wanted = {
        "other-one": ["--matrix", "other one"],
        "series-etth1": ["--task", "series/etth1"],
        "speech-digits-clip-vs-gru": ["--task", DIGITS, "--compare", "clip", "gru"],
    }
    for folder, words in wanted.items():
        assert main([*shared, *words]) == 0
        printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
        assert printed[0] == out / folder / "index.html"
        assert all(path.is_file() and path.parent == out / folder for path in printed)
    assert sorted(path.name for path in out.iterdir()) == sorted(wanted)
    text = (out / "speech-digits-clip-vs-gru" / "index.html").read_text(encoding="utf-8")
    assert "The baseline of core is lstm/clip/adam." in text
    assert "+14.0" in text
    assert GRAMMAR not in re.sub(r"<script>.*|<section id=.techniques.*", "", text, flags=re.DOTALL)


@pytest.mark.usefixtures("quick")
def test_the_whole_page_holds_every_matrix(results: Path) -> None:
    """Its leaderboards on top hold all rows, those in the folders of the matrices their own."""
    out = results.parent / "out"
    written = pages.build(results, out, None)
    assert all(path.is_file() for path in written)
    assert written[0] == out / "index.html"
    whole = json.loads((out / "leaderboard.json").read_text(encoding="utf-8"))
    parts = [
        json.loads((out / name / "leaderboard.json").read_text(encoding="utf-8")) for name in ("core", "other-one")
    ]
    assert whole == parts[0] + parts[1]
    assert [len(part) for part in parts] == [ROWS, 2]
    for kind in ("md", "csv", "tex"):
        texts = [(folder / f"leaderboard.{kind}").read_text(encoding="utf-8") for folder in (out, out / "other-one")]
        rows = [line for line in texts[1].splitlines() if "sgd" in line]
        assert rows
        assert set(rows) <= set(texts[0].splitlines())
        assert "seasonal" in texts[0]
        assert "seasonal" not in texts[1]


@pytest.mark.usefixtures("quick")
def test_matrices_that_are_named_have_pages_that_do_not_mix(results: Path) -> None:
    """Two names that make one name of a folder are two pages."""
    made.write(results, star({DIGITS: {LSTM: (1, 2), GRU: (3, 4)}}), "other-one")
    out = results.parent / "out"
    indexes = [path for path in pages.build(results, out, ["other one", "other-one"]) if path.name == "index.html"]
    assert len(set(indexes)) == 2


def test_a_technique_beside_itself(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to compare, and that is said."""
    assert "gru" in refused(capsys, results, "--compare", "gru", "gru/none/adam")
