"""Run a record again and say what came of it: python -m bench.rerun RECORD. docs/rerun.md says what the words mean."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

from bench import PROTOCOL, cli, isa, owned, worker
from bench.compared import Verdict, verdict
from bench.finding import Found, find, recorded
from bench.names import unknown
from bench.plan import DEVICES, BadInput
from bench.plugins import LOADED
from bench.record import RunRecord
from bench.spec import Isa, RunSpec
from bench.store import Store
from bench.untrusted import clean, mapping, number, sentence
from tasks.cards import TASKS
from tasks.own import is_own

LIMIT = 86_400
"""Seconds after which a second run is given up. The budget's own are not in a record: they decide no outcome."""


def spec_of(found: Found, level: Isa | None) -> RunSpec:
    """The run that a record is of, at the instruction set it was made at or at the one asked for.

    Raises BadInput where this code would not run the same thing.
    """
    row, values = found.row, found.row.get("spec")
    if row.get("status") == "skipped":
        raise BadInput([f"{found} was skipped: {sentence(row.get('reason'))}"])
    if not isinstance(values, dict) or not isinstance(row.get("names"), dict):
        raise BadInput([f"{found} does not say what was run"])
    if values.get("protocol") != PROTOCOL:
        stated = sentence(values.get("protocol"))
        raise BadInput([f"{found} was made under protocol {stated}; this code follows {PROTOCOL}: other numbers"])
    task = sentence(values.get("task"))
    if task not in TASKS:
        raise BadInput([_absent(task, row) or unknown("task", task, TASKS)])
    if values.get("task_version") != TASKS[task].version:
        stated = sentence(values.get("task_version"))
        raise BadInput([f"{found} is of version {stated} of {task}; this code has {TASKS[task].version}: other data"])
    try:
        spec = RunSpec.of(values, row["names"], LIMIT)
    except ValueError as error:
        raise BadInput([_absent("", row) or f"{found}: {sentence(error)}"]) from None
    if spec.id != row["id"]:
        raise BadInput([f"{found}: its values have the id {spec.id}"])
    if spec.device not in DEVICES:
        raise BadInput([unknown("device", sentence(spec.device), DEVICES)])
    if row.get("status") == "ok" and math.isnan(number(row.get("score"))):
        raise BadInput([f"{found} ended ok and has no score"])
    spec = replace(spec, isa=level or spec.isa)
    if spec.isa != "native" and spec.device != "cpu":
        raise BadInput([f"instruction set {spec.isa} pins runs on the CPU alone; {found} is of CUDA"])
    if (why := isa.lacking(spec.isa)) is not None:
        raise BadInput([why])
    return spec


def _absent(task: str, row: Mapping[str, Any]) -> str | None:
    """What a record needs that is its maker's own: data or plug-ins. None where all of it is here."""
    family, _, name = task.partition("/own/")
    if name:
        return f"{task} is data of the reader's own: give the same with --task '{family}:...' (docs/own-data.md)"
    made = [sentence(key).removeprefix("plugin ") for key in mapping(row.get("versions")) if key.startswith("plugin ")]
    lacking = [f"--plugin {module}" for module in made if module not in LOADED.modules]
    return f"made with plug-ins that are not loaded here: {' '.join(lacking)}" if lacking else None


def siblings(found: Found) -> list[float]:
    """Scores of the record's configuration in its own file, one a seed, its own among them."""
    rows = [other.row for other in recorded([Store(found.path)])]
    same = [row for row in rows if row.get("configuration") == found.row.get("configuration")]
    scores = [number(row.get("score")) for row in same if row.get("status") == "ok"]
    return [score for score in scores if not math.isnan(score)]


def again(found: Found, spec: RunSpec, data: Path | None) -> RunRecord:
    """The record of a second run, in a worker process with the threads of the first. Nothing is written.

    Raises BadInput where it cannot be made here: no data, no back end, no CUDA.
    """
    from bench.execute import in_processes, run_one
    from bench.lanes import environment

    if spec.device != "cpu" and not cli.cuda_present():
        raise BadInput([f"{found} is of CUDA, and torch finds no CUDA device here"])
    if spec.device == "cpu":
        cli.kernels(spec.backend, spec.isa)
    machine = mapping(found.row.get("machine"))
    threads = machine.get("threads")
    count = threads if isinstance(threads, int) and 1 <= threads <= 1_024 else worker.THREADS
    free = machine.get("deterministic") is False
    with (
        environment({worker.DETERMINISM: "warn" if free else "error"}),
        closing(in_processes(run_one, [spec], data, 1, level=spec.isa, threads=count)) as runs,  # at once, on Ctrl-C
    ):
        (record,) = runs
    if record.status == "skipped":
        raise BadInput([clean(record.reason, 600)])
    return record


def told(found: Found, new: RunRecord, said: Verdict, as_json: bool) -> str:
    """The outcome as text, or as one JSON object."""
    row = found.row
    if as_json:
        outcome = {
            key: {"record": row.get(key), "now": getattr(new, key)} for key in ("status", "step", "score", "weights")
        }
        about = {"record": f"{found.path}:{found.line}", "id": row["id"], "name": row["name"], "ran": new.name}
        return json.dumps({**about, "verdict": said.word, "text": said.text, "differs": said.differs, **outcome})
    differs = [f"  {sentence(line)}" for line in said.differs] or ["  nothing that is recorded"]
    head = ["what differs from the record:"] if said.word != "IDENTICAL" or said.differs else []
    return "\n".join([f"{said.word} {sentence(said.text)}", *head, *(differs if head else [])])


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, read."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.rerun",
        description="Run a record again and compare. Nothing is written.",
        epilog="exit code: 0 identical or within tolerance, 1 different, 2 bad input, 130 interrupted",
    )
    parser.add_argument("record", metavar="RECORD", help="a run's id, its name (or MATRIX:NAME), or FILE.jsonl:LINE")
    parser.add_argument(
        "--task", action="append", default=[], metavar="DATA", help="data of your own that the record is of; repeatable"
    )
    cli.places(parser)
    owned.options(parser)
    parser.add_argument("--isa", metavar="NAME", help=f"{cli.ISA_HELP}; else the record's own")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Find the record, run it again, say what came of it. Returns the exit code that `--help` explains."""
    asked = options(arguments)
    try:
        if asked.isa not in (None, *get_args(Isa)):
            raise BadInput([unknown("instruction set", asked.isa, get_args(Isa))])
        owned.plugged(asked)
        if strange := [name for name in asked.task if not is_own(name)]:
            raise BadInput(
                [f"--task takes data of your own (family:key=value,...) here, got {name!r}" for name in strange]
            )
        owned.own(asked.task)
        found = find(asked.record, asked.results)
        spec = spec_of(found, asked.isa)
        if not asked.json:
            print(f"again: {found}", flush=True)
        new = again(found, spec, asked.data)
    except BadInput as error:
        return cli.refuse(error)
    except OSError as error:
        return cli.refuse(BadInput([f"cannot read {asked.record} or {asked.results}: {error.strerror}"]))
    except KeyboardInterrupt:
        return cli.INTERRUPTED
    said = verdict(found.row, asdict(new), siblings(found))
    print(told(found, new, said, asked.json))
    return cli.FAILED if said.word == "DIFFERENT" else cli.OK


if __name__ == "__main__":
    sys.exit(main())
