"""Records as tidy frames. The only module of the report that reads results."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.core_table import FOLDER
from bench.names import unknown
from bench.record import PENDING
from bench.store import Store, stores
from bench.untrusted import clean, items, mapping, number
from report import BadInput, flat
from report.flat import Row
from tasks.cards import TASKS

GROUP = ("task", "version", "fingerprint", "device", "asked", "budget", "protocol", "tuned")
"""Runs that differ in any of these are never compared, let alone averaged. (Of two machines: neither paired nor
averaged, though they stand in one table. See RUNS: origin.)"""

RUNS = (
    *("id", "configuration", *GROUP, "metric", "better", "unit", "architecture", "stabilisation", "optimizer", "seed"),
    *("status", "reason", "step", "score", "parameters", "width", "backend", "gap", "probed", "half_start", "half_end"),
    *("gap_scored", "clipped", "weights"),
    *("cpu", "cuda", "machine", "origin", "idle", "alarm", "suspect"),
    *("steps", "best_step", "seconds", "peak_mib", "settings", "suite", "torch", "plugins", "threads", "isa", "strict"),
    *("code", "proof", "file"),
)
TRIALS = (
    *("id", "configuration", *GROUP, "architecture", "stabilisation", "optimizer", "origin", "index", "lr", "others"),
    *("status", "reason", "valid", "score"),
)
CURVES = ("id", "step", "split", "value", "loss")
NAIVE = ("task", "version", "fingerprint", "name", "score")
TIMES = ("configuration", "device", "machine", "ms", "ratio", "ratio_low", "ratio_high", "noisy")


@dataclass(frozen=True)
class Frames:
    """Everything the report knows of one matrix."""

    matrix: str
    runs: pd.DataFrame  # one row a finished run
    skipped: pd.DataFrame  # the same columns
    curves: pd.DataFrame  # one row a point of a learning curve and split
    gradients: pd.DataFrame  # one row a distance
    naive: pd.DataFrame
    times: pd.DataFrame
    trials: pd.DataFrame  # one row a trial of tuning; `configuration` is the technique's at the tables' values
    versions: tuple[str, ...]  # of libraries and of the code, as text


def names(results: Path) -> list[str]:
    """Every matrix with a results file, sorted."""
    return sorted({store.path.parent.name for store in stores(results) if not _of_core(store)})


def _of_core(store: Store) -> bool:
    """Whether a file holds measurements of the core and nothing else; a matrix may have the name of their folder."""
    kinds = (found.get("kind") for _, _, found in store.lines() if not isinstance(found, ValueError))
    return next(kinds, None) == "core" and all(kind == "core" for kind in kinds)


def chosen(results: Path, wanted: list[str] | None) -> list[str]:
    """The matrices to report on. Raises BadInput where one does not exist, or where there are none."""
    known = names(results)
    if not known:
        raise BadInput(f"no results below {results}; run python -m bench.matrix first, or name another --results")
    missing = [name for name in wanted or [] if name not in known]
    if missing:
        raise BadInput("\n".join(unknown("matrix", name, known) for name in missing))
    return sorted(set(wanted)) if wanted else known


def load(results: Path, matrix: str) -> Frames:
    """The frames of one matrix. Lines that cannot be read are left out and reported on stderr."""
    rows = [row for store in stores(results) if store.path.parent.name == matrix for row in readable(store)]
    return frames(matrix, rows)


def core(results: Path) -> dict[str, list[Row]]:
    """The measurements of the core, by machine, sorted."""
    found = {store.path.stem: list(readable(store)) for store in stores(results, FOLDER)}
    kept = {clean(name): [row for row in rows if row.get("kind") == "core"] for name, rows in found.items()}
    return {name: rows for name, rows in kept.items() if rows}


def readable(store: Store) -> Iterable[Row]:
    """The newest line of each kind and id of one file; what cannot be read is reported on stderr."""
    newest: dict[tuple[str, str], Row] = {}
    for count, text, found in store.lines():  # the store's own rule of what is damage; its rows() keep silent about it
        if isinstance(found, ValueError):
            print(f"warning: {store.path.name} line {count}: {clean(found, 200)}; left out", file=sys.stderr)
        elif isinstance(found.get("id"), str):
            newest[str(found.get("kind")), found["id"]] = {
                **found,
                "file": store.path.name,
                "line": hashlib.sha256(text.encode()).hexdigest(),
            }
    return newest.values()


def frames(matrix: str, rows: Iterable[Row]) -> Frames:
    """Tidy frames of plain records, in an order that depends on their content alone."""
    rows = sorted(rows, key=lambda row: row.get("line") or json.dumps(row, sort_keys=True))
    kinds: dict[str, dict[str, Row]] = {"naive": {}, "time": {}}
    for row in rows:
        if row.get("kind") in kinds:
            kinds[row["kind"]].setdefault(row["id"], row)
    records = _apart([row for row in rows if row.get("kind") == "run"])
    made = [flat.run(row) for row in records]
    tried = [flat.trial(row) for row in _apart([row for row in rows if row.get("kind") == "trial"])]
    _complete([*made, *tried])
    runs = pd.DataFrame(made, columns=list(RUNS)).sort_values(
        ["task", "configuration", "seed", "id"], ignore_index=True
    )
    skipped = runs["status"] == "skipped"
    primary, by_id = {run["id"]: run["metric"] for run in made}, sorted(records, key=lambda row: row["id"])
    return Frames(
        matrix=clean(matrix),
        runs=runs[~skipped].reset_index(drop=True),
        skipped=runs[skipped].reset_index(drop=True),
        curves=_points(by_id, primary),
        gradients=_norms(by_id),
        naive=_sorted([n for row in kinds["naive"].values() for n in _naive(row)], NAIVE, list(NAIVE)),
        times=_sorted([_time(row) for row in kinds["time"].values()], TIMES, list(TIMES)),
        trials=_sorted(tried, TRIALS, ["task", "configuration", "index", "id"]),
        versions=_versions(records),
    )


def _apart(rows: list[Row]) -> list[Row]:
    """One row a run and origin, each with an id of its own; a run that is to be made anew counts where none finished
    it."""
    finished = {row["id"] for row in rows if row.get("status") not in PENDING}
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        pending = row.get("status") in PENDING
        if not (pending and row["id"] in finished):
            found.setdefault((row["id"], "" if pending else flat.origin(row)), row)
    several = {run for run, count in Counter(run for run, _ in found).items() if count > 1}
    return [{**row, "id": f"{run} {origin}"} if run in several else row for (run, origin), row in found.items()]


def _sorted(rows: list[Row], columns: tuple[str, ...], by: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).sort_values(by, ignore_index=True)


def _complete(runs: list[Row]) -> None:
    """Give a run that ended before its task was built the task's facts: from the runs beside it, else from its card."""
    facts = Counter(
        (run["task"], run["version"], run["fingerprint"], run["metric"], run["better"], run["unit"])
        for run in runs
        if run["fingerprint"]
    )
    common = {key[:2]: key[2:] for key, _ in sorted(facts.items(), key=lambda item: (item[1], str(item[0])))}
    for run in runs:
        if not run["fingerprint"] and (run["task"], run["version"]) in common:
            facts_of = common[run["task"], run["version"]]
            run.update(zip(("fingerprint", "metric", "better", "unit"), facts_of, strict=True))
        card = TASKS.get(run["task"])
        run["metric"] = run["metric"] or (card.metric if card else "score")
        if run["better"] not in ("lower", "higher"):
            run["better"] = card.better if card else "lower"


