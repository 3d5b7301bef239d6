"""The table of the core, measured: python -m bench.timing --core.

Each cell is measured in a process of its own thread count, alone: rounds of its step, of what it is divided by, and of
that once more (A/A), as bench.pairs takes them. The records stand in results/core; the newest of a cell counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from bench import cli, core_table, machine, worker
from bench.core_table import Key, Place
from bench.execute import pool
from bench.names import unknown
from bench.pairs import take
from bench.plan import BadInput
from bench.progress import counted
from bench.record import CoreRecord
from bench.spec import digest
from bench.store import Busy, Store

SECONDS = 2.0
"""What a cell takes at least: steps of 15 ms need more rounds than long ones for a steady median."""

PATIENCE = 300
"""Seconds after which a cell is given up: a kernel that hangs costs its own cell."""

COMPANY = 0.05
"""The share of all processor time above which others at work are mentioned."""


@dataclass(frozen=True)
class Absent:
    """Why a cell has no measurement: a back end that cannot run it here or, if `failed`, an error."""

    reason: str
    failed: bool = False


Outcome = CoreRecord | Absent
Ask = Callable[[Iterable[Place], int], Iterator[tuple[Place, Outcome]]]


def chosen(
    rows: Sequence[str], workloads: Sequence[str], threads: Sequence[int], count: int | None, cuda: bool
) -> list[Place]:
    """The cells asked for; by default all that this machine can take. Raises BadInput."""
    here = [row for row in core_table.ROWS if row.device == "cpu" or cuda]
    names, most = {row.name: None for row in here}, machine.cores()
    mistakes = [unknown("row", name, names) for name in rows if name not in names]
    mistakes += [
        unknown("workload", name, core_table.WORKLOADS) for name in workloads if name not in core_table.WORKLOADS
    ]
    mistakes += [f"--threads must be in [1, {most}] here, got {number}" for number in threads if not 0 < number <= most]
    if count is not None and not core_table.MIN_PAIRS <= count <= 100_000:
        mistakes.append(
            f"--rounds must be in [{core_table.MIN_PAIRS}, 100000] with --core, got {count}: fewer pairs are noise"
        )
    if mistakes:
        raise BadInput(mistakes)
    found = list(
        core_table.places(
            [row for row in here if not rows or row.name in rows],
            {name: shape for name, shape in core_table.WORKLOADS.items() if not workloads or name in workloads},
            sorted(set(threads)) or [number for number in core_table.THREADS if number <= most],
        )
    )
    if not found:
        raise BadInput([f"{', '.join(rows)}: no such cell on {', '.join(workloads)}"])
    return found


def measure(place: Place, count: int, seconds: float) -> Outcome:
    """The record of one cell, taken in this process; or why the back end cannot run it here."""
    import torch

    from bench import core_steps, gpu, native
    from bench.core import NoBackend

    row, device = place.row, place.row.device
    torch.manual_seed(0)
    try:
        subject, backend = core_steps.step(row.subject, place.shape, device)
        other, reference = core_steps.step(row.over, place.shape, device)
        again, _ = core_steps.step(row.over, place.shape, device)
    except NoBackend as error:
        return Absent(str(error))
    return CoreRecord(
        id=digest({"core": place.key, "machine": machine.label()}),
        row=row.name,
        workload=place.workload,
        shape=asdict(place.shape),
        threads=place.threads,
        device=device,
        backend=backend,
        reference=reference,
        measured=asdict(take(subject, other, again, count, seconds)),
        kernels=native.level() if backend == "cpp" else None,
        cuda=gpu.about(place.shape.hidden) if device == "cuda" else {},
        machine=machine.about() | worker.settings(),
        versions=machine.versions(),
        code=machine.code(),
    )


def in_workers(todo: Iterable[Place], count: int) -> Iterator[tuple[Place, Outcome]]:
    """Each cell and its outcome, one after another, in a process for each number of threads."""
    for threads, group in groupby(todo, key=lambda place: place.threads):
        with pool(1, threads) as workshop:
            for place in group:
                future = workshop.schedule(measure, args=[place, count, SECONDS], timeout=PATIENCE)
                try:
                    yield place, future.result()
                except Exception as error:  # the other cells go on
                    yield place, Absent(f"{type(error).__name__}: {error}".rstrip(": "), failed=True)


def fill(todo: Sequence[Place], store: Store, count: int, as_json: bool, ask: Ask) -> dict[Key, Outcome]:
    """Measure the cells and keep each record at once; with `as_json` a line a cell."""
    found: dict[Key, Outcome] = {}
    with counted(len(todo), not as_json) as show:
        for place, outcome in ask(todo, count):
            show(place.name)
            found[place.key] = outcome
            if isinstance(outcome, CoreRecord):
                store.append(outcome)
            if as_json:
                print(json.dumps(described(place, outcome)), flush=True)
    return found


def described(place: Place, outcome: Outcome) -> dict[str, object]:
    """An outcome as --json prints it."""
    if isinstance(outcome, CoreRecord):
        most, ratio = place.row.goals.get(place.workload), outcome.measured["ratio"]
        return asdict(outcome) | {"goal": most, "missed": core_table.missed(place.row, place.workload, ratio)}
    device, row, workload, threads = place.key
    return {"row": row, "workload": workload, "threads": threads, "device": device, "absent": outcome.reason}


def table(todo: Iterable[Place], found: Mapping[Key, Outcome]) -> str:
    """The table for a terminal; a cell that is absent has a letter, and its reason below."""
    reasons: dict[str, str] = {}
    texts = {}
    for place in todo:
        outcome = found[place.key]
        if isinstance(outcome, CoreRecord):
            measured = outcome.measured
            texts[place.key] = core_table.shown(place.row, place.workload, measured["ratio"], measured["noisy"])
        else:
            texts[place.key] = reasons.setdefault(outcome.reason, f"({len(reasons) + 1})")
    parts = []
    for device in sorted({key[0] for key in texts}):
        drawn = core_table.grid(device, texts)
        lines = [drawn.heads, *drawn.lines]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        parts.append("\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines))
    return "\n\n".join(
        [*parts, "\n".join([*(f"{mark} {reason}" for reason, mark in reasons.items()), core_table.LEGEND])]
    )


def busy(found: Iterable[Outcome]) -> float:
    """The share of all processor time that other processes took, median over the cells where it is known."""
    shares = [outcome.measured["others"] for outcome in found if isinstance(outcome, CoreRecord)]
    return statistics.median([share for share in shares if share is not None] or [0.0])


def main(asked: argparse.Namespace) -> int:
    """Measure the cells asked for, keep their records, print the table."""
    try:
        todo = chosen(asked.row, asked.workload, asked.threads, asked.rounds, cli.cuda_present())
    except BadInput as error:
        return cli.refuse(error)
    if not asked.json:
        print(f"measuring {len(todo)} cells, alone, each paired with its reference", flush=True)
    try:
        cli.kernels()
        with Store(asked.results / core_table.FOLDER / f"{machine.label()}.jsonl") as store:
            found = fill(todo, store, asked.rounds or core_table.MIN_PAIRS, asked.json, in_workers)
            if not store.path.stat().st_size:  # nothing could be measured: a file without a line is a matrix's
                store.path.unlink()
    except KeyboardInterrupt:
        print("interrupted; the cells that were measured are kept", file=sys.stderr)
        return cli.INTERRUPTED
    except (OSError, Busy) as error:
        print(f"error: cannot write to {asked.results}: {error}", file=sys.stderr)
        return cli.STORAGE
    if not asked.json:
        print(table(todo, found))
    if (share := busy(found.values())) > COMPANY:
        print(
            f"warning: other processes took {share:.0%} of the processors meanwhile; times ask for a machine alone",
            file=sys.stderr,
        )
    failed = any(isinstance(outcome, Absent) and outcome.failed for outcome in found.values())
    return cli.FAILED if failed else cli.OK
