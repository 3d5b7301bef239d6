"""Data of the reader's own: how they are written, named and versioned, and a run on them."""

from __future__ import annotations

import importlib
import json
import os
import random
import re
import shlex
import struct
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import tasks
from bench import matrix, rerun
from bench.cli import BAD_INPUT, FAILED, OK
from bench.matrices import QUICK
from bench.matrixfile import read as read_matrix
from bench.owned import widened
from bench.plan import BadInput, Filters
from bench.store import stores
from report import leaderboard_text
from report.verify import sources, verify
from tasks import own
from tasks.cards import TASKS
from tasks.data import DamagedData, MissingData
from tasks.options import LONGEST, read, written
from tasks.own import OWNED, VARIABLE, Mistakes, called, register

TABLED = dict(TASKS)


def forget() -> None:
    """This process knows of no own data."""
    OWNED.clear()
    TASKS.clear()
    TASKS.update(TABLED)
    os.environ.pop(VARIABLE, None)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Own data are known to one test alone."""
    yield
    forget()


def table(path: Path, rows: int = 400, seed: int = 1) -> Path:
    """A CSV of one autoregressive column."""
    drawn, value, lines = random.Random(seed), 0.0, ["date,load"]
    for row in range(rows):
        value = 0.9 * value + drawn.gauss(0, 1)
        lines.append(f"2024-{1 + row // 672:02d}-{1 + row // 24 % 28:02d} {row % 24:02d}:00,{value:.4f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def sound(path: Path, seed: int) -> None:
    """A tenth of a second of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = random.Random(seed)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(struct.pack("<800h", *(drawn.randint(-9_999, 9_999) for _ in range(800))))


def clips(folder: Path, count: int = 24) -> Path:
    """Recordings of two labels."""
    for number in range(count):
        sound(folder / ("yes", "no")[number % 2] / f"{number}.wav", number)
    return folder


def mistakes(*texts: str, base: Path = Path()) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        register(texts, base)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("csv=a.csv,time=date", {"csv": "a.csv", "time": "date"}),
        ("csv=a=b.csv", {"csv": "a=b.csv"}),
        ('csv="a,b.csv",time=date', {"csv": "a,b.csv", "time": "date"}),
        (r"csv=a\,b.csv,time=t", {"csv": "a,b.csv", "time": "t"}),
        (r"csv=C:\new\,er.csv", {"csv": r"C:\new,er.csv"}),
        (" csv = my data.csv , time= a ", {"csv": "my data.csv", "time": "a"}),
    ],
)
def test_options_are_read(text: str, found: dict[str, str]) -> None:
    """Commas part options, unless quoted or escaped; the first = parts key and value; and it can be written again."""
    assert read(text, ("csv", "time")) == (found, [])
    assert read(written(found), ("csv", "time")) == (found, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("csv", "expected key=value, got 'csv'"),
        ("csv=a,", "expected key=value, got ''"),
        ("csv=a,b.csv", "expected key=value, got 'b.csv'; a value that has a comma needs double quotes"),
        ("csv=a,csv=b", "csv is given twice"),
        ("csv=", "csv has no value"),
        ("cvs=a", "unknown option 'cvs'. Did you mean 'csv'? Known: csv, time"),
        ("csv=a\0b", "csv must be printable text of at most 4096 characters, got 'a\\x00b'"),
        (f"csv={'a' * (LONGEST + 1)}", "csv must be printable text of at most 4096 characters"),
    ],
)
def test_options_that_cannot_be_read(text: str, said: str) -> None:
    """Each mistake in words."""
    (mistake,) = read(text, ("csv", "time"))[1]
    assert mistake.startswith(said)


def test_a_task_has_the_name_of_its_file(tmp_path: Path) -> None:
    """Small letters, digits and hyphens; `name` gives another; patterns find it below family/own."""
    table(tmp_path / "My Däta (2).csv")
    (name,) = register([f"series:csv={tmp_path}/My Däta (2).csv,horizon=4"]).values()
    assert name == "series/own/my-d-ta-2"
    (other,) = register([f"series:csv={tmp_path}/My Däta (2).csv,horizon=8,name=eight"]).values()
    assert tasks.matching("series/own") == [name, other] == ["series/own/my-d-ta-2", "series/own/eight"]
    card = TASKS[name]
    assert (card.metric, card.better, card.reference, card.synthetic) == ("mse", "lower", "the reader's own", False)


