"""What README claims rests on committed records, and README says what the records say."""

from __future__ import annotations

import html
import math
from collections import defaultdict
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from bench.matrices import CORE, MATRICES
from bench.matrixfile import read
from bench.plan import Filters, check, plan
from bench.record import decode
from bench.store import stores
from report import board as boards
from report import formats, ink, readme, svg
from report.board import Board
from report.plots import PLOTS
from tasks.cards import TASKS
from tasks.published import PUBLISHED

ROOT = Path(__file__).parents[1]
COMMITTED = ("small", "plain", "ledger", "memory", "overfitting")
TIMED = ("small", "plain")


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, Any]]]:
    return {name: [row for store in stores(ROOT / "results", name) for row in store.rows()] for name in COMMITTED}


@cache
def board_of(results: Path, matrix: str) -> Board:
    """The board of a committed matrix, made once for all tests that look at it."""
    return boards.board_of(results, matrix)


def scores(rows: list[dict[str, Any]], task: str) -> dict[str, list[float]]:
    """technique -> scores over seeds."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "run" and row["status"] == "ok" and row["names"]["task"] == task:
            found["/".join(row["names"][axis] for axis in ("architecture", "stabilisation", "optimizer"))].append(
                row["score"]
            )
    return found


def naive(rows: list[dict[str, Any]], task: str) -> dict[str, float]:
    (row,) = [row for row in rows if row["kind"] == "naive" and row["task"]["name"] == task]
    return row["scores"]


@pytest.mark.parametrize("name", COMMITTED)
def test_every_line_is_a_whole_record(name: str) -> None:
    """No committed line is damaged, and each file ends with a newline."""
    for store in stores(ROOT / "results", name):
        text = store.path.read_text(encoding="utf-8")
        assert text.endswith("\n")
        assert [decode(line)["kind"] for line in text.splitlines()]


@pytest.mark.parametrize("name", COMMITTED)
def test_every_run_of_the_matrix_is_there(name: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    """No run is missing, none was chosen: each run of the preset has its record, with the id of today's values."""
    todo = plan(MATRICES[name], Filters(), ["cpu"])
    there = {row["id"]: row["status"] for row in rows[name] if row["kind"] == "run"}
    assert {spec.id for spec in todo.runs} <= set(there)
    assert {there[spec.id] for spec, _ in todo.skipped} <= {"skipped"}
    assert set(there.values()) <= {"ok", "diverged", "skipped"}


def test_small_holds_every_textbook_technique_on_four_real_datasets(rows: dict[str, list[dict[str, Any]]]) -> None:
    """FSDD, War and Peace, WikiText-2 and ETTh1; each textbook technique; at least three seeds."""
    runs = [row for row in rows["small"] if row["kind"] == "run"]
    assert {row["names"]["architecture"] for row in runs} == set(CORE[0])
    assert {row["names"]["stabilisation"] for row in runs} == set(CORE[1])
    assert {row["names"]["optimizer"] for row in runs} == set(CORE[2])
    assert {row["names"]["task"].split("/")[1] for row in runs} == {"fsdd", "warandpeace", "wikitext2", "etth1"}
    assert len({row["spec"]["seed"] for row in runs}) >= 3


