"""`python -m report --watch`: a running matrix seen through its records alone. It locks and writes nothing."""

from __future__ import annotations

import argparse
import itertools
import math
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.live import Live
from rich.text import Text

from bench.store import stores
from bench.untrusted import clean
from report.findings import plural
from report.flat import Row
from report.frame import frames, names
from report.groups import AXES, groups_of
from report.listing import printed, rich_table
from report.stats import shown, t_interval
from report.tables import Line, Table
from report.tail import Watched

POLL = 1.0
"""Seconds between two looks at the files."""

WINDOW = 300.0
"""Seconds over which the pace is taken."""

LAST, BEST = 5, 3
"""Runs and rows shown."""

ENDS = "Ctrl-C ends this view, not the run"


def pace(arrivals: Sequence[float], started: float, now: float) -> str:
    """Runs a minute over the last minutes of watching; "" until a run has arrived."""
    since = max(started, now - WINDOW)
    count = sum(one > since for one in arrivals)
    return f"{shown(60 * count / (now - since), 2)} runs a minute" if count and now > since else ""


def view(matrix: str, rows: Iterable[Row], width: int) -> str:
    """What a person sees of a matrix: how many records, the last runs, the best of each task so far, the failures."""
    rows = list(rows)
    runs = frames(matrix, rows).runs
    place = {row["id"]: i for i, row in enumerate(rows) if row.get("kind") == "run"}
    runs = runs.assign(place=[place.get(run.partition(" ")[0], -1) for run in runs["id"]]).sort_values("place")
    failed = runs[runs["status"] != "ok"]

    def show(console: Console) -> None:
        console.print(Text(f"{clean(matrix)}: {counted(rows)}"))
        _part(console, "last runs", runs)
        if len(runs) > len(failed):
            console.print(Text("\nbest so far"))
            console.print(rich_table(leaders(runs), ("score", "n", "failed")))
        _part(console, plural(len(failed), "failure"), failed)

    return printed(width, show)


def _part(console: Console, title: str, runs: pd.DataFrame) -> None:
    if len(runs):
        console.print(Text(f"\n{title}"))
    for run in runs.tail(LAST).itertuples():
        console.print(Text(f"  {told(run)}"), no_wrap=True, overflow="ellipsis")


def counted(rows: Iterable[Row]) -> str:
    """`12 runs (11 ok, 1 diverged), 4 trials`, of records."""
    kinds = Counter(clean(row.get("kind")) for row in rows)
    states = Counter(clean(row.get("status")) for row in rows if row.get("kind") == "run")
    said = ", ".join(f"{count} {name}" for name, count in sorted(states.items(), key=lambda item: (-item[1], item[0])))
    parts = [f"{plural(kinds['run'], 'run')}{f' ({said})' if said else ''}"]
    parts += [plural(kinds[kind], word) for kind, word in (("trial", "trial"), ("time", "timing")) if kinds[kind]]
    return ", ".join(parts)


def told(run: Any) -> str:
    """`ok  speech/digits lstm/clip/adam cpu s0  accuracy 91.2 %`, or why it failed."""
    seed = "" if math.isnan(run.seed) else f" s{run.seed:.0f}"
    at = "" if math.isnan(run.step) or run.status == "ok" else f"at step {run.step:.0f}: "
    what = f"{run.metric} {shown(run.score)} {run.unit}" if run.status == "ok" else f"{at}{run.reason}"
    remark = f"  alarm: {run.alarm}" if run.alarm else ""
    return f"{run.status:<9} {run.task} {_technique(run)} {run.device}{seed}  {what}{remark}".rstrip()


def _technique(run: Any) -> str:
    return "/".join(getattr(run, axis) for axis in AXES)


