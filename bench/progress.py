"""What a person sees while a matrix runs: a bar on a terminal, plain lines elsewhere, JSON lines with --json."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.cli import duration
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


class Finish:
    """When the runs will be done: what is left by its estimates (bench.estimates), in proportion to how long the runs
    that have ended took beside theirs, side by side on the workers."""

    def __init__(self, weights: Mapping[str, float], workers: int) -> None:
        self.workers = workers
        self.waiting = dict(weights)  # name -> estimated seconds
        self.ahead = sum(self.waiting.values())
        self.running: dict[str, tuple[float, float]] = {}  # name -> estimate, and when it began
        self.taken = self.estimated = 0.0  # of the runs that have ended

    def begin(self, name: str) -> None:
        again, _ = self.running.get(name, (0.0, 0.0))  # a run that is made again is begun twice
        self.running[name] = self._take(name) or again, monotonic()

    def _take(self, name: str) -> float:
        weight = self.waiting.pop(name, 0.0)
        self.ahead -= weight
        return weight

    def end(self, name: str) -> None:
        now = monotonic()
        weight, began = self.running.pop(name, (0.0, now))
        self._take(name)  # one that was never begun
        self.taken += now - began
        self.estimated += weight if now > began else 0.0

    def left(self) -> float | None:
        """Seconds; None before a run has ended."""
        if not self.waiting and not self.running:
            return 0.0
        if not self.estimated:
            return None
        scale, now = self.taken / self.estimated, monotonic()
        running = [max(weight * scale - (now - began), 0.0) for weight, began in self.running.values()]
        return max([(sum(running) + scale * self.ahead) / self.workers, *running])

    def told(self) -> str:
        """`12 min left, done at 14:05`; the weekday too where that is not today."""
        left = self.left()
        if not left:
            return "" if left is None else "0 s left"
        now = datetime.now().astimezone()
        done = now + timedelta(seconds=left)
        return f"{duration(left)} left, done at {done:{'%H:%M' if done.date() == now.date() else '%a %H:%M'}}"


class Bar:
    """A progress bar with the time left and what is running; failures stay above it as lines."""

    def __init__(self, total: int, console: Console, finish: Finish) -> None:
        self.console, self.finish = console, finish
        self.running: dict[str, None] = {}
        self.bar = Progress(
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[finish]}"),
            TextColumn("[dim]{task.description}[/]"),
            console=console,
        )
        self.task = self.bar.add_task("starting workers", total=total, finish="")

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.bar.stop()

    def begin(self, name: str) -> None:
        self.finish.begin(name)
        self.running[name] = None
        self._show()

    def end(self, record: RunRecord) -> None:
        self.finish.end(record.name)
        self.running.pop(record.name, None)
        if record.status != "ok":
            self.say(outcome(record))
        self.bar.advance(self.task)
        self._show()

    def _show(self) -> None:
        running = escape("  ".join(list(self.running)[:2]))
        self.bar.update(self.task, description=running, finish=self.finish.told())

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

    def __init__(self, total: int, finish: Finish) -> None:
        self.total, self.count, self.finish = total, 0, finish

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        pass

    def begin(self, name: str) -> None:
        self.finish.begin(name)

    def end(self, record: RunRecord) -> None:
        self.count += 1
        self.finish.end(record.name)
        place = ", ".join(filter(None, [f"{self.count}/{self.total}", self.finish.told()]))
        self.say(f"[{place}] {outcome(record)}")

    def say(self, text: str) -> None:
        print(text, flush=True)


class Json(Lines):
    """One JSON object a line."""

    def begin(self, name: str) -> None:
        super().begin(name)
        self._event(event="begin", name=name)

    def end(self, record: RunRecord) -> None:
        self.count += 1
        self.finish.end(record.name)
        left = self.finish.left()
        at = None if left is None else datetime.now(UTC) + timedelta(seconds=left)
        self._event(
            event="end", name=record.name, id=record.id, status=record.status, reason=record.reason, score=record.score,
            done=self.count, total=self.total, left=None if left is None else round(left, 1),
            finish=None if at is None else at.isoformat(timespec="seconds"),
        )  # fmt: skip

    def say(self, text: str) -> None:
        self._event(event="message", text=text)

    def _event(self, **fields: object) -> None:
        print(json.dumps(fields), flush=True)


def reporter(total: int, as_json: bool, finish: Finish) -> Reporter:
    """The reporter that fits where the output goes."""
    if as_json:
        return Json(total, finish)
    return Bar(total, Console(), finish) if sys.stdout.isatty() else Lines(total, finish)
