"""Made-up records for the tests of the report: a star of techniques on a few tasks, with failures and naive rows."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.record import CoreRecord, NaiveRecord, RunRecord, TimeRecord, encode
from bench.spec import digest
from report import tables
from report.board import Board, board
from report.frame import frames

Technique = tuple[str, str, str]
Record = RunRecord | NaiveRecord | TimeRecord | CoreRecord

TASKS: dict[str, dict[str, Any]] = {
    "speech/digits": {"metric": "accuracy", "better": "higher", "unit": "%"},
    "language/grammar": {"metric": "perplexity", "better": "lower", "unit": ""},
    "series/etth1/24": {"metric": "mse", "better": "lower", "unit": ""},
}
NAIVE = {
    "speech/digits": {"majority class": 10.0, "nearest mean": 81.0},
    "language/grammar": {"unigram": 9.1, "trigram": 4.4, "entropy floor": 2.7},
    "series/etth1/24": {"last value": 0.61, "seasonal": 0.52},
}
ARCHITECTURES = (
    "gru",
    "rnn",
    "lstm-bidirectional",
    "lstm-stacked-2",
    "lstm-stacked-4",
    "lstm-attention",
    "gru-attention",
)
STABILISATIONS = ("clip", "clip-value", "batch-norm-input", "batch-norm-recurrent", "relu", "leaky-relu", "hardtanh",
                  "dropout", "variational-dropout", "l2", "early-stopping", "clip+dropout", "clip+batch-norm-recurrent",
                  "clip+variational-dropout+early-stopping")  # fmt: skip
OPTIMIZERS = ("sgd", "sgd-momentum", "adagrad", "rmsprop", "nadam", "adamw")

LSTM, GRU, CLIP, SGD = (
    ("lstm", "none", "adam"),
    ("gru", "none", "adam"),
    ("lstm", "clip", "adam"),
    ("lstm", "none", "sgd"),
)
DIGITS, GRAMMAR = "speech/digits", "language/grammar"


def star(count: int) -> list[Technique]:
    """`count` techniques: one factor at a time round lstm/none/adam, taken in turn from the axes, then pairs."""
    axes = [[(a, "none", "adam") for a in ARCHITECTURES], [("lstm", s, "adam") for s in STABILISATIONS],
            [("lstm", "none", o) for o in OPTIMIZERS]]  # fmt: skip
    singles = [axis[i] for i in range(20) for axis in axes if i < len(axis)]
    pairs = [("gru", s, o) for s in STABILISATIONS for o in OPTIMIZERS]
    return [("lstm", "none", "adam"), *singles, *pairs][:count]


def task_of(name: str, **changes: Any) -> dict[str, Any]:
    """The task part of a record."""
    facts = TASKS.get(name, {"metric": "mse", "better": "lower", "unit": ""})
    return {"name": name, "version": "1", "fingerprint": digest({"data": name}), **facts, **changes}


def run(
    name: str, technique: Technique, seed: int = 0, score: float | None = 1.0, device: str = "cpu", **changes: Any
) -> RunRecord:
    """One run that ended ok, with a short curve and probes; `changes` replace fields of the record."""
    task = task_of(name)
    spec = {
        **{"protocol": "1", "task": name, "task_version": task["version"], "technique": list(technique)},
        **{"budget": {"parameters": 20000, "steps": 1000}, "device": device, "seed": seed},
    }
    names = dict(zip(("architecture", "stabilisation", "optimizer"), technique, strict=True))
    shared = {key: value for key, value in spec.items() if key != "seed"}
    made = RunRecord(
        id=digest(spec),
        name=f"{name}/{'/'.join(technique)}/{device}/s{seed}",
        configuration=digest(shared),
        names={"task": name, **names},
        spec=spec,
        status="ok",
        score=score,
        task=task,
        steps=1000,
        parameters=20012,
        width=51,
        backend="fused",
        machine={"label": "2-core test machine", "cpu": "test", "threads": 1},
        versions={"torch": "2.14.1"},
        code="c0de" * 16,
    )
    return replace(made, **changes)


def probes(rate: float, gap: float, frames: int = 40) -> dict[str, Any]:
    """Gradients that change by `rate` in log2 a step at the end of training, twice as fast at its start."""

    def side(speed: float) -> dict[str, Any]:
        return {"norms": [0.1 * 2 ** (speed * k) for k in range(frames)], "rate": speed,
                "half_life": -1 / speed if speed < 0 else None}  # fmt: skip

    return {"gradient": {"start": side(2 * rate), "end": side(rate)}, "clipped": None,
            "gap": {"step": 800, "train": 0.3, "valid": 0.3 + gap, "test": 0.31 + gap, "gap": gap}}  # fmt: skip


def curve(final: float, metric: str, better: str, dice: random.Random, points: int = 21) -> list[dict[str, Any]]:
    """A curve from a poor value to about `final`."""
    worst = 8.0 if better == "higher" else final * 4
    found = []
    for i in range(points):
        value = final + (worst - final) * 0.8 ** (i * 20 / points) + abs(final) * dice.gauss(0, 0.01)
        found.append(
            {
                "step": i * 50,
                **{split: {"loss": 2 * 0.9**i + 0.2, metric: value} for split in ("train", "valid", "test")},
            }
        )
    return found


def failed(record: RunRecord, status: str, reason: str, **changes: Any) -> RunRecord:
    """The same run, ended otherwise."""
    empty: dict[str, Any] = {"score": None, "curve": [], "probes": {}, "metrics": {}}
    return replace(record, status=status, reason=reason, **empty, **changes)  # type: ignore[arg-type]


def matrix(
    techniques: int = 12, seeds: int = 3, tasks: Iterable[str] = tuple(TASKS), timed: bool = True
) -> list[Record]:
    """A whole matrix: good and bad runs, naive rows, times."""
    found: list[Record] = []
    for name in tasks:
        task, dice = task_of(name), random.Random(name)
        found.append(NaiveRecord(digest(task), task, NAIVE.get(name, {"last value": 1.5})))
        for place, technique in enumerate(star(techniques)):
            base = {"accuracy": 88.0, "perplexity": 3.6}.get(task["metric"], 0.45)
            skill = base * (1 + dice.gauss(0, 0.06))
            rate = -0.6 if technique[0] == "rnn" else dice.uniform(-0.25, 0.01)
            for seed in range(1 if place % 7 == 5 else seeds):
                score = skill * (1 + dice.gauss(0, 0.01))
                record = run(name, technique, seed, score, curve=curve(score, task["metric"], task["better"], dice),
                             probes=probes(rate, dice.gauss(0.2, 0.05)))  # fmt: skip
                if technique[0] == "lstm-bidirectional" and name.startswith("language"):
                    record = failed(
                        record, "skipped", "a bidirectional network sees the future of a causal task", task={}
                    )
                elif technique[2] == "sgd" and (seed == 1 or name.startswith("series")):
                    record = failed(record, "diverged", "loss is not finite", step=212)
                elif place % 11 == 9 and seed == 0:
                    record = failed(record, "timeout", "longer than 60 s", task={})
                found.append(record)
            if timed and isinstance(found[-1], RunRecord):
                found.append(timing(found[-1], 4 + 3 * dice.random(), noisy=place % 9 == 4))
    return found


def timing(record: RunRecord, ms: float, noisy: bool = False, device: str = "cpu") -> TimeRecord:
    """The time of a run's configuration, on `device`."""
    shared = {key: value for key, value in record.spec.items() if key != "seed"}
    configuration = digest({**shared, "device": device})
    return TimeRecord(
        id=digest({"of": configuration, "on": record.machine}),
        configuration=configuration,
        name=record.name,
        device=device,
        backend="fused",
        ms=ms,
        ms_min=ms * 0.97,
        reference_ms=ms / 1.1,
        ratio=1.1,
        ratio_low=1.08,
        ratio_high=1.12,
        ratio_min=1.1,
        control=1.0,
        pairs=20,
        noisy=noisy,
        load=0.1,
        machine=record.machine,
    )


def write(results: Path, records: Iterable[Record], matrix: str = "core", shuffle: int | None = None) -> Path:
    """Put the records in `results`, in their order or shuffled."""
    lines = [encode(record) + "\n" for record in records]
    if shuffle is not None:
        random.Random(shuffle).shuffle(lines)
    path = results / matrix / "machine.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def plain(records: Iterable[Record]) -> list[dict[str, Any]]:
    """The records as the store gives them back."""
    return [asdict(record) for record in records]


def board_from(*records: Record) -> Board:
    """The board of some records."""
    return board(frames("core", plain(records)))


def cells(found: Board, column: str, group: int = 0) -> dict[str, str]:
    """One column of a group's table, by technique (or naive name)."""
    table = tables.task_table(found, found.groups[group])
    place = table.heads.index(column) if column in table.heads else 4
    return {"/".join(filter(None, line.cells[1:4])): line.cells[place] for line in table.lines}
