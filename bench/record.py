"""What a run leaves behind. One JSON line a record; standard library and filelock only.

A record is complete by itself: resolved values, task version, data fingerprint, curve, probes, machine, versions. It
never holds a host name, a user or a path.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock, Timeout

from bench import disk, machine
from bench.spec import RunSpec

SCHEMA = 1
"""Version of the line. Old lines keep meaning what they meant."""

MAX_LINE = 16 * 2**20
"""Longer lines are damage, not records, and are never parsed."""

Status = Literal[
    "ok", "diverged", "timeout", "crashed", "out-of-memory", "nondeterministic", "device-lost", "skipped", "failed"
]
FINISHED: frozenset[str] = frozenset({*get_args(Status)} - {"skipped", "device-lost"})
"""A failure is a result. Only `skipped` and `device-lost` are looked at again by the next command: their reason may be
gone."""


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


class Busy(Exception):
    """Another process writes to the same results file."""


class Store:
    """An append-only file of records, `<results>/<matrix>/<machine>.jsonl`, with one writer.

    Reading never needs the lock. A line that cannot be read is set aside in `<file>.damaged` and reported in
    `warnings`; its run counts as not done.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._lock = FileLock(path.with_suffix(".lock"))
        self._torn = False  # the last append failed: half a line may stand at the end

    def __enter__(self) -> Store:
        """Take the lock and mend the file. Raises Busy, or OSError where the folder cannot be written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise Busy(f"another run is writing to {self.path}; wait for it, or choose another --results") from None
        try:
            disk.append(self.path, b"")  # writable, or an OSError before anything runs
            disk.settle(self.path.parent)
            self._mend()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def lines(self) -> Iterator[tuple[int, str, dict[str, Any] | ValueError]]:
        """Number, text, and the record or what is wrong with it, of every line; of an enormous one the beginning."""
        for number, line in enumerate(_raw(self.path), 1):
            text = line.decode(errors="replace").replace("\r\n", "\n")
            if not text.strip():
                continue
            try:
                if len(line) > MAX_LINE:
                    raise ValueError(f"line of more than {MAX_LINE} bytes")
                # a line without its newline was cut: whatever it says, the next append would run into it
                if not text.endswith("\n"):
                    raise ValueError("cut short")
                yield number, text, decode(text)
            except (ValueError, RecursionError) as error:
                yield number, text, ValueError(str(error))

    def _mend(self) -> None:
        """Move unreadable lines out of the file, so that nothing is appended to half a line."""
        damaged = {number: found for number, _, found in self.lines() if isinstance(found, ValueError)}
        if not damaged:
            return

        def kept(wanted: bool) -> Iterator[bytes]:
            return (line for number, line in enumerate(_raw(self.path), 1) if (number not in damaged) == wanted)

        aside = self.path.with_suffix(".jsonl.damaged")
        # first there, then no longer here: a kill between the two leaves a line twice, never nowhere
        disk.append(aside, b"".join(line.removesuffix(b"\n") + b"\n" for line in kept(False)))
        disk.place(self.path, kept(True))
        for number, found in damaged.items():
            self.warnings.append(
                f"{self.path.name} line {number}: {found}; set aside in {aside.name}, its run is done again"
            )

    def append(self, record: Record) -> None:
        """Write one line and see it on the disk. Only inside `with`."""
        self.extend([encode(record)])

    def extend(self, lines: Iterable[str]) -> None:
        """Write lines that are records already, all in one, and see them on the disk. Only inside `with`.

        Raises OSError that names the file; none of them is there then, and the next call mends what it may find.
        """
        if not self._lock.is_locked:
            raise RuntimeError("Store.extend outside `with store:`")
        if self._torn:
            self._mend()
        self._torn = True
        disk.append(self.path, "".join(f"{line}\n" for line in lines).encode())
        self._torn = False

    def rows(self) -> list[dict[str, Any]]:
        """The readable records; of several with one kind and id, the newest."""
        newest: dict[tuple[str, str], dict[str, Any]] = {}
        for _, _, found in self.lines():
            if not isinstance(found, ValueError):
                newest[found["kind"], found["id"]] = found
        return list(newest.values())

    def done(self) -> dict[str, str]:
        """id -> status of every finished run."""
        return {row["id"]: row["status"] for row in self.rows() if row["kind"] == "run" and row["status"] in FINISHED}


def _raw(path: Path) -> Iterator[bytes]:
    """The lines of a file with their ends, none where there is no file; of a line longer than MAX_LINE only so much,
    since a file that is one line must not fill the memory."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE + 1):
            rest = line
            while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
                rest = file.readline(MAX_LINE + 1)
            yield line


def stores(results: Path, matrix: str | None = None) -> list[Store]:
    """Every results file below `results`, sorted; only those of one matrix if it is named."""
    return [Store(path) for path in sorted(results.glob(f"{matrix or '*'}/*.jsonl"))]
