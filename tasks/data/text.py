"""Real text as symbols: War and Peace by characters, WikiText-2 by words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data import SOURCES, DamagedData
from tasks.data.source import located

Symbols = NDArray[np.int64]

UNSEEN = "<unseen>"
EOS = "<eos>"

WIKITEXT2_TOKENS = {"train": 2_088_628, "valid": 217_646, "test": 245_569}  # each line's <eos> counted
WIKITEXT2_TYPES = 33_278


@dataclass(frozen=True)
class Corpus:
    """Three streams of symbols over one vocabulary."""

    vocabulary: tuple[str, ...]
    start: int  # the symbol in front of each stream: the one that ends a sentence or a line
    train: NDArray[Any]  # int64; smaller and unsigned where a text is so large that its symbols lie in a file
    valid: NDArray[Any]
    test: NDArray[Any]
    entropy: float | None = None  # nats per symbol of the process itself, where it is known


def body(text: str) -> str:
    """The book alone, without the header and the licence that Project Gutenberg puts round it."""
    _, head, rest = text.partition("*** START OF THIS PROJECT GUTENBERG EBOOK")
    _, line_end, rest = rest.partition("***\n")
    book, tail, _ = rest.partition("End of the Project Gutenberg EBook")
    if not (head and line_end and tail):
        raise DamagedData("the markers at which a Project Gutenberg text begins and ends are not there")
    return book.strip() + "\n"


def war_and_peace(data: Path | None) -> Corpus:
    """War and Peace by characters.

    There is no canonical split (char-rnn's default is 95/5/0). Here the book is cut, in reading order, into the
    first 90 % for training, the next 5 % for validation and the last 5 % for test. The vocabulary is that of the
    training part; a character first met later is one further symbol, which training never shows. Two thirds of the
    test part are the second epilogue, an essay, and harder than the story: test scores lie above validation scores.
    """
    (path,) = located(SOURCES["warandpeace"], data).values()
    codes = np.frombuffer(body(path.read_text("utf-8")).encode("utf-32-le"), dtype=np.uint32)
    first, second = len(codes) * 90 // 100, len(codes) * 95 // 100
    known = np.unique(codes[:first])
    place = np.searchsorted(known, codes).clip(max=len(known) - 1)
    symbols = np.where(known[place] == codes, place, len(known))
    vocabulary = (*map(chr, known.tolist()), UNSEEN)
    train, valid, test = np.split(symbols, [first, second])
    return Corpus(vocabulary, vocabulary.index("\n"), train, valid, test)


def wikitext2(data: Path | None) -> Corpus:
    """WikiText-2 by words: what whitespace separates, and one <eos> for each line, empty lines included.

    These are the usual counts; another number of tokens would be another perplexity.
    """
    index = {EOS: 0}
    splits = {}
    for relative, path in located(SOURCES["wikitext2"], data).items():
        with path.open(encoding="utf-8") as lines:
            words = (word for line in lines for word in (*line.split(), EOS))
            splits[Path(relative).suffixes[0][1:]] = np.array([index.setdefault(word, len(index)) for word in words])
    tokens = {name: len(symbols) for name, symbols in splits.items()}
    if tokens != WIKITEXT2_TOKENS or len(index) != WIKITEXT2_TYPES:
        raise DamagedData(
            f"wikitext2: read {tokens} and {len(index)} types, published are {WIKITEXT2_TOKENS} and {WIKITEXT2_TYPES}"
        )
    return Corpus(tuple(index), index[EOS], splits["train"], splits["valid"], splits["test"])
