"""A record as one flat row of values that can be trusted."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from bench.spec import digest
from bench.untrusted import clean, items, mapping, number

Row = dict[str, Any]

AXES = ("architecture", "stabilisation", "optimizer")


def _last_line(reason: object) -> str:
    """The line of a traceback that says what happened."""
    lines = str(reason or "").strip().splitlines()
    return clean(lines[-1], 160) if lines else ""


def run(row: Row) -> Row:
    """A record of a run: what it is, what came of it, and what a score must be named together with."""
    spec, probes, proof = (mapping(row.get(key)) for key in ("spec", "probes", "certificate"))
    gradient, gap = mapping(probes.get("gradient")), mapping(probes.get("gap"))
    start, end = mapping(gradient.get("start")), mapping(gradient.get("end"))
    shared = {key: value for key, value in spec.items() if key != "seed"}
    score, status = number(row.get("score")), clean(row.get("status"))
    return {
        **_facts(row),
        "tuned": clean(spec.get("tuned") or 0),  # trials that chose its settings
        "seed": number(spec.get("seed")),
        "status": "no score" if status == "ok" and math.isnan(score) else status,
        "step": number(row.get("step")),
        "score": score if status == "ok" else math.nan,
        "parameters": number(row.get("parameters")),
        "width": number(row.get("width")),
        "backend": clean(row.get("backend") or ""),
        "gap": number(gap.get("gap")),
        "gap_scored": _gap_scored(row),
        "clipped": number(probes.get("clipped")),
        "weights": clean(row.get("weights") or ""),  # sha256 of the scored weights
        "probed": "half_life" in end,
        "half_start": _half_life(start),
        "half_end": _half_life(end),
        # the ids under which this configuration is timed on either device: only the device differs
        **{device: digest({**shared, "device": device}) for device in ("cpu", "cuda")},
        "machine": machine_of(row),
        "idle": ", ".join(sorted(clean(name) for name in items(proof.get("idle")))),
        "alarm": clean(proof.get("too_good") or "", 160),
        "suspect": _suspect(end) if status == "ok" else "",
        **_company(row, spec),
    }


def _company(row: Row, spec: Mapping[str, Any]) -> Row:
    """What a score must be named together with, and where its record is."""
    machine, versions, cost = (mapping(row.get(key)) for key in ("machine", "versions", "cost"))
    return {
        "steps": number(row.get("steps")),
        "best_step": number(row.get("best_step")),
        "seconds": number(cost.get("seconds")),
        "peak_mib": number(cost.get("peak_mib")),
        "settings": tuple(_settings(mapping(spec.get(axis))) for axis in AXES),
        "suite": clean(versions.get("lstm-training-bench") or "?"),
        "torch": clean(versions.get("torch") or "?"),
        "plugins": ",".join(
            f"{clean(name).removeprefix('plugin ')}@{clean(value)}"
            for name, value in sorted(versions.items())
            if name.startswith("plugin ")
        ),
        "threads": number(machine.get("threads")),
        "isa": clean(machine.get("kernels") or machine.get("capability") or machine.get("simd") or "?").lower(),
        "strict": machine.get("deterministic") is True,
        "code": clean(row.get("code") or "?"),
        "proof": proof({**row, "id": row["id"].partition(" ")[0]}),  # without the origin that _apart adds
        "file": clean(row.get("file") or "", 160),
    }


def _settings(values: Mapping[str, Any]) -> str:
    return clean(
        ",".join(f"{clean(key)}={clean(value)}" for key, value in sorted(values.items()) if key != "rule"), 160
    )


PROVEN = ("id", "status", "step", "score", "steps", "best_step", "restored", "weights", "task")
"""Fields that say what a run is and what came of it: not when, where or how fast. The id stands for all its values,
the hash of the weights for the whole of its training."""


def proof(row: Row) -> str:
    """sha256 (first 16 digits) of what came of a run: the same on any machine that gives the same bits."""
    kept = {key: row.get(key) for key in PROVEN}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def trial(row: Row) -> Row:
    """A record of a trial of tuning."""
    values = {clean(name): number(value) for name, value in mapping(row.get("values")).items()}
    return {
        **_facts(row),
        "tuned": "0",  # of however many: the first trials are the same
        "index": number(row.get("index")),
        "lr": values.pop("lr", math.nan),
        "others": ", ".join(f"{name} {value:g}" for name, value in values.items() if not math.isnan(value)),
        "status": clean(row.get("status")),
        "valid": number(row.get("valid")),
        "score": number(row.get("score")),
    }


def _facts(row: Row) -> Row:
    """What tells of a run, or of a trial, which others it may stand beside."""
    spec, called, task = mapping(row.get("spec")), mapping(row.get("names")), mapping(row.get("task"))
    return {
        "id": row["id"],
        "configuration": clean(row.get("configuration")),
        "task": clean(called.get("task") or task.get("name") or "?"),
        "version": clean(task.get("version") or spec.get("task_version") or "?"),
        "fingerprint": clean(task.get("fingerprint") or ""),
        "device": clean(spec.get("device") or "?"),
        # the back end asked for, and the instruction set where one was; `backend` is the one that ran
        "asked": clean(" ".join(str(part) for part in (spec.get("backend") or "auto", spec.get("isa")) if part)),
        "budget": clean(", ".join(f"{k}={v}" for k, v in sorted(mapping(spec.get("budget")).items())), 200),
        "protocol": clean(spec.get("protocol", "?")),
        "metric": clean(task.get("metric") or ""),
        "better": task.get("better"),
        "unit": clean(task.get("unit") or ""),
        **{axis: clean(called.get(axis) or "?") for axis in AXES},
        "reason": _last_line(row.get("reason")),
        "origin": origin(row),
    }


def _gap_scored(row: Row) -> float:
    """Validation less training loss of the weights that were scored: the last ones, or those that were restored."""
    metrics = mapping(row.get("metrics"))
    valid, train = (number(mapping(metrics.get(split)).get("loss")) for split in ("valid", "train"))
    return valid - train


EXPLODED = 1e6
"""A gradient with respect to a state of this norm is no use for learning, whatever the score says."""


def _suspect(probe: Mapping[str, Any]) -> str:
    """What is wrong with the gradients of a network that ended with a finite loss."""
    norms = items(probe.get("norms"))
    if not norms:
        return ""
    finite = [number(norm) for norm in norms if norm is not None]
    if len(finite) < len(norms) or max(finite) > EXPLODED:
        return "exploding gradient"
    return "no gradient" if max(finite) == 0 else ""


def _half_life(probe: Mapping[str, Any]) -> float:
    """Steps; infinite where the gradient was measured and does not decay, NaN where it could not be told from zero."""
    if "half_life" not in probe or ("rate" in probe and probe["rate"] is None):
        return math.nan
    return math.inf if probe["half_life"] is None else number(probe["half_life"])


def machine_of(row: Row) -> str:
    """The label of the machine that a record is of."""
    return clean(mapping(row.get("machine")).get("label") or "?")


def origin(row: Row) -> str:
    """Machine and version of torch: what two runs must share to be averaged or paired."""
    return f"{machine_of(row)}, torch {clean(mapping(row.get('versions')).get('torch') or '?')}"
