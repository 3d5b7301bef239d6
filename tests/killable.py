"""The real front door over a matrix of quick fake runs, to be killed: python tests/killable.py RESULTS [OPTION ...]

With KILLABLE_GATE=FILE it does not end before there is such a file; with KILLABLE_FULL=N the disk is full from the Nth
call on that changes something. The ids of records that the store said it has are told at once in RESULTS.told, beside
the folder.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from bench import cli, execute, matrix, worker
from bench.machine import label
from bench.record import NaiveRecord, Record, RunRecord, unfinished
from bench.spec import RunSpec
from bench.store import Store

RUNS = 30
MINE = f"""
name = "killable"
summary = "quick fake runs"
base = "quick"
seeds = [{", ".join(map(str, range(RUNS // 2)))}]

[[block]]
tasks = ["series/seasonal"]
architectures = ["lstm"]
stabilisations = ["none"]
optimizers = ["adam", "sgd"]
"""


def fake(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that trains nothing, and whose values are those of its spec."""
    time.sleep(0.02)
    gate = os.environ.get("KILLABLE_GATE")
    while gate is not None and spec.seed == RUNS // 2 - 1 and not Path(gate).exists():
        time.sleep(0.02)
    curve = [{"step": step, "valid": {"loss": 1 / (step + 1 + spec.seed)}} for step in range(20)]
    return replace(unfinished(spec, "ok"), score=spec.seed / 7, curve=curve)


def start(threads: int) -> None:
    """A worker without torch: the start of this matrix is a matter of tenths of a second."""
    worker.obey()


def no_rows(*_: object) -> Iterator[NaiveRecord]:
    """The naive rows of no task."""
    return iter(())


class Told(Store):
    """A store that tells what it has put away."""

    def append(self, record: Record) -> None:
        super().append(record)
        with self.path.parents[1].with_suffix(".told").open("a") as told:
            told.write(record.id + "\n")


def command(results: Path, *options: str) -> list[str]:
    """The arguments of the front door; the matrix file lies beside the results."""
    file = results.with_suffix(".toml")
    if not file.exists():
        file.write_text(MINE)
    asked = ["--matrix", str(file), "--results", str(results), "--device", "cpu", "--no-report", "--no-timing"]
    return [*asked, "--json", *options]


def store(results: Path) -> Store:
    """The results file of this matrix."""
    return Store(results / "killable" / f"{label()}.jsonl")


def outcome(results: Path) -> list[str]:
    """Every line of the file without what a second time may change, in the order of ids; each must be readable."""
    found = []
    for _, _, row in store(results).lines():
        assert not isinstance(row, ValueError)
        found.append(json.dumps({key: value for key, value in row.items() if key not in ("cost", "machine")}))
    return sorted(found)


def main(results: Path, *options: str) -> int:
    """The front door's exit code."""
    execute.run_one, execute.start, execute.naive_rows = fake, start, no_rows
    cli.kernels, cli.Store = lambda *_: None, Told
    disk: AbstractContextManager[object] = nullcontext()
    if "KILLABLE_FULL" in os.environ:
        from failing_disk import Disk

        disk = Disk(results, int(os.environ["KILLABLE_FULL"])).spun()
    with disk:
        return matrix.main(command(results, *options))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
