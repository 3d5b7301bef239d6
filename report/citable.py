"""The rows of the leaderboards, and one of them by what a person would call it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import pandas as pd

from bench.names import unknown
from bench.untrusted import clean
from report import BadInput
from report.comparison import SEEDS
from report.flat import AXES
from report.frame import Frames, chosen, load
from report.groups import Group, Triple, baseline, groups_of, named
from report.signature import record_hash, signature
from report.stats import t_interval

SHOWN = 10
"""Rows named where what was asked for is several."""


@dataclass(frozen=True)
class Citable:
    """One row of a leaderboard: the seeds of one configuration on one kind of machine."""

    matrix: str
    group: Group
    seeds: pd.DataFrame  # its rows of Frames.runs

    def __str__(self) -> str:
        place = f"{self.matrix}:{self.group.task}/{self.name}/{self.where}"
        return f"{self.matrix}:{self.record}  {place}" + (f"  [{self.group.apart}]" if self.group.apart else "")

    @property
    def name(self) -> str:
        return str(self.seeds["name"].iloc[0])

    @property
    def triple(self) -> Triple:
        return self.seeds["triple"].iloc[0]

    @property
    def where(self) -> str:
        """Device, back end and instruction set as a run's name has them: `cpu`, `cpu+avx2`."""
        return "+".join([self.group.device, *(part for part in self.group.asked.split() if part != "auto")])

    @cached_property
    def record(self) -> str:
        return record_hash(self.seeds["proof"])

    @cached_property
    def ids(self) -> list[str]:
        """The id of each run; the frame adds an origin where two machines made the same one."""
        return [str(run).split(" ")[0] for run in self.seeds["id"]]

    @cached_property
    def score(self) -> tuple[float, float]:
        """Mean and half its interval; NaN where there is none."""
        good = self.seeds.loc[self.seeds["status"] == "ok", "score"]
        mean, half = t_interval(good.to_list())
        return mean, half if len(good) >= SEEDS else float("nan")

    @property
    def signature(self) -> str:
        return signature(self.group, self.seeds.to_dict("records"), *self.score)  # type: ignore[arg-type]

    @property
    def names(self) -> Iterator[str]:
        """What a person may call it, its seeds included."""
        for name in dict.fromkeys([self.name, str(self.seeds["label"].iloc[0])]):
            yield from (name, f"{self.group.task}/{name}", f"{self.group.task}/{name}/{self.where}")
        run = "/".join([self.group.task, *self.triple, self.where])
        yield from (f"{run}/s{seed:.0f}" for seed in self.seeds["seed"].dropna())


def rows(frames: Frames) -> Iterator[Citable]:
    """Every row of one matrix that was trained."""
    runs = frames.runs.copy()
    runs["triple"] = list(zip(*(runs[axis] for axis in AXES), strict=True))
    runs["name"], runs["label"] = named(runs, baseline(runs))
    for group, members in groups_of(runs):
        for _, seeds in members.groupby(["configuration", "origin"]):
            yield Citable(frames.matrix, group, seeds)


def find(asked: str, results: Path) -> Citable:
    """The row of this hash (or its first 4 digits or more), name, run's name or run's id, `matrix:` before it or not.

    Raises BadInput where there is none, or several.
    """
    known = chosen(results, None)
    head, colon, tail = asked.strip().partition(":")
    name = tail.strip() if colon else head
    if colon and head not in (*known, "rec"):
        raise BadInput(unknown("matrix", clean(head), map(clean, known)))
    matrices = [head] if head in known and colon else known
    every = [row for matrix in matrices for row in rows(load(results, matrix))]
    if not every:
        raise BadInput(f"no finished run below {clean(results, 200)}; there is nothing to cite yet")
    name = name.removeprefix("rec:")
    matching = list(_matching(name, every))
    if not matching:
        raise BadInput(_nothing(name, every))
    if len({row.signature for row in matching}) > 1:
        more = [f"and {len(matching) - SHOWN} more"] if len(matching) > SHOWN else []
        told = [*(f"  {row}" for row in matching[:SHOWN]), *more]
        raise BadInput("\n".join([f"{clean(name)!r} is {len(matching)} rows; name one by its hash:", *told]))
    return matching[0]  # of several with one signature, in two matrices, the first


def _matching(asked: str, every: Iterable[Citable]) -> Iterator[Citable]:
    digits = asked.lower() if re.fullmatch(r"[0-9a-fA-F]{4,16}", asked) else None
    wanted = clean(asked, 200)
    for row in every:
        hashes = (row.record, *row.ids) if digits else ()
        if any(one.startswith(digits or "") for one in hashes) or wanted in row.names:
            yield row


def _nothing(asked: str, every: list[Citable]) -> str:
    """Words for a row that does not exist: the nearest that do."""
    digits = bool(re.fullmatch(r"[0-9a-fA-F]+", asked))
    if digits and len(asked) < 4:
        return f"a hash needs its first 4 digits or more, got {asked!r}"
    if digits:
        known = [one for row in every for one in (row.record, *row.ids)]
    else:
        known = [name for row in every for name in row.names]
    close = get_close_matches(clean(asked, 200), list(dict.fromkeys(known)), n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return (
        f"unknown row {clean(asked, 200)!r} among {len(every)}.{hint} "
        "A row is named by its hash (rec:... at the end of its signature) or as [matrix:]task/technique"
    )