@pytest.mark.parametrize("stem", ["..", "-rf", "C:x", "a" * 300, "ΑΒΓ", "+", "‮evil", "$(x)", "'; --"])
def test_names_are_safe(stem: str) -> None:
    """Whatever a file is called, its task's name is of safe letters."""
    assert own.PART.fullmatch(called(f"{stem}.csv"))


def test_other_data_are_another_version(tmp_path: Path) -> None:
    """A changed byte, option or recording is another version; another place or name is the same."""

    def version(text: str) -> str:
        OWNED.clear()
        (name,) = register([text]).values()
        return TASKS[name].version

    first = version(f"series:csv={table(tmp_path / 'a.csv')},horizon=4")
    assert version(f"series:csv={table(tmp_path / 'b.csv')},horizon=4,name=c") == first
    assert version(f"series:csv={tmp_path}/a.csv,horizon=5") != first
    assert version(f"series:csv={table(tmp_path / 'a.csv', seed=2)},horizon=4") != first
    spoken = version(f"speech:dir={clips(tmp_path / 'one')}")
    assert version(f"speech:dir={clips(tmp_path / 'two')}") == spoken
    sound(tmp_path / "two/yes/0.wav", 99)
    assert version(f"speech:dir={tmp_path}/two") != spoken


def test_every_mistake_is_said_at_once(tmp_path: Path) -> None:
    """Families, options, files and values, each in a line with what there is; and nothing is known after that."""
    table(tmp_path / "a.csv")
    found = mistakes(
        "serie:csv=a.csv", "series:csv=b.csv,horizon=4", "series:horizon=4", "series:csv=a.csv,horizon=-1",
        "speech:dir=a.csv", "language:text=.", "series:csv=a.csv,horizon=4,name=../x", "speech:rate=8000",
        "series:csv=a.csv,horizon=4", base=tmp_path,
    )  # fmt: skip
    assert [line.rpartition("': ")[2][:40] for line in found[:1]] == ["unknown family 'serie'. Did you mean 'se"]
    assert [part in line for part, line in zip(
        ("series", "there is no file", "where are the data?", "horizon", "dir takes a folder", "text takes a file",
         "name must be of small letters", "where are the data?"), found, strict=True,
    )] == [True] * 8  # fmt: skip
    assert not OWNED
    assert VARIABLE not in os.environ


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    """The same file with other options needs a name of its own; the same twice is one task."""
    text = f"series:csv={table(tmp_path / 'a.csv')},horizon=4"
    assert set(register([text, text]).values()) == {"series/own/a"}
    (said,) = mistakes(text.replace("4", "8"))
    assert "another of your tasks is called series/own/a; add name=... to one of them" in said


def test_workers_learn_of_own_data(tmp_path: Path) -> None:
    """The variable holds all that another process needs, wherever it is started; a file that went is missing data."""
    table(tmp_path / "a,b.csv")
    (name,) = register(['series:csv="a,b.csv",time=date,horizon=4'], tmp_path).values()
    inherited, card = os.environ[VARIABLE], TASKS.pop(name)
    assert str(tmp_path) in json.loads(inherited)[0]
    OWNED.clear()
    assert tasks.load(name).card == card
    OWNED.clear()
    TASKS.pop(name)
    (tmp_path / "a,b.csv").unlink()
    with pytest.raises(MissingData, match=f"{name}: a file or folder of your own data is not there any more"):
        tasks.load(name)


def test_no_error_names_a_folder(tmp_path: Path) -> None:
    """Records keep reasons, so they name the file and not where it is."""
    table(tmp_path / "a.csv").write_text("date,load\n2024-01-01,1\n2024-01-02,x\n")
    (name,) = register([f"series:csv={tmp_path}/a.csv,time=date,horizon=1"]).values()
    with pytest.raises(DamagedData, match=r"a\.csv") as caught:
        tasks.load(name)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("family", ["language", "series", "speech"])
