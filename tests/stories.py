"""Texts for tests: made, written, read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.data import reading, symbols
from tasks.data.symbols import Reading, prepared

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "some", "dog", "that", "ran", "off", "with", "it", "\n"]


def story(count: int, seed: int = 0) -> str:
    """So many words in random order, a line's end after every fifteenth or so."""
    drawn = np.random.default_rng(seed).integers(len(WORDS), size=count)
    return " ".join(WORDS[index] for index in drawn).replace(" \n ", "\n") + "\n"


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
