"""Values of records that others wrote: what is not as it should be is as good as absent. Standard library only."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # controls, bidi marks, half characters, foreign line ends


def clean(value: object, limit: int = 64) -> str:
    """`value` on one line, without control or bidi characters, of bounded length: fit for any output."""
    return _clean(str(value), limit)


@lru_cache(maxsize=100_000)  # a few words fill most fields of a hundred thousand records
def _clean(value: str, limit: int) -> str:
    text = "".join("\ufffd" if unicodedata.category(c) in _UNPRINTABLE else c for c in value).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def sentence(value: object) -> str:
    """`clean`, of a sentence's length: for messages."""
    return clean(value, 200)


def number(value: object) -> float:
    """`value` as a finite float, else NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value) if math.isfinite(value) else math.nan
    except OverflowError:
        return math.nan


def mapping(value: object) -> Mapping[str, Any]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """`value` where it is a JSON list, else an empty one."""
    return value if isinstance(value, list) else []
