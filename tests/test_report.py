"""The report: true sentences about true records, and nothing live in the outputs."""

from __future__ import annotations

import csv
import io
import math
import os
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_records as made
from scipy import stats as scipy_stats

import report
from report import __main__ as command
from report import findings, readme, tables
from report.board import Board, board
from report.frame import frames
from report.stats import average_ranks, dense_ranks, difference, shown, steps_to, t_interval
from report.terminal import terminal

ROOT = Path(__file__).parents[1]
LSTM, GRU, CLIP, SGD = (
    ("lstm", "none", "adam"),
    ("gru", "none", "adam"),
    ("lstm", "clip", "adam"),
    ("lstm", "none", "sgd"),
)
DIGITS, GRAMMAR = "speech/digits", "language/grammar"


def board_from(*records: made.Record) -> Board:
    """The board of some records."""
    return board(frames("core", made.plain(records)))


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def cells(found: Board, column: str, group: int = 0) -> dict[str, str]:
    """One column of a group's table, by technique (or naive name)."""
    table = tables.task_table(found, found.groups[group])
    place = table.heads.index(column) if column in table.heads else 4
    return {"/".join(filter(None, line.cells[1:4])): line.cells[place] for line in table.lines}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one matrix of eight techniques."""
    folder = tmp_path_factory.mktemp("results")
    made.write(folder, made.matrix(8, 2))
    return folder


@pytest.fixture(scope="module")
def built(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its report."""
    out = tmp_path_factory.mktemp("out")
    assert report.build(results, out, None) == [out / "core" / "index.html", out / "index.html"]
    return out


# numbers


def test_interval_by_hand() -> None:
    """1, 2, 3: mean 2, standard deviation 1, t(2) = 4.3027, half-width 4.3027 / sqrt(3) = 2.4841."""
    mean, half = t_interval([1.0, 2.0, 3.0])
    assert mean == 2
    assert half == pytest.approx(2.4841, abs=1e-4)


