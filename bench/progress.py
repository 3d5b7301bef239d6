"""What a person sees while a matrix runs: a bar on a terminal, plain lines elsewhere, JSON lines with --json."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.record import RunRecord


class Reporter(Protocol):
    """Hears of every run."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None: ...
    def begin(self, name: str) -> None: ...
    def end(self, record: RunRecord) -> None: ...
    def say(self, text: str) -> None: ...


def outcome(record: RunRecord) -> str:
    """`ok  series/etth1/24/lstm/clip/adam/cpu/s0  mse 0.41` or the reason of a failure."""
    if record.score is not None:
        told = f"{record.task['metric']} {record.score:.4g}{' ' + record.task['unit'] if record.task['unit'] else ''}"
    elif record.step is not None:
        told = f"at step {record.step}: {record.reason}"
    else:
        told = (record.reason or "").splitlines()[0][:160] if record.reason else ""
    return f"{record.status:<9} {record.name}  {told}".rstrip()


class Bar:
    """A progress bar with the time left and what is running; failures stay above it as lines."""

    def __init__(self, total: int, console: Console) -> None:
        self.console = console
        self.running: dict[str, None] = {}
        self.bar = Progress(
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.description}[/]"),
            console=console,
        )
        self.task = self.bar.add_task("starting workers", total=total)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.bar.stop()

    def begin(self, name: str) -> None:
        self.running[name] = None
        self._show()

    def end(self, record: RunRecord) -> None:
        self.running.pop(record.name, None)
        if record.status != "ok":
            self.say(outcome(record))
        self.bar.advance(self.task)
        self._show()

    def _show(self) -> None:
        self.bar.update(self.task, description=escape("  ".join(list(self.running)[:2])))

    def say(self, text: str) -> None:
        self.console.print(escape(text), highlight=False)


@contextmanager
def counted(total: int, visible: bool) -> Iterator[Callable[[str], None]]:
    """A function that shows what is at hand, on a bar of `total` steps where there is a terminal to show it on."""
    if not visible or not sys.stdout.isatty():
        yield lambda name: None
        return
    columns = (
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.description}[/]"),
    )
    with Progress(*columns, console=Console(), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda name: bar.update(task, advance=1, description=escape(name))


class Lines:
    """One plain line a run."""

    def __init__(self, total: int) -> None:
        self.total, self.count, self.started = total, 0, monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        pass

    def begin(self, name: str) -> None:
        pass

    def end(self, record: RunRecord) -> None:
        self.count += 1
        left = (monotonic() - self.started) / self.count * (self.total - self.count)
        self.say(f"[{self.count}/{self.total}, {left:.0f} s left] {outcome(record)}")

    def say(self, text: str) -> None:
        print(text, flush=True)


class Json(Lines):
    """One JSON object a line."""

    def begin(self, name: str) -> None:
        self._event(event="begin", name=name)

    def end(self, record: RunRecord) -> None:
        self.count += 1
        self._event(
            event="end", name=record.name, id=record.id, status=record.status, reason=record.reason, score=record.score,
            done=self.count, total=self.total,
        )  # fmt: skip

    def say(self, text: str) -> None:
        self._event(event="message", text=text)

    def _event(self, **fields: object) -> None:
        print(json.dumps(fields), flush=True)


def reporter(total: int, as_json: bool) -> Reporter:
    """The reporter that fits where the output goes."""
    if as_json:
        return Json(total)
    return Bar(total, Console()) if sys.stdout.isatty() else Lines(total)
