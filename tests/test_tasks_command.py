"""`python -m tasks` lists, fetches and checks datasets, and says what is wrong in one line and an exit code."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from servers import BODY, QUICK, Asked, pinned, serving, whole

import tasks.data.fetch
from tasks.__main__ import main, mistakes, parser
from tasks.cards import TASKS
from tasks.data import SOURCES, Source
from tasks.data.fetch import Patience, Teller
from tasks.telling import Lines, teller
from tasks.words import size

ROOT = Path(__file__).parents[1]
FETCH = tasks.data.fetch.fetch
Serve = Callable[[Callable[[Asked], None]], None]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """A source called `set`, whose host is a server that answers as it is told."""
    with contextlib.ExitStack() as stack:

        def serve(answer: Callable[[Asked], None]) -> None:
            server = stack.enter_context(serving(answer))

            def quick(source: Source, data: Path, teller: Teller, patience: Patience) -> None:
                FETCH(source, data, teller, QUICK, server.connect)

            monkeypatch.setattr(tasks.data.fetch, "fetch", quick)

        monkeypatch.setitem(SOURCES, "set", pinned())
        yield serve


def test_a_list_says_it_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every dataset with title, size, licence, reference, tasks, and how it is got."""
    code, text, _ = run(capsys, "list", "--data", tmp_path)
    assert code == 0
    for source in SOURCES.values():
        for words in (source.title, source.licence, source.reference, source.command(tmp_path), size(source.size)):
            assert words in text
    assert all(card.name in text for card in TASKS.values() if card.dataset in SOURCES and card.study is None)
    assert "there, " not in text