@pytest.mark.parametrize("values", [[1.0, 4.0], [3.2, 3.4, 2.9, 3.3, 3.1]])
def test_interval_is_scipys(values: list[float]) -> None:
    """The half-width is that of scipy.stats.t.interval."""
    mean, half = t_interval(values)
    low, high = scipy_stats.t.interval(0.95, len(values) - 1, loc=mean, scale=scipy_stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_one_seed_has_no_interval() -> None:
    """With one seed the row says n=1 and shows the score alone."""
    assert math.isnan(t_interval([5.0])[1])
    found = board_from(made.run(DIGITS, LSTM, score=80.0))
    assert cells(found, "accuracy (%) ↑") == {"lstm/none/adam": "80.00"}
    assert cells(found, "n") == {"lstm/none/adam": "n=1"}


def test_ranks_of_ties() -> None:
    """Dense ranks share a number; average ranks keep their sum."""
    assert dense_ranks([3, 1, 1, 2]) == [3, 1, 1, 2]
    assert average_ranks([3, 1, 1, 2]) == [4, 1.5, 1.5, 3]
    assert average_ranks([3, 1, 1, 2]) == list(scipy_stats.rankdata([3, 1, 1, 2]))


def test_steps_to_target_by_hand() -> None:
    """From 4 at step 100 to 2 at step 200, 3.5 is passed at step 125; gaps are stepped over; 1 is never reached."""
    steps, values = [0, 100, 150, 200], [10.0, 4.0, math.nan, 2.0]
    assert steps_to(3.5, steps, values, "lower") == 125
    assert steps_to(10.0, steps, values, "lower") == 0
    assert math.isnan(steps_to(1.0, steps, values, "lower"))
    assert steps_to(15.0, [0, 10], [10.0, 20.0], "higher") == 5
    assert math.isnan(steps_to(math.nan, steps, values, "lower"))


def test_difference_is_positive_when_better() -> None:
    """Accuracy from 80 to 88 and perplexity from 4 to 3.6 are both +10 %; a baseline of 0 has no percentage."""
    assert difference(88, 80, "higher") == pytest.approx(10)
    assert difference(3.6, 4, "lower") == pytest.approx(10)
    assert math.isnan(difference(1, 0, "lower"))


@pytest.mark.parametrize(
    ("value", "text"), [(93.254, "93.25"), (0.012344, "0.01234"), (0.0, "0.000"), (12345.6, "12346"), (math.inf, "∞")]
)
def test_numbers_shown(value: float, text: str) -> None:
    """Four significant digits, no exponent for ordinary numbers."""
    assert shown(value) == text


# leaderboard


def test_direction() -> None:
    """The higher accuracy and the lower perplexity come first."""
    runs = [made.run(task, t, score=s) for task in (DIGITS, GRAMMAR) for t, s in ((LSTM, 4.0), (GRU, 3.0))]
    found = board_from(*runs)
    assert cells(found, "rank", 0) == {"lstm/none/adam": "1", "gru/none/adam": "2"}
    assert cells(found, "rank", 1) == {"gru/none/adam": "1", "lstm/none/adam": "2"}


def test_ties_share_a_rank() -> None:
    """Rows that show the same score share a rank, and the next row has the next number."""
    found = board_from(*(made.run(DIGITS, t, score=s) for t, s in ((LSTM, 80.001), (GRU, 80.002), (CLIP, 79.0))))
    assert cells(found, "rank") == {"gru/none/adam": "1", "lstm/none/adam": "1", "lstm/clip/adam": "2"}


def test_failures_rank_worst() -> None:
    """A row with a failed seed comes below a worse one without; a row that only failed comes last; none is dropped."""
    runs = [made.run(DIGITS, LSTM, seed, 70.0 + seed) for seed in range(3)]
    runs += [made.run(DIGITS, GRU, seed, 90.0) for seed in range(2)]
    runs += [made.failed(made.run(DIGITS, GRU, 2), "diverged", "loss is not finite", step=7)]
    runs += [
        made.failed(made.run(DIGITS, SGD, 0), "diverged", ""),
        made.failed(made.run(DIGITS, SGD, 1), "timeout", ""),
    ]
    found = board_from(*runs)
    assert cells(found, "rank") == {"lstm/none/adam": "1", "gru/none/adam": "2", "lstm/none/sgd": "3"}
    assert cells(found, "remarks") == {
        **{"lstm/none/adam": "", "gru/none/adam": "1/3 diverged"},
        "lstm/none/sgd": "2/2 1 diverged, 1 timeout",
    }
    assert cells(found, "accuracy (%) ↑")["gru/none/adam"] == "90.00 ± 0.0"
    assert cells(found, "accuracy (%) ↑")["lstm/none/sgd"] == "-"
    assert "3 of 8 runs failed (2 diverged, 1 timeout)" in findings.headline(found)


def test_a_run_that_died_early_stays_in_its_table() -> None:
    """A crash before the task was built leaves no task facts, and still counts in the one table there is."""
    crash = made.failed(made.run(DIGITS, LSTM, 1), "crashed", "signal 9", task={})
    found = board_from(made.run(DIGITS, LSTM, 0), crash)
    assert len(found.groups) == 1
    assert cells(found, "remarks") == {"lstm/none/adam": "1/2 crashed"}


def test_naive_rows_in_place() -> None:
    """Naive answers have their rank, a bound has none, and a row that loses to the best naive answer says so."""
    naive = made.NaiveRecord("n", made.task_of(GRAMMAR), {"unigram": 9.0, "trigram": 4.5, "entropy floor": 2.7})
    found = board_from(naive, made.run(GRAMMAR, LSTM, score=3.0), made.run(GRAMMAR, GRU, score=5.0))
    assert cells(found, "rank") == {
        **{"bound: entropy floor": "", "lstm/none/adam": "1", "naive: trigram": "2"},
        **{"gru/none/adam": "3", "naive: unigram": "4"},
    }
    assert next(iter(cells(found, "rank"))) == "bound: entropy floor"
    assert cells(found, "remarks")["gru/none/adam"] == "below naive"
    assert "| *2* | *naive: trigram* |" in tables.markdown(found)


def test_no_time_is_an_empty_cell() -> None:
    """Without a timing the cells are empty, never zero; a CUDA time of the same configuration finds the CPU row."""
    run = made.run(DIGITS, LSTM, 0, 80.0)
    for head in ("ms/step cpu", "ms/step cuda", "× nn.LSTM", "s to target"):
        assert cells(board_from(run), head) == {"lstm/none/adam": ""}
    timed = board_from(run, made.timing(run, 5.0, noisy=True), made.timing(run, 0.5, device="cuda"))
    assert cells(timed, "ms/step cpu") == {"lstm/none/adam": "~5.00"}
    assert cells(timed, "ms/step cuda") == {"lstm/none/adam": "0.500"}
    assert cells(timed, "× nn.LSTM") == {"lstm/none/adam": "1.10"}


def test_times_of_two_machines_are_not_mixed() -> None:
    """The machine that timed more configurations is shown, whichever line came first."""
    a, b = made.run(DIGITS, LSTM), made.run(DIGITS, GRU)
    other = replace(a, machine={"label": "a slower machine"})
    found = board_from(made.timing(other, 50.0), made.timing(a, 5.0), made.timing(b, 6.0), a, b)
    assert found.timed_on == {"cpu": "2-core test machine"}
    assert cells(found, "ms/step cpu") == {"gru/none/adam": "6.00", "lstm/none/adam": "5.00"}


def test_target_and_seconds() -> None:
    """The target is the median of the baseline's best validation values; steps count the seeds that reached it."""

    def curve(*values: float) -> list[dict[str, object]]:
        return [{"step": 100 * i, "valid": {"accuracy": v, "loss": 1.0}} for i, v in enumerate(values)]

    base = [made.run(DIGITS, LSTM, s, 70.0, curve=curve(10, top, top - 1)) for s, top in enumerate((60.0, 70.0, 80.0))]
    clip = [made.run(DIGITS, CLIP, s, 70.0, curve=curve(10, top)) for s, top in enumerate((130.0, 50.0))]
    gru = made.run(DIGITS, GRU, 0, 60.0, curve=curve(10, 20))
    found = board_from(*base, *clip, gru, made.timing(clip[0], 4.0))
    assert found.groups[0].target == 70
    assert cells(found, "steps to target") == {
        **{"lstm/none/adam": "93 (2/3)", "lstm/clip/adam": "50 (1/2)"},
        "gru/none/adam": "not reached",
    }
    assert cells(found, "s to target")["lstm/clip/adam"] == "0.200"


@pytest.mark.parametrize(
    "other",
    [
        made.run(DIGITS, LSTM, 1, 20.0, device="cuda"),
        made.run(DIGITS, LSTM, 1, 20.0, task=made.task_of(DIGITS, version="2")),
        made.run(DIGITS, LSTM, 1, 20.0, task=made.task_of(DIGITS, fingerprint="beef")),
    ],
)
def test_what_differs_is_never_averaged(other: made.RunRecord) -> None:
    """Another device, task version or data fingerprint is another table, and a line says what differs."""
    found = board_from(made.run(DIGITS, LSTM, 0, 80.0), other)
    assert sorted(found.techniques["mean"]) == [20, 80]
    assert len(tables.apart(found)) == 1
    assert "never averaged" in tables.markdown(found)


def test_mean_ranks_over_tasks() -> None:
    """Techniques run on every task are ranked among themselves; one that misses a task is listed without a rank."""
    scores = {LSTM: (80.0, 4.0), CLIP: (81.0, 3.0), SGD: (70.0, 5.0)}
    runs = [made.run(t, k, 0, v) for k, pair in scores.items() for t, v in zip((DIGITS, GRAMMAR), pair, strict=True)]
    found = board_from(*runs, made.run(DIGITS, GRU, 0, 99.0))
    assert found.baseline == LSTM
    ((_, table),) = tables.overall_tables(found)
    assert [(line.cells[0], "/".join(line.cells[1:4]), *line.cells[4:8]) for line in table.lines] == [
        ("1", "lstm/clip/adam", "1.00", "2", "+13.1", "2"),
        ("2", "lstm/none/adam", "2.00", "2", "baseline", ""),
        ("3", "lstm/none/sgd", "3.00", "2", "-18.8", "0"),
        ("", "gru/none/adam", "", "1 of 2", "+23.8", "1"),
    ]
    assert "1 of 2 other techniques run on all of them has a better mean score" in findings.headline(found)


def test_an_edited_choice_keeps_its_own_row() -> None:
    """Two configurations under one name are two rows, told apart by their id."""
    old, new = made.run(DIGITS, LSTM, 0, 70.0), made.run(DIGITS, LSTM, 0, 80.0, id="new", configuration="feed")
    assert sorted(board_from(old, new).techniques["name"]) == sorted(
        f"lstm/none/adam #{run.configuration[:4]}" for run in (old, new)
    )


# the whole report


def test_twice_and_shuffled_the_same_bytes(built: Path, tmp_path: Path) -> None:
    """Another order of lines, time zone, language and hash seed change no byte."""
    made.write(tmp_path / "results", made.matrix(8, 2), shuffle=1)
    scene = {**os.environ, "TZ": "Asia/Tokyo", "LANG": "C", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    arguments = ["-m", "report", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "out")]
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=scene, check=True, capture_output=True)
    assert files(tmp_path / "out") == files(built)


