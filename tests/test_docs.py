"""README and docs work: commands parse, links lead somewhere, the example file is a matrix."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench import cli, matrix, merge, rerun, timing
from bench.matrices import MATRICES
from bench.matrixfile import read
from bench.plan import check
from report.__main__ import parser as report_parser
from tasks.cards import TASKS

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "results/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def commands() -> list[str]:
    """Every `python -m ...` command of the documents, from code blocks and inline code."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found += re.findall(r"`(python -m (?:bench|report)[^`\n]*)`", text)
        found += re.findall(r"^(?:pip .*&& )?(python -m (?:bench|report).*?)(?: +#.*)?$", text, re.MULTILINE)
    # those with code or data of the reader's own: tests/test_plugins.py and tests/test_own.py
    own = re.compile(r"--plugin|bench\.contract|--task '?\w+:")
    return [command for command in dict.fromkeys(found) if not own.search(command)]


@pytest.mark.parametrize("command", commands())
def test_commands_parse(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command in the documents is one that the program understands, with names that exist."""
    module, *words = shlex.split(command)[2:]
    words = [word for word in words if word != "DIR"] if words[-1:] == ["DIR"] and "--data" not in words else words
    if module == "report":
        report_parser().parse_args(words)
        return
    if module == "bench.rerun":
        rerun.options(words)
        return
    if module == "bench.matrix" and words[:1] == ["merge"]:
        merge.options(words[1:])
        return
    options = (matrix.options if module == "bench.matrix" else timing.options)(words)
    if options.matrix == "mine.toml":
        options.matrix = "quick"
    check(*cli.chosen(options))


def test_there_are_commands_to_check() -> None:
    """The pattern above finds the documents' commands."""
    assert len(commands()) >= 8


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name files that are there."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_the_example_matrix_file_is_a_matrix(tmp_path: Path) -> None:
    """docs/matrix-file.md shows a file that passes its own checks."""
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/matrix-file.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mine.toml").write_text(block)
    check(read(tmp_path / "mine.toml"))


def test_the_readme_names_every_preset_and_family() -> None:
    """Nothing that can be run is left out of the tables."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in MATRICES)
    assert all(card.family in text for card in TASKS.values())


def test_the_protocol_names_every_stabilisation() -> None:
    """docs/protocol.md says what each technique does here."""
    from bench.axes import STABILISATIONS

    text = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    assert [name for name in STABILISATIONS if name != "none" and name not in text] == []


def test_citation_has_what_it_needs() -> None:
    """CITATION.cff names title, authors, version and date; the version is the package's."""
    from bench import __version__

    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {__version__}" in text
    for key in ("cff-version: 1.2.0", "message:", "title:", "authors:", "date-released:", "license: MIT"):
        assert key in text


def test_nothing_committed_names_a_machine() -> None:
    """No home folder, package index or work folder stands in a file of the project."""
    words = ("/home/", "/root/", "/tmp/", "pypi.org/simple", "--index-url", "C:\\Users")
    for path in ROOT.rglob("*"):
        inside = path.relative_to(ROOT).parts
        kept = path.suffix in {".py", ".md", ".toml", ".txt", ".cff", ".jsonl", ".j2", ".html", ".css", ".csv"}
        if kept and path.is_file() and not any(part.startswith(".") for part in inside) and path != Path(__file__):
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not [word for word in words if word in text], path
