"""One row of the leaderboard for each configuration: its runs, boiled down. Plain values, for a frame of hundreds of
small groups costs more than all that is computed of them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from report.comparison import SEEDS
from report.flat import AXES
from report.groups import Group, Triple
from report.signature import record_hash, signature
from report.stats import t_interval
from report.targets import summary
from report.versus import VERSUS, versus

Run = dict[str, Any]  # a row of Frames.runs, with `triple`, `name` and `label`
Times = dict[Any, Any]  # (device, configuration) -> row of Frames.times


def configurations(
    group: Group, members: pd.DataFrame, base: Triple | None, arrived: list[dict[str, Any]], times: Times
) -> Iterable[dict[str, Any]]:
    """The rows of a group; of one configuration on two machines, a row each."""
    compared = {(row["configuration"], row["origin"]): row for row in versus(group, members, base)}
    watched: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for one in arrived:
        watched[one["configuration"], one["origin"]].append(one)
    parts: dict[Any, list[Run]] = defaultdict(list)
    for run in members.to_dict("records"):
        parts[run["configuration"], run["origin"]].append(run)  # type: ignore[index]
    for key in sorted(parts):
        facts = {fact: value for fact, value in compared[key].items() if fact in VERSUS}
        row = {**_summary(group, parts[key]), **facts, **_times(parts[key][0], group.device, times)}
        row |= summary(group, watched[key])
        yield {**row, "seconds": row["to_target"] * row.get(f"ms_{group.device}", math.nan) / 1000}


def _summary(group: Group, seeds: Sequence[Run]) -> dict[str, Any]:
    first, good = seeds[0], [run for run in seeds if run["status"] == "ok"]
    scores = [run["score"] for run in good]
    mean, interval = t_interval(scores)
    interval = interval if len(good) >= SEEDS else math.nan
    ends = (min(scores), max(scores)) if scores else (math.nan, math.nan)
    best, worst = ends if group.better == "lower" else ends[::-1]
    kinds = Counter(run["status"] for run in seeds if run["status"] != "ok")
    return {
        "group": group.label,
        "kind": "technique",
        **{fact: first[fact] for fact in ("name", "label", "triple", *AXES, "machine")},
        **{"mean": mean, "interval": interval, "best": best, "worst": worst},
        **{"seeds": len(seeds), "scored": len(good), "failed": len(seeds) - len(good)},
        "failures": ", ".join(kind if len(kinds) == 1 else f"{count} {kind}" for kind, count in sorted(kinds.items())),
        "gap": _middle([run["gap"] for run in good], np.mean),
        "half_life": _middle([run["half_end"] for run in good]),  # infinity counts as the largest value
        "half_start": _middle([run["half_start"] for run in good]),
        **{fact: _last(run[fact] for run in seeds) for fact in ("parameters", "width", "backend")},
        "peak_mib": _middle([run["peak_mib"] for run in seeds], np.max),
        "best_share": _middle([run["best_step"] / (run["steps"] or math.nan) for run in good]),
        "idle": ", ".join(sorted(set.intersection(*(set(run["idle"].split(", ")) for run in seeds)))),
        "alarm": max(run["alarm"] for run in seeds),
        "suspect": ", ".join(
            f"{word} {count}/{len(seeds)}" for word, count in _counted(run["suspect"] for run in seeds)
        ),
        "files": tuple(sorted({run["file"] for run in seeds} - {""})),
        "record": record_hash(run["proof"] for run in seeds),
        "signature": signature(group, seeds, mean, interval),
    }


def _counted(words: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(filter(None, words)).items())


def _middle(values: Iterable[float], of: Any = np.median) -> float:
    """The median, or another middle, of the values that there are."""
    known = [value for value in values if not math.isnan(value)]
    return float(of(known)) if known else math.nan


def _last(values: Iterable[Any]) -> Any:
    """The value of the seeds that have one."""
    known = [value for value in values if value not in ("", None) and value == value]
    return max(known) if known else None


def _times(run: Run, device: str, times: Times) -> dict[str, Any]:
    """Milliseconds a step on each device, and the ratio to nn.LSTM on the group's own; absent where not timed."""
    found: dict[str, Any] = {}
    for name in ("cpu", "cuda"):
        timed = times.get((name, run["configuration"] if name == device else run[name]))
        if timed is not None:
            found |= {f"ms_{name}": timed.ms, f"noisy_{name}": timed.noisy}
            found |= {"ratio": timed.ratio} if name == device else {}
    return found
