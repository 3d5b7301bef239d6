"""The strict reader of text, text as symbols, and the published corpora in their layouts."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toys import tiny

import tasks
from bench import guards
from bench.run import run_one
from tasks import ngrams
from tasks import own as room
from tasks.base import IGNORE, Batch, Stream, fingerprint
from tasks.data import SOURCES, DamagedData, MissingData, corpora, own_text, reading, symbols
from tasks.data.symbols import Reading, prepared
from tasks.language import own

EXAMPLES = 500 if os.environ.get("LSTM_BENCH_LONG") else 60
"""Texts that the fuzzed reader gets; 500 in the long form."""
LONG = 100_000_000 if os.environ.get("LSTM_BENCH_LONG") else 17_500_000
"""Bytes of the text whose preparation is measured: 100 million in the long form."""

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "some", "dog", "that", "ran", "off", "with", "it", "\n"]


def story(count: int, seed: int = 0) -> str:
    """So many words in random order, a line's end after every fifteenth or so."""
    drawn = np.random.default_rng(seed).integers(len(WORDS), size=count)
    return " ".join(WORDS[index] for index in drawn).replace(" \n ", "\n") + "\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a folder of its own for prepared texts; kernels stay where they are."""
    monkeypatch.setattr(symbols, "places", SimpleNamespace(cache=lambda: tmp_path / "cache"))
    return tmp_path / "cache"


def written(folder: Path, content: bytes | str, name: str = "my.txt") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, unit: reading.Unit = "character", window: int = 4, most: int | None = None) -> symbols.Prepared:
    return prepared(Reading(unit, (path,), window, most))


def told(found: symbols.Prepared) -> list[str]:
    """All splits as they were read."""
    corpus = found.corpus
    return [corpus.vocabulary[symbol] for part in (corpus.train, corpus.valid, corpus.test) for symbol in part]


# the seven faults of a text


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


def test_a_preparation_that_is_killed_leaves_nothing_half(tmp_path: Path, cache: Path) -> None:
    """SIGKILL in the middle: no folder has the name of a prepared text, and the next preparation is whole."""
    path = written(tmp_path, story(20_000))
    code = (
        "import sys, time; from pathlib import Path; from tasks.data import symbols\n"
        "symbols.KEPT = 1\n"
        "symbols._start = lambda *_: (print('here', flush=True), time.sleep(60))\n"
        f"symbols.prepared(symbols.Reading('word', (Path({str(path)!r}),), 35))"
    )
    env = {**os.environ, "LSTM_BENCH_CACHE": str(cache)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1], env=env) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    left = list(cache.iterdir())
    assert [folder.suffix for folder in left] == [".tmp"]
    os.utime(left[0], (0, 0))  # long ago: the next preparation clears it away
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(symbols, "KEPT", 1)
        assert told(read(path, "word")) == story(20_000).replace("\n", " <eos> ").split()
    assert [folder.suffix for folder in cache.iterdir()] == [""]


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


