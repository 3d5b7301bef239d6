"""A reader's own matrix: a TOML file -> Matrix. Every mistake is found at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from bench.budgets import starting
from bench.matrices import MATRICES
from bench.names import unknown
from bench.plan import BadInput
from bench.spec import Architecture, Block, Budget, Matrix, Optimizer, Stabilisation
from tasks.cards import TASKS
from tasks.own import Mistakes, is_own, register

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Names become folder names and parts of a run's name."""

KEYS = (
    *("name", "summary", "base", "seeds", "pairs", "tune", "backend", "isa", "block", "budget"),
    *("architecture", "stabilisation", "optimizer"),
)
BLOCK_KEYS = ("tasks", "architectures", "stabilisations", "optimizers", "star")


def read(path: Path) -> Matrix:
    """The matrix in a TOML file; docs/matrix-file.md shows one. Raises BadInput with every mistake in it."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput([f"matrix {str(path)!r} is neither a preset ({', '.join(MATRICES)}) nor a file"]) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput([f"{path.name}: {error}"]) from None
    reader = _Reader(path.name, path.parent)
    matrix = reader.matrix(table, path.stem)
    if reader.mistakes or matrix is None:
        raise BadInput(reader.mistakes)
    return matrix


class _Reader:
    """Collects mistakes on the way."""

    def __init__(self, source: str, folder: Path) -> None:
        self.source, self.folder = source, folder
        self.owned: dict[str, str] = {}
        self.mistakes: list[str] = []

    def wrong(self, text: str) -> None:
        self.mistakes.append(f"{self.source}: {text}")

    def table(self, value: Any, where: str) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.wrong(f"{where} must be a table, got {value!r}")
        return {}

    def keys(self, table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for key in table:
            if key not in known:
                self.wrong(f"{where}: {unknown('key', key, known)}")

    def names(self, value: Any, where: str) -> tuple[str, ...]:
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.wrong(f"{where} must be a list of names, got {value!r}")
        return ()

    def matrix(self, table: Mapping[str, Any], stem: str) -> Matrix | None:
        self.keys(table, KEYS, "the file")
        name = table.get("name", stem)
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.wrong(f"name must be of small letters, digits, '.', '_' and '-', got {name!r}")
        elif name in MATRICES:
            self.wrong(f"name {name!r} is a preset's; choose another, so that results do not mix")
        base = str(table.get("base", "standard"))
        if base not in MATRICES:
            self.wrong(unknown("base", base, MATRICES))
        blocks = table.get("block", [])
        if not isinstance(blocks, list) or not blocks:
            self.wrong("at least one [[block]] is needed")
            blocks = []
        seeds = table.get("seeds", [0, 1, 2])
        if not isinstance(seeds, list):
            self.wrong(f"seeds must be a list of whole numbers, got {seeds!r}")
            seeds = []
        pairs = table.get("pairs", 20)
        if isinstance(pairs, bool) or not isinstance(pairs, int) or not 1 <= pairs <= 10_000:
            self.wrong(f"pairs must be a whole number in [1, 10000], got {pairs!r}")
        tune = table.get("tune", 0)
        if isinstance(tune, bool) or not isinstance(tune, int) or not 0 <= tune <= 10_000:
            self.wrong(f"tune must be a whole number in [0, 10000], got {tune!r}")
        backend = table.get("backend", "auto")
        if not isinstance(backend, str):
            self.wrong(f"backend must be the name of a back end, got {backend!r}")
        isa = table.get("isa", "native")
        if not isinstance(isa, str):
            self.wrong(f"isa must be the name of an instruction set, got {isa!r}")
        self.owned = self.own(blocks)
        made = [self.block(block, f"block {number}") for number, block in enumerate(blocks, 1)]
        own = {kind: self.values(table, kind, cls) for kind, cls in _KINDS.items()}
        budgets = self.budgets(table.get("budget", {}), base if base in MATRICES else "standard", made)
        if self.mistakes:
            return None
        return Matrix(
            name, str(table.get("summary", "")), tuple(made), tuple(seeds), budgets, pairs, tune, backend, isa,
            own["architecture"], own["stabilisation"], own["optimizer"],
        )  # fmt: skip

    def own(self, blocks: list[Any]) -> dict[str, str]:
        """The names of the tasks made of own data that blocks ask for, by how they ask."""
        lists = [block.get("tasks") for block in blocks if isinstance(block, dict)]
        asked = [task for tasks in lists if isinstance(tasks, list) for task in tasks if isinstance(task, str)]
        texts = [task for task in dict.fromkeys(asked) if is_own(task)]
        try:
            return register(texts, self.folder)
        except Mistakes as error:
            self.mistakes += [f"{self.source}: {mistake}" for mistake in error.mistakes]
            return {}

    def block(self, value: Any, where: str) -> Block:
        table = self.table(value, where)
        self.keys(table, BLOCK_KEYS, where)
        star = table.get("star", False)
        if not isinstance(star, bool):
            self.wrong(f"{where}: star must be true or false, got {star!r}")
        axes = {key: self.names(table.get(key), f"{where}: {key}") for key in BLOCK_KEYS[:-1]}
        axes["tasks"] = tuple(self.owned.get(task, task) for task in axes["tasks"])
        return Block(**axes, star=bool(star))

    def values(self, table: Mapping[str, Any], kind: str, cls: type) -> dict[str, Any]:
        """The [kind.name] tables; what is wrong with their values is plan.check's to say."""
        found = {}
        allowed = tuple(f.name for f in fields(cls))
        required = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
        for name, given in self.table(table.get(kind, {}), f"[{kind}]").items():
            where = f"{kind} {name!r}"
            settings = self.table(given, where)
            self.keys(settings, allowed, where)
            lacking = [key for key in required if key not in settings]
            if lacking:
                self.wrong(f"{where} needs {', '.join(lacking)}")
            elif not NAME.fullmatch(name):
                self.wrong(f"{where}: a name has small letters, digits, '.', '_' and '-'")
            else:
                found[name] = cls(**{key: value for key, value in settings.items() if key in allowed})
        return found

    def budgets(self, value: Any, base: str, blocks: list[Block]) -> dict[str, Budget]:
        """The base's budgets, with [budget] on top for every task, and [budget."task"] on top of that for one."""
        from bench.plan import budget

        given = self.table(value, "[budget]")
        allowed = tuple(f.name for f in fields(Budget))
        everywhere = {key: item for key, item in given.items() if not isinstance(item, dict)}
        self.keys(everywhere, allowed, "[budget]")
        found = {}
        for task in dict.fromkeys(task for block in blocks for task in block.tasks if task in TASKS):
            start = budget(MATRICES[base], task) or budget(MATRICES["standard"], task) or starting(task)
            own = given.get(task, {})
            self.keys(own, allowed, f"budget of {task!r}")
            settings = {f: getattr(start, f) for f in allowed} | everywhere | own
            found[task] = Budget(**{key: settings[key] for key in allowed})
        for task in given:
            if isinstance(given[task], dict) and task not in found:
                self.wrong(f"[budget.{task!r}] is for a task of no block")
        return found


_KINDS: dict[str, type] = {"architecture": Architecture, "stabilisation": Stabilisation, "optimizer": Optimizer}
