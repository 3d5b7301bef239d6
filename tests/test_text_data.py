"""The strict reader of text, text as symbols, and the published corpora in their layouts."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stories import read, story, told, written

from tasks.data import DamagedData, reading, symbols

pytestmark = pytest.mark.usefixtures("text_cache")

EXAMPLES = 500 if os.environ.get("LSTM_BENCH_LONG") else 60
"""Texts that the fuzzed reader gets; 500 in the long form."""
LONG = 100_000_000 if os.environ.get("LSTM_BENCH_LONG") else 17_500_000
"""Bytes of the text whose preparation is measured: 100 million in the long form."""


@pytest.mark.parametrize(("unit", "content", "said"), [
    ("character", b"one\ntwo \xff three", r"my\.txt: byte 8, line 2: 0xff is not UTF-8 .*; save the file as UTF-8"),
    ("word", b"\xfe\xff\x00h\x00i", r"my\.txt: byte 2, line 1: a NUL byte: a binary file, or UTF-16; save .*"),
    ("word", "Grün".encode()[:-2], r"byte 2, line 1: 0xc3 is not UTF-8 \(unexpected end of data\)"),
    ("character", b"", r"my\.txt: the file is empty; give a text"),
    ("byte", b"", r"my\.txt: the file is empty; give a text"),
    ("word", b"hello", r"2 words leave 1 for train, fewer than two windows of 4; give a longer text"),
    ("character", b"\n" * 4_000, r"train holds one character again and again, and nothing to predict"),
    ("word", b"\n" * 4_000, r"train holds one word again and again"),
    ("byte", b"\0" * 4_000, r"train holds one byte again and again"),
    ("character", b"a\nb\nc\n\0d", r"byte 6, line 4: a NUL byte"),
    ("word", b"one here:" + b"x" * 10_000_000, r"line 1: a word of more than 1,000 .*'here:xxx.*unit=char"),
    ("word", b"a b c\n" + b"x" * 1_001 + b" d\n", r"line 2: a word of more than 1,000 characters"),
    ("character", b"fewer than two windows\r\n", r"23 characters leave 2 for valid|leave 1 for valid"),
])  # fmt: skip
def test_a_damaged_text_is_refused(unit: reading.Unit, content: bytes, said: str, tmp_path: Path) -> None:
    """Each fault with file, place and what to do."""
    with pytest.raises(DamagedData, match=said):
        read(written(tmp_path, content), unit)


def test_line_ends_of_all_kinds_are_line_feeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CRLF, CR and LF are one symbol, wherever a chunk ends; as bytes they stay."""
    mixed = "ab\r\ncd\ref gh\n\r\n\rgh" * 30
    path = written(tmp_path, mixed)
    for size in (1, 2, 3, 2**20):
        monkeypatch.setattr(reading, "CHUNK", size)
        assert "".join(told(read(path))) == mixed.replace("\r\n", "\n").replace("\r", "\n")
        assert "".join(told(read(path, "byte"))) == mixed
    lines = path.read_text("utf-8").split("\n")
    assert told(read(path, "word")) == [word for line in lines for word in (*line.split(), "<eos>")]


def test_a_byte_order_mark_is_no_character(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In front it is left out, elsewhere it is a character; as bytes it stays."""
    path = written(tmp_path, "\ufeff" + "one \ufeff two\n" * 20)
    for size in (1, 2**20):
        monkeypatch.setattr(reading, "CHUNK", size)
        assert "".join(told(read(path))) == "one \ufeff two\n" * 20
    assert told(read(path, "byte"))[:3] == ["\xef", "\xbb", "\xbf"]


def test_a_line_of_ten_million_characters_is_read(tmp_path: Path) -> None:
    """text8 is one line; so is this, by characters and by words."""
    path = written(tmp_path, "abcd efgh " * 1_000_000)
    assert sum(read(path).sizes) == 10_000_000
    assert sum(read(path, "word").sizes) == 2_000_001


def test_a_packed_text_is_the_text(tmp_path: Path) -> None:
    """my.txt.gz is read as my.txt; a cut one is refused."""
    plain = story(2_000).encode()
    packed = written(tmp_path, gzip.compress(plain), "my.txt.gz")
    assert told(read(packed)) == told(read(written(tmp_path, plain)))
    with pytest.raises(DamagedData, match=r"cut\.txt\.gz: cannot be unpacked"):
        read(written(tmp_path, packed.read_bytes()[:-20], "cut.txt.gz"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.lists(st.sampled_from([b"\r", b"\n", b" ", b"a", b"\xc3", b"\xa4", b"\xef\xbb\xbf", b"\0"])).map(b"".join),
    ),
    unit=st.sampled_from(reading.UNITS),
    chunk=st.sampled_from([1, 2, 7, 2**20]),
    most=st.sampled_from([None, 3]),
)  # fmt: skip
def test_any_bytes_are_read_or_refused(
    content: bytes, unit: reading.Unit, chunk: int, most: int | None, tmp_path: Path
) -> None:
    """Whatever a file holds: symbols, or DamagedData that names the file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "CHUNK", chunk)
        path, refused = written(tmp_path, content), None
        try:
            found = read(path, unit, window=2, most=most if unit == "word" else None)
        except DamagedData as error:
            refused = str(error)
    if refused is not None:
        assert refused.startswith("my.txt: ")
        return
    corpus = found.corpus
    assert all(
        0 <= part.min() <= part.max() < len(corpus.vocabulary) for part in (corpus.train, corpus.valid, corpus.test)
    )
    if unit != "byte":
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        lines = text.removesuffix("\n").split("\n") if text else []
        wanted = [w for line in lines for w in (*line.split(), "<eos>")] if unit == "word" else list(text)
        assert sum(found.sizes) == len(wanted)
        assert all(a == b or a in ("<unk>", "<unseen>") for a, b in zip(told(found), wanted, strict=True))


