"""What a page links to: its techniques, and the commands that give its numbers again."""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRAMMAR, GRU, LSTM, Record, board_from

from bench import matrix, rerun
from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.matrices import MATRICES
from bench.methods import method
from report import drawing, page, pages, reproduce
from report.__main__ import parser
from report.board import Board, board
from report.frame import frames
from report.glossary import TABLES, Glossary
from tasks.data import places

ROOT = Path(__file__).parents[1]
RECIPE = ("lstm", "clip+dropout", "adam")
OWN = ("my-cell", "clip+my-trick", "my-rule")


def test_every_technique_has_an_entry_with_what_it_is() -> None:
    """All names of the axes, each once and described; no two have one anchor."""
    singles = [name for name in STABILISATIONS if "+" not in name]
    used = [(name, "none", "adam") for name in ARCHITECTURES] + [("lstm", name, "adam") for name in singles]
    runs = [made.run(DIGITS, technique) for technique in (*used, *(("lstm", "none", name) for name in OPTIMIZERS))]
    glossary = Glossary([board_from(*runs)])
    entries = [entry for axis in glossary.axes.values() for entry in axis]
    assert [entry.name for entry in entries] == [*ARCHITECTURES, *singles, *OPTIMIZERS]
    assert len({entry.anchor for entry in entries}) == len(entries)
    assert all(entry.what for entry in entries)
    assert all(re.fullmatch(r"[a-z]+-[a-z0-9-]+", entry.anchor) for entry in entries)
    for axis, name in (("architecture", "gru"), ("stabilisation", "clip"), ("optimizer", "adam")):
        (entry,) = (entry for entry in glossary.axes[axis] if entry.name == name)
        about = method(axis, name)
        assert about is not None
        assert entry.what == about.what
        assert entry.sources
        assert glossary.links(axis, name) == [(name, entry.anchor)]


def test_only_what_a_page_holds_is_listed() -> None:
    """In the order of the tables, whatever the order of the boards."""
    glossary = Glossary([board_from(made.run(DIGITS, GRU)), board_from(made.run(GRAMMAR, RECIPE))])
    assert {axis: [entry.name for entry in entries] for axis, entries in glossary.axes.items()} == {
        "architecture": ["lstm", "gru"],
        "stabilisation": ["none", "clip", "dropout"],
        "optimizer": ["adam"],
    }
    assert list(TABLES) == ["architecture", "stabilisation", "optimizer"]


def test_a_recipe_links_part_by_part() -> None:
    """`clip+dropout` is clip and dropout; a part that no page describes is text alone."""
    glossary = Glossary([board_from(made.run(DIGITS, RECIPE), made.run(DIGITS, OWN))])
    assert glossary.links("stabilisation", "clip+dropout") == [("clip", "stabilisation-clip"),
                                                               ("dropout", "stabilisation-dropout")]  # fmt: skip
    assert glossary.links("stabilisation", "clip+my-trick") == [("clip", "stabilisation-clip"), ("my-trick", "")]
    assert glossary.links("architecture", "my-cell") == [("my-cell", "")]
    assert glossary.links("optimizer", "clip") == [("clip", "")]  # a name of another axis


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without figures: those have tests of their own."""
    for module in (drawing, page):
        monkeypatch.setattr(module, "PLOTS", ())


def written(folder: Path, matrices: dict[str, list[Record]]) -> str:
    """The whole page over some matrices."""
    for name, records in matrices.items():
        made.write(folder / "results", records, name)
    return pages.build(folder / "results", folder / "out", None)[0].read_text(encoding="utf-8")


def ids(text: str) -> list[str]:
    """Every id of a page, as a link names it."""
    return [unescape(name) for name in re.findall(r'<[a-z][^<>]* id="([^"]+)"', text)]


@pytest.mark.usefixtures("bare")
def test_every_link_of_a_page_leads_to_one_place(tmp_path: Path) -> None:
    """Links within the page name an id that stands once; technique cells link, names of one's own and none do not."""
    runs: list[Record] = [made.run(DIGITS, technique) for technique in (LSTM, GRU, CLIP, RECIPE, OWN)]
    text = written(tmp_path, {"core": runs, "two words": runs[:2]})
    links = {unescape(name) for name in re.findall(r'href="#([^"]+)"', text)}
    assert links <= set(ids(text))
    assert len(set(ids(text))) == len(ids(text))
    cell = '<td class=t><a href="#stabilisation-clip">clip</a>+'
    assert f'{cell}<a href="#stabilisation-dropout">dropout</a></td>' in text
    assert f"{cell}my-trick</td>" in text
    assert "<td class=t>my-cell</td>" in text
    assert '<td class=t><a href="#architecture-gru">gru</a></td><td class=t>none</td>' in text


