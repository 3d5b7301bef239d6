"""The ledger: rows reached, missed and without records, from made-up records."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import report_records as made
from report_records import DIGITS, GRAMMAR, GRU, LSTM, RunRecord

from report import __main__ as command
from report import ledger, readme
from report.frame import frames
from report.ledger import FEW, LEDGER, MISSED, NONE, REACHED, Entry, Outcome, Row, entries
from tasks.cards import TASKS

ADDING = "memory/adding/150"
ELSEWHERE = {"label": "another machine", "cpu": "test", "threads": 1}


def runs(technique: made.Technique, scores: Iterable[float], task: str = DIGITS) -> list[RunRecord]:
    """One run a score; None: it diverged."""
    return [
        made.run(task, technique, seed, score)
        if math.isfinite(score)
        else made.failed(made.run(task, technique, seed), "diverged", "loss is not finite")
        for seed, score in enumerate(scores)
    ]


def frame(*records: RunRecord) -> pd.DataFrame:
    """The runs as the ledger reads them."""
    return frames("core", made.plain(records)).runs


@pytest.mark.parametrize(
    ("scores", "holds"), [([80, 81, 82], True), ([70, 80, 81], False), ([90, 90, math.nan], False), ([90, 90], None)]
)
def test_within(scores: Sequence[float], holds: bool | None) -> None:
    """The mean decides, a failed run misses, two runs are too few; a loss is turned round."""
    assert ledger.within(DIGITS, LSTM, 80.0)(frame(*runs(LSTM, scores))).holds is holds
    assert ledger.within(GRAMMAR, LSTM, 4.0)(frame(*runs(LSTM, [3.9, 4.0, 4.0], GRAMMAR))).holds is True
    assert ledger.within(GRAMMAR, LSTM, 4.0)(frame(*runs(LSTM, [4.1, 4.0, 4.0], GRAMMAR))).holds is False


def test_solved() -> None:
    """Most seeds must solve, or most must not."""
    limit = TASKS[ADDING].solved or 0
    two = frame(*runs(LSTM, [limit / 2, limit / 2, math.nan], ADDING))
    one = frame(*runs(LSTM, [limit / 2, limit * 2, limit * 2], ADDING))
    assert [ledger.solved(ADDING, LSTM, True)(found).holds for found in (two, one)] == [True, False]
    assert [ledger.solved(ADDING, LSTM, False)(found).holds for found in (two, one)] == [False, True]
    assert ledger.solved(ADDING, LSTM, True)(two).ours.startswith("2 of 3 seeds solve it")


def test_near() -> None:
    """Within a share to either side."""
    assert ledger.near(GRAMMAR, LSTM, 1.0, 0.02)(frame(*runs(LSTM, [1.0, 1.01, 1.02], GRAMMAR))).holds is True
    assert ledger.near(GRAMMAR, LSTM, 1.0, 0.02)(frame(*runs(LSTM, [0.9, 0.9, 0.9], GRAMMAR))).holds is False


@pytest.mark.parametrize(
    ("first", "second", "holds"),
    [
        ([85, 86.1, 87], [90, 90, 90], False),  # better on one task, worse on the other
        ([85, 86.1, 87], [80, 81, 82], True),
        ([80, 81, 82], [80, 81, 82], False),
        ([80.1, 80.9, 82], [80, 81, 82], False),
        ([85, 86, math.nan], [80, 81, 82], False),  # one run lost is no ordering
    ],
)
def test_ordered(first: Sequence[float], second: Sequence[float], holds: bool) -> None:
    """Above zero somewhere, below it nowhere."""
    language = [4.0, 4.1, 4.2] if second[0] != 90 else [5.0, 5.1, 5.3]
    records = [*runs(GRU, first), *runs(LSTM, [80, 81, 82])]
    records += [*runs(GRU, language, GRAMMAR), *runs(LSTM, [4.0, 4.1, 4.2], GRAMMAR)]
    assert ledger.ordered((DIGITS, GRAMMAR), GRU, LSTM)(frame(*records)).holds is holds


def test_ordered_where_all_of_one_side_failed() -> None:
    """Three runs lost against none is an ordering."""
    records = [*runs(GRU, [80, 81, 82]), *runs(LSTM, [math.nan] * 3)]
    found = ledger.ordered((DIGITS,), GRU, LSTM)(frame(*records))
    assert (found.holds, found.ours) == (True, f"{DIGITS}: 3 against 0 of 3 finished")
    assert ledger.ordered((DIGITS,), LSTM, GRU)(frame(*records)).holds is False


def test_machines_and_budgets_are_never_mixed() -> None:
    """Two runs here and two there are two runs; seeds of two machines make no pair; another budget is another group."""
    ours, theirs = runs(GRU, [80, 81, 82, 83]), runs(LSTM, [70, 71.2, 72, 73])
    away = [replace(run, machine=ELSEWHERE) for run in theirs]
    assert ledger.ordered((DIGITS,), GRU, LSTM)(frame(*ours, *theirs)).n == 4
    assert ledger.ordered((DIGITS,), GRU, LSTM)(frame(*ours, *away)) == Outcome("never both on one machine", 0, None)
    assert ledger.ordered((DIGITS,), GRU, LSTM)(frame(*ours)) == Outcome("", 0, None)
    assert ledger.within(DIGITS, GRU, 1.0)(frame(*ours[:2], *(replace(r, machine=ELSEWHERE) for r in ours[2:]))).n == 2
    other = [replace(run, id=run.id + "x", spec={**run.spec, "budget": {"steps": 7}}) for run in ours[2:]]
    assert ledger.within(DIGITS, GRU, 1.0)(frame(*ours[:2], *other)).n == 2


def test_verdicts() -> None:
    """Reached, missed, too few, none; the explanation stands where it misses."""
    row = Row("what", "1", "paper", "ledger", lambda runs: Outcome("", 0, None), "rule", miss="because")
    outcomes = (Outcome("1", 3, True), Outcome("2", 3, False), Outcome("", 2, None), Outcome("", 0, None))
    assert [Entry(row, outcome).verdict for outcome in outcomes] == [REACHED, MISSED, FEW, NONE]


def written(folder: Path) -> Path:
    """Results with records of a ledger row that is reached and one that is missed."""
    made.write(folder, runs(("bilstm", "clip", "adam"), [98, 97.5, 97], "speech/fsdd"), "ledger")
    plain, zoneout = ("lstm", "none", "adam"), ("lstm", "zoneout", "adam")
    task = "language/warandpeace"
    made.write(folder, [*runs(plain, [2, 2.1, 2.2], task), *runs(zoneout, [3, 3.2, 3.3], task)], "small")
    return folder


def test_every_row_stands_in_the_table(tmp_path: Path) -> None:
    """Rows without records stand there too, and a row that misses has its explanation."""
    found = {(entry.row.what, entry.row.published): entry.verdict for entry in entries(written(tmp_path))}
    assert len(found) == len(LEDGER)
    assert {what: said for (what, _), said in found.items() if said != NONE} == {
        "FSDD, official split, accuracy %": REACHED,
        "Zoneout against LSTM (ordering, reduced scale)": MISSED,
    }


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the table and writes both files; without any results it says what to do."""
    results, out = written(tmp_path / "results"), tmp_path / "out"
    assert command.main(["ledger", "--results", str(results), "--out", str(out)]) == 0
    screen = " ".join(capsys.readouterr().out.split())
    assert "97.50" in screen
    assert "missed" in screen
    assert command.main(["ledger", "--results", str(results), "--out", str(out), "--markdown"]) == 0
    assert (out / "ledger.md").read_text(encoding="utf-8") == f"# Published against ours\n\n{capsys.readouterr().out}"
    rows = list(csv.DictReader(io.StringIO((out / "ledger.csv").read_text(encoding="utf-8"))))
    assert [bool(row["remarks"]) for row in rows] == [row["verdict"] == MISSED for row in rows]
    assert command.main(["ledger", "--results", str(tmp_path / "none"), "--out", str(out)]) == 2
    assert "run python -m bench.matrix first" in capsys.readouterr().err


def test_the_readme_block(tmp_path: Path) -> None:
    """The table stands between the marks, beside other blocks; a second time changes nothing."""
    results, page = written(tmp_path / "results"), tmp_path / "README.md"
    page.write_text("a\n<!-- ledger:begin -->\n<!-- ledger:end -->\nb\n<!-- leaderboard:begin small -->\n"
                    "<!-- leaderboard:end -->\n", encoding="utf-8")  # fmt: skip
    assert readme.update(page, results) == ["ledger", "small"]
    text = page.read_text(encoding="utf-8")
    assert "| what | published | ours |" in text.split("<!-- ledger:end -->")[0]
    readme.update(page, results)
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("official", "held", "holds"), [(99, 80, True), (79, 80, False), (99, 9, False)])
def test_speakers(official: float, held: float, holds: bool) -> None:
    """A speaker nobody heard is harder than one that was, and better than chance."""
    technique = ("bilstm", "clip", "adam")
    records = runs(technique, [official] * 3, "speech/fsdd")
    for name in ledger._HELD:
        records += runs(technique, [held] * 3, name)
    assert ledger._speakers(frame(*records)).holds is holds
    assert ledger._speakers(frame(*records[:-1])).holds is None
