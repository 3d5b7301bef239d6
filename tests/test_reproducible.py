"""The same records give the same bytes, whatever the time zone, language, hash seed, terminal, folder or order."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import report_records as made
from report_records import DIGITS, GRAMMAR, GRU, LSTM

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys
from pathlib import Path
import report
report.build(Path(sys.argv[1]), Path(sys.argv[2]), None)
"""
RECORDS = (made.matrix(4, 3, [GRAMMAR]), [made.run(DIGITS, LSTM), made.run(DIGITS, GRU, score=2.0)])


def german() -> str:
    """A language with a comma in its numbers, where the machine has one."""
    found = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    return next((name for name in found if name.lower() in ("de_de.utf8", "de_de.utf-8")), "C.UTF-8")


def built(folder: Path, shuffle: int | None, place: Path, **scene: str) -> dict[str, str]:
    """sha256 of every file of a report that a process of its own made in such surroundings."""
    for name, records in zip(("core", "more"), RECORDS, strict=True):
        made.write(folder / "results", records, name, shuffle)
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **scene}
    subprocess.run(
        [sys.executable, "-c", PROGRAM, os.path.relpath(folder / "results", place), str(folder / "out")],
        cwd=place, env=surroundings, check=True, capture_output=True,
    )  # fmt: skip
    files = (path for path in (folder / "out").rglob("*") if path.is_file())
    return {str(p.relative_to(folder / "out")): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_same_bytes_elsewhere(tmp_path: Path) -> None:
    """Another time zone, language, hash seed, terminal and folder, and lines in another order, change no byte."""
    here = {"TZ": "UTC", "LC_ALL": german(), "PYTHONHASHSEED": "0", "COLUMNS": "200", "TERM": "xterm-256color"}
    there = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "C", "PYTHONHASHSEED": "4242", "COLUMNS": "40",
             "TERM": "dumb", "NO_COLOR": "1", "PYTHONUTF8": "0", "OMP_NUM_THREADS": "2"}  # fmt: skip
    first = built(tmp_path / "first", None, ROOT, **here)
    second = built(tmp_path / "second", 1, tmp_path, **there)
    assert len(first) > 30
    assert {"index.html", "leaderboard.tex", "core/leaderboard.csv", "core/figures/learning-curves.png"} <= set(first)
    assert {name for name in first if first[name] != second.get(name)} == set()
    assert set(first) == set(second)
