"""The overfitting study changes the train split, and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

import tasks
from bench.matrices import MATRICES
from tasks.base import Stream, Task, fingerprint
from tasks.cards import STUDIED, TASKS

EMBEDDED = [name for name in STUDIED if TASKS[name].synthetic]


@pytest.fixture(scope="module", params=STUDIED)
def family(request: pytest.FixtureRequest) -> dict[str, Task]:
    """A task and its three studies."""
    folder: Path | None = None if TASKS[request.param].synthetic else request.getfixturevalue("data")
    found = {study: tasks.load(f"{request.param}/{study}", folder) for study in ("10%", "30%", "shuffled")}
    return {"all": tasks.load(request.param, folder), **found}


def rows(task: Task) -> list[bytes]:
    """The training data, one entry a sequence, row or symbol."""
    found = task.train.tensors()
    main = next(found[name] for name in ("x", "series", "symbols") if name in found)
    return [row.numpy().tobytes() for row in main]


def test_valid_and_test_stay(family: dict[str, Task]) -> None:
    """Every tensor of valid and test is that of the whole task."""
    for task in family.values():
        for split in ("valid", "test"):
            whole = getattr(family["all"], split).tensors()
            assert all(torch.equal(whole[key], value) for key, value in getattr(task, split).tensors().items())


def test_parts_are_nested_and_as_large_as_they_say(family: dict[str, Task]) -> None:
    """10 % is part of 30 %, which is part of all."""
    few, some, everything = (Counter(rows(family[study])) for study in ("10%", "30%", "all"))
    assert few <= some <= everything
    size = len(family["all"].train)
    assert len(family["10%"].train) == pytest.approx(0.1 * size, abs=2)
    assert len(family["30%"].train) == pytest.approx(0.3 * size, abs=2)


def test_shuffled_labels_are_the_same_ones_elsewhere(family: dict[str, Task]) -> None:
    """Inputs and labels keep their frequencies; most labels no longer stand where they stood."""
    whole, mixed = family["all"].train, family["shuffled"].train
    if isinstance(whole, Stream):
        a, b = whole.symbols, mixed.symbols
        assert torch.equal(a.bincount(), b.bincount())
    else:
        first, second = (next(split.ordered(len(split))) for split in (whole, mixed))
        assert torch.equal(first.x, second.x)
        a, b = (
            first.y.flatten(1) if first.y.dim() > 1 else first.y,
            second.y.flatten(1) if second.y.dim() > 1 else second.y,
        )
        assert sorted(map(str, a.tolist())) == sorted(map(str, b.tolist()))
    same = (a == b).float().mean() if a.dim() == 1 else (a == b).all(1).float().mean()
    assert float(same) < 0.3


def test_each_study_has_a_fingerprint_of_its_own(family: dict[str, Task]) -> None:
    """Rows of a study are never compared with those of the whole task."""
    assert len({fingerprint(task) for task in family.values()}) == 4


def test_no_other_matrix_runs_a_study() -> None:
    """A pattern such as speech/fsdd pulls no study into a matrix that did not ask for it."""
    for name, matrix in MATRICES.items():
        studies = {names.task for names in matrix.rows() if TASKS[names.task].study is not None}
        assert bool(studies) == (name == "overfitting"), name