def _points(records: list[Row], primary: Mapping[str, str]) -> pd.DataFrame:
    """The learning curves: a row a run, split and step."""
    found = []
    for row in records:
        metric = primary[row["id"]]
        points = [mapping(point) for point in items(row.get("curve"))]
        for split in ("test", "train", "valid"):
            for step, values in sorted(((number(p.get("step")), mapping(p.get(split))) for p in points), key=_first):
                value, loss = number(values.get(metric)), number(values.get("loss"))
                if not (math.isnan(value) and math.isnan(loss)):
                    found.append((row["id"], step, split, value, loss))
    return pd.DataFrame(found, columns=list(CURVES))


def _first(pair: tuple[float, Any]) -> float:
    """What points are ordered by: those without a step come last."""
    return math.inf if math.isnan(pair[0]) else pair[0]


def _norms(records: list[Row]) -> pd.DataFrame:
    """The gradient norms: a row a run, time and distance. There are more of them than of anything else, so they are
    put together from columns."""
    found: list[tuple[str, str, list[float]]] = []
    for row in records:
        gradient = mapping(mapping(row.get("probes")).get("gradient"))
        for when in ("end", "start"):
            norms = items(mapping(gradient.get(when)).get("norms"))
            plain = all(type(norm) is float for norm in norms)  # as JSON has them: no need to ask each what it is
            found.append((row["id"], when, norms if plain else [number(norm) for norm in norms]))
    lengths = [len(norms) for _, _, norms in found]
    return pd.DataFrame(
        {
            "id": np.repeat(np.array([run for run, _, _ in found], dtype=object), lengths),
            "when": np.repeat(np.array([when for _, when, _ in found], dtype=object), lengths),
            "distance": np.concatenate([np.arange(length) for length in [*lengths, 0]]),
            "norm": np.array([norm for _, _, norms in found for norm in norms], dtype=float),
        }
    )


def _naive(row: Row) -> Iterable[Row]:
    task = mapping(row.get("task"))
    facts = {key: clean(task.get(field) or "") for key, field in zip(NAIVE[:3], ("name", *NAIVE[1:3]), strict=True)}
    for name, score in mapping(row.get("scores")).items():
        if not math.isnan(number(score)):
            yield {**facts, "name": clean(name), "score": number(score)}


def _time(row: Row) -> Row:
    numbers = {key: number(row.get(key)) for key in ("ms", "ratio", "ratio_low", "ratio_high")}
    facts = {"configuration": clean(row.get("configuration")), "device": clean(row.get("device"))}
    return {**facts, "machine": flat.machine_of(row), **numbers, "noisy": bool(row.get("noisy"))}


def _versions(records: list[Row]) -> tuple[str, ...]:
    found = {f"{clean(k)} {clean(v)}" for row in records for k, v in mapping(row.get("versions")).items()}
    return tuple(sorted(found | {f"code {clean(row['code'], 12)}" for row in records if row.get("code")}))
