"""Where runs happen: here, or in worker processes. Whatever happens to a run, it ends in a record."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pebble import ProcessPool

from bench import faults, isa, limits, worker
from bench.estimates import run_of
from bench.lanes import Lane, environment
from bench.record import NaiveRecord, RunRecord, Status, unfinished
from bench.spec import Budget, Isa, RunSpec
from bench.waiting import Waiting

LOOK = 0.2
"""Seconds between two looks at limits, while no run ends."""
FAULTS = ("failed", "out-of-memory", "nondeterministic", "device-lost", "timeout", "crashed")
"""Endings after which a worker is replaced: what a run left behind must not reach the next one."""


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
    *,
    weigh: Callable[[J], float] | None = None,
    memory: int | None = None,
    gpus: Sequence[str] | None = None,
    gpu_share: int = 1,
) -> Generator[R, None, None]:
    """Records as their runs end, in any order; `started` hears of each run when it is handed to a worker, and `ended`
    makes the record of one that cannot speak for itself.

    `weigh` says what a run takes: the longest are begun first (bench.waiting). `memory` is the most bytes of a run on
    the CPU. Runs on CUDA have `gpu_share` workers for each of `gpus`, beside those of the CPU; None: any that there is.
    A worker holds one run at a time, so whatever befalls it befalls that run alone. One whose worker was killed from
    outside is made once more. Closing the iterator (Ctrl-C) ends the workers at once.
    """

    @contextmanager
    def surroundings(gpu: str | None) -> Iterator[None]:
        """The environment that a worker is spawned in: its torch reads it once, when it starts."""
        about = {**worker.environment(threads), **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})}
        with isa.pinned(level), environment(about):
            yield

    def lane(device: str, gpu: str | None = None) -> Lane[J]:
        return Lane(device, start, [threads], partial(surroundings, gpu), gpu)

    every = list(specs)
    kinds = {device: [job for job in every if _device(job) == device] for device in ("cpu", "cuda")}
    waiting = {device: Waiting(jobs, _task, weigh) for device, jobs in kinds.items()}
    del every, kinds
    lanes = [lane("cpu") for _ in range(workers)]
    lanes += [lane("cuda", gpu) for _ in range(gpu_share) for gpu in (gpus if gpus is not None else [None])]
    tried, made = set[str](), list[R]()
    try:
        while True:
            for one in lanes:
                if one.future is None and not one.closed and waiting[one.device]:
                    job = waiting[one.device].take(one.task)
                    most = memory if one.device == "cpu" else None
                    one.give(attempt, job, _task(job), job.budget.seconds, run, data, most)
                    started(job)
            yield from made  # while the workers are at the next ones
            made.clear()
            busy = {one.future: one for one in lanes if one.future is not None}
            if not busy:
                return
            for future in wait(busy, LOOK, FIRST_COMPLETED).done:
                one = busy.pop(future)
                job = _held(one)
                record = faults.outcome(one, ended, memory, job.name not in tried)
                status = getattr(record, "status", "ok")
                if record is None or status in FAULTS:
                    one.drop()  # whatever state it left, the next run begins in a fresh process
                one.future = one.job = None
                if record is None:
                    tried.add(job.name)
                    waiting[one.device].back(job)
                    continue
                made.append(record)
                if status == "device-lost":
                    made += _lose(one, lanes, waiting["cuda"], ended, getattr(record, "reason", None))
            for one in busy.values():
                one.look()
    finally:
        for one in lanes:
            one.kill()
        for one in lanes:
            one.drop()


def naive_rows(names: Iterable[str], data: Path | None, workers: int) -> Iterator[NaiveRecord]:
    """The naive rows of these tasks, in the tasks' order; none for a task whose data are not there."""
    ordered = sorted(names)
    if not ordered:
        return
    with pool(min(workers, len(ordered))) as workshop:
        for record in workshop.map(naive, ordered, [data] * len(ordered)).result():
            if record is not None:
                yield record


def attempt(job: J, run: Callable[[J, Path | None], R], data: Path | None, memory: int | None) -> R:
    """One run in its worker, with no more than so many bytes of memory."""
    with limits.limited(memory):
        return run(job, data)


def _lose(
    lost: Lane[J],
    lanes: Iterable[Lane[J]],
    waiting: Waiting[J],
    ended: Callable[[J, Status, str], R],
    reason: str | None,
) -> Iterator[R]:
    """Give nothing more to a GPU that is lost; where it was the last one, the records of the runs that waited for it.
    They never run on the CPU instead."""
    cuda = [lane for lane in lanes if lane.device == "cuda"]
    for lane in cuda:
        lane.closed |= lane.gpu == lost.gpu
    if all(lane.closed for lane in cuda):
        yield from (ended(job, "device-lost", f"not begun: {reason}") for job in waiting.rest())


def _held(lane: Lane[J]) -> J:
    assert lane.job is not None
    return lane.job


def _device(job: Any) -> str:
    return "cuda" if run_of(job).device.startswith("cuda") else "cpu"


def _task(job: Any) -> str:
    return run_of(job).names.task