@pytest.mark.usefixtures("bare")
def test_a_matrix_may_be_called_as_a_part_of_the_page(tmp_path: Path) -> None:
    """A reader's file `techniques.toml`, or `rules.toml`, takes no id of the page's own."""
    found = ids(written(tmp_path, {name: [made.run(DIGITS, LSTM)] for name in ("techniques", "rules", "main")}))
    assert sorted(name for name in set(found) if found.count(name) > 1) == []


def named(matrix: str, *records: Record) -> Board:
    """The board of a matrix of that name."""
    return board(frames(matrix, made.plain(records)))


def parsed(command: str) -> tuple[str, object]:
    """The module and what its own parser makes of the rest."""
    python, flag, module, *words = shlex.split(command)
    assert (python, flag) == ("python", "-m")
    known = {"bench.matrix": matrix.options, "bench.rerun": rerun.options, "report": parser().parse_args}
    return module, known[module](words)


@pytest.mark.parametrize("name", [*sorted(MATRICES), "mine", "my own"])
@pytest.mark.parametrize("task", [DIGITS, "series/etth1/24"])
def test_commands_are_those_of_the_programs(name: str, task: str) -> None:
    """Each is understood, and asks for this matrix, this run and, where they are needed, real data."""
    run = made.run(task, LSTM)
    install, *commands = reproduce.steps(named(name, run)).commands
    found = dict(parsed(command) for command in commands)
    assert list(found) == ["bench.matrix", "bench.rerun", "report"]
    asked, again, report = (vars(one) for one in found.values())
    assert asked["matrix"] == (name if name in MATRICES else f"{name}.toml")
    assert asked["no_timing"] is True
    assert (str(asked["data"]), str(again["data"])) == (
        ("DIR",) * 2 if task.startswith("series") else (str(places.data()),) * 2
    )
    assert run.id in map(str, again.values())
    assert report["matrix"] == [name]
    words = shlex.split(install)
    assert (ROOT / words[words.index("-c") + 1]).is_file()
    extra = words[-1].removeprefix(".[").removesuffix("]")
    assert (
        extra
        in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    )


def test_times_are_asked_for_where_there_are_some() -> None:
    """A matrix that was timed is timed again; one without a score has no run to do again."""
    run = made.run(DIGITS, LSTM)
    assert "--no-timing" not in reproduce.steps(named("core", run, made.timing(run, 3.0))).commands[1]
    dead = made.failed(run, "diverged", "loss is not finite")
    assert not any("rerun" in command for command in reproduce.steps(named("core", dead)).commands)


@pytest.mark.parametrize("name", ["x; rm -rf *", "$(reboot)", "`reboot`", "a' b", "x&y|z>w"])
def test_what_is_pasted_is_one_word(name: str) -> None:
    """A name or an id of someone else's record is no command: what a shell reads are these words and no others."""
    run = made.run(DIGITS, LSTM)
    _, *commands = reproduce.steps(named(name, replace(run, id=name))).commands
    for command in commands:
        lexed = shlex.shlex(command, posix=True, punctuation_chars=True)
        assert not [word for word in lexed if set(word) <= set("();<>|&")], command
        assert not re.search(r"[$`]", re.sub(r"'[^']*'", "", command)), command


def test_an_id_of_blanks_is_no_crash() -> None:
    """A record may hold anything."""
    assert reproduce.steps(named("core", replace(made.run(DIGITS, LSTM), id=" "))).commands


def test_facts_and_data() -> None:
    """Seeds as ranges, threads, versions, and each task's data with version and fingerprint."""
    seeds = (0, 1, 2, 7)
    found = reproduce.steps(board_from(*(made.run(task, LSTM, seed) for seed in seeds for task in (DIGITS, GRAMMAR))))
    assert found.facts[0].startswith("Protocol 1, seeds 0-2,7, 1 thread a run")
    assert found.facts[1] == "Versions: code c0dec0dec0d…, torch 2.14.1."
    assert {line.cells[0]: line.cells[1:] for line in found.data.lines} == {
        name: ("1", made.task_of(name)["fingerprint"], made.TASKS[name]["metric"]) for name in (DIGITS, GRAMMAR)
    }