def test_a_list_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line; what is there is told apart."""
    (tmp_path / "tinyshakespeare").mkdir()
    (tmp_path / "tinyshakespeare/input.txt").touch()
    code, text, _ = run(capsys, "list", "--json", "--data", tmp_path)
    facts = {line["name"]: line for line in map(json.loads, text.splitlines())}
    assert code == 0
    assert facts.keys() == SOURCES.keys()
    assert [name for name, line in facts.items() if line["there"]] == ["shakespeare"]
    assert facts["shakespeare"]["download_bytes"] == 1_115_394
    assert facts["fsdd"]["download_bytes"] is None


@pytest.mark.parametrize("words", [["list"], ["fetch", "etth"], ["check", "."]])
def test_answers_load_nothing_slow(words: list[str]) -> None:
    """Neither torch nor numpy, nor rich where there is no terminal."""
    check = (
        f"from tasks.__main__ import main; main({words!r}); import sys; "
        "assert not {'torch', 'numpy', 'pandas', 'rich', 'soundfile'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each mistake, with what was meant, and nothing is done."""
    (tmp_path / "file").touch()
    code, _, told = run(capsys, "fetch", "eth1", "ptbb", "--data", tmp_path / "file", "--deadline", "nan")
    lines = told.splitlines()
    assert (code, len(lines)) == (2, 4)
    assert lines[0].startswith("error: unknown dataset 'eth1'. Did you mean 'etth1'? Known: ")
    assert "'ptb'" in lines[1]
    assert "is a file" in lines[2]
    assert "--deadline must be more than 0 seconds, got nan" in lines[3]
    assert run(capsys, "check", tmp_path / "none")[0] == 2
    for words in ([], ["fetch"], ["check"], ["lst"]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 2


def test_a_dataset_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What to do is printed; where it has been done, that is said."""
    code, text, _ = run(capsys, "fetch", "fsdd", "--data", tmp_path)
    assert (code, text) == (2, f"fsdd is got by hand: {SOURCES['fsdd'].command(tmp_path)}\n")
    (tmp_path / "fsdd/recordings").mkdir(parents=True)
    assert run(capsys, "fetch", "fsdd", "--data", tmp_path)[0] == 0


def test_a_fetch(tmp_path: Path, capsys: pytest.CaptureFixture[str], served: Serve) -> None:
    """Plain lines where there is no terminal, and a look finds all well."""
    served(whole)
    code, text, told = run(capsys, "fetch", "set", "set", "--data", tmp_path / "new")
    assert (code, text) == (0, f"set: whole, in {tmp_path / 'new'}\n")
    assert told == "set: set/file.bin: 307 kB of 307 kB\n"
    assert (tmp_path / "new/set/file.bin").read_bytes() == BODY
    assert run(capsys, "check", tmp_path / "new", "set") == (0, f"{'set':<24}ok\n", "")


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (lambda asked: whole(asked, bytes(len(BODY))), 1, "expected sha256"),
        (lambda asked: asked.head(503, Content_Length=0), 3, "HTTP status 503"),
    ],
)
def test_exit_codes(
    answer: Callable[[Asked], None],
    code: int,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    served: Serve,
) -> None:
    """1 for data that are wrong, 3 for a network that gives none; the datasets after it are still fetched."""
    served(answer)
    (tmp_path / "fsdd/recordings").mkdir(parents=True)
    got, text, told = run(capsys, "fetch", "set", "fsdd", "--data", tmp_path)
    assert got == code
    assert words in told
    assert "fsdd: already there" in text
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(28, "No space left on device"), 3, "the disk is full"),
        (PermissionError(13, "Permission denied", "set"), 3, "cannot write: Permission denied (set)"),
        (OSError(30, "Read-only file system", "set"), 3, "cannot write: Read-only file system (set)"),
        (KeyboardInterrupt(), 130, "interrupted; what came is kept"),
    ],
)
def test_the_disk_and_the_person(
    error: BaseException,
    code: int,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line, and what to do."""

    def fails(*rest: object) -> None:
        raise error

    monkeypatch.setattr(tasks.data.fetch, "fetch", fails)
    got, _, told = run(capsys, "fetch", "etth1", "--data", tmp_path)
    assert got == code
    assert words in told
    assert told.count("\n") == 1


def test_a_check(tmp_path: Path, capsys: pytest.CaptureFixture[str], served: Serve) -> None:
    """An absent dataset is no fault unless it was named or all are; a damaged or half one is."""
    code, text, told = run(capsys, "check", tmp_path)
    states, hint = text.split("\n\n")
    assert (code, set(states.split()[1::2])) == (1, {"absent"})
    assert "--deep asks the readers" in hint
    assert "official layouts" in told
    served(whole)
    run(capsys, "fetch", "set", "--data", tmp_path)
    assert run(capsys, "check", tmp_path)[0] == 0
    assert run(capsys, "check", tmp_path, "set", "ptb")[0] == 1
    (tmp_path / "set/file.bin").write_bytes(b"other")
    code, text, _ = run(capsys, "check", tmp_path, "set")
    assert code == 1
    assert "differs from its pinned checksum; get it again with: python -m tasks fetch set" in text


def test_a_check_names_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing and what is damaged, each with its command; as JSON too."""
    (tmp_path / "ptb").mkdir()
    (tmp_path / "ptb/ptb.train.txt").write_text("no")
    code, text, _ = run(capsys, "check", tmp_path, "ptb", "--json")
    found = json.loads(text)
    assert (code, found["state"]) == (1, "wrong")
    assert [re.search(r"ptb\.(\w+)\.txt", line).group(1) for line in found["wrong"]] == ["train", "valid", "test"]  # type: ignore[union-attr]
    assert "expected sha256" in found["wrong"][0]
    assert "python -m tasks fetch ptb" in found["wrong"][1]


def test_a_deep_check_asks_the_readers(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fingerprint and sizes of the splits of every task on a dataset."""
    code, text, _ = run(capsys, "check", data, "warandpeace", "--deep")
    assert code == 0
    assert re.search(r"language/\S+: fingerprint [0-9a-f]{16}, train \d+, valid \d+, test \d+", text)


def test_a_deep_check_of_what_a_reader_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader's own words, though layout and pins are well."""
    bare = replace(SOURCES["etth1"], files={}, downloads=(), by_hand="by hand")
    monkeypatch.setitem(SOURCES, "etth1", bare)
    (tmp_path / "ETT-small").mkdir()
    (tmp_path / "ETT-small/ETTh1.csv").write_text("date,OT\n2016-07-01,1\n")
    assert run(capsys, "check", tmp_path, "etth1")[0] == 0
    code, text, _ = run(capsys, "check", tmp_path, "etth1", "--deep")
    assert code == 1
    assert "ETTh1.csv" in text.split("wrong", 1)[1]


def test_a_printed_command_can_be_pasted() -> None:
    """Whatever the folder is called."""
    folder = Path("my data/it's; here $HOME")
    for source in SOURCES.values():
        words = shlex.split(source.command(folder))
        if source.downloads:
            options = parser().parse_args(words[3:])
            assert (words[:3], options.data, options.names) == (["python", "-m", "tasks"], folder, [source.name])
            assert mistakes(options) == []
        else:
            assert any(str(folder) in word for word in words)


def test_commands_in_the_documents_parse() -> None:
    """Every `python -m tasks ...` of the documents is understood, with names that exist."""
    found = []
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        found += re.findall(r"`(python -m tasks [^`\n]*)`", text)
        found += re.findall(r"^(python -m tasks .*?)(?: +#.*)?$", text, re.MULTILINE)
    assert len(found) > 3
    for command in found:
        if "NAME" not in command and command not in ("python -m tasks fetch", "python -m tasks check"):
            options = parser().parse_args(shlex.split(command)[3:])
            assert set(getattr(options, "names", ())) <= SOURCES.keys(), command


def test_the_page_of_data_names_every_dataset() -> None:
    """docs/data.md has every name, and every path of the official layouts or the folder that it is in."""
    text = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    assert [name for name in SOURCES if f"`{name}`" not in text] == []
    tops = {path.split("/")[0] for source in SOURCES.values() for path in source.layout}
    assert [top for top in tops if f"{top}/" not in text] == []


def test_lines_of_a_large_file(capsys: pytest.CaptureFixture[str]) -> None:
    """One for each tenth, and no more."""
    download = replace(pinned().downloads[0], size=50_000_000)
    lines = Lines("set")
    for have in range(0, 50_000_001, 50_000):
        lines.came(download, have)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 10
    assert told[-1] == "set: set/file.bin: 50 MB of 50 MB"


def test_bars_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each file, and what is said stands above them as it was said."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    source = pinned()
    with teller(source) as told:
        told.came(source.downloads[0], len(BODY))
        told.say("[red]unpacking[/]")
    shown = capsys.readouterr().err
    assert "set: [red]unpacking[/]" in shown
    assert "set/file.bin" in shown
    assert "307.2/307.2 kB" in shown


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (999, "999 B"), (1_000, "1 kB"), (21_128_848, "21.1 MB"), (6.39e9, "6.39 GB")]
)
def test_sizes_in_words(count: float, words: str) -> None:
    """Powers of a thousand."""
    assert size(count) == words