# symbols


def test_the_vocabulary_is_that_of_train(tmp_path: Path) -> None:
    """What train lacks is one symbol more; characters stand in the order of their codes, words as they come."""
    found = read(written(tmp_path, "ab" * 449 + "\n" + "xyz " * 25)).corpus
    assert found.vocabulary == ("\n", "a", "b", "<unseen>")
    assert {*found.test.tolist()} == {3}
    found = read(written(tmp_path, "b a\n" * 300 + "c d " * 50), "word").corpus
    assert found.vocabulary == ("<eos>", "b", "a", "<unk>")
    assert found.start == 0


def test_rare_words_become_unk(tmp_path: Path) -> None:
    """The most frequent words are kept, a line's end among them; a text's own <unk> is the symbol of all others."""
    text = "a a a b b c <unk> d\n" * 100
    found = read(written(tmp_path, text), "word", most=4).corpus
    assert found.vocabulary == ("<eos>", "a", "b", "<unk>")
    assert "".join(found.vocabulary[i] + " " for i in found.train[:9]) == "a a a b b <unk> <unk> <unk> <eos> "


@pytest.mark.parametrize("unit", reading.UNITS)
def test_mapped_is_what_memory_would_hold(unit: reading.Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same symbols, in the smallest type; the second time nothing is prepared."""
    path = written(tmp_path, story(3_000))
    small = read(path, unit).corpus
    monkeypatch.setattr(symbols, "KEPT", 1)
    monkeypatch.setattr(symbols, "LARGE", 1)
    monkeypatch.setattr(symbols, "AT_ONCE", 1_000)
    large = read(path, unit).corpus
    assert (large.vocabulary, large.start) == (small.vocabulary, small.start)
    for a, b in zip((small.train, small.valid, small.test), (large.train, large.valid, large.test), strict=True):
        assert (a.dtype, b.dtype) == (np.int64, np.uint8)
        assert isinstance(b, np.memmap)
        assert np.array_equal(a, b)
    monkeypatch.setattr(symbols, "_prepare", None)
    assert np.array_equal(read(path, unit).corpus.train, small.train)


def test_another_text_of_the_same_size_is_prepared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is the content, and not the file's time; a file of symbols that was cut is made again."""
    monkeypatch.setattr(symbols, "KEPT", 1)
    path = written(tmp_path, "abcabd" * 100)
    first, stamp = told(read(path)), path.stat().st_mtime_ns
    written(tmp_path, "abcabe" * 100)
    os.utime(path, ns=(stamp, stamp))
    assert told(read(path)) != first
    (folder,) = (
        f
        for f in (tmp_path / "cache").glob("text-*")
        if "d" in json.loads((f / "about.json").read_text())["vocabulary"]
    )
    (folder / "test").write_bytes(b"")
    assert told(read(written(tmp_path, "abcabd" * 100))) == first


def test_a_preparation_that_is_killed_leaves_nothing_half(tmp_path: Path, text_cache: Path) -> None:
    """SIGKILL in the middle: no folder has the name of a prepared text, and the next preparation is whole."""
    path = written(tmp_path, story(20_000))
    code = (
        "import sys, time; from pathlib import Path; from tasks.data import symbols\n"
        "symbols.KEPT = 1\n"
        "symbols._start = lambda *_: (print('here', flush=True), time.sleep(60))\n"
        f"symbols.prepared(symbols.Reading('word', (Path({str(path)!r}),), 35))"
    )
    env = {**os.environ, "LSTM_BENCH_CACHE": str(text_cache)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1], env=env) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    left = list(text_cache.iterdir())
    assert [folder.suffix for folder in left] == [".tmp"]
    os.utime(left[0], (0, 0))  # long ago: the next preparation clears it away
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(symbols, "KEPT", 1)
        assert told(read(path, "word")) == story(20_000).replace("\n", " <eos> ").split()
    assert [folder.suffix for folder in text_cache.iterdir()] == [""]


MEASURED = """
import resource, sys
from pathlib import Path
from tasks.data import symbols
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for unit in ("word", "character"):
    symbols.prepared(symbols.Reading(unit, (Path(sys.argv[1]),), 35))
before = peak()
for unit in ("word", "character"):
    symbols.prepared(symbols.Reading(unit, (Path(sys.argv[2]),), 35))
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_text(tmp_path: Path, text_cache: Path) -> None:
    """A text seven times as long, and one that is mapped, is prepared in the memory of the shorter one."""
    block = story(10_000).encode()
    short, long = (written(tmp_path, block * (size // len(block)), f"{size}.txt") for size in (2_500_000, LONG))
    command = [sys.executable, "-c", MEASURED, str(short), str(long)]
    env = {**os.environ, "LSTM_BENCH_CACHE": str(text_cache)}
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1], env=env)
    assert int(said.stdout) < 32 * 1_024  # KiB; the characters as int64 would be 140 MB