def test_memory_does_not_grow_with_the_text(tmp_path: Path, cache: Path) -> None:
    """A text seven times as long, and one that is mapped, is prepared in the memory of the shorter one."""
    block = story(10_000).encode()
    short, long = (written(tmp_path, block * (size // len(block)), f"{size}.txt") for size in (2_500_000, LONG))
    command = [sys.executable, "-c", MEASURED, str(short), str(long)]
    env = {**os.environ, "LSTM_BENCH_CACHE": str(cache)}
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1], env=env)
    assert int(said.stdout) < 32 * 1_024  # KiB; the characters as int64 would be 140 MB


# streams


class Whole(Stream):
    """The rule of batches as it was when every stream lay in memory: whole arrays, rotated, filled up and cut."""

    def _cut(self, symbols: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = torch.cat([symbols.new_tensor([self.start]), symbols[:-1]])
        time = -(-len(symbols) // count)
        missing = time * count - len(symbols)
        x = torch.cat([inputs, inputs.new_full((missing,), self.start)])
        y = torch.cat([symbols, symbols.new_full((missing,), IGNORE)])
        return x.view(count, time), y.view(count, time)

    def _windows(self, x: torch.Tensor, y: torch.Tensor) -> Iterator[Batch]:
        for begin in range(0, x.shape[1], self.window):
            span = slice(begin, begin + self.window)
            yield Batch(x[:, span], y[:, span], carried=begin > 0)

    def shuffled(self, size: int, generator: torch.Generator) -> Iterator[Batch]:
        time = len(self.symbols) // (size * self.window) * self.window
        while True:
            offset = int(torch.randint(len(self.symbols), (1,), generator=generator))
            yield from self._windows(*self._cut(self.symbols.roll(-offset)[: time * size], size))

    def ordered(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        x, y = self._cut(self.symbols, self.columns)
        if limit is not None:
            keep = max(1, limit // self.columns) * self.window
            x, y = x[:, :keep], y[:, :keep]
        for columns in torch.arange(self.columns).split(size):
            yield from self._windows(x[columns], y[columns])


def same(found: Iterator[Batch], wanted: Iterator[Batch]) -> None:
    for a, b in zip(found, wanted, strict=True):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.y, b.y)
        assert a.carried == b.carried
        assert a.x.dtype == a.y.dtype == torch.int64


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8, torch.uint16, torch.uint32])
@pytest.mark.parametrize("length", [1, 5, 16, 17, 100, 2_003])
def test_batches_are_those_of_the_whole_stream(kind: torch.dtype, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch of training and of evaluation, at every size, is what copying the whole stream gave."""
    numbers = torch.randint(50, (length,), generator=torch.Generator().manual_seed(length))
    for window in (3, 32):
        new, old = Stream(numbers.to(kind), window, 7), Whole(numbers, window, 7)
        for size in (1, 3, 16, 64):
            for at_once in (1, 2**16):
                monkeypatch.setattr("tasks.base.AT_ONCE", at_once)
                for limit in (None, 1, 70):
                    same(new.ordered(size, limit), old.ordered(size, limit))
                if length >= size * window:
                    seeds = (torch.Generator().manual_seed(size) for _ in range(2))
                    same(*(islice(split.shuffled(size, next(seeds)), 30) for split in (new, old)))


def test_a_mapped_stream_stays_where_it_is(tmp_path: Path) -> None:
    """It is taken nowhere as a whole, and a batch of it is."""
    np.arange(200, dtype=np.uint8).tofile(tmp_path / "numbers")
    stream = Stream(torch.from_numpy(np.memmap(tmp_path / "numbers", np.uint8, mode="c")), 8, 0)
    assert stream.mapped
    assert stream.to("meta") is stream
    assert next(stream.ordered(16)).to("meta").x.is_meta
    assert stream.present() == {*range(200)}
    assert Stream(torch.arange(200), 8, 0).to("meta").symbols.is_meta


class Spoken:
    """A split that speaks for its arrays itself."""

    def __init__(self, said: str) -> None:
        self.said = said

    def digest(self) -> str:
        return self.said


def test_a_split_may_have_a_digest_of_its_own() -> None:
    """Then the fingerprint is made of it, and asks for no arrays."""
    task = tasks.load("language/grammar")
    first = fingerprint(task)
    task.train = Spoken("one")
    assert len({first, fingerprint(task)}) == 2
    assert fingerprint(task) != (setattr(task, "train", Spoken("two")), fingerprint(task))[1]


def test_grammar_keeps_its_fingerprint() -> None:
    """The fingerprint of committed records, made of arrays that were copied."""
    assert fingerprint(tasks.load("language/grammar")) == "add0e987eaffa456"


def test_counts_and_guards_are_the_same_on_a_mapped_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Naive scores, overlap and vocabulary of a mapped text are those of the text in memory, piece by piece or not."""
    card = replace(tasks.TASKS["language/grammar"], name="language/own/story", dataset="own")
    options = {"text": str(written(tmp_path, story(30_000))), "unit": "word"}
    small = own(card, options)
    for name, value in (("KEPT", 1), ("LARGE", 1)):
        monkeypatch.setattr(symbols, name, value)
    monkeypatch.setattr("bench.overlap.STRETCH", 1_000)
    large = own(card, options)
    assert large.train.mapped
    assert not small.train.mapped
    assert large.naive() == small.naive()
    assert guards.overlap(large) is guards.scalers(large) is None
    large.test = replace(large.test, symbols=large.train.symbols[5_000:9_000])
    with pytest.raises(guards.Guard, match="114 of 114 pieces of test are in train too"):
        guards.overlap(large)


def test_only_the_first_symbols_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each split as many as MOST says, which no text of these tests reaches."""
    train, valid, test = (np.random.default_rng(seed).integers(9, size=900) for seed in range(3))
    monkeypatch.setattr(ngrams, "MOST", 500)
    assert ngrams.naive(train, valid, test, 9, 0) == ngrams.naive(train[:500], valid[:500], test[:500], 9, 0)


# published corpora: tiny ones in the official layouts, with counts of their own


def known(monkeypatch: pytest.MonkeyPatch, name: str, sizes: tuple[int, ...], types: int, pins: bool = False) -> None:
    """Let the counts, and unless `pins` the checksums, be those of a tiny corpus."""
    published = replace(corpora.PUBLISHED[name], sizes=sizes, types=types, window=4)
    monkeypatch.setitem(corpora.PUBLISHED, name, published)
    if not pins:
        monkeypatch.setitem(SOURCES, published.source, replace(SOURCES[published.source], files={}))


LINES = {
    "train": " aer banknote <unk> N \n pierre <unk> N years old \n" * 20,
    "valid": " years old \n" * 5,
    "test": " pierre N \n" * 6,
}


@pytest.mark.parametrize("folder", ["ptb", "simple-examples/data", "ptb/simple-examples/data"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_penn_treebank_by_words(folder: str, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the layout of Mikolov's archive or by itself: <eos> for each line, types as they first come."""
    known(monkeypatch, "ptb", (220, 15, 18), 8)
    for split, text in LINES.items():
        written(tmp_path, text.replace("\n", end), f"{folder}/ptb.{split}.txt")
    found = corpora.ptb(tmp_path)
    assert found.vocabulary == ("<eos>", "aer", "banknote", "<unk>", "N", "pierre", "years", "old")
    assert found.test[:3].tolist() == [5, 4, 0]
    assert found.start == 0


def test_penn_treebank_by_characters_is_its_words_spelt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ptb.char.*.txt, and what is made of the word files without them, are the same symbols."""
    known(monkeypatch, "ptb-char", (920, 50, 54), 20)
    for split, text in LINES.items():
        written(tmp_path, text, f"words/ptb/ptb.{split}.txt")
        spelt = "".join(f" {' '.join(line.strip().replace(' ', '_'))} \n" for line in text.splitlines())
        written(tmp_path, spelt, f"spelt/simple-examples/data/ptb.char.{split}.txt")
    monkeypatch.setitem(corpora.PUBLISHED, "ptb-char", replace(corpora.PUBLISHED["ptb-char"], thousands=False))
    one, other = corpora.ptb_char(tmp_path / "words"), corpora.ptb_char(tmp_path / "spelt")
    assert one.vocabulary == other.vocabulary
    assert all(np.array_equal(getattr(one, split), getattr(other, split)) for split in LINES)
    assert "".join(one.vocabulary[symbol] for symbol in one.test[:9]) == "pierre_N\n"


@pytest.mark.parametrize("layout", ["wikitext-103/wiki.{}.tokens", "wikitext-103/wikitext-103/wiki.{}.tokens.gz"])
def test_wikitext103_counts_as_wikitext2(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty lines are an <eos> each; large as it is, it would be mapped."""
    known(monkeypatch, "wikitext103", (140, 9, 14), 4)
    monkeypatch.setattr(symbols, "KEPT", 1)
    monkeypatch.setattr(symbols, "LARGE", 1)
    pack = gzip.compress if layout.endswith("gz") else bytes
    block = " \n = Title of = \n \n"
    for split, text in (("train", 20 * block), ("valid", " \n = Title = \n of \n of \n"), ("test", 2 * block)):
        written(tmp_path, pack(text.encode()), layout.format(split))
    found = corpora.wikitext103(tmp_path)
    assert found.vocabulary == ("<eos>", "=", "Title", "of")
    assert isinstance(found.train, np.memmap)


@pytest.mark.parametrize("name", ["text8", "enwik8", "shakespeare"])
def test_one_file_is_cut_in_reading_order(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """90 % train, 5 % valid and 5 % test, in the order of the text; text8 begins after a space, the others a line."""
    known(monkeypatch, name, (900, 50, 50), 3)
    text = "ab " * 300 + "ba " * 30 + "abab abab " if name == "text8" else "ab\n" * 300 + "ba\n" * 30 + "abab\nabab\n"
    written(tmp_path, text, SOURCES[name].layout[0])
    found = corpora.READERS[name](tmp_path)
    parts = ["".join(found.vocabulary[symbol] for symbol in part) for part in (found.train, found.valid, found.test)]
    assert "".join(parts) == text
    assert found.vocabulary[found.start] == (" " if name == "text8" else "\n")


@pytest.mark.parametrize("name", corpora.READERS)
def test_other_counts_and_other_bytes_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that is not the published one is refused, by its sha256 where there is one, else by its counts."""
    source = SOURCES[corpora.PUBLISHED[name].source]
    for path in source.layout:
        written(tmp_path, story(3_000), path)
    with pytest.raises(DamagedData, match="sha256" if source.files else "published are"):
        corpora.READERS[name](tmp_path)
    monkeypatch.setitem(SOURCES, source.name, replace(source, files={}))
    with pytest.raises(DamagedData, match=rf"{name}: read .* published are .*; get the original files again"):
        corpora.READERS[name](tmp_path)
    (tmp_path / source.layout[-1]).unlink()
    with pytest.raises(MissingData, match=rf"not found in .*python -m tasks fetch {source.name}"):
        corpora.READERS[name](tmp_path)


def test_the_sizes_of_penn_treebank_agree() -> None:
    """Its characters are the bytes of its word files, but for the space at both ends of a line."""
    sizes = [download.size for download in SOURCES["ptb"].downloads]
    lines = (42_068, 3_370, 3_761)  # datasets/ptb_text_only of huggingface/datasets
    spelt = [size - 2 * count for size, count in zip(sizes, lines, strict=True)]
    assert [1_000 * (count // 1_000) for count in spelt] == list(corpora.PUBLISHED["ptb-char"].sizes)


# texts of the reader's own


@pytest.mark.parametrize(("options", "said"), [
    ({}, "text: missing"),
    ({"text": "a", "unit": "letter"}, "unit: expected word, character, byte, got 'letter'"),
    ({"text": "a", "test": "b"}, "test: give valid and test together"),
    ({"text": "a", "vocabulary": "100"}, "vocabulary: for unit=word alone"),
    ({"text": "a", "unit": "word", "vocabulary": "many"}, "vocabulary: expected a whole number from 3 to 1000000, got"),
])  # fmt: skip
def test_wrong_options_are_named(options: dict[str, str], said: str) -> None:
    """Each with what is possible."""
    with pytest.raises(ValueError, match=said):
        own_text.metric(options)


def test_files_of_the_readers_own_are_the_splits(tmp_path: Path) -> None:
    """Train, valid and test from a file each; the vocabulary is that of train."""
    parts = {
        key: written(tmp_path, story(2_000, seed), f"{key}.txt") for seed, key in enumerate(("text", "valid", "test"))
    }
    task = own(tasks.TASKS["language/warandpeace"], {key: str(path) for key, path in parts.items()})
    for key, split in (("text", task.train), ("valid", task.valid), ("test", task.test)):
        assert "".join(task.corpus.vocabulary[i] for i in split.symbols) == parts[key].read_text()


@pytest.mark.parametrize("unit", reading.UNITS)
def test_a_text_of_the_readers_own_is_trained_on(unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the words of a command line to a record with a score."""
    monkeypatch.setenv(room.VARIABLE, "[]")
    path = written(tmp_path, story(12_000))
    (name,) = room.register([f"language:text={path},unit={unit},name=story-{unit}"]).values()
    try:
        spec = tiny("language/grammar")
        record = run_one(replace(spec, names=replace(spec.names, task=name)))
    finally:
        del tasks.TASKS[name], room.OWNED[name]
    assert record.status == "ok", record.reason
    assert record.task["metric"] == ("perplexity" if unit == "word" else "bpc")
    assert 0 < record.score < 50
    assert record.certificate["guards"]["overlap"] == "ok"