def leaders(runs: pd.DataFrame) -> Table:
    """The best rows of each group: those with a failed seed come last, as in the leaderboard."""
    lines = []
    for group, members in groups_of(runs):
        sign = 1 if group.better == "lower" else -1
        found = []
        for _, seeds in members.groupby(["configuration", "origin"]):
            good = seeds.loc[seeds["status"] == "ok", "score"].to_list()
            mean, half = t_interval(good)
            lost = 1 - len(good) / len(seeds)
            found.append((lost > 0, lost, sign * mean, _technique(seeds.iloc[0]), mean, half, len(good), len(seeds)))
        best = sorted(one for one in found if one[6])[:BEST]
        head = f"{group.label}: {group.metric}{f' ({group.unit})' if group.unit else ''} {'↓' if sign > 0 else '↑'}"
        for place, (*_, name, mean, half, scored, seeds_run) in enumerate(best):
            spread = f" ± {shown(half, 2)}" if scored > 2 and not math.isnan(half) else ""
            failed = str(seeds_run - scored) if seeds_run > scored else ""
            cells = ("" if place else head, name, shown(mean) + spread, str(scored), failed)
            lines.append(Line("technique", cells))
    return Table(("task", "technique", "score", "n", "failed"), (True, True, False, False, False), tuple(lines))


def run(asked: argparse.Namespace) -> int:
    """Show the matrix until Ctrl-C, which is no error."""
    watch(asked.results, asked.matrix)
    return 0


def watch(
    results: Path,
    matrices: Sequence[str] | None,
    polls: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Look `polls` times, or until Ctrl-C: a live view on a terminal, elsewhere a line for each record that arrives.

    Without a name the newest matrix below `results` is watched, as soon as there is one.
    """
    folders = [results / name for name in matrices or ()]
    console = Console(highlight=False, markup=False, emoji=False)
    try:
        if console.is_terminal:
            with Live(console=console, auto_refresh=False) as live:
                _look(results, folders, _Screen(live, console), polls, clock, sleep)
        else:
            _look(results, folders, _Lines(), polls, clock, sleep)
    except KeyboardInterrupt:
        pass
    print(" ".join(["python -m report", *(f"--matrix {shlex.quote(clean(folder.name))}" for folder in folders)]))


def _look(
    results: Path,
    folders: list[Path],
    out: _Screen | _Lines,
    polls: int | None,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    watched: list[Watched] = []
    started = clock()
    for count in itertools.count() if polls is None else range(polls):
        if count:
            sleep(POLL)
        folders += [] if folders else newest(results)  # the caller's list: it names them at the end
        watched = watched or [Watched(folder) for folder in folders]
        now = clock()
        fresh = [(one, one.poll(now)) for one in watched]
        empty = [str(one.folder) for one in watched if not one.rows] if watched else [str(results)]
        said = [f"no records yet below {clean(place, 200)}; waiting" for place in empty]
        said += [f"{plural(bad, 'line')} cannot be read" for bad in [sum(one.damaged for one in watched)] if bad]
        out.show(fresh, said, pace([when for one in watched for when in one.arrivals], started, now))


def newest(results: Path) -> list[Path]:
    """The folder of the matrix whose file was written last, in a list; an empty one where there is none."""
    known = set(names(results)) if results.is_dir() else set()
    files = [store.path for store in stores(results) if store.path.parent.name in known]
    return [max(files, key=lambda path: (path.stat().st_mtime_ns, path)).parent] if files else []


class _Screen:
    """A view that is drawn again where it was."""

    def __init__(self, live: Live, console: Console) -> None:
        self.live, self.console = live, console
        self.views: dict[str, str] = {}

    def show(self, fresh: list[tuple[Watched, list[Row]]], said: list[str], rate: str) -> None:
        for one, rows in fresh:
            if rows:
                name = one.folder.name
                self.views[name] = view(name, one.rows.values(), self.console.width)
        text = "\n".join(["; ".join(filter(None, [*said, rate, ENDS])), "", *self.views.values()])
        self.live.update(Text(text), refresh=True)


class _Lines:
    """What there was at first in one line, then a line a run; what is said besides, when it is new."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.said: set[str] = set()

    def show(self, fresh: list[tuple[Watched, list[Row]]], said: list[str], _: str) -> None:
        for one, rows in fresh:
            name = clean(one.folder.name)
            if name in self.seen:
                for row in rows:
                    for run in frames(name, [row]).runs.itertuples():
                        print(told(run), flush=True)
            elif rows:
                print(f"{name}: {counted(rows)}", flush=True)
            self.seen.add(name)
        for line in said:
            if line not in self.said:
                print(line, flush=True)
        self.said |= set(said)
