"""Nothing in a record is live in any output: a name is text in the page, figures, tables, files and on the terminal."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import unicodedata
import warnings
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as Xml

import hostile
import numpy as np
import pytest
import report_records as made
from markdown_it import MarkdownIt
from report_records import DIGITS, GRU, LSTM
from test_formats import COMMANDS, RAW

import report
from report import __main__ as command
from report import diff, drawing, frame, ink, svg, tables
from report.board import board, board_of
from report.plots import PLOTS
from report.terminal import terminal

CONTROL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
FOLDERS = ("script", "attribute", "latex", "terminal", "bidi", "markdown")
"""Words that are also names of matrices and of files; all of them would take a minute."""
BLANK = b'<svg xmlns="http://www.w3.org/2000/svg" width="1pt" height="1pt"><path d="M 0 0"/></svg>'


def fit(word: str) -> str:
    """A word as far as a folder or a file may be called that."""
    return re.sub("[/\0\ud800]", "_", word)[:200]


def results_of(words: dict[str, str], folder: Path) -> Path:
    """One matrix with a word in every field of its records, and matrices and files that are called so."""
    made.write(folder, hostile.matrix(words), "a")
    for word in (words[name] for name in FOLDERS):
        try:
            path = made.write(folder, [made.run(DIGITS, LSTM), made.run(DIGITS, GRU, score=2.0)], fit(word))
            path.rename(path.with_name(f"{fit(word)}.jsonl"))
        except (OSError, UnicodeError):  # this file system does not let it
            continue
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports over hostile and over tame names, `out` beside `results`; figures are drawn elsewhere."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "FEW", 1_000)  # in this process
        patch.setattr(drawing, "_draw", lambda _: {"svg": BLANK, "png": b""})
        for kind, words in (("hostile", hostile.WORDS), ("tame", hostile.TAME)):
            found[kind] = tmp_path_factory.mktemp(kind)
            report.build(results_of(words, found[kind] / "results"), found[kind] / "out", None)
    return found


def printable(text: str) -> None:
    """Fails on a character that a terminal, a browser or a reader would obey instead of show."""
    found = {c for c in text if unicodedata.category(c) in CONTROL} - {"\n"}
    assert not found


class Structure(HTMLParser):
    """How often each element occurs with which attributes, the addresses and the ids of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[tuple[str, ...]] = Counter()
        self.values: dict[str, list[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[(tag, *(name for name, _ in attrs))] += 1
        for name, value in attrs:
            self.values.setdefault(name, []).append(value or "")


def test_page_has_no_other_elements(built: dict[str, Path]) -> None:
    """The page has the elements and attributes that it has with tame names, and none more."""
    texts = {kind: (folder / "out" / "index.html").read_text(encoding="utf-8") for kind, folder in built.items()}
    mine, tame = Structure(texts["hostile"]), Structure(texts["tame"])
    # a metric that had to be cleaned has no curve, so there may be fewer tables
    assert not mine.elements - tame.elements
    assert set(mine.elements) == set(tame.elements)
    assert mine.elements["script",] == 1
    assert not any(name.startswith("on") or name in ("src", "style", "srcdoc") for name in mine.values)
    assert len(mine.values["id"]) == len(set(mine.values["id"]))
    for address in mine.values["href"]:
        assert re.fullmatch(r"#[a-z0-9-]+|\.\./results/[^:<>\"' ]*", address)
        assert address[0] == "." or address[1:] in mine.values["id"]
    assert texts["hostile"].count("49") == texts["tame"].count("49") or "{{7*7}}" in texts["hostile"]
    printable(texts["hostile"])


def test_every_file_is_plain_text(built: dict[str, Path]) -> None:
    """No file has a control character, a half character or a turned direction; no file has a name that a word made."""
    paths = [path for path in (built["hostile"] / "out").rglob("*") if path.is_file()]
    assert {re.sub(r"\d", "", path.name) for path in paths} <= {
        *{re.sub(r"\d", "", path.name) for path in (built["tame"] / "out").rglob("*")}
    }
    for path in paths:
        assert re.fullmatch(r"[a-z0-9.-]+", path.name)
        if path.suffix != ".png":
            printable(path.read_text(encoding="utf-8"))


def test_csv_has_no_formula(built: dict[str, Path]) -> None:
    """No cell of a CSV file begins like a formula, unless it is a number; every row is as long as the heads."""
    for path in (built["hostile"] / "out").rglob("*.csv"):
        heads, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8")))
        assert all(len(row) == len(heads) for row in rows)
        for cell in (cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))):
            float(cell)


