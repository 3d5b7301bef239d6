"""How a reader gets the numbers of a matrix again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from bench.matrices import MATRICES
from report.board import Board
from report.signature import ranges
from report.tables import Line, Table
from tasks.cards import TASKS


@dataclass(frozen=True)
class Steps:
    """Commands to paste, in order, and what the numbers depend on."""

    commands: tuple[str, ...]
    facts: tuple[str, ...]
    data: Table


def steps(board: Board) -> Steps:
    """What to type and what to have, computed from the records."""
    frames, runs = board.frames, board.frames.runs
    name = frames.matrix if frames.matrix in MATRICES else f"{frames.matrix}.toml"
    real = any(TASKS[task].dataset for task in set(runs["task"]) if task in TASKS)
    asked = ["python", "-m", "bench.matrix", "--matrix", name, *(["--data", "DIR"] if real else [])]
    timed = [] if len(frames.times) else ["--no-timing"]
    one = runs.loc[runs["status"] == "ok", "id"].head(1).to_list()
    commands = [
        'pip install -c constraints.txt -e ".[optim]"',
        shlex.join([*asked, *timed]),
        *(f"python -m bench.rerun {shlex.quote(run.partition(' ')[0])}{' --data DIR' if real else ''}" for run in one),
        f"python -m report --matrix {shlex.quote(frames.matrix)}",
    ]
    return Steps(tuple(commands), tuple(_facts(board)), _data(board))


def _facts(board: Board) -> list[str]:
    runs = board.frames.runs
    seeds = ranges(int(seed) for seed in runs["seed"].dropna())
    strict = "deterministic algorithms on" if len(runs) and runs["strict"].all() else "not all of it deterministic"
    threads = "/".join(sorted({f"{count:.0f}" for count in runs["threads"].dropna()})) or "?"
    levels = "/".join(sorted(set(runs["isa"]))) or "?"
    return [
        f"Protocol {'/'.join(sorted(set(runs['protocol'])))}, seeds {seeds or 'none'}, {threads} thread a run, "
        f"instruction set {levels}, {strict}.",
        f"Versions: {', '.join(board.frames.versions) or 'unknown'}.",
        "The same spec gives the same bits on the same kind of machine, versions and thread count; elsewhere last "
        "digits move, and bench.rerun says by how much: docs/rerun.md.",
    ]


def _data(board: Board) -> Table:
    """Version and fingerprint of each task's data."""
    found = dict.fromkeys((group.task, group.version, group.fingerprint, group.metric) for group in board.groups)
    return Table(
        ("task", "version", "fingerprint", "metric"), (True,) * 4, tuple(Line("technique", row) for row in found)
    )
