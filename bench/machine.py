"""The machine and the versions a record was made with. Never a host name, a user or a path."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def _cpu_facts() -> dict[str, str]:
    """The first processor's lines of the kernel's list, where there is one."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    pairs = (line.partition(":")[::2] for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, value in pairs}


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def facts() -> dict[str, Any]:
    """What decides bits and speed: processor, instruction set, cores, system. Known without torch."""
    cpu = _cpu_facts()
    flags = cpu.get("flags", "").split()
    simd = next((name for name in ("avx512f", "avx2", "asimd") if name in flags), "other")
    return {
        "cpu": cpu.get("model name", platform.processor() or "unknown"),
        "simd": simd,
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
    }


@cache
def label() -> str:
    """A short name for machines of this kind: `x86-64-avx512f-2-3fa9`, the name of its results file."""
    known = facts()
    tail = hashlib.sha256(repr(sorted(known.items())).encode()).hexdigest()[:4]
    name = f"{platform.machine()}-{known['simd']}-{known['cores']}-{tail}"
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def about() -> dict[str, Any]:
    """What every record says of its machine."""
    return facts() | {"label": label()}


PLUGGED: dict[str, str] = {}
"""`plugin NAME` -> its version and the sha256 of its source (bench.plugins)."""


def versions() -> dict[str, str]:
    """Versions of Python, of the libraries that numbers depend on, and of the plug-ins of this process."""
    return _libraries() | PLUGGED


@cache
def _libraries() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("lstm-training-bench", "torch", "torchaudio", "numpy", "scipy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def code() -> str:
    """sha256 (first 16 digits) of the sources of bench and tasks, C++ included."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    sources = (
        path for room in ("bench", "tasks") for kind in ("py", "cpp", "h") for path in root.glob(f"{room}/**/*.{kind}")
    )
    for path in sorted(sources):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
