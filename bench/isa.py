"""The instruction-set level of a process: pinned for every library at once, and read back.

Four libraries choose their code by the processor, and each choice moves bits: ATen, oneDNN, MKL and our own kernels.
They read their variables once, so a level is pinned before torch starts: in the environment a worker is spawned with.

MKL stands at COMPATIBLE under every level. It follows AVX2 and AVX512 on Intel's processors alone, and elsewhere takes
what it likes without a word (oneMKL developer guide, "Specifying Code Branches"); COMPATIBLE it follows everywhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bench.machine import facts
from bench.spec import Isa

VARIABLES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "LSTM_BENCH_ISA")  # the last one: bench.native

LEVELS: dict[Isa, tuple[str, ...]] = {
    "generic": ("default", "SSE41", "COMPATIBLE", "generic"),
    "avx2": ("avx2", "AVX2", "COMPATIBLE", "avx2"),
    "avx512": ("avx512", "AVX512_CORE", "COMPATIBLE", "avx512"),
}
"""What each of VARIABLES says at a level."""

NEEDS: dict[Isa, tuple[str, ...]] = {"avx2": ("avx2", "avx512f"), "avx512": ("avx512f",)}
"""machine.facts' `simd` of the processors that have a level; the other levels run on all."""


class NotPinned(Exception):
    """A library does not stand at the level that was asked for. The message says which, and where it stands."""


def lacking(level: Isa) -> str | None:
    """Why this machine cannot run at a level, in a sentence that says what to try; None where it can."""
    simd = str(facts()["simd"])
    if simd in NEEDS.get(level, (simd,)):
        return None
    best = next((name for name, having in reversed(NEEDS.items()) if simd in having), "generic")
    return f"instruction set {level} was asked for, and this processor has {best} at most ({simd}); try --isa {best}"


@contextmanager
def pinned(level: Isa) -> Iterator[None]:
    """Within it, every process that is spawned stands at this level; `native` leaves the environment as it is."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(zip(VARIABLES, LEVELS.get(level, ()), strict=False))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is not None:
                os.environ[name] = value
            else:
                os.environ.pop(name, None)


def level() -> Isa:
    """The level at which the variables of this process stand, all of them; else `native`."""
    stand = tuple(os.environ.get(name) for name in VARIABLES)
    return next((name for name, wanted in LEVELS.items() if stand == wanted), "native")


def in_force() -> dict[str, Any]:
    """What a record says of its libraries: the pinned level, ATen's and MKL's own word for theirs, oneDNN's limit."""
    import torch

    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return {
        "isa": level(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "mkl": _mkl(),
        "onednn": limit
        if re.fullmatch(r"[A-Z0-9_]{1,32}", limit)
        else None,  # it has no word of its own that we can ask
    }


def _mkl() -> str | None:
    """The code branch that MKL says it takes: `auto` where none was asked for, None where MKL does not tell."""
    import ctypes
    from pathlib import Path

    import torch

    try:
        ask = ctypes.CDLL(str(Path(torch.__file__).with_name("lib") / "libtorch_cpu.so")).mkl_serv_cbwr_get
    except (OSError, AttributeError):  # another system, or a torch without MKL inside
        return None
    branch = int(ask(1))  # mkl_cbwr_get(MKL_CBWR_BRANCH), values as in mkl_types.h
    return {1: "auto", 2: "auto", 3: "COMPATIBLE", 10: "AVX2", 12: "AVX512"}.get(branch, f"branch {branch}")


def check(asked: Isa, found: Mapping[str, Any]) -> None:
    """Raise NotPinned where the settings in force (worker.settings) are not those of the level that was asked for."""
    if asked == "native":
        return
    wanted = {
        "isa": (asked,),
        "capability": (LEVELS[asked][0].upper(),),
        "mkl": ("COMPATIBLE", None),
        "kernels": (asked, None),
    }
    wrong = [f"{name} is {found.get(name)}" for name, values in wanted.items() if found.get(name) not in values]
    if wrong:
        raise NotPinned(f"instruction set {asked} was asked for, but {', '.join(wrong)}")
