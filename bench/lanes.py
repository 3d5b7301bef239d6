"""One worker process in a pool of its own (pebble), renewed after a fault: what befalls it befalls one run."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from time import monotonic
from typing import Any, Generic, TypeVar

from pebble import CONSTS, ProcessPool

J = TypeVar("J")

CONSTS.term_timeout = 2
"""Seconds that pebble waits after SIGTERM before SIGKILL."""
STARTING = 300
"""Seconds in which a worker must come up; a cold file system takes a minute to load torch."""


class Once(SpawnContext):
    """Spawns one process. A second is refused, so that pebble cannot replace a lost worker from a thread of its own:
    the kernel would take the end of that thread for the end of the parent, and the environment would be another."""

    process: SpawnProcess | None = None

    def Process(self, *args: Any, **words: Any) -> SpawnProcess:  # type: ignore[override]
        if self.process is not None:
            raise OSError("the one worker of this lane is gone")
        self.process = SpawnProcess(*args, **words)
        return self.process


@contextmanager
def quiet_start() -> Iterator[None]:
    """Within it, processes are spawned deaf to Ctrl-C, even before their first line runs."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it sets this thread's mask as well, when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Within it, processes are spawned with these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class Lane(Generic[J]):
    """A place where one run at a time is made, in a process that stays until something goes wrong in it."""

    def __init__(
        self,
        device: str,
        initializer: Callable[..., None],
        arguments: list[Any],
        surroundings: Callable[[], AbstractContextManager[None]],
        gpu: str | None = None,
    ) -> None:
        self.device, self.gpu = device, gpu  # gpu: what CUDA_VISIBLE_DEVICES says in the worker; None: not pinned
        self.closed = False  # takes no more runs
        self.task = ""  # of the last run: the worker holds its data
        self.job: J | None = None
        self.future: Future[Any] | None = None
        self._initializer, self._arguments, self._surroundings = initializer, arguments, surroundings
        self._context = Once()
        self._pool: ProcessPool | None = None
        self.limit: float = 0  # seconds for the run that is made
        self._given = self._begun = 0.0

    def give(self, run: Callable[..., Any], job: J, task: str, limit: float, *rest: Any) -> Future[Any]:
        """Have `run(job, *rest)` made here, in at most `limit` seconds; the lane must be idle."""
        self.job, self.task, self.limit, self._begun, self._given = job, task, limit, 0.0, monotonic()
        if self._pool is not None:
            with suppress(RuntimeError):  # the worker ended while it had nothing to do
                self.future = self._pool.schedule(run, args=[job, *rest])
                return self.future
            self.drop()
        self._context = Once()
        pool = ProcessPool(1, initializer=self._initializer, initargs=self._arguments, context=self._context)
        self._pool = pool
        with self._surroundings(), quiet_start():  # pebble spawns here, in this thread
            self.future = pool.schedule(run, args=[job, *rest])
        return self.future

    def look(self) -> None:
        """Give up a run that is past its limit, and a worker that does not come up. Call a few times a second."""
        assert self.future is not None
        now = monotonic()
        if not self._begun and self.future.running():
            self._begun = now
        if self._begun and now - self._begun > self.limit:
            self.future.cancel()  # pebble ends the worker: SIGTERM, then SIGKILL
        elif not self._begun and now - self._given > STARTING:
            self.kill()

    @property
    def exitcode(self) -> int | None:
        """How the worker ended; None where it has not, or never began."""
        process = self._context.process
        return None if process is None or process.pid is None else process.exitcode

    def kill(self) -> None:
        """End the worker at once: whatever it writes, it writes whole or not at all."""
        if self._context.process is not None and self._context.process.pid is not None:
            self._context.process.kill()

    def drop(self) -> None:
        """Have a fresh worker for the next run."""
        self.kill()
        if self._context.process is not None and self._context.process.pid is not None:
            self._context.process.join(CONSTS.term_timeout)
        if self._pool is not None:
            self._pool.stop()
            # a worker that was killed in the middle of its answer leaves a thread of pebble waiting for the rest
            threading.Thread(target=self._pool.join, daemon=True).start()
        self._pool, self.future, self.job, self.task = None, None, None, ""
