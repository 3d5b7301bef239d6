"""A disk that fails on demand: the Nth call that changes something below a folder, once or from then on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

Kind = Literal["once", "for good", "short", "power cut"]
"""`short`: the disk takes half of a write and is full from then on. `power cut`: nothing runs any more after the call,
which neither `except OSError` nor a clean-up can help."""


class PowerCut(BaseException):
    """The machine is off: every further call fails too, so that nothing that would still run has any effect."""


class Disk:
    """Counts the calls of `os` that change what stands below `folder`, and has the Nth of them fail."""

    def __init__(self, folder: Path, nth: int, kind: Kind = "for good", error: int = errno.ENOSPC) -> None:
        self.folder, self.nth, self.kind, self.error = str(folder), nth, kind, error
        self.calls: list[str] = []
        self.files: dict[int, str] = {}
        self.real = {name: getattr(os, name) for name in ("open", "write", "fsync", "ftruncate", "replace", "unlink")}

    @property
    def failed(self) -> bool:
        """Whether the Nth call came."""
        return len(self.calls) >= self.nth

    def _due(self, call: str) -> bool:
        self.calls.append(call)
        due = len(self.calls) == self.nth or (self.kind != "once" and self.failed)
        if due and self.kind == "power cut":
            raise PowerCut
        return due

    def _fail(self, *names: str) -> None:
        raise OSError(self.error, os.strerror(self.error), *names)

    def _open(self, path: Any, flags: int, *rest: Any, **words: Any) -> int:
        inside = str(path).startswith(self.folder)
        if inside and self._due("open"):
            self._fail(str(path))
        file: int = self.real["open"](path, flags, *rest, **words)
        self.files.pop(file, None)
        if inside:
            self.files[file] = str(path)
        return file

    def _write(self, file: int, data: Any) -> int:
        if file not in self.files:
            return int(self.real["write"](file, data))
        if self._due("write"):
            if self.kind == "short" and len(self.calls) == self.nth:
                return int(self.real["write"](file, data[: len(data) // 2]))
            self._fail()
        return int(self.real["write"](file, data))

    def _of_file(self, name: str) -> Any:
        def call(file: int, *rest: Any) -> None:
            if file in self.files and self._due(name):
                self._fail()
            self.real[name](file, *rest)

        return call

    def _of_path(self, name: str) -> Any:
        def call(path: Any, *rest: Any, **words: Any) -> None:
            if str(path).startswith(self.folder) and self._due(name):
                self._fail(str(path))
            self.real[name](path, *rest, **words)

        return call

    @contextmanager
    def spun(self) -> Iterator[Disk]:
        """Within it the disk is this one."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "open", self._open)
            patch.setattr(os, "write", self._write)
            for name in ("fsync", "ftruncate"):
                patch.setattr(os, name, self._of_file(name))
            for name in ("replace", "unlink"):
                patch.setattr(os, name, self._of_path(name))
            yield self
