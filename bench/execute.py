"""Where runs happen: here, or in worker processes. Whatever happens to a run, it ends in a record."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from pebble import ProcessExpired, ProcessPool

from bench import isa, worker
from bench.record import NaiveRecord, RunRecord, Status, unfinished
from bench.spec import Budget, Isa, RunSpec


class Job(Protocol):
    """What a worker is handed: a run, or a trial of tuning."""

    @property
    def name(self) -> str: ...
    @property
    def budget(self) -> Budget: ...


J = TypeVar("J", bound=Job)
R = TypeVar("R")


@contextmanager
def pool(workers: int, threads: int = worker.THREADS, level: Isa = "native") -> Iterator[ProcessPool]:
    """Spawned, long-lived processes, of one thread each unless told otherwise, all at one instruction-set level: a
    killed or hung one costs one run (pebble).

    On the way out they end at once, whatever they are at: after the last answer, or on Ctrl-C.
    """
    os.environ.update(worker.environment(threads))  # a spawned process inherits it before its torch starts
    context = multiprocessing.get_context("spawn")
    workshop = ProcessPool(max_workers=workers, initializer=start, initargs=[threads], context=context)
    with isa.pinned(level):
        try:
            yield workshop
        finally:
            workshop.stop()
            workshop.join()


def start(threads: int) -> None:
    """worker.start; and where there are no kernels, not a word: the front door has said it once."""
    from bench.native import NoKernels

    warnings.simplefilter("ignore", NoKernels)
    worker.start(threads)


def run_one(spec: RunSpec, data: Path | None) -> RunRecord:
    """bench.run.run_one, imported where it runs: the parent process never loads torch."""
    from bench.run import run_one

    return run_one(spec, data)


def naive(name: str, data: Path | None) -> NaiveRecord | None:
    """bench.run.naive, imported where it runs."""
    from bench.run import naive

    return naive(name, data)


def here(run: Callable[[J, Path | None], R], specs: Iterable[J], data: Path | None) -> Iterator[R]:
    """Every run in this process, one after another: for tests and debuggers."""
    for spec in specs:
        yield run(spec, data)


def in_processes(
    run: Callable[[J, Path | None], R],
    specs: Iterable[J],
    data: Path | None,
    workers: int,
    started: Callable[[J], None] = lambda spec: None,
    ended: Callable[[J, Status, str], R] = unfinished,  # type: ignore[assignment]
    level: Isa = "native",
    threads: int = worker.THREADS,
) -> Generator[R, None, None]:
    """Records as their runs end, in any order; `started` hears of each run when it is handed to a worker, and `ended`
    makes the record of one that cannot speak for itself.

    Only a few runs are handed out ahead, so memory stays flat however long the matrix. Closing the iterator (Ctrl-C)
    stops the workers at once.
    """
    queue = iter(specs)
    running: dict[Future[R], J] = {}
    with pool(workers, threads, level) as workshop:
        while True:
            while len(running) <= workers and (spec := next(queue, None)):
                running[workshop.schedule(run, args=[spec, data], timeout=spec.budget.seconds)] = spec
                started(spec)
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield outcome(running.pop(future), future, ended)


def naive_rows(names: Iterable[str], data: Path | None, workers: int) -> Iterator[NaiveRecord]:
    """The naive rows of these tasks, in the tasks' order; none for a task whose data are not there."""
    ordered = sorted(names)
    if not ordered:
        return
    with pool(workers) as workshop:
        for record in workshop.map(naive, ordered, [data] * len(ordered)).result():
            if record is not None:
                yield record


def outcome(spec: J, future: Future[R], ended: Callable[[J, Status, str], R]) -> R:
    """The record of a future that is done, however it ended."""
    try:
        return future.result()
    except TimeoutError:
        return ended(spec, "timeout", f"longer than {spec.budget.seconds} s")
    except ProcessExpired as error:
        code = error.exitcode or 0
        how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
        return ended(spec, "crashed", how)
    except Exception as error:  # the worker could not even start, or its answer could not be read
        return ended(spec, "failed", f"{type(error).__name__}: {error}")
