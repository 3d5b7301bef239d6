"""Seconds of one training step, taken alone on the machine: python -m bench.timing.

Each distinct configuration is paired with the same network built on `nn.LSTM` alone (no stabilisation, Adam), same
depth, width and directions, in one process. Both take the same steps on the same batches in turn, as bench.pairs says.
Evaluation, data and the first steps are outside the clock. With --core the recurrent stack alone is measured instead,
see bench.core_timing. docs/protocol.md says why each of these.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.axes import OPTIMIZERS
from bench.pairs import Step, take
from bench.record import Status, TimeRecord
from bench.spec import RunSpec, Stabilisation, digest
from bench.store import Busy, Store

if TYPE_CHECKING:
    from tasks.base import Batch

STILL = 1e-12
"""The learning rate of a timed step: the arithmetic is the same, and a recipe that would diverge can be timed too."""


def stepper(spec: RunSpec, data: Path | None, width: int | None = None) -> tuple[Step, str, int]:
    """A function that makes one training step and returns its seconds, the back end, and the width."""
    from bench import averages, clock
    from bench.clipping import Clipping
    from bench.network import Network, Shape, solve_width
    from bench.optimizers import build
    from bench.rng import stream
    from bench.run import loaded
    from bench.train import update

    task, _ = loaded(spec.names.task, data)
    shape = Shape.of(task)
    width = width or solve_width(shape, spec.architecture, spec.budget.parameters)
    model = Network(shape, spec.architecture, spec.stabilisation, width, spec.seed, spec.backend).to(spec.device)
    optimizer = build(replace(spec.optimizer, lr=STILL), model.parameters(), model.hidden)
    batches = task.train.shuffled(spec.budget.batch, stream(spec.seed, "order"))
    clip = Clipping(spec.stabilisation)
    average = averages.build(spec.stabilisation, spec.optimizer, 0)
    if average is not None:
        average.begin = 0  # ASGD waits for a validation loss, and here there is none: it is timed at work
    state, count = None, 0

    def train(batch: Batch) -> None:
        nonlocal state, count
        count += 1
        _, state = update(model, task, spec.stabilisation, optimizer, batch, state, clip, count)
        if average is not None:
            average.update(model, count)

    def step() -> float:
        batch = next(batches).to(spec.device)
        return clock.seconds(lambda: train(batch), spec.device)

    return step, model.backend, width


def reference(spec: RunSpec) -> RunSpec:
    """The same network on torch's own LSTM: no stabilisation, no attention, Adam."""
    return replace(
        spec,
        architecture=replace(spec.architecture, cell="lstm", attention=False),
        stabilisation=Stabilisation(),
        optimizer=OPTIMIZERS["adam"],
        backend="fused",
    )


def time_one(spec: RunSpec, data: Path | None, count: int) -> TimeRecord:
    """The timed record of one configuration: `count` rounds of it, its reference, and the reference again (A/A)."""
    from bench import gpu, isa, machine, native, worker

    isa.check(spec.isa, worker.settings())
    subject, backend, width = stepper(spec, data)
    other, _, _ = stepper(reference(spec), data, width)
    again, _, _ = stepper(reference(spec), data, width)
    return TimeRecord(
        id=digest({"configuration": spec.configuration_id, "machine": machine.label()}),
        configuration=spec.configuration_id,
        name=spec.configuration,
        device=spec.device,
        backend=backend,
        **asdict(take(subject, other, again, count)),
        kernels=native.level() if backend == "cpp" else None,
        cuda=gpu.about(width) if spec.device == "cuda" else {},
        machine=machine.about() | worker.settings(),
        versions=machine.versions(),
        code=machine.code(),
    )


def untimed(specs: Iterable[RunSpec], rows: Iterable[dict[str, Any]]) -> list[RunSpec]:
    """One run of every configuration that has no time yet, and can have one: its device may be in a cluster alone."""
    from bench import cli

    timed = {row["configuration"] for row in rows if row["kind"] == "time"}
    rest = {spec.configuration_id: spec for spec in specs if spec.configuration_id not in timed}
    return [spec for spec in rest.values() if spec.device == "cpu" or cli.cuda_present()]


@dataclass(frozen=True)
class Untimed:
    """A configuration that could not be timed, and why. `skipped`: its runs are too, and their records say it."""

    spec: RunSpec
    status: Status
    reason: str


