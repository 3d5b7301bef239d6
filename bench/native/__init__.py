"""The C++ kernels: built on first use where there is a compiler, kept by source, flags and compiler, loaded by ctypes.

No kernel knows torch: each takes sizes and addresses, so that a build is a few calls of the compiler.
Whatever goes wrong on the way ends in a sentence, and slower back ends run.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench.machine import cores, facts
from tasks.data import places

HERE = Path(__file__).parent

LEVELS = {
    "avx512": ("-march=x86-64-v4", "-mprefer-vector-width=512"),
    "avx2": ("-march=x86-64-v3",),
    "generic": (),
}
"""Instruction sets a build can be made for. Levels, not `native`: machines that share a cache may differ."""

FLAGS = (
    *("-std=c++17", "-O3", "-fPIC", "-shared", "-fopenmp"),
    # sums of products in one rounding, square roots without errno, comparisons without traps: what lets loops run as
    # vectors. Not -ffast-math: a NaN must stay a NaN, and with some compilers it changes the whole process's arithmetic
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
)

SECONDS = 300
"""A compiler that takes longer is taken for hung."""


class NoKernels(RuntimeWarning):
    """There are no C++ kernels here; slower back ends run in their place."""


class BuildError(Exception):
    """The kernels cannot be built, and why. Its words hold no path: they may end in a record."""


def level() -> str:
    """The instruction set to build for: LSTM_BENCH_ISA, or the best one that this processor has.

    Raises BuildError where LSTM_BENCH_ISA names none of LEVELS, or one that this processor cannot run.
    """
    best = {"avx512f": "avx512", "avx2": "avx2"}.get(str(facts()["simd"]), "generic")
    asked = os.environ.get("LSTM_BENCH_ISA") or best
    if asked not in LEVELS:
        raise BuildError(f"LSTM_BENCH_ISA must be one of {', '.join(LEVELS)}, got {asked!r}")
    if list(LEVELS).index(asked) < list(LEVELS).index(best):
        raise BuildError(f"LSTM_BENCH_ISA={asked}: this processor runs at most {best}")
    return asked


def compiler() -> list[str]:
    """The command of the C++ compiler: CXX, or the first one found. Raises BuildError where there is none."""
    asked = os.environ.get("CXX", "").split()
    for name, *flags in [asked] if asked else [["g++"], ["clang++"], ["c++"]]:
        if (path := shutil.which(name)) is not None:
            return [os.path.abspath(path), *flags]
    if asked:
        raise BuildError(f"CXX names {Path(asked[0]).name!r}, which is not there")
    raise BuildError("no C++ compiler found (g++, clang++ or c++)")


def _recipe(isa: str) -> tuple[list[str], Path]:
    """The compiler's command for this instruction set, and the library that it makes of the sources: one of its own for
    every source, flag and compiler. The compiler is known by its file, since asking it for its version may hang."""
    command = [*compiler(), *FLAGS, *LEVELS[isa]]
    file = os.stat(command[0])
    about = (command, os.path.realpath(command[0]), file.st_size, file.st_mtime_ns, platform.machine())
    key = hashlib.sha256(repr(about).encode())
    for path in sorted((*HERE.glob("*.cpp"), *HERE.glob("*.h"))):
        key.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return command, places.cache().absolute() / f"kernels-{isa}-{key.hexdigest()[:16]}.so"


def ready() -> bool:
    """Whether it is known without starting the compiler what the kernels are, or why there are none."""
    try:
        _, library = _recipe(level())
    except BuildError:
        return True
    return library.exists() or library.with_suffix(".failed").exists()


def build(isa: str | None = None) -> Path:
    """The library for this instruction set, built if it is not in the cache yet. Raises BuildError.

    Two processes that build at once make one library: the second waits for the first.
    """
    command, library = _recipe(isa or level())
    if library.exists():
        return library
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(library.with_suffix(".lock"), timeout=2 * SECONDS):
            if not library.exists():
                _compile(command, library)
    except Timeout:
        raise BuildError(f"another process has been building them for {2 * SECONDS} s") from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BuildError(f"the cache folder cannot be written ({why}); set LSTM_BENCH_CACHE to one that can") from None
    return library


def _compile(command: Sequence[str], library: Path) -> None:
    """Whole or not at all: nobody ever loads half a library. A failure is kept too, so that it is met once."""
    failed = library.with_suffix(".failed")
    if not failed.exists():
        with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
            fresh = Path(scratch, library.name)
            if (why := _attempt(command, fresh)) is None:
                fresh.replace(library)
                return
        name = Path(command[0]).name
        failed.write_text(f"{name}: {why}; to try again, remove {failed.name} from the cache folder", encoding="utf-8")
    raise BuildError(failed.read_text(encoding="utf-8"))


def _attempt(command: Sequence[str], library: Path) -> str | None:
    """Build the library, its sources side by side; what went wrong, if anything did."""
    objects = {path.name: str(library.with_name(f"{path.stem}.o")) for path in sorted(HERE.glob("*.cpp"))}
    with ThreadPoolExecutor(cores()) as several:
        compiled = list(several.map(_complaint, [[*command, "-c", name, "-o", o] for name, o in objects.items()]))
    # loaded once in a process of its own: what is no library may end the one that loads it
    load = [sys.executable, "-I", "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])", str(library)]
    return (
        next(filter(None, compiled), None)
        or _complaint([*command, *objects.values(), "-o", str(library)])
        or (_complaint(load) and "its library does not load")
    )


def _complaint(command: Sequence[str]) -> str | None:
    """The first error that a command prints, or how it ended; None where it went well."""
    try:
        # from the folder of the sources, so that messages name a file without its place
        done = subprocess.run(
            command, cwd=HERE, env={**os.environ, "LC_ALL": "C"}, capture_output=True, timeout=SECONDS, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"took longer than {SECONDS} s"
    except OSError as error:
        return f"does not start ({error.strerror})"
    if done.returncode == 0:
        return None
    lines = done.stderr.decode(errors="replace").splitlines()
    return next((line for line in lines if "error" in line.lower()), f"ended with code {done.returncode}")


@cache
def _found() -> ctypes.CDLL | str:
    """The kernels, or why there are none."""
    try:
        return ctypes.CDLL(str(build()))
    except BuildError as error:
        why = str(error)
    except OSError:
        why = "the library does not load; to build it again, remove kernels-* from the cache folder"
    return f"no C++ kernels: {why}"


def problem() -> str | None:
    """Why there are no kernels here, in a sentence; None where there are. Builds them if need be."""
    found = _found()
    return found if isinstance(found, str) else None


@cache
def _library() -> ctypes.CDLL | None:
    """The kernels, or None with one warning a process."""
    found = _found()
    if isinstance(found, str):
        warnings.warn(f"{found}; slower back ends are used", NoKernels, stacklevel=3)
        return None
    return found


@cache
def function(name: str, *kinds: Any) -> Callable[..., None] | None:
    """The kernel of this name, which takes arguments of these ctypes kinds; None where there are no kernels."""
    if (library := _library()) is None:
        return None
    found = getattr(library, name)
    found.argtypes, found.restype = kinds, None
    return found  # type: ignore[no-any-return]
