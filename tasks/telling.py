"""What a person sees while a dataset is fetched: bars on a terminal, a line for each tenth elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tasks.data.fetch import Teller
from tasks.data.source import Download, Source
from tasks.words import size

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LARGE = 10_000_000
"""Bytes from which on a file has more than one line."""


class Lines:
    """Plain lines on stderr."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tenths = 0

    def say(self, text: str) -> None:
        print(f"{self.name}: {text}", file=sys.stderr, flush=True)

    def came(self, download: Download, have: int) -> None:
        tenths = 10 * have // download.size
        if tenths != self.tenths and (tenths == 10 or download.size >= LARGE):
            self.say(f"{download.to}: {size(have)} of {size(download.size)}")
        self.tenths = tenths


class Bars:
    """A bar for each file, with what came, how fast, and the time left."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.name, self.progress = name, progress
        self.bars: dict[str, TaskID] = {}

    def say(self, text: str) -> None:
        self.progress.console.print(f"{self.name}: {text}", markup=False, highlight=False)

    def came(self, download: Download, have: int) -> None:
        if download.to not in self.bars:
            self.bars[download.to] = self.progress.add_task(download.to, total=download.size)
        self.progress.update(self.bars[download.to], completed=have)


@contextmanager
def teller(source: Source) -> Iterator[Teller]:
    """Bars where stderr is a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield Lines(source.name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(30),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bars(source.name, progress)
