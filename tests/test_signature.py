"""The line that names a number: each of its parts, and what its hash depends on."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRAMMAR, GRU, LSTM, board_from

from bench.record import RunRecord
from report.signature import record_hash

MACHINE = {"label": "2-core test machine", "cpu": "test", "threads": 1, "kernels": "AVX2", "deterministic": True}
VERSIONS = {"torch": "2.14.1", "lstm-training-bench": "0.5.0"}


def one(seed: int = 0, score: float | None = 80.0, **changes: Any) -> RunRecord:
    """A run of lstm/clip/adam on spoken digits, whose machine tells all it can."""
    given = {"machine": MACHINE, "versions": VERSIONS, "weights": f"w{seed}", **changes}
    record = made.run(DIGITS, CLIP, seed, score, **given)
    values = {
        "architecture": {"cell": "lstm", "layers": 1},
        "stabilisation": {"clip_norm": 1.0, "rule": "clip"},
        "optimizer": {"rule": "adam", "lr": 0.001},
    }
    return replace(record, spec={**record.spec, **values})


def signature(*records: RunRecord) -> list[str]:
    """The parts of the line of the only row of these records."""
    rows = board_from(*records).techniques
    assert len(rows) == 1
    return str(rows["signature"].iloc[0]).split(" | ")


def test_the_whole_line_of_a_known_row() -> None:
    """80, 81 and 82 %: mean 81, interval 4.3027 / sqrt(3) = 2.4841; then everything that it could come from."""
    runs = [one(seed, 80.0 + seed) for seed in range(3)]
    row = board_from(*runs).techniques.iloc[0]
    fingerprint = str(runs[0].task["fingerprint"])[:8]
    assert row["signature"] == (
        "accuracy 81.00 ± 2.5 % (n=3) | lstm-training-bench 0.5.0, protocol 1"
        f" | task:speech/digits@1#{fingerprint}"
        " | arch:lstm(cell=lstm,layers=1) | stab:clip(clip_norm=1.0) | opt:adam(lr=0.001) | untuned"
        " | seeds:0-2 | steps:1000 | params:20012 | torch:2.14.1 | cpu,t1,avx2,fused,det"
        f" | rec:{row['record']}"
    )


@pytest.mark.parametrize(
    ("scores", "value"),
    [
        ([80.0], "accuracy 80.00 % (n=1)"),
        ([80.0, 82.0], "accuracy 81.00 % (n=2)"),
        ([80.0, None, 82.0], "accuracy 81.00 % (n=2 of 3)"),
        ([80.0, None, 81.0, 82.0], "accuracy 81.00 ± 2.5 % (n=3 of 4)"),
        ([None, None], "accuracy no score (n=0 of 2)"),
    ],
)
def test_value_interval_and_seeds(scores: list[float | None], value: str) -> None:
    """An interval needs three scores; seeds that failed are counted."""
    runs = [
        one(seed, score) if score else made.failed(one(seed), "diverged", "loss is not finite")
        for seed, score in enumerate(scores)
    ]
    assert signature(*runs)[0] == value


def test_a_metric_without_a_unit() -> None:
    """Nothing stands where a unit would."""
    assert signature(made.run(GRAMMAR, LSTM, 0, 3.5))[0] == "perplexity 3.500 (n=1)"


@pytest.mark.parametrize(
    ("place", "changes", "said"),
    [
        (7, {"seeds": (0, 1, 2, 7)}, "seeds:0-2,7"),
        (7, {"seeds": (4,)}, "seeds:4"),
        (7, {"seeds": (9, 1, 8, 3)}, "seeds:1,3,8-9"),
        (8, {"steps": None}, "steps:?"),
        (9, {"parameters": 19998}, "params:19998"),
        (10, {"versions": {"torch": "2.9.1"}}, "torch:2.9.1"),
        (1, {"versions": {}}, "lstm-training-bench ?, protocol 1"),
        (11, {"versions": {"plugin b": "1-aa", "plugin a": "0-bb"}}, "plugins:a@0-bb,b@1-aa"),
        (11, {"machine": {"label": "m", "threads": 4, "capability": "AVX512"}}, "cpu,t4,avx512,fused,free"),
        (11, {"machine": {"label": "m"}, "backend": "native"}, "cpu,t?,?,native,free"),
        (11, {"backend": None}, "cpu,t1,avx2,?,det"),
    ],
)
def test_each_part(place: int, changes: dict[str, Any], said: str) -> None:
    """What is known of the runs, a question mark where it is not."""
    seeds = changes.pop("seeds", (0, 1, 2))
    assert signature(*(one(seed, **changes) for seed in seeds))[place] == said


def test_what_runs_do_not_share_is_listed() -> None:
    """Early stopping ends at other updates; one run that was not deterministic makes the row free."""
    free = {**MACHINE, "deterministic": False}
    parts = signature(one(0, steps=400), one(1, steps=1000), one(2, steps=700, backend="native", machine=free))
    assert parts[8] == "steps:1000/400/700"
    assert parts[11] == "cpu,t1,avx2,fused/native,free"


def test_several_versions_of_the_suite() -> None:
    """A row whose seeds were run by two releases names both."""
    newer = {**VERSIONS, "lstm-training-bench": "0.6.0"}
    assert signature(one(0), one(1, versions=newer))[1] == "lstm-training-bench 0.5.0/0.6.0, protocol 1"


def test_two_versions_of_torch_are_two_rows() -> None:
    """They are never averaged, so that neither line names two."""
    rows = board_from(one(0), one(0, versions={**VERSIONS, "torch": "2.9.1"}, score=70.0)).techniques
    assert sorted(str(line).split(" | ")[10] for line in rows["signature"]) == ["torch:2.14.1", "torch:2.9.1"]


def test_tuned() -> None:
    """The number of trials that chose the settings."""
    record = one()
    tuned = replace(record, spec={**record.spec, "tuned": 8})
    assert signature(tuned)[6] == "tuned:8"
    assert signature(record)[6] == "untuned"


def test_settings_that_are_not_known_have_no_brackets() -> None:
    """A record whose spec holds names alone."""
    assert signature(made.run(DIGITS, GRU))[3:6] == ["arch:gru", "stab:none", "opt:adam"]


def hashed(*records: RunRecord) -> str:
    """The hash of the only row of these records."""
    parts = signature(*records)
    assert parts[-1].startswith("rec:")
    return parts[-1].removeprefix("rec:")


def test_the_hash_does_not_depend_on_order() -> None:
    """Any order of the runs is the same row."""
    runs = [one(seed, 80.0 + seed) for seed in range(3)]
    assert len({hashed(*order) for order in permutations(runs)}) == 1
    assert record_hash(["b", "a"]) == record_hash(["a", "b"]) != record_hash(["a", "c"])


@pytest.mark.parametrize(
    "changes",
    [
        {"machine": {"label": "8-core other machine", "threads": 8}},
        {"versions": {"torch": "2.9.1", "numpy": "9"}},
        {"cost": {"seconds": 12.5, "peak_mib": 900.0}},
        {"code": "beef" * 16},
        {"backend": "native"},
        {"certificate": {"too_good": None, "idle": []}},
        {"curve": [{"step": 0, "valid": {"loss": 1.0, "accuracy": 10.0}}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_hash_is_not_of_where_or_when(changes: dict[str, Any]) -> None:
    """Equal bits made on another machine, by other versions, at another speed, are the same row."""
    assert hashed(*(one(seed, **changes) for seed in range(3))) == hashed(*(one(seed) for seed in range(3)))


@pytest.mark.parametrize(
    "change",
    [
        lambda run: replace(run, score=80.0000001),
        lambda run: replace(run, weights="other"),
        lambda run: replace(run, id="0" * 16),
        lambda run: replace(run, steps=999),
        lambda run: replace(run, best_step=10),
        lambda run: replace(run, restored=True),
        lambda run: replace(run, task={**run.task, "fingerprint": "other"}),
        lambda run: made.failed(run, "diverged", "loss is not finite"),
        lambda _: one(7),
    ],
    ids=["score", "weights", "id", "steps", "best step", "restored", "data", "end", "seed"],
)
def test_the_hash_is_of_what_came_of_the_runs(change: Any) -> None:
    """Another score, other weights, other data, another end of one run: another row."""
    last = change(one(2))
    runs = [one(0), one(1), last]
    if last.task != runs[0].task:  # one row, not two groups
        runs = [change(run) for run in (one(0), one(1), one(2))]
    assert hashed(*runs) != hashed(one(0), one(1), one(2))


def test_two_machines_with_equal_bits_have_one_hash() -> None:
    """The rows of a configuration that ran on both are two, and have the same name."""
    other = {**MACHINE, "label": "8-core other machine"}
    rows = board_from(*(one(s) for s in range(3)), *(one(s, machine=other) for s in range(3))).techniques
    assert len(rows) == 2
    assert rows["record"].nunique() == 1
