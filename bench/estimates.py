"""How long runs will take, as far as records tell: for the order of runs and the expected finish. Rough, and at once.

bench.forecast measures; this only reads what earlier runs took, and for the rest counts updates and a rough slowness.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from bench.plan import slowness
from bench.spec import RunSpec

GUESS = 1e-3
"""Seconds of one update of the plainest network, where no record says better: only ratios matter then."""


def run_of(job: Any) -> RunSpec:
    """The run that a job is: a trial of tuning holds one."""
    found: RunSpec = getattr(job, "spec", job)
    return found


def weigher(specs: Iterable[RunSpec], rows: Iterable[dict[str, Any]]) -> Callable[[Any], float]:
    """A function that says how many seconds a run or trial will take: its updates times the median seconds of an
    update in finished records of its configuration, else of its task (in proportion to slowness), else of any."""
    slow = {_key(spec): float(slowness(spec)) for spec in specs}
    own, task, every = defaultdict[Any, list[float]](list), defaultdict[Any, list[float]](list), list[float]()
    for row in rows:
        seconds, steps = (row.get("cost") or {}).get("seconds"), row.get("steps")
        if row.get("status") != "ok" or not seconds or not steps:
            continue
        names, device = row["names"], row["spec"]["device"]
        key = *(names[part] for part in ("task", "architecture", "stabilisation", "optimizer")), device
        own[key].append(seconds / steps)
        if key in slow:
            task[names["task"], device].append(seconds / steps / slow[key])
            every.append(seconds / steps / slow[key])
    usual = median(every) if every else GUESS
    updates = {key: median(found) for key, found in own.items()}
    tasks = {key: median(found) for key, found in task.items()}

    def weigh(job: Any) -> float:
        spec = run_of(job)
        update = updates.get(_key(spec))
        if update is None:
            update = tasks.get((spec.names.task, spec.device), usual) * slowness(spec)
        return spec.budget.steps * update

    return weigh


def _key(spec: RunSpec) -> tuple[str, ...]:
    names = spec.names
    return names.task, names.architecture, names.stabilisation, names.optimizer, spec.device
