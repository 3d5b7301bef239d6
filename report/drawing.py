"""The figures of several boards, drawn by as many processes as there are cores, while their page is put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from bench.machine import cores
from report import ink
from report.board import Board
from report.plots import PLOTS

Job = tuple[int, int]  # place of the board, place of the plot
FEW = 8
"""So few figures are drawn before other processes have started."""

_boards: list[Board] = []
"""What a drawing process draws from; filled once, when it starts."""


class Drawing:
    """Figures on their way. Work begins with the object and is called off where `with` ends."""

    def __init__(self, boards: Sequence[Board]) -> None:
        self.boards = list(boards)
        self.reasons = [[plot.without(board) for plot in PLOTS] for board in boards]  # "" for a figure to draw
        self._jobs = [(b, p) for b, row in enumerate(self.reasons) for p, reason in enumerate(row) if not reason]
        self._pool = None
        if len(self._jobs) > FEW and cores() > 1:
            self._pool = ProcessPoolExecutor(cores(), get_context("spawn"), _begin, (self.boards,))
            self._waiting = [self._pool.submit(_draw, job) for job in self._jobs]

    def __enter__(self) -> Drawing:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def files(self) -> Iterator[tuple[Job, dict[str, bytes]]]:
        """Each figure's files by kind, in the order of the boards and of PLOTS."""
        if self._pool is None:
            _begin(self.boards)
            yield from zip(self._jobs, map(_draw, self._jobs), strict=True)
        else:
            yield from ((job, one.result()) for job, one in zip(self._jobs, self._waiting, strict=True))


def _begin(boards: Sequence[Board]) -> None:
    _boards[:] = boards


def _draw(job: Job) -> dict[str, bytes]:
    board, plot = job
    with ink.theme():
        return ink.files(PLOTS[plot].draw(_boards[board]))
