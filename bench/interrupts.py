"""Being told to stop: Ctrl-C or SIGTERM once ends a command in order, a second time at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

CODE = 130
"""The exit code of a command that was interrupted."""


class Interrupts:
    """Within it the first signal raises KeyboardInterrupt, after what is being kept is kept; the second ends the
    process and its workers where they stand; after it a command that was told hears no more. Only for the main
    thread."""

    def __init__(self) -> None:
        self.heard = False
        self._keeping = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # a command that was told is on its way out: to be told again would only change its exit code
            signal.signal(number, signal.SIG_IGN if self.heard else handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.heard:
            for child in multiprocessing.active_children():
                child.kill()
            if sys.stdout.isatty():
                os.write(sys.stdout.fileno(), b"\x1b[?25h\n")  # the cursor, which the bar hides
            os._exit(CODE)
        self.heard = True
        if not self._keeping:
            raise KeyboardInterrupt

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Within it a record is put away: the first signal waits for the end of this."""
        self._keeping = True
        try:
            yield
        finally:
            self._keeping = False
        if self.heard:
            raise KeyboardInterrupt
