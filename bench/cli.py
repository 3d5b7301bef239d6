"""What the commands share: options, filters, the devices here, words for durations and exit codes. No torch."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from bench import isa
from bench.machine import label
from bench.matrices import MATRICES
from bench.matrixfile import read
from bench.names import unknown
from bench.plan import DEVICES, ONLY, BadInput, Filters, Plan, check, plan
from bench.record import Store
from bench.spec import Backend, Isa, Matrix

OK, FAILED, BAD_INPUT, STORAGE, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES = (
    "exit code: 0 all runs ended in a result, 1 some failed unexpectedly, 2 bad input, 3 results could not be written, "
    "130 interrupted"
)
AXES = ("task", "architecture", "stabilisation", "optimizer")
ISA_HELP = f"instruction set of every library, pinned: {', '.join(get_args(Isa))} (default native: what each likes)"


def parser(command: str, description: str) -> argparse.ArgumentParser:
    """The options every command has: which matrix, what to keep of it, where data and results are."""
    made = argparse.ArgumentParser(prog=f"python -m {command}", description=description, epilog=EXIT_CODES)
    presets = ", ".join(MATRICES)
    made.add_argument(
        "--matrix", default="quick", metavar="NAME|FILE.toml", help=f"{presets}, or a file (default quick)"
    )
    for axis in AXES:
        made.add_argument(
            f"--{axis}", action="append", default=[], metavar="NAME", help=f"keep this {axis}; repeatable"
        )
    made.add_argument("--device", action="append", choices=DEVICES, help="default: cpu, and cuda where there is one")
    made.add_argument(
        "--backend", metavar="NAME", help=f"of the recurrence: {', '.join(get_args(Backend))} (default: the matrix's)"
    )
    made.add_argument("--isa", metavar="NAME", help=ISA_HELP)
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
    made.add_argument("--json", action="store_true", help="one JSON object a line")
    return made


def places(made: argparse.ArgumentParser) -> None:
    """Where data and results are: options of every command that runs something."""
    made.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("LSTM_BENCH_DATA"),
        metavar="DIR",
        help="folder of real datasets (default: LSTM_BENCH_DATA)",
    )
    made.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where records are kept")


def chosen(options: argparse.Namespace) -> tuple[Matrix, Filters]:
    """The matrix and the filters asked for, checked. Raises BadInput with every mistake at once."""
    mistakes: list[str] = []
    workers = getattr(options, "workers", 1)
    if not 1 <= workers <= 1_024:
        mistakes.append(f"--workers must be in [1, 1024], got {workers}")
    axes = {axis: tuple(getattr(options, axis)) for axis in AXES}
    filters = Filters(**axes, seeds=_seeds(options.seeds, mistakes))
    try:
        matrix = _matrix(options.matrix)
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


def cuda_present() -> bool:
    """Whether torch finds a CUDA device; it is asked, in a process of its own, only where a driver might be."""
    if sys.platform == "darwin" or (sys.platform == "linux" and not Path("/proc/driver/nvidia").exists()):
        return False
    asked = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.cuda.is_available())"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() == "True"


def planned(matrix: Matrix, filters: Filters, devices: Iterable[str] | None) -> Plan:
    """The runs on the devices asked for, or on all that the back end runs on, with the kernels they need built.

    Raises BadInput where CUDA, a back end, kernels or an instruction set are asked for that cannot be had here.
    """
    cuda, only = cuda_present(), ONLY.get(matrix.backend)
    if matrix.isa != "native":
        if (why := isa.lacking(matrix.isa)) is not None:
            raise BadInput([why])
        if only == "cuda" or "cuda" in (devices or ()):
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


def store(matrix: Matrix, results: Path) -> Store:
    """The results file of this matrix on this machine."""
    return Store(results / matrix.name / f"{label()}.jsonl")


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
