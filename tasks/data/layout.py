"""Where a dataset lies below the data folder, whether its archive was unpacked into a folder more or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.data.source import DamagedData, Source, missing


def folder(source: Source, data: Path | None, candidates: Sequence[str], lacks: str | None = None) -> Path:
    """The first of these folders that is there, or the one of the same name in it. Raises MissingData."""
    for candidate in candidates:
        if data is not None and (path := data / candidate).is_dir():
            inner = path / path.name
            return inner if inner.is_dir() else path
    raise missing(source, data, lacks or candidates[0])


def text(path: Path, name: str) -> str:
    """A file of text in UTF-8, its line ends made one kind. Raises DamagedData."""
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise DamagedData(f"{name}: byte {error.start} is no UTF-8; save it as UTF-8 or fetch it again") from None
    except OSError as error:
        raise DamagedData(f"{name}: cannot be read ({error.strerror}); fetch it again") from None


def some(names: Sequence[str]) -> str:
    """The first three names, and how many more."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