def test_no_torch(tmp_path: Path) -> None:
    """A report and a terminal leaderboard leave torch alone; --help leaves pandas alone too."""
    made.write(tmp_path / "results", made.matrix(3, 2, [DIGITS]))
    code = (
        "import sys, pathlib, report, report.__main__\n"
        "report.__main__.parser().format_help(); assert 'pandas' not in sys.modules\n"
        "results = pathlib.Path(sys.argv[1]) / 'results'\n"
        "report.leaderboard_text(results, 'core', 80); assert 'matplotlib' not in sys.modules\n"
        "report.build(results, results.parent / 'out', ['core'])\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True)


class Reader(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset", "style")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag == "img":
            self.pictures.append(dict(attrs))


def read(page: Path) -> Reader:
    """The page, parsed."""
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader


def inert(page: Path) -> Reader:
    """The page, parsed, after a look that nothing in it acts or points elsewhere."""
    found = read(page)
    assert not {"script", "iframe", "object", "embed", "form", "b"} & set(found.tags)
    assert all(a.startswith(("#", "data:image/svg+xml;base64,", "../index.html")) for a in found.addresses)
    return found


def test_page_is_whole(built: Path) -> None:
    """One file: pictures inside, each with words for those who do not see it, every link inside the page."""
    page = built / "core" / "index.html"
    found = inert(page)
    assert len(found.pictures) == 7
    assert all(len(picture["alt"] or "") > 30 for picture in found.pictures)
    assert len(set(found.ids)) == len(found.ids)
    assert {a[1:] for a in found.addresses if a.startswith("#")} <= set(found.ids)
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "nan" not in text.split("<main>")[1].split("<figure")[0]
    assert len(text) < 1_500_000
    assert "core/index.html" in (built / "index.html").read_text(encoding="utf-8")
    assert len(list((built / "core" / "figures").iterdir())) == 14


HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "$x_{$",
    "[/red]",
    "\x1b[31mred\u202e",
    "a|b`c`<b>",
    "\ud800",
]


def test_hostile_names(tmp_path: Path) -> None:
    """Names that try to be markup, formulas or terminal codes stay text everywhere."""
    runs: list[made.Record] = []
    for place, name in enumerate(HOSTILE):
        run = made.run(name, (name, "none", "adam"), 0, 50.0 + place, probes=made.probes(-0.1, 0.2, 5))
        runs += [run, made.run(name, LSTM, 0, 40.0), made.failed(made.run(name, GRU), "crashed", name)]
        runs += [made.timing(run, 4.0 + place), made.NaiveRecord(f"n{place}", made.task_of(name), {name: 40.0})]
        runs += [made.failed(made.run(name, SGD), "skipped", name)]
    made.write(tmp_path / "results", runs)
    report.build(tmp_path / "results", tmp_path / "out", ["core"])
    assert len(inert(tmp_path / "out" / "core" / "index.html").pictures) == 6
    assert not any(b"<script" in path.read_bytes() for path in (tmp_path / "out").rglob("*.svg"))
    for row in csv.reader(io.StringIO((tmp_path / "out" / "core" / "leaderboard.csv").read_text(encoding="utf-8"))):
        assert not any(cell.startswith(("=", "+", "@", "-cmd")) for cell in row)
    text = (tmp_path / "out" / "core" / "leaderboard.md").read_text(encoding="utf-8")
    assert "<script" not in text
    for block in text.split("\n\n"):
        if block.startswith("| rank"):
            assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1
    screen = report.leaderboard_text(tmp_path / "results", "core", 80)
    assert "[/red]" in screen
    assert "\x1b" not in screen
    assert "\u202e" not in screen


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
    text = (tmp_path / "out" / "core" / "index.html").read_text(encoding="utf-8")
    assert answer in text
    inert(tmp_path / "out" / "core" / "index.html")
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
    page = tmp_path / "out" / "core" / "index.html"
    assert len(read(page).pictures) == 1
    assert "No figure “Failures”: no run failed." in page.read_text(encoding="utf-8")
    assert not stale.exists()


def test_terminal_width(results: Path) -> None:
    """No line is wider than the terminal; a wide one shows columns for which a narrow one has no room."""
    narrow, wide = (report.leaderboard_text(results, "core", width) for width in (80, 160))
    assert max(map(len, narrow.splitlines())) <= 80
    assert max(map(len, wide.splitlines())) <= 160
    assert "half-life" in wide
    assert "half-life" not in narrow


def test_two_thousand_records(tmp_path: Path) -> None:
    """Many runs make a page of bounded size."""
    records = made.matrix(30, 20, [*made.TASKS, "my/own-task"], timed=False)
    assert len(records) > 2000
    made.write(tmp_path / "results", records)
    report.build(tmp_path / "results", tmp_path / "out", None)
    assert (tmp_path / "out" / "core" / "index.html").stat().st_size < 3_000_000
