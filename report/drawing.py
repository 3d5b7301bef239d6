"""The figures of several boards, drawn by as many processes as there are cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from bench.machine import cores
from report import ink
from report.board import Board
from report.plots import PLOTS

Job = tuple[int, int]  # place of the board, place of the plot
FEW = 6
"""So few figures are drawn before another process has started."""

_boards: list[Board] = []


def drawn(boards: Sequence[Board], jobs: Sequence[Job]) -> Iterator[tuple[Job, dict[str, bytes]]]:
    """Each figure's files by kind, in the order of the jobs."""
    workers = min(cores(), len(jobs) // FEW)
    if workers < 2:
        _begin(boards)
        yield from zip(jobs, map(_draw, jobs), strict=True)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (boards,)) as pool:
        yield from zip(jobs, pool.map(_draw, jobs), strict=True)


def _begin(boards: Sequence[Board]) -> None:
    _boards[:] = boards


def _draw(job: Job) -> dict[str, bytes]:
    board, plot = job
    with ink.theme():
        return ink.files(PLOTS[plot].draw(_boards[board]))