def attempt(spec: RunSpec, data: Path | None, count: int) -> TimeRecord | Untimed:
    """time_one; what cannot run here raises nothing, so that its worker stays."""
    from bench.core import NoBackend
    from bench.optimizers import NoPackage
    from tasks.data import DamagedData, MissingData

    try:
        return time_one(spec, data, count)
    except (MissingData, DamagedData, NoBackend, NoPackage) as error:
        return Untimed(spec, "skipped", str(error))


def fill(specs: Iterable[RunSpec], store: Store, data: Path | None, count: int, as_json: bool) -> None:
    """Time every configuration that has no time yet, one after another in one process, and keep each at once."""
    from bench.execute import in_processes
    from bench.progress import counted

    todo = untimed(specs, store.rows())
    if not todo:
        return
    say = (lambda text: None) if as_json else functools.partial(print, flush=True)
    say(f"timing {len(todo)} configurations, alone and paired with nn.LSTM, {count} rounds each")
    run = functools.partial(attempt, count=count)
    with counted(len(todo), not as_json) as show:
        for device in dict.fromkeys(spec.device for spec in todo):  # never side by side
            mine = [spec for spec in todo if spec.device == device]
            made = in_processes(
                run, mine, data, 1, lambda spec: show(spec.configuration), Untimed, level=mine[0].isa, gpu_share=1
            )
            with closing(made) as records:  # at once, on Ctrl-C
                for record in records:
                    if isinstance(record, TimeRecord):
                        store.append(record)
                    elif record.status != "skipped":  # an empty cell, and the rest go on
                        say(f"not timed: {record.spec.configuration}: {record.reason}")


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, read."""
    from bench import cli

    parser = cli.parser("bench.timing", "Time one training step of each configuration, alone, paired with nn.LSTM.")
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="interleaved rounds (default: the matrix's; with --core 20 or more)"
    )
    core = parser.add_argument_group("the table of the core")
    core.add_argument("--core", action="store_true", help="time the recurrent stack alone: every cell, and its goal")
    core.add_argument("--row", action="append", default=[], metavar="NAME", help="keep this row; repeatable")
    core.add_argument("--workload", action="append", default=[], metavar="NAME", help="keep this workload; repeatable")
    core.add_argument("--threads", action="append", default=[], type=int, metavar="N", help="1 or 2; repeatable")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time the configurations of a matrix on this machine, or the core, and keep the times in the results."""
    from bench import cli, core_timing, owned
    from bench.tune import tuned

    asked = options(arguments)
    if (misplaced := _misplaced(asked)) is not None:
        return cli.refuse(cli.BadInput([misplaced]))
    if asked.core:
        return core_timing.main(asked)
    try:
        whole = owned.plugged(asked)
        matrix, filters = cli.chosen(asked)
        if asked.rounds is not None and not 1 <= asked.rounds <= 100_000:
            raise cli.BadInput([f"--rounds must be in [1, 100000], got {asked.rounds}"])
        todo = cli.planned(matrix, filters, asked.device)
        with cli.store(matrix, asked.results) as store:
            if matrix.tune:  # a technique is timed as it is scored, once its trials are there
                todo.runs = [spec for spec, _ in tuned(todo.runs, store.rows(), matrix.tune)]
            fill(todo.runs, store, asked.data, asked.rounds or matrix.pairs, asked.json)
    except cli.BadInput as error:
        return cli.refuse(error)
    except KeyboardInterrupt:
        return cli.INTERRUPTED
    except (OSError, Busy) as error:
        print(f"error: cannot write to {asked.results}: {error}", file=sys.stderr)
        return cli.STORAGE
    return cli.OK if whole else cli.FAILED


def _misplaced(asked: argparse.Namespace) -> str | None:
    """What is wrong with options that belong to a matrix and to the core at once."""
    from bench import cli

    of_matrix, of_core = (*cli.AXES, "device", "backend", "isa", "tune", "seeds"), ("row", "workload", "threads")
    given = [f"--{name}" for name in (of_matrix if asked.core else of_core) if getattr(asked, name)]
    if not given:
        return None
    if asked.core:
        return f"--core takes {', '.join(f'--{name}' for name in of_core)}, not {', '.join(given)}"
    return f"{', '.join(given)}: only with --core"


if __name__ == "__main__":
    sys.exit(main())
