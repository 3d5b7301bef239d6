"""Plug-ins for tests: the one that docs/plugins.md shows, and a process that forgets those it has loaded."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tasks
from bench import axes, cells, literature, machine, methods, optimizers, plugins, sense, spec, technique
from tasks.literature import PUBLICATIONS as OF_TASKS

ROOT = Path(__file__).parents[1]

(EXAMPLE,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/plugins.md").read_text(encoding="utf-8"), re.DOTALL)
"""The source of `mine`."""

MATRIX = """
name = "all-of-mine"
base = "quick"
seeds = [0]

[[block]]
star = true
tasks = ["series/walk"]
architectures = ["lstm", "ugrnn"]
stabilisations = ["none", "clip+centred"]
optimizers = ["adam", "signs"]

[budget]
parameters = 1_500
steps = 6
evaluate = 3
curve = 16
"""
"""Every name of `mine`."""

GROWING: list[Any] = [
    *(tasks.TASKS, tasks.PLUGGED, axes.ARCHITECTURES, axes.STABILISATIONS, axes.OPTIMIZERS, cells.CELLS),
    *(optimizers.RULES, technique.TECHNIQUES, literature.PUBLICATIONS, OF_TASKS, machine.PLUGGED),
    *(*methods.METHODS.values(), *spec.PLUGGED.values(), *plugins.LOADED.names.values()),
    *(plugins.LOADED.modules, plugins.LOADED.faults),
]
"""What plug-ins add to: tables and sets."""


@contextmanager
def importable(folder: Path, **sources: str) -> Iterator[None]:
    """Within it modules of these names can be imported from the folder; after it nobody has ever loaded one."""
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    before, forgetful = [one.copy() for one in GROWING], list(sense.FORGETFUL)
    path, stdout, python_path = list(sys.path), sys.stdout, os.environ.get("PYTHONPATH")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    os.environ["PYTHONPATH"] = str(folder)
    try:
        yield
    finally:
        sys.path[:], sys.stdout = path, stdout
        os.environ.pop("PYTHONPATH")
        if python_path is not None:
            os.environ["PYTHONPATH"] = python_path
        os.environ.pop(plugins.VARIABLE, None)
        sense.FORGETFUL[:] = forgetful
        for one, kept in zip(GROWING, before, strict=True):
            one.clear()
            one.update(kept)
        for name in sources:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
