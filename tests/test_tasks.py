"""Every task of the table keeps the contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import tasks
from bench.contracts import tasks as contract
from tasks.base import fingerprint
from tasks.cards import TASKS, matching

EMBEDDED = [name for name, card in TASKS.items() if card.synthetic and (card.family != "memory" or "/50" in name)]
"""Of the memory tasks only T = 50 and 500: the others differ in length alone."""
REAL = [
    *("speech/fsdd", "speech/fsdd-speakers/theo", "speech/fsdd-connected"),
    *("language/warandpeace", "language/wikitext2", "series/etth1/24", "series/ettm1/96"),
]


@pytest.fixture(scope="module", params=[*EMBEDDED, *REAL])
def task(request: pytest.FixtureRequest) -> tasks.base.Task:
    folder = None if TASKS[request.param].synthetic else request.getfixturevalue("data")
    return tasks.load(request.param, folder)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_every_task_keeps_the_contract(task: tasks.base.Task, check: Callable[[tasks.base.Task], str | None]) -> None:
    """What a plug-in's task has to keep, ours do: bench.contracts.tasks says what each check holds."""
    assert check(task) is None, "every check has something to ask of our tasks"


@pytest.mark.parametrize("name", EMBEDDED)
def test_fingerprint_belongs_to_the_data(name: str) -> None:
    """Loading twice gives one fingerprint; one changed value gives another."""
    task = tasks.load(name)
    first = fingerprint(task)
    assert fingerprint(tasks.load(name)) == first
    next(iter(task.test.tensors().values())).view(-1)[0] += 1
    assert fingerprint(task) != first


@pytest.mark.parametrize("name", [name for name, card in TASKS.items() if not card.synthetic])
def test_absent_data_say_how_to_get_them(name: str, tmp_path: Path) -> None:
    """Without its files a task raises MissingData with a command that names the folder."""
    for folder in (None, tmp_path):
        with pytest.raises(tasks.data.MissingData, match=r"not found in .*get it with: \S+"):
            tasks.load(name, folder)


def test_names_select_what_stands_below_them() -> None:
    """`series/etth1` is its six horizons; a study is selected by its own name alone."""
    assert len(matching("series/etth1")) == 6
    assert matching("speech/fsdd") == ["speech/fsdd"]
    assert matching("speech/fsdd/10%") == ["speech/fsdd/10%"]
    assert matching("speech/fsdd", ["speech/fsdd/10%", "speech/fsdd-connected"]) == ["speech/fsdd/10%"]
    assert matching("nothing") == []


def test_every_card_has_a_reference_and_a_direction() -> None:
    """What to cite stands with each task, and no two share a name."""
    assert all(card.reference and card.better in ("lower", "higher") for card in TASKS.values())
    assert max(Counter(card.name for card in TASKS.values()).values()) == 1
