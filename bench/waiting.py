"""The order in which runs are begun: the longest first, and a worker stays with its task while that costs little."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

J = TypeVar("J")

STAY = 0.5
"""A worker goes on with its own task while that has a run of at least this share of the longest one waiting: reading
another task's data costs seconds, and a run that is half as long leaves little more to do alone at the end."""


class Waiting(Generic[J]):
    """Runs that wait for a worker. Without `weigh` they are taken in the order given."""

    def __init__(self, jobs: Iterable[J], task: Callable[[J], str], weigh: Callable[[J], float] | None = None) -> None:
        self._key = task if weigh is not None else lambda job: ""
        weighed = [(weigh(job) if weigh is not None else 0.0, job) for job in jobs]
        weighed.sort(key=lambda pair: -pair[0])  # stable: equals stay as they came
        self._piles: dict[str, deque[tuple[float, J]]] = {}
        for weight, job in weighed:
            self._piles.setdefault(self._key(job), deque()).append((weight, job))

    def __bool__(self) -> bool:
        return bool(self._piles)

    def take(self, task: str) -> J:
        """The next run of a worker that holds this task's data. Raises LookupError where none is left."""
        longest = max(self._piles, key=lambda name: self._piles[name][0][0], default=None)
        if longest is None:
            raise LookupError("no run is left")
        if task in self._piles and self._piles[task][0][0] >= STAY * self._piles[longest][0][0]:
            longest = task
        _, job = self._piles[longest].popleft()
        if not self._piles[longest]:
            del self._piles[longest]
        return job

    def back(self, job: J) -> None:
        """Have a run made again, before any other."""
        self._piles.setdefault(self._key(job), deque()).appendleft((float("inf"), job))

    def rest(self) -> Iterator[J]:
        """All that are left, taken one by one."""
        while self:
            yield self.take("")
