"""The report: true sentences about true records, and nothing live in the outputs."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_records as made
from report_records import DIGITS, GRU, LSTM, board_from, cells

import report
from report import __main__ as command
from report import readme, tables
from report.terminal import terminal

ROOT = Path(__file__).parents[1]


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one matrix of eight techniques."""
    folder = tmp_path_factory.mktemp("whole") / "results"
    made.write(folder, made.matrix(8, 2))
    return folder


@pytest.fixture(scope="module")
def built(results: Path) -> Path:
    """Its report, beside it as in the repository: pages link to records. Made by a process of its own, in which a
    report and a terminal leaderboard leave torch alone, and --help leaves pandas alone too."""
    code = (
        "import sys, pathlib, report, report.__main__\n"
        "report.__main__.parser().format_help(); assert 'pandas' not in sys.modules\n"
        "results = pathlib.Path(sys.argv[1])\n"
        "report.leaderboard_text(results, 'core', 80); assert 'matplotlib' not in sys.modules\n"
        "import report.drawing; report.drawing.FEW = 99\n"  # in this process, which is asked
        "written = report.build(results, results.parent / 'out', None)\n"
        "assert written[0] == results.parent / 'out' / 'index.html' and all(path.is_file() for path in written)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(results)], cwd=ROOT, check=True)
    return results.parent / "out"


class Reader(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.script = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset", "style")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag == "svg":
            self.pictures.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script":
            self.script += data


def read(page: Path) -> Reader:
    """The page, parsed."""
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader


def inert(page: Path) -> Reader:
    """The page, parsed, after a look that nothing in it acts but its own script, and nothing points elsewhere."""
    found = read(page)
    assert not {"iframe", "object", "embed", "form", "b", "img"} & set(found.tags)
    assert found.tags.count("script") == 1
    assert found.script.strip() == (ROOT / "report" / "page.js").read_text(encoding="utf-8").strip()
    assert all(a.startswith(("#", "data:image/png;base64,", "../")) for a in found.addresses)
    return found


def test_page_is_whole(built: Path) -> None:
    """One file: pictures inside, each with words for those who do not see it, every link inside the page."""
    page = built / "index.html"
    found = inert(page)
    assert len(found.pictures) == 13
    assert all(len(picture["aria-label"] or "") > 30 for picture in found.pictures)
    assert len(set(found.ids)) == len(found.ids)
    assert {a[1:] for a in found.addresses if a.startswith("#")} <= set(found.ids)
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "nan" not in text.split("<main")[1].split("<figure")[0]
    assert len(text) < 1_000_000
    assert len(list((built / "core" / "figures").iterdir())) == 26
    for place in (built, built / "core"):
        assert {path.suffix for path in place.glob("leaderboard.*")} == {".md", ".csv", ".tex", ".json"}


def test_markdown_makes_no_link() -> None:
    """A name cannot become a link, a mention or a formula."""
    assert tables.escape("http://x @me www.x $a$ [t](u)") == ("http:&#47;&#47;x &#64;me www&#46;x \\$a\\$ \\[t\\](u)")


def test_readme_block(results: Path, tmp_path: Path) -> None:
    """Only what stands between the marks changes; a second time changes nothing; an unknown matrix changes nothing."""
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- leaderboard:begin core -->\nold\n<!-- leaderboard:end -->\nafter\n", encoding="utf-8")
    assert readme.update(page, results) == ["core"]
    first = page.read_text(encoding="utf-8")
    assert first.startswith("before\n<!-- leaderboard:begin core -->\n")
    assert first.endswith("<!-- leaderboard:end -->\nafter\n")
    assert "old" not in first.splitlines()
    assert "| rank | architecture |" in first
    readme.update(page, results)
    assert page.read_text(encoding="utf-8") == first
    page.write_text(first.replace("begin core", "begin cora"), encoding="utf-8")
    with pytest.raises(report.BadInput, match="Did you mean 'core'"):
        readme.update(page, results)
    assert "begin cora" in page.read_text(encoding="utf-8")


def test_unknown_matrix(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong name ends with 2 and a suggestion, an empty folder with 2 and what to do; nothing is written."""
    out = tmp_path / "out"
    assert command.main(["--results", str(results), "--out", str(out), "--matrix", "cor"]) == 2
    assert capsys.readouterr().err == "error: unknown matrix 'cor'. Did you mean 'core'? Known: core\n"
    assert command.main(["--results", str(tmp_path), "--out", str(out)]) == 2
    assert "run python -m bench.matrix first" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("records", "answer"),
    [
        ([], "No run has finished yet."),
        ([made.run(DIGITS, LSTM)], "Over 1 task, lstm/none/adam is the only technique; none of 1 run failed."),
        (
            [made.failed(made.run(DIGITS, LSTM), "crashed", "signal 9", task={})],
            "no run has a score; 1 of 1 run failed",
        ),
        ([made.failed(made.run(DIGITS, LSTM), "skipped", "no CUDA here")], "No run has finished yet."),
        ([made.run("my/own-task", LSTM), made.run("my/own-task", GRU, score=0.5)], "gru/none/adam has the best"),
    ],
)
def test_few_records(records: list[made.Record], answer: str, tmp_path: Path) -> None:
    """Nothing, one run, only failures, only skipped runs or an unknown task make a page that says so."""
    made.write(tmp_path / "results", records)
    report.build(tmp_path / "results", tmp_path / "out", None)
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert answer in text
    inert(tmp_path / "out" / "index.html")
    assert answer.split(";")[0] in " ".join(report.leaderboard_text(tmp_path / "results", "core", 100).split())


def test_damaged_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that cannot be read is left out and named on stderr; the file is not touched."""
    path = made.write(tmp_path / "results", [made.run(DIGITS, LSTM), made.run(DIGITS, GRU)])
    path.write_text(path.read_text(encoding="utf-8").replace("gru", "gnu", 1) + '{"cut', encoding="utf-8")
    before = path.read_bytes()
    assert "lstm/none/adam is the only technique" in " ".join(
        report.leaderboard_text(tmp_path / "results", "core", 200).split()
    )
    errors = capsys.readouterr().err
    assert "machine.jsonl line 2: checksum differs; left out" in errors
    assert "machine.jsonl line 3: cut short; left out" in errors
    assert path.read_bytes() == before


def test_fields_of_the_wrong_type(tmp_path: Path) -> None:
    """A record whose numbers are text and whose lists are numbers loses those values, not the report."""
    odd = made.run(DIGITS, LSTM, 0, "high", curve=7, probes={"gradient": 3, "gap": {"gap": "x"}}, parameters="many")  # type: ignore[arg-type]
    found = board_from(odd, made.run(DIGITS, GRU, 0, 80.0, curve=[{"step": None, "valid": [1]}]))
    assert cells(found, "remarks")["lstm/none/adam"] == "1/1 no score"
    assert terminal(found, 80)


def test_figures_left_out_say_why(tmp_path: Path) -> None:
    """Where there is nothing to draw there is no picture, none is left from before, and the page says why."""
    stale = tmp_path / "out" / "core" / "figures" / "failures.svg"
    stale.parent.mkdir(parents=True)
    stale.write_text("old", encoding="utf-8")
    made.write(tmp_path / "results", [made.run(DIGITS, LSTM), made.run(DIGITS, GRU, score=2.0)])
    report.build(tmp_path / "results", tmp_path / "out", None)
    page = tmp_path / "out" / "index.html"
    assert len(read(page).pictures) == 3
    assert "No figure “Failures”: no run failed." in page.read_text(encoding="utf-8")
    assert not stale.exists()


def test_terminal_width(results: Path) -> None:
    """No line is wider than the terminal; a wide one shows columns for which a narrow one has no room."""
    narrow, wide = (report.leaderboard_text(results, "core", width) for width in (80, 160))
    assert max(map(len, narrow.splitlines())) <= 80
    assert max(map(len, wide.splitlines())) <= 160
    assert "half-life" in wide
    assert "half-life" not in narrow