@pytest.mark.parametrize("name", TIMED)
def test_every_configuration_is_timed(name: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Each configuration that ran has a time of its own, from rounds with nn.LSTM."""
    ran = {row["configuration"] for row in rows[name] if row["kind"] == "run" and row["status"] != "skipped"}
    times = {row["configuration"]: row for row in rows[name] if row["kind"] == "time"}
    assert ran <= set(times)
    assert all(row["ms"] > 0 and row["pairs"] >= 10 for row in times.values())


def test_etth1_beats_the_published_weak_baseline_and_the_last_value(rows: dict[str, list[dict[str, Any]]]) -> None:
    """ETTh1, 24 steps: MSE below Informer's LSTM with attention (0.650) and below repeating the last value (1.222)."""
    task = "series/etth1/24"
    (found,) = scores(rows["plain"], task).values()
    assert len(found) >= 3
    assert max(found) < PUBLISHED[task]["LSTM with attention (Zhou et al. 2021)"] == 0.650
    assert max(found) < naive(rows["plain"], task)["last value"] == pytest.approx(1.222, abs=5e-4)


def test_fsdd_is_recognised(rows: dict[str, list[dict[str, Any]]]) -> None:
    """FSDD, official split, plain recipe: at least 95 % over seeds, and above the naive rows."""
    (found,) = scores(rows["plain"], "speech/fsdd").values()
    assert mean(found) >= 95
    assert min(found) > max(naive(rows["plain"], "speech/fsdd").values())


def test_war_and_peace_is_below_two_bits(rows: dict[str, list[dict[str, Any]]]) -> None:
    """War and Peace, plain recipe: below 2.0 bits a character over seeds, far below the trigram."""
    (found,) = scores(rows["plain"], "language/warandpeace").values()
    assert mean(found) < 2.0
    assert max(found) < naive(rows["plain"], "language/warandpeace")["trigram"]


def test_nothing_is_too_good(rows: dict[str, list[dict[str, Any]]]) -> None:
    """No score is better than published state-of-the-art models or than perfection: that would be a leak."""
    best = {"language/warandpeace": 1.0, "language/wikitext2": 50.0, "series/etth1/24": 0.25}
    for name in COMMITTED:
        for row in rows[name]:
            if row["kind"] == "run" and row["status"] == "ok":
                task = TASKS[row["names"]["task"]]
                limit = best.get(task.name, 0.0 if task.better == "lower" else 100.0)
                assert row["score"] >= limit if task.better == "lower" else row["score"] <= limit
                assert math.isfinite(row["metrics"]["test"]["loss"])


def test_the_ledger_holds_what_its_papers_say(rows: dict[str, list[dict[str, Any]]]) -> None:
    """LSTM and IRNN solve the adding problem at T = 150, tanh RNN does not; T = 500 is solved with chrono alone."""
    solved = {name: TASKS[name].solved for name in ("memory/adding/150", "memory/adding/500")}
    at_150, at_500 = (scores(rows["ledger"], name) for name in solved)
    limit = solved["memory/adding/150"]
    assert max(at_150["lstm/clip-1/adam"]) < limit
    assert max(at_150["irnn/clip-1/adam-slow"]) < limit
    assert min(at_150["rnn/clip-1/adam-slow"] + at_150["rnn/clip-1/adam-low"]) > limit
    assert max(at_500["lstm/clip-1+chrono/adam-middle"]) < solved["memory/adding/500"]
    assert min(at_500["lstm/clip-1/adam-middle"]) > solved["memory/adding/500"]


def test_the_readme_is_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m report --readme` changes nothing: the tables in README come from the committed records."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    texts = {page.relative_to(ROOT): page.read_text(encoding="utf-8") for page in pages}
    for page, text in texts.items():
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).write_text(text, encoding="utf-8")
    monkeypatch.setattr(readme, "board_of", board_of)
    assert readme.update_all(tmp_path, ROOT / "results") == {
        "README.md": ["answer small", "signature"],
        "docs/results.md": ["plain", "ledger", "claims memory", "claims small", "small"],
        "docs/speed.md": ["speed"],
    }
    assert {page: (tmp_path / page).read_text(encoding="utf-8") for page in texts} == texts


def test_the_picture_in_the_readme_is_the_results() -> None:
    """The heatmap that README shows is what the committed records draw today."""
    drawn = PLOTS[0].draw
    with ink.theme():
        fresh = svg.compact(ink.files(drawn(board_of(ROOT / "results", "small")))["svg"])
    assert (ROOT / "report/out/small/figures/heatmap.svg").read_bytes() == fresh


def test_the_committed_page_holds_every_row() -> None:
    """One file of at most 2 MB with the signature of every row of every committed matrix, and nothing remote."""
    path = ROOT / "report/out/index.html"
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size <= 2_000_000
    assert "https://" not in text
    for name in COMMITTED:
        for signature in board_of(ROOT / "results", name).techniques["signature"]:
            assert f"<code>{html.escape(signature)}</code>" in text


def test_five_lines_make_a_technique(tmp_path: Path) -> None:
    """The file that README shows is a matrix with a technique of its own, in as few lines as it says."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("<!-- technique:begin -->\n```toml\n")[1].split("```")[0]
    assert len(block.splitlines()) == 5
    (tmp_path / "mine.toml").write_text(block, encoding="utf-8")
    matrix = read(tmp_path / "mine.toml")
    check(matrix)
    runs = plan(matrix, Filters(), ["cpu"]).runs
    assert {run.names.stabilisation for run in runs} == {"none", "clip", "tight"}
    assert {run.stabilisation.clip_norm for run in runs if run.names.stabilisation == "tight"} == {0.05}
    assert len(runs) == 2 * 3 * 3


@pytest.mark.parametrize("name", COMMITTED)
def test_the_committed_leaderboard_is_the_results(name: str) -> None:
    """report/out holds what the report makes of the records today."""
    board = board_of(ROOT / "results", name)
    for kind in formats.KINDS:
        text = formats.joined([name], [formats.text(board, kind)], kind)
        assert (ROOT / "report/out" / name / f"leaderboard.{kind}").read_text(encoding="utf-8") == text
