"""Times as they stand in files: numbers, ISO 8601, and the forms of the benchmark files. Standard library only."""

from __future__ import annotations

import math
import re
from array import array
from datetime import UTC, datetime
from typing import Literal

Order = Literal["rising", "any"]

NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
"""A number as files write it: no thousands commas, no underscores, no digits of other scripts."""

FORMS = (
    *("number", "iso"),
    *("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y"),  # the weather station of Jena
    *("%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d"),  # exchange rates
    *("%Y-%m", "%Y/%m"),
)
"""What a time may look like. 3/4/2020 is none of them: it is a day in March to some, in April to others."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """A column of times: all in the form of the first one, and rising unless any order will do."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.times = array("d")
        self._form, self._before = "", ""

    def tick(self, cell: str) -> str:
        """Take the time of the next row; what is wrong with it, or ""."""
        cell = cell.strip()
        if not self._form:
            self._form = next((form for form in FORMS if seconds(cell, form) is not None), "")
        value = seconds(cell, self._form) if self._form else None
        if value is None:
            like = (
                f"the first time is {short(self._before)}" if self._before else "write times like 2016-07-01 00:00:00"
            )
            return f"{short(cell)} is no time that can be read; {like}"
        if self.order == "rising" and self.times and value <= self.times[-1]:
            what = "stands twice" if value == self.times[-1] else f"comes after {short(self._before)}"
            return f"time {short(cell)} {what}; sort the rows, and keep one for each time"
        self.times.append(value)
        self._before = cell
        return ""


def seconds(cell: str, form: str) -> float | None:
    """A time in seconds since 1970, or the number that stands for it; None where it has another form."""
    if form == "number":
        value = float(cell) if NUMBER.fullmatch(cell) else math.inf
        return value if math.isfinite(value) else None
    try:
        found = datetime.fromisoformat(cell) if form == "iso" else datetime.strptime(cell, form)
        return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH).total_seconds()
    except (ValueError, OverflowError):
        return None


def short(cell: str) -> str:
    """A cell as a message shows it."""
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")
