"""What a matrix holds and what is left of it, before anything runs: the list, the dry run, the word at the start."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from bench import cli, plugins, timing
from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.matrices import MATRICES
from bench.plan import Filters, Plan
from bench.spec import Matrix, RunSpec, settings
from bench.store import Store
from tasks.cards import TASKS

if TYPE_CHECKING:
    from bench.forecast import Work


def listing(matrix: Matrix, filters: Filters, as_json: bool) -> int:
    """The tables, and what the filters keep of the matrix."""
    kept = [names for names in matrix.rows() if filters.keeps(names)]
    seeds = filters.seeds or matrix.seeds
    tables = {
        "matrices": {name: value.summary for name, value in MATRICES.items()},
        "tasks": {
            name: f"{card.summary}; {card.metric}{' (synthetic)' * card.synthetic}" for name, card in TASKS.items()
        },
        "architectures": {name: settings(value) for name, value in {**ARCHITECTURES, **matrix.architectures}.items()},
        "stabilisations": {
            name: settings(value) for name, value in {**STABILISATIONS, **matrix.stabilisations}.items()
        },
        "optimizers": {name: settings(value) for name, value in {**OPTIMIZERS, **matrix.optimizers}.items()},
        "plug-ins": plugins.summary(),
    }
    if as_json:
        found = {
            **{"matrix": matrix.name, "seeds": list(seeds), "trials": matrix.tune},
            "configurations": [asdict(names) for names in kept],
        }
        print(json.dumps({**tables, **found}))
        return cli.OK
    for title, table in tables.items():
        print(f"{title}:" if table else f"{title}: none")
        for name, text in table.items():
            print(f"  {name:<28} {text}")
    print(f"\nmatrix {matrix.name}: {len(kept)} configurations x {len(seeds)} seeds = {len(kept) * len(seeds)} runs")
    print(f"tuned by {matrix.tune} trials each = {len(kept) * matrix.tune} trials first" if matrix.tune else UNTUNED)
    print("combine stabilisations with + (clip+dropout) in a matrix file of your own: docs/matrix-file.md")
    print("tasks on data of your own: docs/own-data.md; techniques of your own: docs/plugins.md")
    return cli.OK


def dry_run(matrix: Matrix, todo: Plan, options: argparse.Namespace) -> int:
    """Counts, and a forecast from a few measured steps."""
    from bench.forecast import forecast

    work = left(matrix, todo, cli.store(matrix, options.results, options.executor), options)
    trials, rest = work.trials, work.scores
    seconds = forecast(work, options.data, cli.workers(options)) if rest or trials else 0.0
    counts = {"runs": len(todo.runs), "finished": len(todo.runs) - len(rest), "skipped": len(todo.skipped)}
    if options.json:
        counts |= {"trials": len(trials), "workers": cli.workers(options), "seconds": round(seconds)}
        print(json.dumps({"matrix": matrix.name, **counts}))
        return cli.OK
    print(f"matrix {matrix.name}: {counts['runs']} runs, {counts['finished']} finished, {len(rest)} to run")
    print(f"{len(trials)} trials to make before them" if matrix.tune else UNTUNED)
    if todo.skipped:
        print(f"{counts['skipped']} more make no sense and are recorded as skipped")
    print(f"about {cli.duration(seconds)} with {cli.workers(options)} workers, from short runs of a sample")
    if any(spec.device != "cpu" for spec in work.all) and not cli.cuda_present():
        print("without the runs on CUDA: there is no such device here to measure them on")
    print(f"start it: {cli.again(options, 'bench.matrix', '--dry-run')}")
    return cli.OK


UNTUNED = "not tuned: every technique runs at the tables' values; --tune N gives each N trials first"


def left(matrix: Matrix, todo: Plan, store: Store, options: argparse.Namespace) -> Work:
    """What there is still to do; a run whose values are not chosen yet stands at the tables' own."""
    from bench.forecast import Work
    from bench.tune import missing, tuned

    rows, retry = store.rows(), options.retry
    trials = [trial.spec for trial in missing(todo.runs, rows, matrix.tune)] if matrix.tune else []
    waiting = {spec.configuration for spec in trials}
    settled = [spec for spec in todo.runs if spec.configuration not in waiting]
    if matrix.tune:
        settled = [spec for spec, _ in tuned(settled, rows, matrix.tune)]
    unsettled = [spec for spec in todo.runs if spec.configuration in waiting]
    scores = [*unmade(settled, store.done(), retry), *unsettled]
    timed = [] if options.no_timing else timing.untimed([*settled, *unsettled], rows)
    return Work(scores, trials, timed, matrix.pairs)


LONG = 300_000
"""Updates from which on a matrix says how long it will take before it starts: minutes at least."""


def announce(matrix: Matrix, todo: Plan, store: Store, options: argparse.Namespace) -> None:
    """What is about to happen, and how long it will take if that is long."""
    from bench.forecast import MOST, forecast

    def say(text: str, **facts: object) -> None:
        print(json.dumps({"event": "message", "text": text, **facts}) if options.json else text, flush=True)

    work = left(matrix, todo, store, options)
    if work.scores and not matrix.tune:
        say(UNTUNED)
    if sum(spec.budget.steps for spec in work.all) >= LONG:
        say(f"short runs of a sample, to say how long this will take; they take {cli.duration(MOST)} or so at most")
        seconds = forecast(work, options.data, cli.workers(options))
        told = f"{len(work.trials)} trials and {len(work.scores)} runs: about {cli.duration(seconds)}"
        say(f"{told} with {cli.workers(options)} workers", seconds=round(seconds))


def unmade(runs: list[RunSpec], done: dict[str, str], retry: bool) -> list[RunSpec]:
    """The runs that have no result, or with `retry` one that says more of the machine than of the technique."""
    return [
        spec
        for spec in runs
        if (status := done.get(spec.id)) is None or (retry and status not in ("ok", "diverged"))
    ]  # fmt: skip