def test_json_is_strict(built: dict[str, Path]) -> None:
    """JSON parses without NaN or Infinity and has the rows of the CSV."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    folder = built["hostile"] / "out"
    rows = json.loads((folder / "leaderboard.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert len(rows) == len(list(csv.reader(io.StringIO((folder / "leaderboard.csv").read_text(encoding="utf-8"))))) - 1
    assert "{{7*7}}{% raw %}{# x #}" in {row["task"] for row in rows}


LAYOUT = re.compile(
    r"\\(?:begin|end)\{(?:table|tabular)\}(?:\[htbp\]|\{@\{\}[lr]+@\{\}\})?|\\(?:centering|small|toprule|midrule)\b"
    r"|\\(?:bottomrule|par|smallskip|footnotesize|linewidth|textit|caption|parbox)\b|\\setlength\{\\tabcolsep\}\{4pt\}"
    r"|\\label\{tab:[a-z0-9-]+\}|(?<= )\\\\(?=\n)| & |[{}]"
)
"""What makes the tables of a LaTeX file."""


def test_latex_has_no_command_of_a_name(built: dict[str, Path]) -> None:
    """Take away what makes the tables and what escapes characters: no character is left that TeX would obey."""
    for path in (built["hostile"] / "out").rglob("*.tex"):
        text = path.read_text(encoding="utf-8")
        body = re.sub("^%.*\n", "", text, flags=re.M)
        left = LAYOUT.sub("", COMMANDS.sub("", body))
        assert not RAW.search(left)
        assert not set(left) & set("\\$")


def spots(text: str) -> Counter[str]:
    """What in a Markdown text is more than words: GitHub also links bare addresses and mentions, and sets formulas."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inner = [child for token in tokens for child in token.children or ()]
    found = Counter(t.type for t in (*tokens, *inner) if re.match("html|link|image|code|heading_open|hr", t.type))
    plain = re.sub(r"\\.|&#?\w+;", "", text)
    found.update(re.findall(r"://|www\.|@\w|\$", plain))
    return found


def test_markdown_has_nothing_live(built: dict[str, Path]) -> None:
    """Markdown has the headings that it has with tame names, and no link, picture, HTML, code, mention or formula."""
    for path in (built["hostile"] / "out").rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert set(spots(text)) <= {"heading_open"}
        for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    texts = [(built[kind] / "out" / "leaderboard.md").read_text(encoding="utf-8") for kind in built]
    assert spots(texts[0]) == spots(texts[1])


def test_readme_block_has_nothing_live() -> None:
    """The brief table of a README names its matrix, and the name is text."""
    found = board(frame.frames("a", made.plain(made.matrix(9, 2, [DIGITS], timed=False))))
    for word in hostile.WORDS.values():
        called = replace(found, frames=replace(found.frames, matrix=frame.clean(word)))
        assert set(spots(tables.markdown(called, brief=True, level=3))) <= {"heading_open"}


LIVE = {"script", "foreignObject", "a", "animate", "set", "iframe", "image", "style", "handler", "b", "i", "img"}


@pytest.fixture(scope="module")
def figures() -> dict[str, bytes]:
    """Every figure over techniques with hostile names, as matplotlib writes it."""
    with pytest.MonkeyPatch.context() as patch, ink.theme(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="constrained_layout not applied")  # names this long leave no room
        patch.setattr(ink, "FigureCanvasAgg", Unpainted)
        found = board(frame.frames("a", made.plain(hostile.techniques(hostile.WORDS))))
        return {plot.name: ink.files(plot.draw(found))["svg"] for plot in PLOTS if not plot.without(found)}


class Unpainted:
    """In place of the PNG, which holds no text."""

    def __init__(self, _: object) -> None:
        pass

    def draw(self) -> None:
        pass

    def buffer_rgba(self) -> np.ndarray:
        return np.zeros((1, 1, 4), np.uint8)


