"""LaTeX and JSON hold what the leaderboard holds, and nothing live."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from functools import cache

import pytest
import report_records as made
from report_records import DIGITS, GRU, LSTM, SGD, board_from

from bench.untrusted import clean
from report import formats, tables
from report.board import Board

HOSTILE = (
    r"\input{/etc/passwd}",
    r"\write18{id}",
    "a_b^c~d",
    "100% sure",
    "$x$ & #1",
    "}\\end{tabular}{",
    "<script>alert(1)</script>",
    '"><img src=x onerror=1>',
    "=1+1|`id`",
    "[2cm]* -- ---",
    "\u202eevil\x1b[31m\r\n%",
    "naïve 中文 😀 Łódź ŷ",
)
RAW = re.compile(r"(?<!\\)(?:\\\\)*[&#%_^~<>|{}\"]|[^\x00-\x7f]")
COMMANDS = re.compile(
    r"\\textbackslash\{\}|\\textascii(?:circum|tilde)\{\}|\\text(?:en|em)dash\{\}|\\ldots\{\}|-\{\}|\\`\{\}"
    r"|\\[`'^~\"rvck]\{[A-Za-z]\}|\\[{}$&#%_]|\$(?:[<>|-]|\\[a-z]+)\$"
)
"""Every command that escape() may write."""


@pytest.fixture(scope="module")
def board() -> Board:
    """Two tasks, failures, naive rows and times."""
    return board_from(*made.matrix(8, 3, [DIGITS, "language/grammar"]))


@cache
def named(text: str) -> Board:
    """A board whose every name is `text`."""
    record = made.run(DIGITS, (text, text, text), score=3.0)
    naive = made.NaiveRecord("n", {**record.task, "name": text}, {text: 1.0})
    task = {**record.task, "name": text, "metric": text, "unit": text}
    return board_from(replace(record, names={**record.names, "task": text}, task=task), naive)


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_has_no_special_character_outside_a_command(text: str) -> None:
    """Once the commands of escape() are taken out, plain ASCII is left, without a character TeX reads otherwise."""
    left = COMMANDS.sub("", formats.escape(text))
    assert not RAW.search(left)
    assert not set(left) & set("\\$`")
    assert formats.escape(r"50 % of a\b") == r"50 \% of a\textbackslash{}b"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_leave_latex_whole(text: str) -> None:
    """Braces balance, each row has the columns of its table, and no name is a command."""
    made_of = formats.latex(named(text))
    body = "\n".join(line for line in made_of.splitlines() if not line.startswith("%"))
    bare = re.sub(r"\\[{}]", "", body)
    assert bare.count("{") == bare.count("}")
    assert body.isascii()
    assert not re.search(r"\\(input|write|end\{tabular\}\{)", body)
    for columns, rows in re.findall(
        r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}\n\\toprule\n(.*?)\\bottomrule", body, re.S
    ):
        for row in rows.splitlines():
            assert row == r"\midrule" or len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1
            assert row == r"\midrule" or row.endswith(r" \\")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text_in_json(text: str) -> None:
    """A name comes back as the report cleaned it."""
    rows = json.loads(formats.json_text(named(text)))
    assert {row["task"] for row in rows} == {clean(text)}


def test_a_table_a_group(board: Board) -> None:
    """Each group, and the table over all tasks, has its caption with the direction; naive rows are in italics."""
    text = formats.latex(board)
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == len(board.groups) + 1
    assert r"\caption{speech/digits (synthetic): accuracy in \%, higher is better ($\uparrow$); the mean $\pm$" in text
    assert r"language/grammar (synthetic): perplexity, lower is better ($\downarrow$)" in text
    assert r"\textit{naive: trigram} &" in text
    assert r"$-$0." in text
    assert "Needs \\usepackage{booktabs}" in text


def test_an_accent_stays_and_a_sign_without_a_command_is_named() -> None:
    """é is set by a command, what pdfTeX cannot set by its number."""
    assert formats.escape("Zoë, 中") == 'Zo\\"{e}, U+4E2D'
    assert formats.escape("▲ ≥ 1 × … → ∞ ≈ · ±") == (
        r"$\bigtriangleup$ $\geq$ 1 $\times$ \ldots{} $\rightarrow$ $\infty$ $\approx$ $\cdot$ $\pm$"
    )


def test_json_and_csv_are_the_same_rows(board: Board) -> None:
    """Cell by cell; what is absent is null."""
    rows = json.loads(formats.json_text(board), parse_constant=lambda name: pytest.fail(name))
    table = list(csv.DictReader(io.StringIO(tables.csv_text(board))))
    assert len(rows) == len(table) >= 20
    for row, cells in zip(rows, table, strict=True):
        assert list(row) == sorted(cells)
        for name, cell in cells.items():
            value = row[name]
            if value is None or isinstance(value, str):
                assert {None: "", "Infinity": "inf"}.get(value, value) == cell
            else:
                assert cell == (str(value).lower() if isinstance(value, bool) else f"{value:.10g}")


def test_json_is_strict() -> None:
    """An infinite half-life is text, a row without a score has null."""
    flat = made.run(DIGITS, LSTM, score=90.0, probes=made.probes(0.1, 0.2))
    rows = json.loads(
        formats.json_text(board_from(flat, made.failed(made.run(DIGITS, SGD), "diverged", "loss is not finite"))),
        parse_constant=lambda name: pytest.fail(name),
    )
    assert [row["half_life"] for row in rows] == ["Infinity", None]
    assert [row["mean"] for row in rows] == [90.0, None]
    assert [row["below_naive"] for row in rows] == [False, False]
    assert formats.json_text(board_from()) == "[]\n"


def test_several_matrices_are_one_document(board: Board) -> None:
    """One list, one line of heads, every table."""
    both = [board, board_from(made.run(DIGITS, GRU))]
    rows = sum(len(one.rows) for one in both)
    names = [one.frames.matrix for one in both]
    whole = {kind: formats.joined(names, [formats.text(one, kind) for one in both], kind) for kind in formats.KINDS}
    assert len(json.loads(whole["json"])) == rows
    assert len(list(csv.DictReader(io.StringIO(whole["csv"])))) == rows
    assert whole["tex"].count(r"\begin{table}") == 4
    assert whole["md"].split("\n").count("# core") == 2
    assert json.loads(formats.joined(names, ["[]\n", "[]\n"], "json")) == []


@pytest.mark.parametrize("kind", ["md", "csv", "tex", "json"])
def test_each_kind_is_written(board: Board, kind: str) -> None:
    """text() gives the table of that kind, whatever the hash seed or the clock: twice the same."""
    starts = {"md": "Over 2 tasks", "csv": "matrix,task", "tex": "% Over 2 tasks", "json": '[\n{"adjusted"'}
    assert formats.text(board, kind).startswith(starts[kind])
    assert formats.text(board, kind) == formats.text(board, kind)
