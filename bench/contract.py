"""The contract of a plug-in, checked: python -m bench.contract MODULE."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from bench import cli, worker
from bench.contracts import Broken
from bench.offered import tables
from bench.plan import BadInput
from bench.plugins import LOADED, load

Check = tuple[str, Callable[[], str | None]]
"""What is checked, in words, and the check: None where it holds, why where nothing is asked, or it raises."""


def checks(module: str, data: Path | None) -> Iterator[Check]:
    """Every check of a loaded plug-in's tables."""
    import tasks
    from bench.contracts import cells, choices, rules
    from bench.contracts import tasks as of_tasks

    found = tables(LOADED.modules[module])
    for card, _ in found["TASKS"]:
        subject = f"task {card.name}"
        try:
            task, again = tasks.load(card.name, data), tasks.load(card.name, data)
        except (Exception, SystemExit) as error:
            yield f"{subject}: it loads", partial(_raise, error)
            continue
        yield from _checks(subject, of_tasks.CHECKS, task)
        yield from _checks(subject, [of_tasks.same_data], task, again)
    for name, kind in found["CELLS"].items():
        yield from _checks(f"cell {name}", cells.CHECKS, kind)
    for name, value in found["OPTIMIZERS"].items():
        yield from _checks(f"optimizer {name}", rules.CHECKS, value)
    for axis in ("architecture", "stabilisation", "optimizer"):
        for name in found[f"{axis}s".upper()]:
            yield from _checks(f"{axis} {name}", choices.CHECKS, axis, name)


def _checks(subject: str, held: Iterable[Callable[..., str | None]], *given: object) -> Iterator[Check]:
    for check in held:
        yield f"{subject}: {check.__doc__}", partial(check, *given)


def _raise(error: BaseException) -> None:
    raise error


def outcome(check: Callable[[], str | None]) -> tuple[str, str]:
    """`ok`, `FAILED` or `not asked`, and why."""
    from tasks.data import MissingData

    try:
        with redirect_stdout(sys.stderr):  # whatever the plug-in prints
            why = check()
    except MissingData as error:
        return "not asked", str(error)
    except Broken as error:
        return "FAILED", str(error)
    except (Exception, SystemExit) as error:
        return "FAILED", " ".join(f"{type(error).__name__}: {error}".split())
    return ("ok", "") if why is None else ("not asked", why)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, read."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.contract",
        description="Check what a plug-in offers against the contract that everything in the suite keeps.",
        epilog="exit code: 0 all of it is kept, 1 something is not, 2 bad input, 130 interrupted",
    )
    parser.add_argument("module", metavar="MODULE", help="the plug-in, as --plugin takes it (docs/plugins.md)")
    cli.places(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a plug-in, a line for each fact. Returns the exit code that `--help` explains."""
    asked = options(arguments)
    try:
        faults = load([asked.module], installed=False)
        if asked.module in faults:
            print(f"FAILED     {asked.module}: it loads: {faults[asked.module]}")
            return cli.FAILED
        worker.prepare()
        count = Counter[str]()
        for words, check in checks(asked.module, asked.data):
            word, why = outcome(check)
            count[word] += 1
            print(f"{word:<10} {words}{f': {why}' if why else ''}", flush=True)
    except BadInput as error:
        return cli.refuse(error)
    except KeyboardInterrupt:
        return cli.INTERRUPTED
    print(", ".join(f"{count[word]} {word}" for word in ("ok", "FAILED", "not asked")))
    return cli.FAILED if count["FAILED"] else cli.OK


if __name__ == "__main__":
    sys.exit(main())