def test_figures_are_inert(figures: dict[str, bytes]) -> None:
    """A figure is XML without scripts, handlers, links or addresses, in its file and in the page."""
    assert len(figures) >= 10
    for name, written in figures.items():
        inline = svg.inline(written, f'"><script>{name}', svg.Sheet())
        for text in (svg.compact(written).decode(), inline):
            printable(text)
            parts = list(Xml.fromstring(text).iter())
            tags = {part.tag.rpartition("}")[2] for part in parts}
            assert not tags & (LIVE - {"style"} if text is not inline else LIVE) - (
                {"image"} if "image" in tags else set()
            )
            values = [(key.rpartition("}")[2], value) for part in parts for key, value in part.attrib.items()]
            assert not any(key.startswith("on") for key, _ in values)
            assert all(v.startswith(("#", "data:image/png;base64,")) for k, v in values if k in ("href", "src"))
            assert all("url(#" in v for _, v in values if "url(" in v)


def test_figures_say_the_names(figures: dict[str, bytes]) -> None:
    """Names are in the figures, as they are: no formula was set, none was left out."""
    said = " ".join(t for text in figures.values() for t in Xml.fromstring(text).itertext())
    hover = " ".join(Xml.fromstring(svg.compact(figures["heatmap"])).itertext())
    for word in ("<script>alert(1)</script>", "$\\frac{1}{$", "{{7*7}}{% raw %}{# x #}"):
        assert word in said
        assert word in hover


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with some of the words, in folders that are called so."""
    folder = tmp_path_factory.mktemp("few")
    for name in ("terminal", "bidi"):
        made.write(folder, hostile.matrix({name: hostile.WORDS[name] for name in FOLDERS}), fit(hostile.WORDS[name]))
    return folder


COMMAND_LINES = [
    *(["--format", kind] for kind in ("md", "csv", "tex", "json")),
    ["claims"],
    ["claims", "--markdown"],
    ["ledger"],
    ["verify"],
]


@pytest.mark.parametrize("arguments", COMMAND_LINES, ids=" ".join)
def test_commands_print_text(
    arguments: list[str], few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a command prints, and what it says to a person, obeys nothing."""
    assert command.main(["--results", str(few), "--out", str(tmp_path), *arguments]) == (arguments == ["verify"])
    printed = capsys.readouterr()
    assert printed.out
    printable(printed.out + printed.err)
    for path in tmp_path.iterdir():
        printable(path.read_text(encoding="utf-8"))


def test_cite_and_crate_print_text(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So do the citation of a row and the description of a folder for a deposit."""
    folder = shutil.copytree(few, tmp_path / "results")
    row = next(row for row in board_of(folder, fit(hostile.WORDS["bidi"])).rows.itertuples() if row.kind == "technique")
    assert command.main(["--results", str(folder), "cite", str(row.record)]) == 0
    assert command.main(["crate", str(folder)]) in (0, 1)
    printed = capsys.readouterr()
    printable(printed.out + printed.err)
    for path in folder.glob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))


def test_diff_prints_text(tmp_path: Path) -> None:
    """So does what moved between two sets."""
    words = {name: hostile.WORDS[name] for name in FOLDERS}
    runs = hostile.matrix(words)
    made.write(tmp_path / "old", runs, fit(words["script"]))
    made.write(tmp_path / "new", [run for run in runs if not run.id.endswith("trial")][::2], fit(words["script"]))
    found = diff.diff(*diff.read(tmp_path / "old", tmp_path / "new"))
    text = diff.markdown(found)
    printable(diff.terminal(found, 120) + text)
    assert set(spots(text)) <= {"heading_open"}


def test_terminal_shows_names(built: dict[str, Path]) -> None:
    """A terminal has every task, is told no colour, link or title, and markup of rich stays text."""
    found = board_of(built["hostile"] / "results", "a")
    assert len(found.groups) == len(hostile.WORDS)
    for width in (80, 200):
        text = terminal(found, width)
        printable(text)
        assert "[red]x[/red][/]:smile:" in text


@pytest.mark.parametrize("word", hostile.WORDS.values(), ids=list(hostile.WORDS))
def test_questions_are_answered_in_text(word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hostile argument is bad input, and is said back as text."""
    made.write(tmp_path, [made.run(DIGITS, LSTM)])
    for asked in (
        ["--matrix", word],
        ["--task", word],
        ["--compare", word, LSTM[0]],
        ["claims", "--matrix", word],
        ["cite", word],
    ):
        assert command.main(["--results", str(tmp_path), "--out", str(tmp_path / "out"), *asked]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        printable(said.err)
