"""Which executor makes the runs: processes here, or a Ray cluster."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from bench import cli, limits
from bench.estimates import run_of
from bench.execute import J, R, in_processes
from bench.record import Status
from bench.spec import Isa


class Executor(Protocol):
    """What makes runs: bench.execute.in_processes, or bench.cluster.on_ray, each told where."""

    def __call__(
        self,
        run: Callable[[J, Path | None], R],
        specs: Iterable[J],
        data: Path | None,
        *,
        started: Callable[[J], None] = ...,
        ended: Callable[[J, Status, str], R] = ...,
        level: Isa = ...,
    ) -> Generator[R, None, None]: ...


def chosen(
    options: argparse.Namespace, jobs: Sequence[Any], rows: Iterable[dict[str, Any]], weigh: Callable[[Any], float]
) -> Executor:
    """The executor that was asked for, ready for these jobs: where they run, how many at once, what each may take."""
    if options.executor == "ray":
        from bench.cluster import on_ray

        memory = None if options.memory is None else int(options.memory * limits.GIB)
        return partial(on_ray, workers=options.workers, share=options.gpu_share, memory=memory, rows=rows)
    workers = cli.workers(options)
    cuda = any(run_of(job).device != "cpu" for job in jobs)
    return partial(
        in_processes,
        workers=workers,
        weigh=weigh,
        memory=limits.share(workers) if options.memory is None else int(options.memory * limits.GIB),
        gpus=cli.gpus() or None if cuda else None,
        gpu_share=options.gpu_share,
    )
