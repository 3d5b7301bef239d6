"""What a run leaves behind. One JSON line a record; standard library only.

A record is complete by itself: resolved values, task version, data fingerprint, curve, probes, machine, versions. It
never holds a host name, a user or a path.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from bench import machine
from bench.spec import RunSpec

SCHEMA = 1
"""Version of the line. Old lines keep meaning what they meant."""

MAX_LINE = 16 * 2**20
"""Longer lines are damage, not records, and are never parsed."""

Status = Literal[
    "ok", "diverged", "timeout", "crashed", "out-of-memory", "nondeterministic", "device-lost", "skipped", "failed"
]
PENDING: frozenset[str] = frozenset({"skipped", "device-lost"})
"""Looked at again by the next command: their reason may be gone."""
FINISHED: frozenset[str] = frozenset(get_args(Status)) - PENDING
"""A failure is a result."""


FOLDERS = re.compile(r"(?:(?<![\w:/.\\])|(?<=file://))(?:[A-Za-z]:)?[\\/](?:[^\s'\":;,()<>\\/]+[\\/])+")
"""The folders of an absolute path, which ends where a name with a space would; an address of the net is none."""


def impersonal(reason: str | None) -> str | None:
    """A reason without what it may say of a person's machine: folders of paths, and the name of the host."""
    if reason is None:
        return None
    reason = re.sub(r"--data ('[^']*'|\S+)", "--data DIR", reason)  # a command is for whoever reads it
    for folder in {str(Path.home()), str(Path.cwd())} - {Path.home().anchor}:
        reason = reason.replace(folder + os.sep, "")
    host = platform.node()
    reason = re.sub(rf"\b{re.escape(host)}\b", "(host)", reason) if len(host) > 3 else reason
    return FOLDERS.sub("", reason)


@dataclass(frozen=True)
class RunRecord:
    """The outcome of one run. Scores are on test, chosen on validation; `None` where the run has no such number."""

    id: str  # RunSpec.id
    name: str  # RunSpec.name
    configuration: str  # RunSpec.configuration_id
    names: dict[str, str]  # task, architecture, stabilisation, optimizer
    spec: dict[str, Any]  # RunSpec.values()
    status: Status
    reason: str | None = None  # why it did not end ok
    step: int | None = None  # the update at which it diverged
    score: float | None = None  # primary metric on the whole test split
    metrics: dict[str, dict[str, float | None]] = field(default_factory=dict)  # split -> metric -> value; test is whole
    curve: list[dict[str, Any]] = field(default_factory=list)  # {"step", "train", "valid", "test": {metric: value}}
    steps: int | None = None  # updates made
    best_step: int | None = None  # the point of the curve with the lowest validation loss
    restored: bool = False  # the scored weights are those of best_step (early stopping), not the last ones
    parameters: int | None = None
    width: int | None = None
    backend: str | None = None  # which back end of bench.core ran the recurrence
    weights: str | None = None  # sha256 of the scored weights
    probes: dict[str, Any] = field(default_factory=dict)  # see bench.probes
    certificate: dict[str, Any] = field(default_factory=dict)  # see bench.certificate: what the techniques did
    tuning: dict[str, Any] = field(default_factory=dict)  # see bench.tune: budget, space and chosen values
    task: dict[str, Any] = field(default_factory=dict)  # name, version, fingerprint, metric, better, unit
    cost: dict[str, float | None] = field(
        default_factory=dict
    )  # seconds and peak MiB, taken in company: never for ranking
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    code: str | None = None  # sha256 of the sources of bench and tasks
    kind: str = "run"

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", impersonal(self.reason))


@dataclass(frozen=True)
class NaiveRecord:
    """Scores of answers that need no network: rows of every table."""

    id: str
    task: dict[str, Any]
    scores: dict[str, float]
    versions: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    kind: str = "naive"


@dataclass(frozen=True)
class TrialRecord:
    """One trial of tuning: a run that never saw the test split, at one point of its technique's space."""

    id: str  # RunSpec.id of the trial's own values and seed
    name: str
    configuration: str  # RunSpec.configuration_id of the technique at the tables' values
    names: dict[str, str]
    spec: dict[str, Any]  # RunSpec.values() of the trial
    index: int  # its place in the sequence
    values: dict[str, float]  # what the point stands for: lr, and the technique's strengths
    status: Status
    reason: str | None = None
    valid: float | None = None  # loss on the validation points of the weights that would be scored; lower is better
    score: float | None = None  # the primary metric there
    curve: list[dict[str, Any]] = field(default_factory=list)  # as in RunRecord, without test
    steps: int | None = None
    task: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float | None] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    kind: str = "trial"

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", impersonal(self.reason))


