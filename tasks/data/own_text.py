"""A text of the reader's own as a language task: what may be asked for.

`language:text=my.txt,unit=word,vocabulary=10000`. The first 90 % are for training, the next 5 % for validation and the
last 5 % for test, in reading order, where no files are given for them. The vocabulary is that of the training part;
what it lacks is one symbol more. Words are what whitespace separates, and each line's end is one; characters and words
come from UTF-8, bytes from any file. Standard library only where it is imported: the front door asks for OPTIONS and
`metric`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from tasks.data.reading import Unit

OPTIONS: dict[str, str] = {
    "text": "the file; .gz too",
    "unit": "what is predicted: character (default), word or byte",
    "valid": "a file for validation (default: the text is cut 90/5/5); needs test too",
    "test": "a file for test; needs valid too",
    "vocabulary": "words that are told apart, the most frequent ones of training (default: all)",
}
"""option -> what it is."""

WINDOWS: Mapping[str, int] = {"word": 35, "character": 100, "byte": 100}
"""Unit -> steps of truncated BPTT: about a sentence and a half, about a line and a half."""
MOST = 1_000_000
"""Words that a vocabulary may have."""


@dataclass(frozen=True)
class Asked:
    """The options, read."""

    files: tuple[Path, ...]  # the text alone, or train, valid and test
    unit: Unit
    vocabulary: int | None

    @property
    def window(self) -> int:
        return WINDOWS[self.unit]


def metric(options: Mapping[str, str]) -> tuple[str, Literal["lower", "higher"], str]:
    """Primary metric, its better direction and its unit. Raises ValueError that names every wrong option."""
    return ("perplexity", "lower", "") if asked(options).unit == "word" else ("bpc", "lower", "bit")


def asked(options: Mapping[str, str]) -> Asked:
    """The options as values. Raises ValueError that names every wrong one."""
    mistakes = []
    if not options.get("text"):
        mistakes.append(f"text: missing, {OPTIONS['text']}")
    unit = options.get("unit", "character")
    if unit not in WINDOWS:
        mistakes.append(f"unit: expected {', '.join(WINDOWS)}, got {unit!r}")
    given = [key for key in ("valid", "test") if options.get(key)]
    if len(given) == 1:
        mistakes.append(f"{given[0]}: give valid and test together, or neither")
    most = options.get("vocabulary")
    if most and unit != "word":
        mistakes.append(f"vocabulary: for unit=word alone, here all {unit}s are told apart")
    elif most and not (most.isascii() and most.isdecimal() and len(most) <= 7 and 3 <= int(most) <= MOST):
        mistakes.append(f"vocabulary: expected a whole number from 3 to {MOST}, got {most!r}")
    if mistakes:
        raise ValueError("; ".join(mistakes))
    files = tuple(Path(options[key]) for key in ("text", *given))
    return Asked(files, cast("Unit", unit), int(most) if most else None)
