"""A part of the records on a page of its own: some tasks, or two techniques beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from bench.names import unknown
from report import BadInput
from report.board import Board, board
from report.flat import AXES
from report.frame import Frames
from report.groups import Triple
from report.page import anchors

FRAMES = ("runs", "skipped", "trials")


def folder(tasks: Sequence[str] | None, compare: Sequence[str] | None) -> str:
    """The name of the page's folder."""
    parts = [*(tasks or []), *([f"{compare[0]} vs {compare[1]}"] if compare else [])]
    return anchors([" ".join(parts)])[0]


def focused(boards: Sequence[Board], tasks: Sequence[str], compare: Sequence[str]) -> list[Board]:
    """The boards with these tasks alone, and of two techniques the second against the first.

    Raises BadInput for a task or a technique that no board has, and for two that no board has both of.
    """
    known = sorted({group.task for one in boards for group in one.groups})
    wrong = [unknown("task", name, known) for name in tasks if not _matching(name, known)]
    names = {name for one in boards for name in _techniques(one)}
    wrong += [unknown("technique", name, sorted(names)) for name in compare if name not in names]
    if wrong:
        raise BadInput("\n".join(wrong))
    kept = {task for name in tasks for task in _matching(name, known)} or set(known)
    found = [part for one in boards if (part := _part(one, kept, compare)) is not None]
    if not found:
        raise BadInput(f"no matrix holds both {' and '.join(compare)} on {', '.join(tasks) or 'one task'}")
    return found


def _matching(name: str, known: Sequence[str]) -> list[str]:
    """A task by its name, or all below it: `series/etth1`."""
    return [task for task in known if task == name or task.startswith(f"{name.rstrip('/')}/")]


def _techniques(one: Board) -> dict[str, Triple]:
    """Each technique by its full name and by its label."""
    rows = one.techniques.drop_duplicates("triple")
    return {
        **dict(zip(rows["label"], rows["triple"], strict=True)),
        **{"/".join(triple): triple for triple in rows["triple"]},
    }


def _part(one: Board, tasks: set[str], compare: Sequence[str]) -> Board | None:
    names = _techniques(one)
    pair = [names[name] for name in compare if name in names]
    if len(set(pair)) < len(compare):
        return None
    frames = _kept(one.frames, tasks, pair)
    here = {task: set(part) for task, part in _triples(frames.runs).groupby(frames.runs["task"])}
    both = {task for task, triples in here.items() if triples.issuperset(pair)}
    if not both:
        return None
    return board(_kept(frames, both, pair), pair[0] if pair else None)


def _triples(frame: pd.DataFrame) -> pd.Series:
    return pd.Series(list(zip(*(frame[axis] for axis in AXES), strict=True)), index=frame.index, dtype=object)


def _kept(frames: Frames, tasks: set[str], pair: Sequence[Triple]) -> Frames:
    """The rows of these tasks and, if there are any, these techniques; curves and gradients of what is left."""

    def rows(frame: pd.DataFrame) -> pd.DataFrame:
        here = frame["task"].isin(tasks)
        if pair:
            here &= _triples(frame).isin(pair)
        return frame[here].reset_index(drop=True)

    parts = {name: rows(getattr(frames, name)) for name in FRAMES}
    ids = set(parts["runs"]["id"])
    lines = {name: getattr(frames, name) for name in ("curves", "gradients")}
    naive = frames.naive[frames.naive["task"].isin(tasks)]
    of_runs = {name: frame[frame["id"].isin(ids)].reset_index(drop=True) for name, frame in lines.items()}
    return replace(frames, **parts, **of_runs, naive=naive.reset_index(drop=True))