@dataclass(frozen=True)
class TimeRecord:
    """Seconds of one training step, alone on the machine, paired and interleaved with `nn.LSTM` of the same shape.

    Lines written before a field was added lack it: such a field has a default.
    """

    id: str  # digest of configuration and machine
    configuration: str  # RunSpec.configuration_id
    name: str  # RunSpec.configuration
    device: str
    backend: str
    ms: float  # median milliseconds a step
    ms_min: float
    reference_ms: float  # the same step with nn.LSTM of the same depth, width and directions
    ratio: float  # median of the pairs' ratios
    ratio_low: float  # bootstrap interval of that median, 95 %
    ratio_high: float
    ratio_min: float  # ratio of the two minima
    control: float  # the reference against itself (A/A), median of ratios
    pairs: int
    noisy: bool  # control off by more than 2 %, or the two ratios apart by more than 3 %
    load: float | None  # load average over one minute before the first step
    first_ms: float | None = None  # these four: see bench.pairs
    others: float | None = None
    steal: float | None = None
    faults: float | None = None
    kernels: str | None = None  # instruction set of the C++ kernels, where they ran
    cuda: dict[str, Any] = field(default_factory=dict)  # see bench.gpu
    machine: dict[str, Any] = field(default_factory=dict)  # with threads, heap_kept and flush_denormal of the process
    versions: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    kind: str = "time"


@dataclass(frozen=True)
class CoreRecord:
    """One cell of the table of the core (bench.core_table): a step, paired with what it is divided by."""

    id: str  # digest of device, row, workload, threads and machine
    row: str
    workload: str
    shape: dict[str, Any]  # core_table.Workload
    threads: int
    device: str
    backend: str  # what ran the step
    reference: str  # what ran the step it is divided by
    measured: dict[str, Any]  # bench.pairs.Pairs
    kernels: str | None = None  # as in TimeRecord, from here on
    cuda: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    kind: str = "core"


Record = RunRecord | TrialRecord | NaiveRecord | TimeRecord | CoreRecord


def unfinished(spec: RunSpec, status: Status, reason: str | None = None) -> RunRecord:
    """The record of a run without a result of its own: skipped, killed, out of time. Others are built on it."""
    return RunRecord(
        id=spec.id,
        name=spec.name,
        configuration=spec.configuration_id,
        names=asdict(spec.names),
        spec=spec.values(),
        status=status,
        reason=reason,
        machine=machine.about(),
        versions=machine.versions(),
        code=machine.code(),
    )


def encode(record: Record) -> str:
    """One line: canonical JSON with its own checksum at the end."""
    body = {"schema": SCHEMA, **asdict(record)}
    return canonical({**body, "sum": _checksum(body)})


def decode(line: str) -> dict[str, Any]:
    """The record in a line, as plain values. Raises ValueError that says what is wrong with it."""
    if len(line) > MAX_LINE:
        raise ValueError(f"line of {len(line)} characters, more than {MAX_LINE}")
    body = json.loads(line)
    if not isinstance(body, dict):
        raise ValueError("not a record")
    if body.get("schema") != SCHEMA:
        raise ValueError(f"schema {body.get('schema')!r}, this version reads {SCHEMA}")
    stated = body.pop("sum", None)
    if not all(isinstance(body.get(name), str) for name in ("kind", "id")):
        raise ValueError("a record has a kind and an id")
    if not _as_written(line, stated) and stated != _checksum(body):
        raise ValueError("checksum differs")
    return body


def _as_written(line: str, stated: object) -> bool:
    """Whether a line without its checksum is, to the letter, what that is a checksum of. Writing every record anew to
    find out would take most of the time of reading it."""
    text = line.rstrip("\n").replace(f',"sum":"{stated}"', "", 1)
    return isinstance(stated, str) and hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16] == stated


def canonical(body: dict[str, Any]) -> str:
    """The one way to write a record: sorted keys, no spaces, ASCII."""
    return json.dumps(body, sort_keys=True, allow_nan=False, ensure_ascii=True, separators=(",", ":"))


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(body).encode()).hexdigest()[:16]
