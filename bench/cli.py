"""What the commands share: options, filters, the devices here, words for durations and exit codes. No torch."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

from bench import isa, owned, worker
from bench.machine import cores, label
from bench.matrices import MATRICES
from bench.matrixfile import read
from bench.names import unknown
from bench.plan import DEVICES, ONLY, BadInput, Filters, Plan, check, plan
from bench.shelf import Shelf
from bench.spec import Backend, Isa, Matrix
from bench.store import Store
from tasks.data import places as folders

OK, FAILED, BAD_INPUT, STORAGE, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES = (
    "exit code: 0 all runs ended in a result, 1 some failed unexpectedly or lost their device, 2 bad input, "
    "3 results could not be written, 130 interrupted"
)
AXES = ("task", "architecture", "stabilisation", "optimizer")
EXECUTORS = ("processes", "ray")
"""What makes the runs (bench.executors)."""
ISA_HELP = f"instruction set of every library, pinned: {', '.join(get_args(Isa))} (default native: what each likes)"


def parser(command: str, description: str) -> argparse.ArgumentParser:
    """The options every command has: which matrix, what to keep of it, where data and results are."""
    made = argparse.ArgumentParser(prog=f"python -m {command}", description=description, epilog=EXIT_CODES)
    presets = ", ".join(MATRICES)
    made.add_argument(
        "--matrix", default="quick", metavar="NAME|FILE.toml", help=f"{presets}, or a file (default quick)"
    )
    for axis in AXES:
        more = ", or take data of your own (docs/own-data.md)" if axis == "task" else ""
        made.add_argument(
            f"--{axis}", action="append", default=[], metavar="NAME", help=f"keep this {axis}{more}; repeatable"
        )
    made.add_argument("--device", action="append", choices=DEVICES, help="default: cpu, and cuda where there is one")
    made.add_argument(
        "--backend", metavar="NAME", help=f"of the recurrence: {', '.join(get_args(Backend))} (default: the matrix's)"
    )
    made.add_argument("--isa", metavar="NAME", help=ISA_HELP)
    made.add_argument(
        "--det", choices=("error", "warn"), help="what operations do that cannot repeat themselves (default error)"
    )
    made.add_argument(
        "--tune",
        type=int,
        metavar="N",
        help="trials of each technique before its scores (default: the matrix's)",
    )
    made.add_argument(
        "--seeds", action="append", default=[], metavar="N|A-B", help="in place of the matrix's; repeatable"
    )
    places(made)
    owned.options(made)
    made.add_argument("--json", action="store_true", help="one JSON object a line")
    return made


def places(made: argparse.ArgumentParser) -> None:
    """Where data and results are: options of every command that runs something."""
    made.add_argument(
        "--data",
        type=Path,
        default=folders.data(),
        metavar="DIR",
        help="folder of real datasets (default: LSTM_BENCH_DATA, or where python -m tasks fetch puts them)",
    )
    made.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where records are kept")


def placing(made: argparse.ArgumentParser) -> None:
    """Who makes the runs, and what each may take: options of commands that make many."""
    made.add_argument("--workers", type=int, metavar="N", help="one-thread processes (default: cores)")
    made.add_argument(
        "--executor", default="processes", metavar="NAME", help=f"{', '.join(EXECUTORS)} (default: processes)"
    )
    made.add_argument(
        "--memory", type=float, metavar="GIB", help="the most a run on the CPU may take (default: memory / workers)"
    )
    made.add_argument(
        "--gpu-share", type=int, default=2, metavar="N", help="runs that share a GPU for scores (default: 2)"
    )


def workers(options: argparse.Namespace) -> int:
    """How many processes of this machine work side by side."""
    asked: int | None = options.workers
    return cores() if asked is None else asked


def _placed(options: argparse.Namespace) -> Iterator[str]:
    """What is wrong with the options of placing()."""
    asked = getattr(options, "workers", None)
    if asked is not None and not 1 <= asked <= 1_024:
        yield f"--workers must be in [1, 1024], got {asked}"
    executor = getattr(options, "executor", EXECUTORS[0])
    if executor not in EXECUTORS:
        yield unknown("executor", executor, EXECUTORS)
    elif executor == "ray" and importlib.util.find_spec("ray") is None:
        yield "--executor ray needs Ray, which is not here; get it with: pip install 'lstm-training-bench[ray]'"
    memory = getattr(options, "memory", None)
    if memory is not None and not 0.001 <= memory <= 1_000_000:
        yield f"--memory must be in [0.001, 1000000] GiB, got {memory}"
    share = getattr(options, "gpu_share", 1)
    if not 1 <= share <= 64:
        yield f"--gpu-share must be in [1, 64], got {share}"


def chosen(options: argparse.Namespace) -> tuple[Matrix, Filters]:
    """The matrix and the filters asked for, checked. Raises BadInput with every mistake at once."""
    mistakes = list(_placed(options))
    if options.det is not None:
        os.environ[worker.DETERMINISM] = options.det  # workers inherit it
    seeds = _seeds(options.seeds, mistakes)
    try:
        own = owned.own(options.task)
        axes = {axis: tuple(own.get(name, name) for name in getattr(options, axis)) for axis in AXES}
        filters = Filters(**axes, seeds=seeds)
        matrix = owned.widened(_matrix(options.matrix), filters, list(own.values()))
        if options.tune is not None:
            matrix = replace(matrix, tune=options.tune)
            if not 0 <= options.tune <= 10_000:
                mistakes.append(f"--tune must be in [0, 10000], got {options.tune}")
        if options.backend is not None:
            matrix = replace(matrix, backend=options.backend)
        if options.isa is not None:
            matrix = replace(matrix, isa=options.isa)
        check(matrix, filters)
    except BadInput as error:
        mistakes += error.mistakes
    if mistakes:
        raise BadInput(mistakes)
    return matrix, filters


def _matrix(name: str) -> Matrix:
    if name in MATRICES:
        return MATRICES[name]
    if not name.endswith(".toml"):
        raise BadInput([f"{unknown('matrix', name, MATRICES)}, or a file that ends in .toml"])
    return read(Path(name))


def _seeds(given: Sequence[str], mistakes: list[str]) -> tuple[int, ...]:
    """`3`, `0,2,5` and `0-4` as whole numbers."""
    found: list[int] = []
    for part in (piece.strip() for text in given for piece in text.split(",")):
        low, dash, high = part.partition("-")
        ends = [low, high] if dash else [low, low]
        if all(end.isascii() and end.isdigit() and len(end) < 11 for end in ends) and int(ends[1]) - int(low) < 10_000:
            found += range(int(low), int(ends[1]) + 1)
        else:
            mistakes.append(f"--seeds takes whole numbers and ranges (3, 0,2,5 or 0-4), got {part!r}")
    return tuple(dict.fromkeys(found))


@cache
def gpus() -> tuple[str, ...]:
    """The CUDA devices that torch finds, each as CUDA_VISIBLE_DEVICES would name it; torch is asked, in a process of
    its own, only where a driver might be."""
    if sys.platform == "darwin" or (sys.platform == "linux" and not Path("/proc/driver/nvidia").exists()):
        return ()
    asked = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.cuda.device_count() * torch.cuda.is_available())"],
        capture_output=True,
        text=True,
        check=False,
    )
    count = int(asked.stdout) if asked.stdout.strip().isdigit() else 0
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return tuple(visible[:count] or map(str, range(count)))


def cuda_present() -> bool:
    """Whether torch finds a CUDA device."""
    return bool(gpus())


def planned(matrix: Matrix, filters: Filters, devices: Iterable[str] | None, elsewhere: bool = False) -> Plan:
    """The runs on the devices asked for, or on all that the back end runs on, with the kernels they need built. With
    `elsewhere`, CUDA is not looked for here where it is asked for.

    Raises BadInput where CUDA, a back end, kernels or an instruction set are asked for that cannot be had here.
    """
    devices = list(devices or ())
    cuda, only = (elsewhere and "cuda" in devices) or cuda_present(), ONLY.get(matrix.backend)
    if matrix.isa != "native":
        if (why := isa.lacking(matrix.isa)) is not None:
            raise BadInput([why])
        if only == "cuda" or "cuda" in devices:
            raise BadInput([f"instruction set {matrix.isa} pins runs on the CPU alone; drop it for those on CUDA"])
        only = "cpu"
    here = [device for device in DEVICES if only in (None, device) and (device == "cpu" or cuda)]
    if not here:
        raise BadInput([f"back end {matrix.backend} needs CUDA, and torch finds no CUDA device here; try auto"])
    wanted = tuple(dict.fromkeys(devices or here))
    if "cuda" in wanted and not cuda:
        raise BadInput(["CUDA was asked for, but torch finds no CUDA device here; drop --device to run on the CPU"])
    if not set(wanted) <= set(here):
        raise BadInput([f"back end {matrix.backend} runs on {only} alone; drop --device, or try auto"])
    if "cpu" in wanted:
        kernels(matrix.backend, matrix.isa)
    return plan(matrix, filters, wanted)


def kernels(backend: Backend = "auto", level: Isa = "native") -> None:
    """Build the C++ kernels before a worker would, and say once where there are none. Raises BadInput where they were
    asked for by name."""
    from bench import native

    with isa.pinned(level):
        if not native.ready():
            print("building the C++ kernels: once, for less than a minute", file=sys.stderr)
        why = native.problem() if level == "native" else _unbuilt()
    if why is not None:
        if backend == "cpp":
            raise BadInput([why])
        print(f"warning: {why}; slower back ends are used", file=sys.stderr)


def _unbuilt() -> str | None:
    """native.problem() for a level that is not this process's own: built, not loaded."""
    from bench import native

    try:
        native.build()
    except native.BuildError as error:
        return f"no C++ kernels: {error}"
    return None


def store(matrix: Matrix, results: Path, executor: str = EXECUTORS[0]) -> Store:
    """The results file of this matrix on this machine; where a cluster makes the runs, those of all its machines."""
    return (Shelf if executor == "ray" else Store)(results / matrix.name / f"{label()}.jsonl")


def again(options: argparse.Namespace, command: str, *drop: str) -> str:
    """The command that was typed, as a person would paste it, without some of its flags."""
    typed = [word for word in options.typed if word not in drop]
    return shlex.join(["python", "-m", command, *typed])


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


def refuse(error: BadInput) -> int:
    """Every mistake on a line of its own, on stderr."""
    for mistake in error.mistakes:
        print(f"error: {mistake}", file=sys.stderr)
    return BAD_INPUT
