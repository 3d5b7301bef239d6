"""The front door: python -m bench.matrix."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import checkpoint, cli, owned, preview, timing
from bench.interrupts import Interrupts
from bench.plan import BadInput, Plan
from bench.record import FINISHED, unfinished
from bench.spec import Matrix
from bench.store import Busy, Store
from tasks.own import OWNED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a matrix, time it, write its report. Returns the exit code that `--help` explains."""
    typed = sys.argv[1:] if arguments is None else arguments
    if typed and typed[0] == "merge":
        from bench import merge

        return merge.main(typed[1:])
    asked = options(arguments)
    try:
        whole = owned.plugged(asked)
        matrix, filters = cli.chosen(asked)
        todo = None if asked.list else cli.planned(matrix, filters, asked.device, elsewhere=asked.executor == "ray")
    except BadInput as error:
        return cli.refuse(error)
    except KeyboardInterrupt:  # the first build of the kernels takes a while
        return cli.INTERRUPTED
    if todo is None:
        code = preview.listing(matrix, filters, asked.json)
    else:
        code = preview.dry_run(matrix, todo, asked) if asked.dry_run else run(matrix, todo, asked)
    return code if whole else code or cli.FAILED


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, read."""
    parser = cli.parser(
        "bench.matrix", "Run a matrix of training techniques, then write its report. The same command resumes."
    )
    cli.placing(parser)
    parser.add_argument("--out", type=Path, default=Path("report/out"), metavar="DIR", help="where the report goes")
    parser.add_argument("--list", action="store_true", help="show what there is, and how many runs the filters keep")
    parser.add_argument(
        "--dry-run", action="store_true", help="how many runs, how many finished, how long for the rest"
    )
    parser.add_argument("--retry", action="store_true", help="do failed, crashed and timed-out runs again")
    parser.add_argument("--no-timing", action="store_true", help="leave out the timed pass")
    parser.add_argument("--no-report", action="store_true", help="leave out the report")
    read = parser.parse_args(arguments)
    read.typed = list(sys.argv[1:] if arguments is None else arguments)
    return read


def run(matrix: Matrix, todo: Plan, options: argparse.Namespace) -> int:
    """Scores, naive rows, times, report. Whatever ends it, every finished run is kept."""
    try:
        with Interrupts() as interrupts, cli.store(matrix, options.results, options.executor) as store:
            for warning in store.warnings:
                print(f"warning: {warning}", file=sys.stderr)
            preview.announce(matrix, todo, store, options)
            with checkpoint.used(store.path.parent / "unfinished" / store.path.stem):
                failed = score(matrix, todo, store, options, interrupts)
            if not options.no_timing:
                timing.fill(todo.runs, store, options.data, matrix.pairs, options.json)
        if not options.no_report:
            _report(matrix, options)
    except BadInput as error:  # a cluster that cannot do these runs
        return cli.refuse(error)
    except KeyboardInterrupt:
        resume = cli.again(options, "bench.matrix")
        print(f"\ninterrupted: every finished run is kept. Resume with: {resume}", file=sys.stderr)
        return cli.INTERRUPTED
    except (OSError, Busy) as error:
        print(f"error: cannot write to {options.results}: {error}", file=sys.stderr)
        return cli.STORAGE
    return cli.FAILED if failed else cli.OK


def tune(matrix: Matrix, todo: Plan, store: Store, options: argparse.Namespace, interrupts: Interrupts) -> bool:
    """Make the trials that are missing, and put the values they chose into the runs; whether any runs are left."""
    from bench.estimates import weigher
    from bench.executors import chosen
    from bench.progress import counted
    from bench.tune import lost, missing, trial_one, tuned

    rows, absent = store.rows(), set[str]()
    weigh = weigher(todo.runs, rows)
    rest = sorted(missing(todo.runs, rows, matrix.tune), key=weigh, reverse=True)
    if rest and not options.json:
        print(f"tuning: {len(rest)} trials to make, {matrix.tune} for each technique, judged on validation", flush=True)
    with counted(len(rest), not options.json) as show:
        make = chosen(options, rest, rows, weigh)
        made = make(
            trial_one,
            rest,
            options.data,
            started=lambda trial: show(trial.name),
            ended=lost,
            level=matrix.isa,
        )
        try:
            for count, record in enumerate(made, 1):
                with interrupts.keeping():
                    if record.status in FINISHED:
                        store.append(record)
                    elif record.status == "skipped":  # no record: its reason may be gone the next time
                        absent.add(record.configuration)
                        checkpoint.forget(record.id)
                if options.json:
                    print(json.dumps({"event": "trial", "name": record.name, "status": record.status, "done": count}))
                elif not sys.stdout.isatty() and count % -(-len(rest) // 20) == 0:
                    print(f"{count} of {len(rest)} trials made", flush=True)
        finally:
            made.close()
    settled = tuned(todo.runs, store.rows(), matrix.tune, absent)
    todo.runs, todo.tuning = [spec for spec, _ in settled], {spec.id: about for spec, about in settled}
    return bool(todo.runs) or bool(todo.skipped)


def score(matrix: Matrix, todo: Plan, store: Store, options: argparse.Namespace, interrupts: Interrupts) -> bool:
    """Make the runs that have no result yet; whether any of them failed unexpectedly."""
    from bench.estimates import weigher
    from bench.execute import naive_rows, run_one
    from bench.executors import chosen
    from bench.progress import Finish, reporter

    asked = len(todo.runs)
    if matrix.tune and not tune(matrix, todo, store, options, interrupts):
        return True
    rows = store.rows()
    weigh = weigher(todo.runs, rows)
    rest = sorted(preview.unmade(todo.runs, store.done(), options.retry), key=weigh, reverse=True)
    checkpoint.sweep({row["id"] for row in rows if row.get("status") in FINISHED})
    known = {row["id"]: row["reason"] for row in rows if row["kind"] == "run" and row["status"] == "skipped"}
    for spec, reason in todo.skipped:
        if known.get(spec.id) != reason:
            store.append(unfinished(spec, "skipped", reason))
    failed, made = len(todo.runs) < asked, 0  # trials that lost their device leave a technique without values
    came: set[str] = set()
    finish = Finish({spec.name: weigh(spec) for spec in rest}, cli.workers(options))
    with reporter(len(rest), options.json, finish) as show:
        if len(rest) < len(todo.runs):
            show.say(f"resuming {matrix.name}: {len(todo.runs) - len(rest)} of {len(todo.runs)} runs are finished")
        make = chosen(options, rest, rows, weigh)
        runs = make(run_one, rest, options.data, started=lambda spec: show.begin(spec.name), level=matrix.isa)
        try:
            for record in runs:
                record = replace(record, tuning=todo.tuning.get(record.id, {}))
                with interrupts.keeping():
                    if record.status != "skipped" or known.get(record.id) != record.reason:
                        store.append(record)
                        checkpoint.forget(record.id)
                    made += 1
                failed |= record.status in ("failed", "crashed", "nondeterministic", "device-lost")
                if record.status != "skipped":
                    came.add(record.names["task"])
                show.end(record)
        except KeyboardInterrupt:
            show.say(f"stopped: {made} of {len(rest)} runs are made and kept; those under way are dropped")
            raise
        finally:
            runs.close()  # on Ctrl-C the workers end at once
    failed |= bool({spec.names.task for spec in rest} & set(OWNED) - came)  # own data that could not be read
    compared = {(row["task"]["name"], row["task"]["version"]) for row in rows if row["kind"] == "naive"}
    bare = {spec.names.task for spec in todo.runs if (spec.names.task, spec.task_version) not in compared}
    for naive in naive_rows(bare, options.data, cli.workers(options)):
        store.append(naive)
    return failed


def _report(matrix: Matrix, options: argparse.Namespace) -> None:
    """The pages, the leaderboard, and what to type next."""
    import shutil

    import report

    pages = report.build(options.results, options.out, [matrix.name])
    if options.json:
        print(json.dumps({"event": "report", "pages": [str(page) for page in pages]}))
        return
    print(report.leaderboard_text(options.results, matrix.name, shutil.get_terminal_size((100, 24)).columns))
    print(f"report: {pages[0]}")
    print("next: python -m bench.matrix --matrix standard --data DIR --dry-run")


if __name__ == "__main__":
    sys.exit(main())
