"""What one record must hold: the checks of `python -m report verify` that need no other line."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from bench.core_table import FOLDER
from bench.matrices import MATRICES
from bench.plan import budget
from bench.record import CoreRecord, NaiveRecord, RunRecord, TimeRecord, TrialRecord
from bench.spec import Names, changed, digest
from bench.tune import SEEDS
from bench.untrusted import clean, items, mapping, number
from report.flat import Row
from tasks.published import TOO_GOOD

KINDS = {"run": RunRecord, "trial": TrialRecord, "naive": NaiveRecord, "time": TimeRecord, "core": CoreRecord}
HINTS = {kind: get_type_hints(record) for kind, record in KINDS.items()}
REQUIRED = {
    kind: {f.name for f in fields(record) if f.default is MISSING and f.default_factory is MISSING}
    for kind, record in KINDS.items()
}

LABEL = re.compile(r"[a-z0-9-]{1,64}")
"""A kind of machine, and the name of its file (bench.machine.label)."""
SHA256 = re.compile(r"[0-9a-f]{64}")
PRIVATE = (  # lengths are bounded, so that no text makes the search slow
    ("a path", re.compile(r"""(?:^|[\s'"`=:,;(\[<])/[\w.-]{1,64}/[\w.-]|(?<!\w)/(?:home|Users|root|tmp)/""")),
    ("a path", re.compile(r"(?<!\w)[A-Za-z]:\\|\\\\\w|(?<!\w)~/\w")),
    ("an email address", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.\w")),
)
PERSONAL = ("cwd", "email", "home", "host", "hostname", "login", "node", "nodename", "user", "username")


def fits(value: object, hint: Any) -> bool:
    """Whether a value read from JSON is of a record's type; a whole number is a float too, a bool is no number."""
    kind, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if kind in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if kind is Literal:
        return value in inner
    if kind is list:
        return isinstance(value, list) and all(fits(item, inner[0]) for item in value)
    if kind is dict:
        return isinstance(value, dict) and all(fits(item, inner[1]) for item in value.values())
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    return isinstance(value, int | float) if hint is float else isinstance(value, hint)


def schema(row: Row) -> Iterator[str]:
    """The kind's fields, none missing, none unknown, each of its type."""
    kind = row.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        yield f"unknown kind of record {clean(kind)!r}; there are {', '.join(KINDS)}"
        return
    given = row.keys() - {"schema"}
    for name in sorted(REQUIRED[kind] - given):
        yield f"no field {name!r}, which every {kind} has"
    for name in sorted(given - HINTS[kind].keys()):
        yield f"unknown field {clean(name)!r}"
    for name in sorted(given & HINTS[kind].keys()):
        if not fits(row[name], HINTS[kind][name]):
            yield f"{name} is {clean(row[name], 40)!r}, which is not of its type"
    parts = mapping(row.get("names"))
    if kind in ("run", "trial") and sorted(parts) != sorted(Names.__dataclass_fields__):
        yield "names are not those of task, architecture, stabilisation and optimizer"
    if kind in ("run", "trial") and not fits(mapping(row.get("spec")).get("seed"), int):
        yield "spec has no seed"


def identity(row: Row) -> Iterator[str]:
    """The id is the hash of what it stands for; names, spec and task speak of one run."""
    spec, task, kind = mapping(row.get("spec")), mapping(row.get("task")), row["kind"]
    if kind == "naive" and row["id"] != digest(task):
        yield "id is not the hash of its task"
    if kind == "time":
        of = {"configuration": row["configuration"], "machine": mapping(row.get("machine")).get("label")}
        if row["id"] != digest(of):
            yield "id is not the hash of its configuration and machine"
    if kind not in ("run", "trial"):
        return
    if row["id"] != digest(spec):
        yield "id is not the hash of its values"
    shared = {key: value for key, value in spec.items() if key != "seed"}
    if kind == "run" and row["configuration"] != digest(shared):
        yield "configuration is not the hash of its values without the seed"
    if row["name"] != (name := named(row)):
        yield f"name is {clean(row['name'], 160)!r}, its parts say {clean(name, 160)!r}"
    facts = (spec.get("task"), spec.get("task_version"))
    if row["names"]["task"] != facts[0] or (task and (task.get("name"), task.get("version")) != facts):
        yield "names, spec and task do not name one task and version"


def named(row: Row) -> str:
    """The name that the parts of a run or trial make (RunSpec.name)."""
    spec, parts = row["spec"], row["names"]
    where = "+".join(str(spec[key]) for key in ("device", "backend", "isa") if key in spec)
    end = f"s{spec['seed']}" if row["kind"] == "run" else f"trial{row['index']}"
    return "/".join([*(parts[name] for name in Names.__dataclass_fields__), where, end])


def seed(row: Row) -> Iterator[str]:
    """Seeds that chose settings are never seeds of scores."""
    value = mapping(row.get("spec")).get("seed", 0)
    if row["kind"] == "run" and not 0 <= value < SEEDS:
        yield f"seed {value} of a run; seeds from {SEEDS} on are of trials"
    if row["kind"] == "trial" and value != SEEDS + row["index"]:
        yield f"seed {value} of trial {row['index']}, which is {SEEDS + row['index']}"


def outcome(row: Row) -> Iterator[str]:
    """A run that ended ok has its score, curve and weights; one that did not says why."""
    if row["kind"] not in ("run", "trial"):
        return
    steps = [mapping(point).get("step") for point in items(row.get("curve"))]
    numbers = [number(step) for step in steps]
    if not all(a < b for a, b in pairwise(numbers)) or any(map(math.isnan, numbers)):
        yield "steps of the curve do not increase"
    if row["status"] != "ok":
        if not row.get("reason"):
            yield f"status {row['status']} without a reason"
        if row["status"] == "diverged" and row["kind"] == "run" and row.get("step") is None:
            yield "diverged, but no step says when"
        return
    if math.isnan(number(row.get("score" if row["kind"] == "run" else "valid"))):
        yield "status ok without a finite score"
    if row["kind"] == "trial":
        return
    if not SHA256.fullmatch(row.get("weights") or ""):
        yield "status ok without the sha256 of its weights"
    if row.get("best_step") is not None and row["best_step"] not in steps:
        yield f"best_step {row['best_step']} is no point of its curve"
    metric = mapping(row.get("task")).get("metric")
    test = mapping(mapping(row.get("metrics")).get("test"))
    if isinstance(metric, str) and metric in test and test[metric] != row.get("score"):
        yield f"score {row.get('score')} is not the {clean(metric)} on test, {clean(test[metric])}"


def believable(row: Row) -> Iterator[str]:
    """No score beyond what anything known reaches (tasks.published), and no alarm of the run's own."""
    if row["kind"] != "run" or row["status"] != "ok":
        return
    if said := mapping(row.get("certificate")).get("too_good"):
        yield clean(said, 160)
        return
    bound, score = TOO_GOOD.get(row["names"]["task"]), number(row.get("score"))
    sign = -1 if mapping(row.get("task")).get("better") == "higher" else 1
    if bound is not None and sign * score < sign * bound:
        yield f"score {score:.4g} is beyond {bound:g}, which nothing known reaches: look for a leak"


def private(row: Row) -> Iterator[str]:
    """Nothing that says whose machine it was."""
    left: list[tuple[str, object]] = [("record", row)]
    keys: set[str] = set()  # the same few stand in every point of a curve
    while left:  # no recursion: a record may be nested as deep as JSON can be
        name, value = left.pop()
        if isinstance(value, dict):
            keys.update(value)
            left += value.items()
        elif isinstance(value, list):
            left += [(name, item) for item in value]
        elif isinstance(value, str) and (what := betrays(value)):
            yield f"{clean(name)} holds what looks like {what}: {clean(value, 60)!r}"
    for key in sorted(keys):
        if key.lower() in PERSONAL:
            yield f"field {clean(key)!r} is private"
        if what := betrays(key):
            yield f"the name of a field looks like {what}: {clean(key, 60)!r}"


def betrays(text: str) -> str | None:
    """What a text holds that is private, None where nothing is."""
    if not any(sign in text for sign in "/\\@"):
        return None
    return next((what for what, pattern in PRIVATE if pattern.search(text)), None)


@cache
def rows_of(preset: str) -> frozenset[Names]:
    """What a preset's runs may be called."""
    return frozenset(MATRICES[preset].rows())


def place(row: Row, matrix: str, label: str) -> Iterator[str]:
    """The file is its machine's, the folder its matrix's."""
    kind, said = row["kind"], mapping(row.get("machine")).get("label")
    if kind != "naive" and said != label:
        yield f"of machine {clean(said)!r}, in the file of {clean(label)!r}"
    if (kind == "core") != (matrix == FOLDER):
        yield f"a {kind} record in folder {clean(matrix)!r}"
    if matrix not in MATRICES or kind not in ("run", "trial"):
        return
    names = Names(**row["names"])
    allowed = budget(MATRICES[matrix], names.task)
    if allowed is None or names not in rows_of(matrix):
        yield f"{clean(named(row), 160)} is no row of the preset {matrix}"
    elif row["spec"].get("budget") != {key: value for key, value in changed(allowed).items() if key != "seconds"}:
        yield f"its budget is not that of the preset {matrix}"


OF_CONTENT: Mapping[str, Callable[[Row], Iterator[str]]] = {
    "identity": identity, "seed": seed, "outcome": outcome, "too good": believable, "privacy": private,
}  # fmt: skip


def of_record(row: Row, matrix: str, label: str) -> Iterator[tuple[str, str]]:
    """(check, what is wrong) of one record. Where its fields are not as they should be, nothing else is asked."""
    wrong = list(schema(row))
    if wrong:
        yield from (("schema", text) for text in wrong)
        yield from (("privacy", text) for text in private(row))
        return
    for name, check in OF_CONTENT.items():
        yield from ((name, text) for text in check(row))
    yield from (("place", text) for text in place(row, matrix, label))
