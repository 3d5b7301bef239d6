"""Instructions a step of each C++ kernel: `python tests/speed/instructions.py`, with --renew to keep what it counts.

Counted by valgrind's callgrind: the same on a busy machine as on a quiet one. The build is the generic one, since
valgrind knows no AVX-512: what is guarded is the work that the sources ask for, not the width of a vector.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench import native
from bench.machine import cores

HERE = Path(__file__).parent
KEPT = HERE / "instructions.json"

SOURCES = ("noise.cpp", "optimizers.cpp")
"""Those with a kernel in the table at the end of driver.cpp."""

SHORT, LONG = 8, 40
"""Steps of two runs: their difference leaves out whatever stands before the first step and behind the last one."""


def obstacle() -> str | None:
    """Why instructions cannot be counted here; None where they can."""
    try:
        native.compiler()
    except native.BuildError as error:
        return str(error)
    return None if shutil.which("valgrind") else "valgrind is not there"


def toolchain() -> str:
    """The compiler that the counts belong to, and what it compiles for."""
    about = subprocess.run([*native.compiler(), "--version"], capture_output=True, text=True, check=True).stdout
    return f"{platform.machine()}, {about.splitlines()[0]}"


def build(folder: Path) -> Path:
    """The driver with the kernels, compiled like the generic library."""
    made = folder / "driver"
    flags = [flag for flag in native.FLAGS if flag != "-shared"]
    sources = [f"-I{native.HERE}", str(HERE / "driver.cpp"), *(str(native.HERE / name) for name in SOURCES)]
    subprocess.run([*native.compiler(), *flags, *sources, "-o", str(made)], check=True)
    return made


def total(driver: Path, kernel: str, steps: int) -> int:
    """Instructions of a whole run of the driver."""
    log = driver.with_name(f"{kernel}-{steps}")
    subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={log}", str(driver), kernel, str(steps)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=True,
    )
    return next(int(line.split()[1]) for line in log.read_text().splitlines() if line.startswith("totals:"))


def counted() -> dict[str, int]:
    """Instructions a step of each kernel."""
    with tempfile.TemporaryDirectory() as folder:
        driver = build(Path(folder))
        names = subprocess.run([driver], capture_output=True, text=True, check=True).stdout.split()
        with ThreadPoolExecutor(cores()) as several:
            long, short = (list(several.map(partial(total, driver, steps=steps), names)) for steps in (LONG, SHORT))
    return {name: round((a - b) / (LONG - SHORT)) for name, a, b in zip(names, long, short, strict=True)}


if __name__ == "__main__":
    found = {"toolchain": toolchain(), "instructions": counted()}
    text = json.dumps(found, indent=2) + "\n"
    if "--renew" in sys.argv[1:]:
        KEPT.write_text(text, encoding="utf-8")
    print(text, end="")
