"""What a plug-in's module offers, and what is wrong with it: types, names, values, citations.

Standard library only, but where there are cells or techniques: those are classes made of ours, which need torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, get_args

from bench import axes, literature
from bench.matrixfile import NAME
from bench.methods import Method
from bench.names import unknown
from bench.spec import PLUGGED, Architecture, CellName, Optimizer, Rule, Stabilisation
from tasks.card import Card
from tasks.cards import TASKS
from tasks.literature import PUBLICATIONS as OF_TASKS
from tasks.literature import Publication
from tasks.own import PART

TABLES = (
    *("TASKS", "CELLS", "ARCHITECTURES", "STABILISATIONS", "OPTIMIZERS", "RULES", "TECHNIQUES"),
    *("METHODS", "PUBLICATIONS"),
)
"""What a module may offer: docs/plugins.md has a table."""

OPEN = (("cell", "CELLS"), ("rule", "RULES"), ("own", "TECHNIQUES"))
"""Kinds of names that a plug-in adds to bench.spec.PLUGGED, and the table each comes from."""

AXES = ("architecture", "stabilisation", "optimizer")

Found = Mapping[str, Any]
"""A module's tables by name, empty where it offers nothing."""


def tables(module: ModuleType) -> dict[str, Any]:
    """The tables of a module."""
    return {name: getattr(module, name, [] if name == "TASKS" else {}) for name in TABLES}


def problems(found: Found) -> list[str]:
    """Everything that is wrong with a module's tables."""
    if not any(found.values()):
        return [f"it offers none of {', '.join(TABLES)}"]
    return _types(found) or [*_taken(found), *_values(found), *_cited(found)]


def _types(found: Found) -> list[str]:
    wrong = _cards(found["TASKS"])
    for table, (what, fits) in _kinds(found).items():
        if not isinstance(found[table], dict):
            wrong.append(f"{table} must be a dict, got {type(found[table]).__name__}")
            continue
        for name, value in found[table].items():
            if not isinstance(name, str) or not NAME.fullmatch(name):
                wrong.append(f"{table}: a name has small letters, digits, '.', '_' and '-', got {name!r}")
            elif not fits(value):
                wrong.append(f"{table}: {name!r} must be {what}, got {type(value).__name__}")
    return wrong


def _kinds(found: Found) -> dict[str, tuple[str, Callable[[Any], bool]]]:
    """Table -> what each of its values is, in words and as a question."""

    def of(kind: type) -> Callable[[Any], bool]:
        return lambda value: isinstance(value, kind)

    def made_of(base: type) -> Callable[[Any], bool]:
        return lambda value: isinstance(value, type) and issubclass(value, base)

    kinds: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "ARCHITECTURES": ("a bench.spec.Architecture", of(Architecture)),
        "STABILISATIONS": ("a bench.spec.Stabilisation", of(Stabilisation)),
        "OPTIMIZERS": ("a bench.spec.Optimizer", of(Optimizer)),
        "RULES": ("a function", callable),
        "METHODS": (
            "a dict of names and bench.methods.Method",
            lambda value: isinstance(value, dict) and all(isinstance(one, Method) for one in value.values()),
        ),
        "PUBLICATIONS": ("a tasks.literature.Publication", of(Publication)),
    }
    if found["CELLS"]:
        from bench.cells import Cell

        kinds["CELLS"] = "a class made of bench.cells.Cell", made_of(Cell)
    if found["TECHNIQUES"]:
        from bench.technique import Technique

        kinds["TECHNIQUES"] = "a class made of bench.technique.Technique", made_of(Technique)
    return kinds


def _cards(value: Any) -> list[str]:
    if not isinstance(value, list | tuple):
        return [f"TASKS must be a list of (Card, function), got {type(value).__name__}"]
    wrong = []
    for one in value:
        if not (isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], Card) and callable(one[1])):
            wrong.append(f"TASKS: each must be (Card, function), got {one!r:.60}")
            continue
        parts = one[0].name.split("/")
        if len(parts) < 2 or not all(PART.fullmatch(part) for part in parts):
            wrong.append(f"TASKS: a name is family/task, of small letters, digits and '._+-', got {one[0].name!r}")
    return wrong


def _taken(found: Found) -> list[str]:
    """Names that are somebody else's already."""
    cells, rules = {*get_args(CellName), *PLUGGED["cell"]}, {*get_args(Rule), *PLUGGED["rule"]}
    known: dict[str, Iterable[str]] = {
        **{"CELLS": cells, "ARCHITECTURES": axes.ARCHITECTURES, "STABILISATIONS": axes.STABILISATIONS},
        **{"OPTIMIZERS": axes.OPTIMIZERS, "RULES": rules, "TECHNIQUES": PLUGGED["own"]},
        "PUBLICATIONS": {*literature.PUBLICATIONS, *OF_TASKS},
    }
    names = [card.name for card, _ in found["TASKS"]]
    taken = [("TASKS", name) for name in dict.fromkeys(names) if name in TASKS or names.count(name) > 1]
    taken += [(table, name) for table, theirs in known.items() for name in found[table] if name in theirs]
    return [f"{table}: the name {name!r} is taken, choose another" for table, name in taken]


def _values(found: Found) -> list[str]:
    """What is wrong with the values, once the module's own names count as known."""
    before = {key: set(value) for key, value in PLUGGED.items()}
    for key, table in OPEN:
        PLUGGED[key] |= set(found[table])
    wrong = [
        f"{table}: {name!r}: {problem}"
        for table in ("ARCHITECTURES", "STABILISATIONS", "OPTIMIZERS")
        for name, value in found[table].items()
        for problem in value.problems()
    ]
    for key, value in before.items():
        PLUGGED[key].intersection_update(value)
    return wrong


def _cited(found: Found) -> list[str]:
    """Methods of names that are not there, and publications that are named and not there."""
    wrong = [f"METHODS: {unknown('axis', axis, AXES)}" for axis in found["METHODS"] if axis not in AXES]
    cites = [(card.name, card.cites, OF_TASKS) for card, _ in found["TASKS"]]
    for axis in AXES:
        mine, table = found[f"{axis}s".upper()], found["METHODS"].get(axis, {})
        wrong += [f"METHODS: {unknown(axis, name, mine)}" for name in table if name not in mine]
        cites += [(name, method.cites, literature.PUBLICATIONS) for name, method in table.items()]
    wrong += [
        f"{name!r} cites {key!r}, which is not in PUBLICATIONS"
        for name, keys, known in cites
        for key in keys
        if key not in known and key not in found["PUBLICATIONS"]
    ]
    return wrong