def test_each_family_is_a_task(family: str, tmp_path: Path) -> None:
    """Text, table and recordings load under their card, with what a run needs."""
    words = random.Random(3).choices(["the ", "cat ", "sat ", "on ", "a ", "mat.\n"], k=9_000)
    (tmp_path / "my.txt").write_text("".join(words))
    table(tmp_path / "my.csv")
    clips(tmp_path / "clips")
    options = {"language": "text=my.txt", "series": "csv=my.csv,time=date,horizon=4", "speech": "dir=clips"}
    (name,) = register([f"{family}:{options[family]}"], tmp_path).values()
    task = tasks.load(name)
    batch = next(task.test.ordered(2))
    assert task.card is TASKS[name]
    assert task.card.causal == (family == "language")
    assert set(task.metrics(task.tally(_zeros(task, batch), batch))) >= {"loss", task.card.metric}


def _zeros(task: tasks.base.Task, batch: tasks.base.Batch) -> object:
    import torch

    return torch.zeros((*batch.x.shape[:2], task.outputs) if task.per_step else (len(batch.x), task.outputs))


MINE = """
name = "mine"
base = "quick"
seeds = [0]

[[block]]
tasks = ["series:csv=my.csv,time=date,horizon=4"]
architectures = ["lstm"]
stabilisations = ["none"]
optimizers = ["adam"]

[budget]
parameters = 1_000
steps = 4
evaluate = 2
curve = 16
"""


def test_a_matrix_file_may_ask_for_own_data(tmp_path: Path) -> None:
    """Paths are relative to the file; a budget is the family's own; mistakes are the file's."""
    table(tmp_path / "my.csv")
    (tmp_path / "m.toml").write_text(MINE + '[budget."series/own/my"]\nbatch = 7\n')
    made = read_matrix(tmp_path / "m.toml")
    assert made.blocks[0].tasks == ("series/own/my",)
    assert (made.budgets["series/own/my"].steps, made.budgets["series/own/my"].batch) == (4, 7)
    (tmp_path / "m.toml").write_text(MINE.replace("my.csv", "your.csv"))
    with pytest.raises(BadInput, match=r"m\.toml: 'series:csv=your\.csv.*there is no file"):
        read_matrix(tmp_path / "m.toml")


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, set[tuple[str, ...]]]:
    """Name and configurations of the matrix that --list shows."""
    assert matrix.main([*words, "--list", "--json"]) == OK
    found = json.loads(capsys.readouterr().out)
    return found["matrix"], {tuple(names.values()) for names in found["configurations"]}


def test_own_data_take_the_place_of_a_presets_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every block runs on them, and on those of its tasks that are named too; other filters hold; a name of its own."""
    data = f"series:csv={table(tmp_path / 'my.csv')},horizon=4"
    name, alone = rows(capsys, "--task", data, "--optimizer", "adam")
    _, preset = rows(capsys, "--task", "series/seasonal", "--optimizer", "adam")
    assert name == "quick-own"
    assert {row[0] for row in alone} == {"series/own/my"}
    assert {row[1:] for row in alone} >= {row[1:] for row in preset}
    _, both = rows(capsys, "--task", data, "--task", "series/mackey-glass", "--stabilisation", "clip")
    assert {row[0] for row in both} == {"series/own/my", "series/mackey-glass"}
    assert {row[2] for row in both} == {"clip"}


def test_bad_own_data_are_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a mistake, exit code 2, in every command that takes them."""
    for main in (matrix.main, lambda words: rerun.main(["0000", *words])):
        assert main(["--task", "series:csv=nowhere.csv,horizon=4", "--results", str(tmp_path)]) == BAD_INPUT
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: --task 'series:csv=nowhere.csv,horizon=4': there is no file ")
    assert rerun.main(["0000", "--task", "series/seasonal", "--results", str(tmp_path)]) == BAD_INPUT
    assert "takes data of your own (family:key=value,...) here, got 'series/seasonal'" in capsys.readouterr().err


