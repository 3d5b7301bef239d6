"""One line that names a number completely, in the manner of sacreBLEU (Post 2018, arXiv:1804.08771)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from report.groups import Group
from report.stats import shown

KINDS = ("arch", "stab", "opt")


def signature(group: Group, seeds: Sequence[Mapping[str, Any]], mean: float, interval: float) -> str:
    """Metric, value, interval and n, then everything that another value could come from; computed, never typed.

    `seeds` are the runs of one row: rows of Frames.runs, with `triple`.
    """
    good, first = sum(run["status"] == "ok" for run in seeds), seeds[0]
    parts = zip(KINDS, first["triple"], first["settings"], strict=True)
    return " | ".join(
        [
            _value(group, mean, interval, good, len(seeds)),
            f"lstm-training-bench {_either(seeds, 'suite')}, protocol {group.protocol}",
            f"task:{group.task}@{group.version}#{group.fingerprint[:8] or '?'}",
            *(f"{kind}:{name}{f'({settings})' if settings else ''}" for kind, name, settings in parts),
            "untuned" if group.tuned == "0" else f"tuned:{group.tuned}",
            f"seeds:{ranges(int(run['seed']) for run in seeds if run['seed'] == run['seed'])}",
            f"steps:{_either(seeds, 'steps')}",
            f"params:{_either(seeds, 'parameters')}",
            f"torch:{_either(seeds, 'torch')}",
            *(f"plugins:{loaded}" for loaded in [_either(seeds, "plugins")] if loaded != "?"),
            ",".join([group.device, f"t{_either(seeds, 'threads')}", _either(seeds, "isa"), _either(seeds, "backend"),
                      "det" if all(run["strict"] for run in seeds) else "free"]),
            f"rec:{record_hash(run['proof'] for run in seeds)}",
        ]
    )  # fmt: skip


def _value(group: Group, mean: float, interval: float, good: int, seeds: int) -> str:
    half = "" if math.isnan(interval) else f" ± {shown(interval, 2)}"
    score = "no score" if math.isnan(mean) else f"{shown(mean)}{half}{f' {group.unit}' if group.unit else ''}"
    return f"{group.metric} {score} (n={good}{'' if good == seeds else f' of {seeds}'})"


def record_hash(proofs: Iterable[str]) -> str:
    """First 8 digits of the sha256 over the proofs of a row's records: the name of the row."""
    return hashlib.sha256(" ".join(sorted(proofs)).encode()).hexdigest()[:8]


def ranges(numbers: Iterable[int]) -> str:
    """`0-4`, `0-2,7`."""
    found = []
    for _, run in groupby(enumerate(sorted(set(numbers))), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        found.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    return ",".join(found)


def _either(seeds: Iterable[Mapping[str, Any]], fact: str) -> str:
    """The one value that all runs have, or all of them; numbers as whole ones."""
    values = [run[fact] for run in seeds if run[fact] not in ("", None, "not installed") and run[fact] == run[fact]]
    return "/".join(sorted({f"{value:.0f}" if isinstance(value, float) else str(value) for value in values})) or "?"
