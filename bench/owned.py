"""What is the reader's own, on the command line and in a matrix: data, and plug-ins' names that no preset holds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.budgets import starting
from bench.offered import AXES
from bench.plan import BadInput, Filters, budget
from bench.plugins import LOADED, load, said
from bench.spec import Block, Matrix
from tasks.cards import matching
from tasks.own import Mistakes, is_own, register


def options(made: argparse.ArgumentParser) -> None:
    """Which code of the reader's own is loaded."""
    made.add_argument(
        "--plugin", action="append", default=[], metavar="MODULE", help="load a plug-in (docs/plugins.md); repeatable"
    )
    made.add_argument("--no-plugins", action="store_true", help="leave out plug-ins that are installed")


def plugged(asked: argparse.Namespace) -> bool:
    """Load the plug-ins; whether all of them were. Raises BadInput where one that was asked for is no module."""
    faults = load(asked.plugin, installed=not asked.no_plugins)
    for name, why in faults.items():
        print(f"warning: {said(name, why)}", file=sys.stderr)
    return not faults


def own(tasks: Iterable[str]) -> dict[str, str]:
    """The names of those of these tasks that are data of the reader's own, by what was typed. Raises BadInput."""
    try:
        return register(filter(is_own, tasks))
    except Mistakes as error:
        raise BadInput([f"--task {mistake}" for mistake in error.mistakes]) from None


def widened(matrix: Matrix, filters: Filters, own: Sequence[str]) -> Matrix:
    """The matrix on own data (names of tasks), and with the names of plug-ins that the filters ask for.

    Own tasks, and plug-ins' tasks that stand in no block, take the place of every block's tasks, beside those that the
    filters name. A plug-in's technique that stands in no block is one more row beside the first names of each block. So
    it is another matrix, with a name of its own: a preset's results hold nothing else.
    """
    there = {task for block in matrix.blocks for task in block.tasks}
    new = [name for name in sorted(LOADED.names["task"] - there) if _asked(name, filters.task)]
    tasks = list(dict.fromkeys([*own, *new]))
    blocks = matrix.blocks
    if tasks:
        kept = [tuple(task for task in block.tasks if _asked(task, filters.task)) for block in blocks]
        blocks = tuple(
            replace(block, tasks=tuple(dict.fromkeys((*tasks, *old)))) for block, old in zip(blocks, kept, strict=True)
        )
    rows = [row for block in blocks for row in _techniques(block, filters, matrix)]
    if not tasks and not rows:
        return matrix
    budgets = {**matrix.budgets, **{task: budget(matrix, task) or starting(task) for task in tasks}}
    return replace(matrix, name=f"{matrix.name}-own", blocks=(*blocks, *rows), budgets=budgets)


def _asked(task: str, patterns: Sequence[str]) -> bool:
    return any(matching(pattern, [task]) for pattern in patterns)


def _techniques(block: Block, filters: Filters, matrix: Matrix) -> list[Block]:
    """A star of the plug-ins' techniques that the filters name and no block holds, round the block's first names."""
    star = {}
    for axis in AXES:
        held = {name for one in matrix.blocks for name in getattr(one, f"{axis}s")}
        asked = [name for name in getattr(filters, axis) if LOADED.names[axis] & set(name.split("+"))]
        star[f"{axis}s"] = (getattr(block, f"{axis}s")[0], *(name for name in asked if name not in held))
    if all(len(names) == 1 for names in star.values()):
        return []
    return [Block(block.tasks, **star, star=True)]