def test_a_run_on_own_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Workers find the data; the records say no path; report, verify and rerun work where nobody knows them."""
    table(tmp_path / "my.csv")
    (tmp_path / "m.toml").write_text(MINE)
    results = ["--results", str(tmp_path / "r")]
    words = ["--matrix", str(tmp_path / "m.toml"), *results, "--workers", "1", "--no-timing", "--no-report"]
    assert matrix.main(words) == OK
    (store,) = stores(tmp_path / "r")
    run, naive = store.rows()
    assert (run["status"], run["names"]["task"], naive["kind"]) == ("ok", "series/own/my", "naive")
    assert str(tmp_path) not in store.path.read_text()
    forget()
    assert verify(sources(tmp_path / "r")).problems == []
    assert "series/own/my\n" in leaderboard_text(tmp_path / "r", "mine", 100)
    assert rerun.main([run["id"], *results]) == BAD_INPUT
    lacking = "series/own/my is data of the reader's own: give the same with --task 'series:...'"
    assert lacking in capsys.readouterr().err
    data = f"series:csv={tmp_path}/my.csv,time=date,horizon=4"
    assert rerun.main([run["id"], *results, "--task", data]) == OK
    assert "IDENTICAL" in capsys.readouterr().out
    forget()
    assert rerun.main([run["id"], *results, "--task", data.replace("=4", "=5")]) == BAD_INPUT
    assert "of series/own/my; this code has" in capsys.readouterr().err


def test_own_data_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are a row with the place of the damage, and no success."""
    table(tmp_path / "my.csv")
    lines = (tmp_path / "my.csv").read_text().splitlines(keepends=True)
    (tmp_path / "my.csv").write_text("".join([*lines[:7], lines[7].replace(",", ",x", 1), *lines[8:]]))
    (tmp_path / "m.toml").write_text(MINE)
    words = ["--matrix", str(tmp_path / "m.toml"), "--results", str(tmp_path / "r"), "--workers", "1"]
    assert matrix.main([*words, "--no-timing", "--no-report"]) == FAILED
    assert "my.csv:8: column" in capsys.readouterr().out


DOCS = (Path(__file__).parents[1] / "docs/own-data.md").read_text(encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the files that docs/own-data.md speaks of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.txt").write_text("the cat sat on the mat.\n" * 400)
    table(tmp_path / "my.csv"), table(tmp_path / "a,b.csv")
    clips(tmp_path / "clips")
    return tmp_path


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", re.findall(r"^python -m bench\.matrix (.*)$", DOCS, re.MULTILINE))
def test_the_commands_of_the_document_work(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is understood, over files that are there; so are the ways of quoting."""
    words = [word for word in shlex.split(command) if word != "--dry-run"]
    assert matrix.main([*words, "--list"]) == OK
    configurations = len({replace(row, task="mine") for row in QUICK.rows()})
    assert f"matrix quick-own: {configurations} configurations x 2 seeds" in capsys.readouterr().out
    quoted = re.findall(r"`'(series:.*?)'`", DOCS)
    assert set(register(quoted).values()) == {"series/own/a-b"}


def test_the_matrix_file_of_the_document_is_one(here: Path) -> None:
    """With its budget for own data."""
    (block,) = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    (here / "mine.toml").write_text(block)
    made = read_matrix(here / "mine.toml")
    assert made.budgets["series/own/my"].steps == 500


def test_the_document_names_every_option() -> None:
    """Of every family, and no other."""
    for family, module in own.READERS.items():
        (line,) = re.findall(rf"^\| `{family}` \| (.*) \|", DOCS, re.MULTILINE)
        options = set(importlib.import_module(f"tasks.data.{module}").OPTIONS)
        assert options <= set(re.findall(r"`(\w+)`", line)), family


def test_a_preset_without_own_data_is_as_it_was() -> None:
    """Nothing about a matrix changes where nothing of one's own is asked for."""
    assert widened(QUICK, Filters(task=("series",)), []) is QUICK
