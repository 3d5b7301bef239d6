"""The runs that wait for a worker of a cluster, and which of them a node may have."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bench.cluster_nodes import Loss, Node, Nodes
from bench.estimates import run_of
from bench.execute import Job

J = TypeVar("J", bound=Job)

Room = tuple[str, str]
"""Task and device."""


@dataclass(eq=False)
class Work(Generic[J]):
    """A run that has no record yet."""

    job: J
    order: int
    losses: list[Loss] = field(default_factory=list)  # how it lost its workers
    avoid: set[int] = field(default_factory=set)  # numbers of nodes where it went wrong, while there are others

    @property
    def room(self) -> Room:
        spec = run_of(self.job)
        return spec.names.task, spec.device


class Queue(Generic[J]):
    """What waits, in order. All runs of a task on a device stay on one kind of machine while there is one: only then
    are their rows paired, and have all their seeds in one file."""

    def __init__(self, jobs: Iterable[J], nodes: Nodes, say: Callable[[str], None]) -> None:
        self._nodes, self._say = nodes, say
        self._waiting: dict[Room, deque[Work[J]]] = {}
        self._homes: dict[Room, set[str]] = {}  # kinds of machine that have made runs of it
        for order, job in enumerate(jobs):
            work = Work(job, order)
            self._waiting.setdefault(work.room, deque()).append(work)

    def __bool__(self) -> bool:
        return any(self._waiting.values())

    def recall(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take the kinds of machine from records that are there already."""
        for row in rows:
            self._homes.setdefault((row["task"]["name"], row["spec"]["device"]), set()).add(row["machine"]["label"])

    def left(self, node: Node, device: str) -> int:
        """How many runs wait that a node may have."""
        return sum(len(queue) for room, queue in self._waiting.items() if room[1] == device and self._fits(room, node))

    def able(self, work: Work[J]) -> list[Node]:
        """The nodes that may have a run."""
        return [node for node in self._nodes.here if self._may(work, node)]

    def again(self, work: Work[J]) -> None:
        """Put a run back, first of its task."""
        self._waiting[work.room].appendleft(work)

    def drop(self, work: Work[J]) -> None:
        """Nothing will come of it."""
        self._waiting[work.room].remove(work)

    def take(self, node: Node, device: str) -> Work[J] | None:
        """The next run for a worker: where there are several kinds of machine, of a task that has begun on its kind
        rather than of a new one."""
        found: list[tuple[bool, int, Work[J]]] = []
        mixed = len({other.label for other in self._nodes.here if other.label}) > 1
        for room, queue in self._waiting.items():
            first = next((work for work in queue if room[1] == device and self._may(work, node)), None)
            if first is not None and (
                node.label in (homes := self._homes.get(room, set())) or not self._open(homes, first)
            ):
                found.append((mixed and node.label not in homes, first.order, first))
        if not found:
            return None
        work = min(found)[2]
        self.drop(work)
        homes = self._homes.setdefault(work.room, set())
        if homes and node.label not in homes:
            self._say(f"{' on '.join(work.room)} goes on on another kind of machine: {', '.join(homes)} is not here")
        homes.add(node.label or "")
        return work

    def stuck(self) -> Iterator[Work[J]]:
        """Runs that no node may have as things are."""
        for room, queue in self._waiting.items():
            open_ = any(self._fits(room, node) for node in self._nodes.here)
            yield from [work for work in queue if not open_ or (work.avoid and not self.able(work))]

    def _open(self, homes: set[str], work: Work[J]) -> bool:
        """Whether a kind of machine that has begun a task can go on with it."""
        return bool(homes) and any(node.label in homes for node in self.able(work))

    def _fits(self, room: Room, node: Node) -> bool:
        return node.usable and self._nodes.room(node, room[1]) > 0 and room[0] not in node.other_data

    def _may(self, work: Work[J], node: Node) -> bool:
        return self._fits(work.room, node) and node.number not in work.avoid
