"""Files and folders put in their places whole, so that they outlive a power cut. Standard library only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path


def move(made: Path, target: Path) -> None:
    """Put a folder in its place: with one rename, or file by file into one that is there."""
    if not target.is_dir():
        os.replace(made, target)
    else:
        for child in sorted(made.iterdir()):
            if child.is_dir():
                move(child, target / child.name)
            else:
                os.replace(child, target / child.name)
    settle(target.parent)


def written(path: Path, text: str) -> None:
    """A text file, whole or as it was before."""
    beside = path.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
    settle(path.parent)


def settle(folder: Path) -> None:
    """A rename survives a power cut once its folder is on the disk; not every system lets a folder be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def cleared(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def checksum(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
