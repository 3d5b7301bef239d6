"""What Ray is asked: the connection, the machines that are there, and a worker on each of their cores.

Imported where it is used, like Ray itself, which is an extra.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from bench import isa, limits, machine, worker
from bench.plan import BadInput
from bench.spec import Isa

Loss = Literal["crash", "memory", "node"]
"""Why a worker is gone: it died, its machine had no memory left, or nobody can reach the machine."""

DOUBT = 20.0
"""Seconds that a machine is left alone which cannot be reached: Ray takes about as long to declare it dead."""


@dataclass(eq=False)
class Node:
    """One machine of the cluster. Its number is the order in which it was seen: records name no hosts."""

    number: int
    id: str
    address: str  # said on the terminal, never in a record
    cores: int
    gpus: int
    memory: int  # bytes that Ray counts for its runs
    facts: Mapping[str, Any] = field(default_factory=dict)  # of Worker.facts, once one has answered
    other_data: dict[str, str] = field(default_factory=dict)  # task -> how its data differ here
    unfit: str | None = None  # why nothing runs here
    stillborn: int = 0  # workers in a row that died before they answered
    doubted: float = 0.0  # until when (time.monotonic) nothing runs here: a worker of it cannot be reached

    @property
    def usable(self) -> bool:
        """Whether runs may be given to it."""
        return self.unfit is None and self.doubted < monotonic()

    @property
    def label(self) -> str | None:
        """Its kind (machine.label), once it has answered."""
        return self.facts["machine"]["label"] if self.facts else None

    def __str__(self) -> str:
        return f"node {self.number} ({self.address})"


class Worker:
    """An actor: a process of one core on some node, made ready as every worker is, for many runs."""

    def facts(self) -> dict[str, Any]:
        """What must be equal on all nodes, and the kind of this one. Known without torch."""
        return {"code": machine.code(), "versions": machine.versions(), "machine": machine.about()}

    def ready(self, threads: int) -> None:
        """Prepare this process; its environment is that of a worker already."""
        from bench.execute import start

        start(threads)
        limits.fresh()

    def do(self, run: Callable[[Any, Path | None], Any], job: Any, data: Path | None, memory: int | None) -> Any:
        """What a run leaves behind, made with no more than so many bytes of memory."""
        from bench.execute import attempt

        return attempt(job, run, data, memory)


def differs(facts: Mapping[str, Any]) -> str | None:
    """What of a node's code and libraries is not as it is here; None where all is equal."""
    here, there = machine.versions(), facts["versions"]
    found = [f"{name} {there.get(name)}, here {here[name]}" for name in here if there.get(name) != here[name]]
    if facts["code"] != machine.code():
        found.append(f"code of bench and tasks {facts['code']}, here {machine.code()}")
    return "; ".join(found) or None


@contextmanager
def connected(cores: int) -> Iterator[Any]:
    """Ray, connected to the cluster at RAY_ADDRESS, or to one of `cores` cores that lives here while this lasts.

    A connection that is there already is used, and left. Raises BadInput where Ray or the cluster is not there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no word to its makers
    try:
        import ray
    except ImportError:
        raise BadInput(
            ["--executor ray needs Ray, which is an extra: pip install 'lstm-training-bench[ray]'"]
        ) from None
    if ray.is_initialized():
        with _quiet(ray):
            yield ray
        return
    address = os.environ.get("RAY_ADDRESS", "local")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        quiet |= {"num_cpus": cores, "include_dashboard": False, "object_store_memory": 2**27}
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise BadInput([f"no Ray cluster at RAY_ADDRESS={address}: {first}; start one (docs/cluster.md)"]) from None
    try:
        with _quiet(ray):
            yield ray
    finally:
        ray.shutdown()


@contextmanager
def _quiet(ray: Any) -> Iterator[None]:
    """Within it, Ray prints nothing about workers that died: their records say it. Its own option for this,
    log_to_driver, leaves one thread that prints to stdout, where --json has its lines."""
    inner = ray._private.worker
    printing = inner.print_to_stdstream
    inner.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        inner.print_to_stdstream = printing


def environment(level: Isa, threads: int) -> dict[str, str]:
    """Variables that a worker has before its torch starts: those of any worker, the level, this suite's own."""
    own = {name: value for name, value in os.environ.items() if name.startswith("LSTM_BENCH_")}
    return {**own, **worker.environment(threads), **dict(zip(isa.VARIABLES, isa.LEVELS.get(level, ()), strict=False))}


class Nodes:
    """The machines of a cluster as they come and go."""

    def __init__(self, ray: Any, level: Isa, threads: int, share: int) -> None:
        self.ray, self.threads, self._share = ray, threads, share
        self._environment = environment(level, threads)
        self._known: dict[str, Node] = {}
        self.here: list[Node] = []
        self.look()

    def look(self) -> None:
        """See who is there: those that Ray has not declared dead."""
        self.here = []
        for row in self.ray.nodes():
            if not row["Alive"]:
                continue
            cores, gpus, memory = (int(row["Resources"].get(name, 0)) for name in ("CPU", "GPU", "memory"))
            node = Node(len(self._known) + 1, row["NodeID"], row["NodeManagerAddress"], cores, gpus, memory)
            self.here.append(self._known.setdefault(node.id, node))

    def room(self, node: Node, device: str) -> int:
        """Workers for a device that a node has room for; each takes a core too."""
        return node.cores if device == "cpu" else min(node.gpus * self._share, node.cores)

    def hire(self, node: Node, device: str) -> Any:
        """A new worker there. It waits where others use the cluster; its first answer says that it is ready."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return (
            self.ray.remote(Worker)
            .options(
                num_cpus=1,
                num_gpus=0 if device == "cpu" else 1 / self._share,
                max_restarts=0,
                max_task_retries=0,
                runtime_env={"env_vars": self._environment},
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
            )
            .remote()
        )


def loss(error: BaseException, node: Node, nodes: Nodes) -> Loss | None:
    """What became of the worker that a call was made to; None where the worker lives and the call itself failed."""
    from ray.exceptions import ActorUnavailableError, OutOfMemoryError, RayActorError

    if isinstance(error, ActorUnavailableError):
        node.doubted = monotonic() + DOUBT
        return "node"
    if isinstance(error, OutOfMemoryError):
        return "memory"
    if not isinstance(error, RayActorError):
        return None
    nodes.look()
    said = str(error)  # Ray keeps the cause as text alone
    if node not in nodes.here or "its node has died" in said:
        return "node"
    how = re.search(r"Worker exit type: (\w+)", said)
    if "NODE_OUT_OF_MEMORY" in said or "running low on memory" in said:
        return "memory"
    return "node" if how and how[1] == "INTENDED_SYSTEM_EXIT" else "crash"
