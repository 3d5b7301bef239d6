"""Plug-ins: modules that add tasks, cells and techniques to our tables. docs/plugins.md says how one is written.

A module is loaded because its user named it (`--plugin`) or installed it (an entry point): nothing in a matrix file or
a record can name one. What it offers is checked whole before any of it is taken, so a faulty one leaves a warning and
no other trace. Standard library only, until a module is loaded.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, entry_points, packages_distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any

import tasks
from bench import axes, literature, machine, methods, sense
from bench.offered import AXES, OPEN, TABLES, problems, tables  # after the presets: none of them grows
from bench.plan import BadInput
from bench.spec import PLUGGED
from tasks.cards import TASKS
from tasks.literature import PUBLICATIONS as OF_TASKS

GROUP = "lstm_training_bench"
"""The entry points that are loaded."""

VARIABLE = "LSTM_BENCH_PLUGINS"
"""What worker processes load: a JSON list of module names."""

MODULE = re.compile(r"[A-Za-z_]\w{0,63}(\.[A-Za-z_]\w{0,63})*", re.ASCII)


class Faulty(Exception):
    """What is wrong with a plug-in's tables."""


@dataclass
class Loaded:
    """The plug-ins of this process."""

    modules: dict[str, ModuleType] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)  # module -> why it was not loaded
    names: dict[str, set[str]] = field(  # axis -> what they add to it
        default_factory=lambda: {axis: set() for axis in ("task", *AXES)}
    )


LOADED = Loaded()


def load(asked: Sequence[str] = (), installed: bool = True) -> dict[str, str]:
    """Load the plug-ins asked for, and with `installed` those of entry points. Module -> why it was not loaded.

    The processes that this one starts load the same. Raises BadInput where a module that was asked for is none.
    """
    with redirect_stdout(sys.stderr):
        mistakes = [problem for name in asked if (problem := absent(name)) is not None]
    if mistakes:
        raise BadInput(mistakes)
    found = sorted({point.value.partition(":")[0] for point in entry_points(group=GROUP)}) if installed else []
    for name in dict.fromkeys([*found, *asked]):
        _load(name)
    os.environ[VARIABLE] = json.dumps(list(LOADED.modules))
    return LOADED.faults


def inherit() -> None:
    """In a worker: load what the process that started it has loaded. All that is printed here goes to stderr from now
    on, because stdout is for a command's answers."""
    names = json.loads(os.environ.get(VARIABLE, "[]"))
    if names:
        sys.stdout = sys.stderr
    for name in names:
        _load(name)
        if name in LOADED.faults:
            print(f"warning: {said(name, LOADED.faults[name])}", file=sys.stderr)


def said(name: str, why: str) -> str:
    """A fault in a line."""
    return f"plug-in {name!r} not loaded: {why} (its names are unknown)"


def absent(name: str) -> str | None:
    """Why there is no module of this name; None where there is one."""
    if not MODULE.fullmatch(name):
        return f"--plugin takes the name of a module that can be imported (mine, package.mine), got {name!r}"
    try:
        there = importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:
        there = error.name is None or not f"{name}.".startswith(f"{error.name}.")
    except (Exception, SystemExit):  # to look for a.b runs the code of a: _load will say what is wrong with it
        there = True
    return None if there else f"no module {name!r} can be imported; is its folder the current one, or in PYTHONPATH?"


def _load(name: str) -> None:
    """Import a module and take what it offers, or keep what is wrong with it."""
    if name in LOADED.modules:
        return
    try:
        with redirect_stdout(sys.stderr):
            module = importlib.import_module(name)
            found = tables(module)
            if wrong := problems(found):
                raise Faulty("; ".join(wrong))
    except (Exception, SystemExit) as error:
        LOADED.faults[name] = " ".join(f"{type(error).__name__}: {error}".split())
        return
    _take(found)
    LOADED.faults.pop(name, None)
    LOADED.modules[name] = module
    machine.PLUGGED[f"plugin {name}"] = described(module)


def _take(found: Mapping[str, Any]) -> None:
    """Add a module's tables to ours."""
    TASKS.update({card.name: card for card, _ in found["TASKS"]})
    tasks.PLUGGED.update({card.name: build for card, build in found["TASKS"]})
    for key, table in OPEN:
        PLUGGED[key] |= set(found[table])
    for ours, theirs in _grown(found):
        ours.update(theirs)
    sense.FORGETFUL.extend(name for name, cell in found["CELLS"].items() if (cell.keeps, cell.writes) != (None, None))
    LOADED.names["task"] |= {card.name for card, _ in found["TASKS"]}
    for axis in AXES:
        LOADED.names[axis] |= set(found[f"{axis}s".upper()])


def _grown(found: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Our tables, each with what is added to it; those that load torch only where there is something to add."""
    yield axes.ARCHITECTURES, found["ARCHITECTURES"]
    yield axes.STABILISATIONS, found["STABILISATIONS"]
    yield axes.OPTIMIZERS, found["OPTIMIZERS"]
    yield literature.PUBLICATIONS, found["PUBLICATIONS"]
    yield OF_TASKS, found["PUBLICATIONS"]
    for axis in AXES:
        yield methods.METHODS[axis], found["METHODS"].get(axis, {})
    if found["CELLS"]:
        from bench.cells import CELLS

        yield CELLS, found["CELLS"]
    if found["RULES"]:
        from bench.optimizers import RULES

        yield RULES, found["RULES"]
    if found["TECHNIQUES"]:
        from bench.technique import TECHNIQUES

        yield TECHNIQUES, found["TECHNIQUES"]


def described(module: ModuleType) -> str:
    """Version and source of a module: `1.2-3fa90c1b2d4e5f60`, the first 16 digits of the sha256 of its Python files."""
    digest = hashlib.sha256()
    if module.__file__ is not None:
        file = Path(module.__file__)
        for source in sorted(file.parent.rglob("*.py")) if hasattr(module, "__path__") else [file]:
            digest.update(source.relative_to(file.parent).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return f"{_version(module)}-{digest.hexdigest()[:16]}"


def _version(module: ModuleType) -> str:
    """The module's own word, else its distribution's; 0 where neither says."""
    said = getattr(module, "__version__", None)
    if isinstance(said, str) and re.fullmatch(r"[\w.+-]{1,40}", said):
        return said
    for distribution in packages_distributions().get(module.__name__.partition(".")[0], []):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "0"


def summary() -> dict[str, str]:
    """What each loaded plug-in adds, for --list."""
    found = {}
    for name, module in LOADED.modules.items():
        adds = [
            f"{len(table)} {kind.lower()}" for kind, table in tables(module).items() if table and kind in TABLES[:7]
        ]
        found[name] = f"{', '.join(adds)}; {machine.PLUGGED[f'plugin {name}']}"
    return found
