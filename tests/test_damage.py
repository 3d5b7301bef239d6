"""Damage is found and set aside, whatever it is; and no record says whose machine it was made on."""

from __future__ import annotations

import os
import re
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toys import tiny

from bench import run as room
from bench import store
from bench.record import RunRecord, decode, encode, impersonal, unfinished
from bench.store import Store

ROOT = Path(__file__).parents[1]
LONG = float(os.environ.get("LSTM_BENCH_LONG", "0")) > 0
BITS = range(8) if LONG else range(1)
"""Flipped in each byte."""


def one(seed: int = 0, status: str = "ok") -> RunRecord:
    return replace(unfinished(tiny(seed=seed), status), curve=[{"step": 0, "valid": {"loss": 0.1 + seed}}])


def test_every_flipped_bit_and_every_cut_is_found(tmp_path: Path) -> None:
    """Of a file of three lines the second is damaged, its newline included: what the store reads is a record that was
    written, to the value, or damage; the neighbours of a damaged line are lost only with the newline between them."""
    path = tmp_path / "m.jsonl"
    lines = [encode(one(seed)).encode() + b"\n" for seed in range(3)]
    rows = [decode(line.decode()) for line in lines]
    cases = [
        lines[1][:place] + bytes([lines[1][place] ^ 1 << (bit + place) % 8]) + lines[1][place + 1 :]
        for place in range(len(lines[1]))
        for bit in BITS
    ]
    cuts = [lines[1][:place] for place in range(1, len(lines[1]))]
    for place, case in enumerate([*cases, *cuts]):
        path.write_bytes(lines[0] + case + lines[2])
        found = [row for _, _, row in Store(path).lines()]
        read = [row for row in found if not isinstance(row, ValueError)]
        assert all(row in rows for row in read), place
        assert rows[0] in read
        assert len(read) < 3 or (read == rows and len(found) == 3), place
        if case.endswith(b"\n") and case[:-1].count(b"\n") == 0:
            assert rows[2] in read
    for place in range(len(lines[1])):  # the file ends there
        path.write_bytes(lines[0] + lines[1][:place])
        found = [row for _, _, row in Store(path).lines()]
        assert found[0] == rows[0]
        assert len(found) == 1 if place == 0 else isinstance(found[1], ValueError)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", None),
        (b"\n\n  \n", None),
        (b"\0" * 5_000, "cut short"),
        (b"\0" * 5_000 + b"\n", "Expecting value"),
        (b"\xff\xfe\xfa\n", "Expecting value"),
        (encode(one()).replace("adam", "ad\xe4m").encode("latin-1") + b"\n", "checksum differs"),
        (encode(one()).replace('"schema":1', '"schema":2').encode() + b"\n", "schema 2"),
        (b'{"schema":1}\n', "a kind and an id"),
        (b'{"schema":1,"kind":"run","id":"x","sum":3}\n', "checksum differs"),
        (b"[" * 100_000 + b"\n", "recursion"),
        (b"1" * 5_000 + b"\n", "."),
    ],
)
def test_a_file_of_something_else(content: bytes, words: str | None, tmp_path: Path) -> None:
    """Nothing, NULs, bytes that are no text, another schema, brackets without end: set aside with words, byte for
    byte, and the file is a results file again."""
    path = tmp_path / "m.jsonl"
    path.write_bytes(content + encode(one(5)).encode() + b"\n" if content.endswith(b"\n") else content)
    with Store(path) as opened:
        opened.append(one(7))
    assert one(7).id in Store(path).done()
    assert (one(5).id in Store(path).done()) == content.endswith(b"\n")
    assert len(opened.warnings) == (words is not None)
    if words is not None:
        assert re.search(words, opened.warnings[0])
        assert path.with_suffix(".jsonl.damaged").read_bytes() == content.removesuffix(b"\n") + b"\n"


def test_lines_of_another_system_are_records(tmp_path: Path) -> None:
    """Carriage returns before the newlines, as a transfer may put them there, change no record."""
    path = tmp_path / "m.jsonl"
    path.write_bytes(b"".join(encode(one(seed)).encode() + b"\r\n" for seed in range(2)))
    assert [row["id"] for row in Store(path).rows()] == [one(0).id, one(1).id]


def test_a_gigabyte_without_a_newline_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is damage; the records behind it are read, and no more than a few lines' worth of memory is taken."""
    if not LONG:
        monkeypatch.setattr(store, "MAX_LINE", 2**20)
    path = tmp_path / "m.jsonl"
    with path.open("wb") as file:
        file.seek(64 * store.MAX_LINE)  # a hole in the file, which reads as NULs
        file.write(b"\n" + encode(one(1)).encode() + b"\n")
    tracemalloc.start()
    found = [row for _, _, row in Store(path).lines()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert f"line of more than {store.MAX_LINE} bytes" in str(found[0])
    assert found[1]["id"] == one(1).id
    assert peak < 6 * store.MAX_LINE


ABSOLUTE = re.compile(r"(?<=[\s'\"(=])(?:[A-Za-z]:\\\\|/)[\w.-]+[/\\][\w./\\-]*|file://")


def private() -> list[str]:
    """What no record may say."""
    import getpass
    import platform

    return [f'"{getpass.getuser()}"', f"/{getpass.getuser()}/", str(Path.home()) + "/", str(ROOT), platform.node()]


def test_committed_records_name_no_machine() -> None:
    """No host, no user and no absolute path in any line of results/."""
    texts = [path.read_text() for path in ROOT.glob("results/*/*.jsonl")]
    assert texts
    for text in texts:
        assert not ABSOLUTE.findall(text)
        assert not [word for word in private() if len(word) > 3 and word in text]


def test_a_failed_run_names_no_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The story of an error keeps what happened and where in the sources, and loses the folders."""

    def broken(*_: Any) -> None:
        (tmp_path / "deep" / "data.csv").read_text()

    monkeypatch.setattr(room, "network", broken)
    line = encode(room.run_one(tiny()))
    assert "FileNotFoundError" in line
    assert "data.csv" in line
    assert "test_damage.py" in line
    assert not ABSOLUTE.findall(line)
    assert not [word for word in private() if len(word) > 3 and word in line]


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("No such file: '/srv/data/x/y.txt' (run.py:3)", "No such file: 'y.txt' (run.py:3)"),
        (r"cannot read D:\Data\Jane\a.wav", "cannot read a.wav"),
        ("see file:///mnt/deep/log.txt", "see file://log.txt"),
        ("get it with: git clone https://example.org/a/b", "get it with: git clone https://example.org/a/b"),
        ("get it with: python -m tasks fetch a --data /srv/x", "get it with: python -m tasks fetch a --data DIR"),
        ("get it with: python -m tasks fetch a --data '/x y/z'", "get it with: python -m tasks fetch a --data DIR"),
        ("series/etth1/24 needs 3/4 of it; a / b", "series/etth1/24 needs 3/4 of it; a / b"),
    ],
)
def test_what_a_reason_loses(reason: str, kept: str) -> None:
    """Folders of absolute paths; neither addresses of the net, nor names of tasks, nor fractions."""
    assert impersonal(reason) == kept
