"""The same matrix on a Ray cluster: what becomes of a run, whatever becomes of its worker or its node.

A run that dies with its worker is made again, once. One that loses its node is made again without blame. One whose node
has other data, or cannot do it, is made elsewhere. docs/cluster.md has the recipe.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Generic, TypeVar

from bench import worker
from bench.cluster_nodes import Loss, Node, Nodes, connected, differs, loss
from bench.cluster_queue import Queue, Work
from bench.execute import FAULTS, Job
from bench.machine import cores
from bench.plan import BadInput
from bench.record import PENDING, Status, unfinished
from bench.spec import Isa

J = TypeVar("J", bound=Job)
R = TypeVar("R")

EVERY = 1.0
"""Seconds between two looks at which nodes there are."""
PATIENCE = 60.0
"""Seconds that runs wait for a node which can do them: one that died may be coming back."""
TRIES: Mapping[Loss, int] = {"crash": 2, "memory": 2, "node": 3}
"""How often a run may end so before it is taken for the cause."""
FOREVER = float("inf")


def told(text: str) -> None:
    """Say something of the cluster to a person."""
    print(f"cluster: {text}", file=sys.stderr, flush=True)


def on_ray(
    run: Callable[[J, Path | None], R],
    specs: Iterable[J],
    data: Path | None,
    workers: int | None,
    started: Callable[[J], None] = lambda spec: None,
    ended: Callable[[J, Status, str], R] = unfinished,  # type: ignore[assignment]
    level: Isa = "native",
    threads: int = worker.THREADS,
    share: int = 1,
    memory: int | None = None,
    rows: Iterable[Mapping[str, Any]] = (),
    say: Callable[[str], None] = told,
) -> Generator[R, None, None]:
    """As bench.execute.in_processes, on the cluster at RAY_ADDRESS, or on one that lives here meanwhile.

    At most `workers` at once; None: one on each core of the cluster. `share` runs have a GPU together. `memory` is the
    most bytes of a run on the CPU; None: an equal part of its node's. `rows` are the records there already: they say
    which data a task has, and which kind of machine. Raises BadInput where nothing in the cluster can do the runs: no
    Ray, no nodes, other code.
    """
    with connected(workers or cores()) as ray:
        nodes = Nodes(ray, level, threads, share)
        crew = Crew(Queue(specs, nodes, say), nodes, workers or sys.maxsize, started, ended, say)
        crew.recall(rows)
        try:
            yield from crew.records(run, data, memory)
        finally:
            crew.dismiss()


@dataclass(eq=False)
class Slot(Generic[J]):
    """A worker, and what it is at. It is given nothing before it has said what it is, and then that it is ready."""

    node: Node
    device: str
    actor: Any
    call: Any  # the answer waited for; None where it is idle
    work: Work[J] | None = None
    until: float = FOREVER


class Crew(Generic[J, R]):
    """The workers of a cluster. A run is with one of them at most."""

    def __init__(
        self,
        queue: Queue[J],
        nodes: Nodes,
        most: int,
        started: Callable[[J], None],
        ended: Callable[[J, Status, str], R],
        say: Callable[[str], None],
    ) -> None:
        self.queue, self.nodes, self.most = queue, nodes, most
        self.started, self.ended, self.say = started, ended, say
        self.slots: list[Slot[J]] = []
        self.prints: dict[tuple[str, str], tuple[str, str]] = {}  # task, version -> fingerprint, and whose it is
        self._look_at = self._hopeful = monotonic()

    def recall(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take data and kinds of machine from records that are there already."""
        known = [row for row in rows if row["kind"] in ("run", "trial") and row["task"].get("fingerprint")]
        self.queue.recall(known)
        for row in known:
            task = row["task"]
            self.prints.setdefault((task["name"], task["version"]), (task["fingerprint"], "earlier records"))

    def records(self, run: Callable[[J, Path | None], R], data: Path | None, memory: int | None) -> Iterator[R]:
        """Records as their runs end, in any order."""
        while self.queue or any(slot.work for slot in self.slots):
            if monotonic() >= self._look_at:
                self._look_at = monotonic() + EVERY
                self.nodes.look()
                yield from self._stuck()
                self._staff()
            for slot in self.slots:
                if slot.call is None and (work := self.queue.take(slot.node, slot.device)):
                    slot.work, slot.until = work, monotonic() + work.job.budget.seconds
                    most = None if slot.device != "cpu" else memory or slot.node.memory // slot.node.cores or None
                    slot.call = slot.actor.do.remote(run, work.job, data, most)
                    if not work.losses and not work.avoid:
                        self.started(work.job)
            yield from self._answers()
            yield from self._late()

    def dismiss(self) -> None:
        """End every worker, whatever it is at."""
        for slot in [*self.slots]:
            self._end(slot)

    def _staff(self) -> None:
        """Hire for the runs that wait, end who has nothing left to do. Those for CUDA first: they need cores too."""
        for slot in [slot for slot in self.slots if slot.call is None and slot.node not in self.nodes.here]:
            self._end(slot)
        for node in [node for node in self.nodes.here if node.usable]:
            free = node.cores
            for device in ("cuda", "cpu"):
                mine = [slot for slot in self.slots if slot.node is node and slot.device == device]
                busy = sum(slot.work is not None for slot in mine)
                wanted = min(self.nodes.room(node, device), free, self.queue.left(node, device) + busy)
                for slot in [slot for slot in mine if slot.work is None][: max(0, len(mine) - wanted)]:
                    self._end(slot)
                    mine.remove(slot)
                for _ in range(min(wanted - len(mine), self.most - len(self.slots))):
                    actor = self.nodes.hire(node, device)
                    self.slots.append(Slot(node, device, actor, actor.facts.remote()))
                    mine.append(self.slots[-1])
                free -= len(mine)

    def _answers(self) -> Iterator[R]:
        """What came of the calls that are done; waits for one, but never beyond the next look or time limit."""
        calls = {slot.call: slot for slot in self.slots if slot.call is not None}
        rest = max(0.0, min([self._look_at, *(slot.until for slot in self.slots)]) - monotonic())
        if not calls:
            sleep(rest)
            return
        done, others = self.nodes.ray.wait([*calls], timeout=rest)
        if done and others:
            done += self.nodes.ray.wait(others, num_returns=len(others), timeout=0)[0]
        for slot in [calls[call] for call in done]:
            if slot in self.slots:  # its node may have been left out a moment ago
                yield from self._answer(slot)

    def _answer(self, slot: Slot[J]) -> Iterator[R]:
        call, work, node = slot.call, slot.work, slot.node
        slot.call, slot.work, slot.until = None, None, FOREVER
        try:
            answer = self.nodes.ray.get(call)
        except Exception as error:
            how = loss(error, node, self.nodes)
            self._end(slot)
            self._look_at = 0.0
            if work is not None and how is None:
                raised = getattr(error, "cause", None) or error
                yield self._of(node, self.ended(work.job, "failed", f"{type(raised).__name__}: {raised}"))
            elif work is not None and how is not None:
                yield from self._lost(node, work, how)
            elif how != "node":
                self._stillborn(node, error)
            return
        if work is not None:
            if getattr(answer, "status", None) in FAULTS:  # what it left behind must not reach the next run
                self._end(slot)
                self._look_at = 0.0
            yield from self._judged(node, work, answer)
        elif answer is None:  # ready
            node.stillborn = 0
        else:
            node.facts = answer
            if why := differs(answer):
                self._leave_out(node, why)
            else:
                slot.call = slot.actor.ready.remote(self.nodes.threads)

    def _judged(self, node: Node, work: Work[J], record: Any) -> Iterator[R]:
        """The record; or none, where the run is to be made elsewhere."""
        task = getattr(record, "task", None) or {}
        if mine := task.get("fingerprint"):
            there, whose = self.prints.setdefault((task["name"], task["version"]), (mine, f"node {node.number}"))
            if mine != there:
                why = f"data of {task['name']} on node {node.number} are {mine}, those of {whose} are {there}"
                if node.other_data.setdefault(task["name"], why) is why:
                    self.say(
                        f"{why}; its runs are made elsewhere. `python -m tasks check` on {node} says what is wrong"
                    )
                self.queue.again(work)
                return
        if getattr(record, "status", None) == "device-lost":
            node.gpus = 0
        if getattr(record, "status", None) in PENDING:
            work.avoid.add(node.number)
            if self.queue.able(work):
                self.queue.again(work)
                return
        yield record

    def _lost(self, node: Node, work: Work[J], how: Loss) -> Iterator[R]:
        """A run whose worker is gone: made again, or at an end."""
        work.losses.append(how)
        if work.losses.count(how) < TRIES[how]:
            if len(self.queue.able(work)) > 1:
                work.avoid.add(node.number)
            self.queue.again(work)
        elif how == "memory":
            yield self._of(node, self.ended(work.job, "out-of-memory", "its node had no memory left, twice"))
        else:
            what = "its worker died, twice" if how == "crash" else f"{TRIES[how]} nodes were lost beneath it"
            yield self._of(node, self.ended(work.job, "crashed", what))

    def _stillborn(self, node: Node, error: Exception) -> None:
        node.stillborn += 1
        if node.stillborn >= TRIES["crash"]:
            said = [line.strip() for line in str(error).splitlines() if line.strip()]
            self._leave_out(node, f"its workers do not start: {said[-1][:200] if said else type(error).__name__}")

    def _leave_out(self, node: Node, why: str) -> None:
        """Nothing more runs on a node."""
        if node.unfit is None:
            self.say(f"{node} is left out: {why}")
        node.unfit = why
        for slot in [slot for slot in self.slots if slot.node is node and slot.work is None]:
            self._end(slot)
        self._look_at = 0.0

    def _late(self) -> Iterator[R]:
        """Runs beyond their time: their workers are killed."""
        for slot in [*self.slots]:
            if slot.work and slot.until < monotonic():
                job = slot.work.job
                self._end(slot)
                self._look_at = 0.0
                yield self._of(slot.node, self.ended(job, "timeout", f"longer than {job.budget.seconds} s"))

    def _stuck(self) -> Iterator[R]:
        """Runs that no node can do: skipped, with what is known of why. Raises BadInput where there is no node."""
        usable, waited = [node for node in self.nodes.here if node.usable], monotonic() - self._hopeful
        stuck = list(self.queue.stuck())
        if not stuck:
            self._hopeful = monotonic()
        for work in stuck:
            task, device = work.room
            other = [node.other_data[task] for node in usable if task in node.other_data]
            if work.avoid and any(node.number in work.avoid for node in usable):
                work.avoid.clear()  # the others are gone: better where it went wrong than nowhere
            elif other and len(other) == len([node for node in usable if self.nodes.room(node, device)]):
                self.queue.drop(work)
                yield self.ended(work.job, "skipped", other[0])
            elif usable and waited > PATIENCE:
                self.queue.drop(work)
                yield self.ended(work.job, "skipped", f"no node of the cluster has room for runs on {device}")
        left_out = [f"{node} is left out: {node.unfit}" for node in self.nodes.here if node.unfit]
        if stuck and not usable and (len(left_out) == len(self.nodes.here) > 0 or waited > PATIENCE):
            raise BadInput(["no node of the cluster can be used", *left_out])

    def _of(self, node: Node, record: Any) -> Any:
        """A record made here of a run that ended there: of that kind of machine."""
        return replace(record, machine=node.facts["machine"], versions=node.facts["versions"])

    def _end(self, slot: Slot[J]) -> None:
        self.slots.remove(slot)
        self.nodes.ray.kill(slot.actor)
