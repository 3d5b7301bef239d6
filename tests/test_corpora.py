"""Published texts in their official layouts: tiny ones, with counts of their own."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stories import story, written

from tasks.data import SOURCES, DamagedData, MissingData, corpora, symbols

pytestmark = pytest.mark.usefixtures("text_cache")


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
