"""Which runs may be compared, which technique is the baseline, and what the others are called."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from bench.axes import REFERENCE
from report.flat import AXES
from report.frame import GROUP
from tasks.cards import TASKS

Triple = tuple[str, str, str]

PLAIN = ("lstm", "none", "adam")
"""Preferred where nothing in the matrix says which triple is its centre, as in a full cross."""


@dataclass(frozen=True)
class Group:
    """Runs that may be compared: one task, version, data, device, back end asked for, budget and tuning."""

    label: str
    task: str
    version: str
    fingerprint: str
    device: str
    asked: str
    budget: str
    protocol: str
    tuned: str  # trials that chose the settings of each technique; "0" where they are those of axes.py
    metric: str
    better: str
    unit: str
    synthetic: bool
    apart: str  # what sets it apart from the other groups of its task; "" for an only one
    target: float = math.nan
    home: str = ""  # machine and version of torch of the baseline: the target, and every pair, is from there
    horizon: float = math.nan  # updates, as far as the baseline was trained


def baseline(runs: pd.DataFrame) -> Triple | None:
    """The triple that most others differ from in one thing only: the centre of a star."""
    seen = sorted(set(zip(runs["task"], runs["triple"], strict=True)))
    triples = sorted({triple for _, triple in seen})
    tasks = Counter(triple for _, triple in seen)
    if not triples:
        return None

    def closeness(triple: Triple) -> tuple[int, int, int]:
        near = sum(n for other, n in tasks.items() if sum(a != b for a, b in zip(triple, other, strict=True)) == 1)
        return near, sum(a == b for a, b in zip(triple, PLAIN, strict=True)), tasks[triple]

    return max(triples, key=closeness)  # the first by name among equals


def named(runs: pd.DataFrame, base: Triple | None) -> tuple[list[str], list[str]]:
    """For each run its technique's full name, and a short label: what differs from the baseline."""
    variants = runs.groupby([*GROUP, "triple"])["configuration"].nunique()
    double = {key[-1] for key, count in variants.items() if count > 1}  # one name, two settings: an edited choice
    origins = runs.groupby("configuration")["origin"].nunique()
    scattered = set(origins[origins > 1].index)  # one configuration on two machines, or versions: never averaged
    tails = {origin: origin.split(",")[0].rpartition("-")[2] for origin in set(runs["origin"])}
    several = {tail for tail, count in Counter(tails.values()).items() if count > 1}
    names, labels = [], []
    for triple, configuration, origin in zip(runs["triple"], runs["configuration"], runs["origin"], strict=True):
        mark = f" #{configuration[:4]}" if triple in double else ""
        if configuration in scattered:
            mark += f" @{origin if tails[origin] in several else tails[origin]}"
        names.append("/".join(triple) + mark)
        apart = [part for part, other in zip(triple, base or triple, strict=True) if part != other]
        labels.append((" · ".join(apart) or "/".join(triple)) + mark)
    owners = Counter(label for label, _ in set(zip(labels, names, strict=True)))
    return names, [label if owners[label] == 1 else name for label, name in zip(labels, names, strict=True)]


def family(triple: Triple, base: Triple | None) -> str:
    """The techniques among which a comparison with the baseline is one of many: those that change the same axis.

    So what is asked of optimizers costs nothing where more architectures are tried. Reference models stand outside the
    ranking: a family of their own.
    """
    if base is None or triple == base:
        return ""
    if triple[0] in REFERENCE:
        return "reference"
    changed = [axis for axis, part, other in zip(AXES, triple, base, strict=True) if part != other]
    return changed[0] if len(changed) == 1 else "combination"


def groups_of(runs: pd.DataFrame) -> Iterable[tuple[Group, pd.DataFrame]]:
    """Each group with its runs, in the order of the table of tasks."""
    order = {name: place for place, name in enumerate(TASKS)}
    parts = sorted(runs.groupby(list(GROUP)), key=lambda part: (order.get(part[0][0], len(order)), part[0]))
    keys = [dict(zip(GROUP, key, strict=True)) for key, _ in parts]
    for key, (_, members) in zip(keys, parts, strict=True):
        first, card = members.iloc[0], TASKS.get(key["task"])
        apart = _apart(key, [other for other in keys if other["task"] == key["task"]])
        kind = " (synthetic)" if card is not None and card.synthetic else ""
        label = f"{key['task']}{kind}" + (f" [{apart}]" if apart else "")
        facts = {name: first[name] for name in ("metric", "better", "unit")}
        yield Group(label=label, **key, **facts, synthetic=bool(kind), apart=apart), members


def _apart(key: dict[str, str], others: list[dict[str, str]]) -> str:
    """The values in which a group differs from the others of its task."""
    found = []
    for part in GROUP[1:]:
        values = {other[part] for other in others}
        if len(values) > 1 and part == "budget":
            common = set.intersection(*(set(value.split(", ")) for value in values))
            found.append("budget " + ", ".join(item for item in key[part].split(", ") if item not in common))
        elif len(values) > 1:
            found.append(key[part] if part in ("device", "asked") else _told(part, key[part]))
    return ", ".join(found)


def _told(part: str, value: str) -> str:
    """One value that sets a group apart, in words."""
    if part == "tuned":
        return "not tuned" if value == "0" else f"tuned by {value} trials"
    return f"{part} {value[:8]}"
