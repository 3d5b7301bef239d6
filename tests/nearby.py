"""Workers that are this process: the real lanes, pools and runs, without the seconds in which a process loads torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

import pytest


class Nearby:
    """In place of pebble.ProcessPool: what is scheduled is done before it is asked for."""

    def __init__(self, max_workers: int = 1, **_: object) -> None:
        assert max_workers >= 1

    def schedule(self, function: Callable[..., Any], args: Iterable[Any] = (), **_: object) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def map(self, function: Callable[..., Any], *values: Iterable[Any], **_: object) -> Future[Any]:
        return self.schedule(lambda: map(function, *values))

    def stop(self) -> None:
        """Nothing is under way."""

    join = stop


def work_here(patch: pytest.MonkeyPatch) -> None:
    """From now on no command starts a worker; tests of what a process of its own is for do without this."""
    patch.setattr("bench.execute.ProcessPool", Nearby)
    patch.setattr("bench.lanes.ProcessPool", Nearby)
