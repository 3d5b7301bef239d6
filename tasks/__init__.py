"""The tasks: TASKS says what there is (standard library only), load() builds one."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import own
from tasks.cards import TASKS, Card, matching

if TYPE_CHECKING:
    from tasks.base import Task

__all__ = ["PLUGGED", "TASKS", "Card", "load", "matching"]

PLUGGED: dict[str, Callable[[Card, Path | None], Task]] = {}
"""name -> what builds it: the tasks of plug-ins (bench.plugins); their cards are in TASKS."""


def load(name: str, data: Path | None = None) -> Task:
    """The task called `name`, ready to train on; real data are read from the folder `data` and verified first.

    Raises `tasks.data.MissingData` where a real dataset's files are absent, `tasks.data.DamagedData` where a
    checksum differs.
    """
    own.inherit(name)
    card = TASKS[name]
    if name in own.OWNED:
        return own.build(name)
    if name in PLUGGED:
        return PLUGGED[name](card, data)
    base = card if card.study is None else TASKS[name.rpartition("/")[0]]
    task: Task = importlib.import_module(f"tasks.{card.family}").build(base, data)
    if card.study is None:
        return task
    from tasks.overfitting import studied

    return studied(task, card)
