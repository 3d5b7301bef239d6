"""The table of tasks, and how a pattern selects from it. Standard library only.

`bench.matrix --list` and the report read this table, so nothing here may import torch. A family's cards stand in a file
of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tasks import language_cards, memory_cards, series_cards, speech_cards
from tasks.card import OURS, Card, Study
from tasks.memory_cards import without_memory
from tasks.speech_cards import SPEAKERS

__all__ = ["OURS", "SPEAKERS", "STUDIED", "TASKS", "Card", "matching", "without_memory"]


def _studies(card: Card) -> list[Card]:
    """The overfitting study of a task: less data to learn from, or labels that say nothing."""
    what: dict[Study, str] = {
        "10%": "a tenth of the training data",
        "30%": "30 % of the training data",
        "shuffled": "labels shuffled",
    }
    return [
        replace(
            card,
            name=f"{card.name}/{study}",
            summary=f"{card.summary}; {text}",
            study=study,
            cites=(*card.cites, "zhang2017") if study == "shuffled" else card.cites,
        )
        for study, text in what.items()
    ]


_CARDS = (*speech_cards.CARDS, *language_cards.CARDS, *series_cards.CARDS, *memory_cards.CARDS)

STUDIED = ("speech/digits", "speech/fsdd", "language/grammar", "series/mackey-glass", "series/etth1/24")
"""The tasks of the overfitting study."""

TASKS: dict[str, Card] = {card.name: card for card in _CARDS}
TASKS |= {card.name: card for name in STUDIED for card in _studies(TASKS[name])}


def matching(pattern: str, names: Iterable[str] | None = None) -> list[str]:
    """The task names that `pattern` selects: an exact name, or every name below it (`series`, `series/etth1`).

    Of all tasks, which `names` may narrow, studies are selected by their own name alone: none comes in unasked.
    """
    if names is None:
        names = [name for name, card in TASKS.items() if card.study is None or name == pattern]
    return [name for name in names if name == pattern or name.startswith(pattern + "/")]
