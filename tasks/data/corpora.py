"""Published corpora in their official layouts, each with its canonical split, counts and protocol.

A dataset is looked for where its archive, or the scripts of awd-lstm-lm that rename its files, would put it: in its own
folder, in that folder once more, plain or with .gz behind the name. Line ends may be those of another system. All else
is strict: where a sha256 is known the text has to have it, and the counts have to be the published ones, since another
number of tokens is another perplexity.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.data import SOURCES, DamagedData
from tasks.data.reading import Unit, raw, text
from tasks.data.source import missing
from tasks.data.symbols import SPLITS, Prepared, Reading, prepared
from tasks.data.text import Corpus


@dataclass(frozen=True)
class Published:
    """What is known of a corpus, and how it is read."""

    source: str  # key of SOURCES
    unit: Unit
    window: int  # steps of truncated BPTT
    sizes: tuple[int, ...]  # symbols of train, valid and test; <eos> is one
    types: int  # different symbols
    folders: tuple[str, ...]  # below the data folder
    names: tuple[str, ...]  # of files, {split} in the place of train, valid or test where there are three
    thousands: bool = False  # the sizes are known in thousands only


PUBLISHED: dict[str, Published] = {
    # Zaremba et al. 2014, arXiv:1409.2329, and data.py of awd-lstm-lm, which count one <eos> for each line
    "ptb": Published(
        "ptb", "word", 70, (929_589, 73_760, 82_430), 10_000,
        ("ptb", "simple-examples/data", "ptb/simple-examples/data", "ptb/data", "penn"),
        ("ptb.{split}.txt", "{split}.txt"),
    ),
    # Mikolov et al. 2012, Subword language modeling with neural networks: 5017k / 393k / 442k characters, 50 symbols
    "ptb-char": Published(
        "ptb", "character", 100, (5_017_000, 393_000, 442_000), 50,
        ("ptb", "simple-examples/data", "ptb/simple-examples/data", "ptb/data", "pennchar"),
        ("ptb.char.{split}.txt", "{split}.txt"), thousands=True,
    ),
    # data.py of transformer-xl and awd-lstm-lm, which count one <eos> for each line
    "wikitext103": Published(
        "wikitext103", "word", 35, (103_227_021, 217_646, 245_569), 267_735,
        ("wikitext-103", "wikitext-103/wikitext-103", "wikitext-103-v1", "wikitext-103-v1/wikitext-103"),
        ("wiki.{split}.tokens", "{split}.txt"),
    ),
    # Mikolov et al. 2012; Cooijmans et al. 2017, arXiv:1603.09025, section 5.3, trains on 180 steps
    "text8": Published(
        "text8", "character", 180, (90_000_000, 5_000_000, 5_000_000), 27, ("text8", "."), ("text8", "text8.txt")
    ),
    # data/enwik8/prep_enwik8.py of awd-lstm-lm: the last 10 million bytes are valid and test; 200 steps in its README
    "enwik8": Published(
        "enwik8", "byte", 200, (90_000_000, 5_000_000, 5_000_000), 205, ("enwik8", "."), ("enwik8", "enwik8.txt")
    ),
    # data/shakespeare_char/prepare.py of nanoGPT: 1,115,394 characters, 65 different ones
    "shakespeare": Published(
        "shakespeare", "character", 100, (1_003_854, 55_770, 55_770), 65,
        ("tinyshakespeare", "shakespeare", "tiny_shakespeare", "shakespeare_char", "data/tinyshakespeare"),
        ("input.txt", "tinyshakespeare.txt", "tiny_shakespeare.txt"),
    ),
}  # fmt: skip


def ptb(data: Path | None) -> Corpus:
    """Penn Treebank by words, as Mikolov prepared it: sections 0-20, 21-22 and 23-24 of the Wall Street Journal.

    Lower case, numbers are N, all but the 9,999 most frequent words are <unk>, and each line ends in <eos>. Test
    perplexity, the hidden state carried over: AWD-LSTM 58.8, fine-tuned 56.5 (README of salesforce/awd-lstm-lm).
    """
    return _read("ptb", data)


def ptb_char(data: Path | None) -> Corpus:
    """Penn Treebank by characters: the same text, `_` between words, and each line's end one more; bits per character.

    simple-examples has it as ptb.char.*.txt: the word files with a space after every character and `_` for a space.
    So where only the word files are there, they are spelt. Test: LSTM of 3 layers 1.175 (AWD-LSTM, Merity et al. 2018,
    arXiv:1803.08240).
    """
    known, between = PUBLISHED["ptb-char"], ""
    files = _located(known, data)
    if not files and (files := _located(PUBLISHED["ptb"], data)):
        _verify(PUBLISHED["ptb"], files)
        between = "_"
    if not files:
        raise missing(SOURCES["ptb"], data, SOURCES["ptb"].layout[0])
    with tempfile.TemporaryDirectory() as folder:
        spelt = tuple(Path(folder) / path.name for path in files)
        for path, to in zip(files, spelt, strict=True):
            lines = "".join(text(path)).removesuffix("\n").split("\n")
            to.write_text("".join(between.join(line.split()) + "\n" for line in lines), "utf-8", newline="\n")
        return _checked("ptb-char", prepared(Reading(known.unit, spelt, known.window)))


def wikitext103(data: Path | None) -> Corpus:
    """WikiText-103 by words: what whitespace separates, and one <eos> for each line, empty lines included.

    Valid and test are those of WikiText-2, under a vocabulary eight times as large. Test perplexity: QRNN of 4 layers
    33.0 (Merity et al. 2018, arXiv:1803.08240).
    """
    return _read("wikitext103", data)


def text8(data: Path | None) -> Corpus:
    """text8 by characters: the first 100 million letters and spaces of a cleaned Wikipedia of 2006, cut 90/5/5.

    Test bits per character: LSTM 1.43, with batch normalisation 1.36 (Cooijmans et al. 2017, arXiv:1603.09025).
    """
    return _read("text8", data)


def enwik8(data: Path | None) -> Corpus:
    """enwik8 by bytes: the first 100 million of a Wikipedia of 2006 with its markup, cut 90/5/5.

    Bits per byte are called bits per character in its literature. Test: LSTM of 3 layers 1.232 (AWD-LSTM, Merity et al.
    2018, arXiv:1803.08240).
    """
    return _read("enwik8", data)


def shakespeare(data: Path | None) -> Corpus:
    """Tiny Shakespeare by characters: the first 90 % for training, as nanoGPT cuts it; its validation part is halved.

    char-rnn, where the file comes from, has 95/5/0 by default and nanoGPT 90/10: neither has a test part, so a score on
    ours stands beside no published one.
    """
    return _read("shakespeare", data)


READERS: dict[str, Callable[[Path | None], Corpus]] = {
    "ptb": ptb,
    "ptb-char": ptb_char,
    "wikitext103": wikitext103,
    "text8": text8,
    "enwik8": enwik8,
    "shakespeare": shakespeare,
}
"""name -> what reads it from the data folder; a task of the family language each."""


def _read(name: str, data: Path | None) -> Corpus:
    """Raises MissingData where files are absent, DamagedData where they are not what was published."""
    known = PUBLISHED[name]
    files = _located(known, data)
    if not files:
        source = SOURCES[known.source]
        raise missing(source, data, source.layout[0])
    _verify(known, files)
    return _checked(name, prepared(Reading(known.unit, files, known.window)))


def _verify(known: Published, files: tuple[Path, ...]) -> None:
    """Raises DamagedData where a text is not the one whose sha256 is known."""
    pinned = SOURCES[known.source].files
    for path, relative in zip(files, SOURCES[known.source].layout, strict=True):
        if relative in pinned and (got := _sha256(path, known.unit, path.stat().st_mtime_ns)) != pinned[relative]:
            raise DamagedData(
                f"{path.name}: expected sha256 {pinned[relative]}, got {got} ({path.stat().st_size} bytes); "
                "remove it and fetch it again"
            )


@functools.cache
def _sha256(path: Path, unit: Unit, changed: int) -> str:
    """Of what is read: of a text in UTF-8, unpacked, with line feeds; of bytes as they are, unpacked."""
    found = hashlib.sha256()
    for part in raw(path) if unit == "byte" else (part.encode() for part in text(path)):
        found.update(part)
    return found.hexdigest()


def _checked(name: str, found: Prepared) -> Corpus:
    """Raises DamagedData where the counts are not the published ones."""
    known = PUBLISHED[name]
    sizes = tuple(size // 1_000 * 1_000 if known.thousands else size for size in found.sizes)
    if (sizes, found.types) != (known.sizes, known.types):
        raise DamagedData(
            f"{name}: read {sizes} {known.unit}s of {found.types:,} kinds, published are {known.sizes} of "
            f"{known.types:,}; get the original files again"
        )
    return found.corpus


def _located(known: Published, data: Path | None) -> tuple[Path, ...]:
    """The files, of one folder and of one kind; () where they are not all there."""
    if data is None:
        return ()
    splits = SPLITS if "{split}" in known.names[0] else ("",)
    for folder in known.folders:
        for name in known.names:
            for gz in ("", ".gz"):
                files = tuple(data / folder / (name.format(split=split) + gz) for split in splits)
                if all(path.is_file() for path in files):
                    return files
    return ()
