"""The front door of the datasets: python -m tasks list | fetch NAME... | check DIR [NAME...]. No torch."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.commands import BAD_INPUT, INTERRUPTED, STORAGE, check, fetched, listed
from tasks.data import SOURCES, places
from tasks.options import unknown

EXIT_CODES = (
    "exit code: 0 all is well, 1 something is wrong with the data, 2 bad input, 3 trouble with the network or the "
    "disk, 130 interrupted"
)


def parser() -> argparse.ArgumentParser:
    """Three commands, and where data are."""
    made = argparse.ArgumentParser(
        prog="python -m tasks", description="The real datasets: what there is, and how to get it.", epilog=EXIT_CODES
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="list|fetch|check")
    each = commands.add_parser("list", help="what there is, what it costs, its licence and reference")
    _data(each)
    _json(each)
    each = commands.add_parser("fetch", help="download datasets; what is there already is kept", epilog=EXIT_CODES)
    each.add_argument("names", nargs="+", metavar="NAME")
    _data(each)
    each.add_argument(
        "--deadline", type=float, metavar="SECONDS", help="for each file (default: 5 minutes, and as 100 kB/s take)"
    )
    each = commands.add_parser("check", help="compare what is there with its pins", epilog=EXIT_CODES)
    each.add_argument("data", type=Path, metavar="DIR", help="the data folder")
    each.add_argument("names", nargs="*", metavar="NAME", help="default: whatever is there")
    each.add_argument("--deep", action="store_true", help="build every task on it too: fingerprint and sizes")
    _json(each)
    return made


def _data(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--data",
        type=Path,
        default=places.data(),
        metavar="DIR",
        help="the data folder (default: LSTM_BENCH_DATA, or data in the cache folder)",
    )


def _json(made: argparse.ArgumentParser) -> None:
    made.add_argument("--json", action="store_true", help="one JSON object a line")


def mistakes(options: argparse.Namespace) -> list[str]:
    """What is wrong with what was typed, a line each."""
    names = getattr(options, "names", ())
    found = [unknown("dataset", name, SOURCES) for name in dict.fromkeys(names) if name not in SOURCES]
    if options.data.exists() and not options.data.is_dir():
        found.append(f"{options.data} is a file; give the data folder")
    elif options.command == "check" and not options.data.exists():
        found.append(f"{options.data} does not exist; give the data folder")
    seconds = getattr(options, "deadline", None)
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        found.append(f"--deadline must be more than 0 seconds, got {seconds:g}")
    return found


def main(words: Sequence[str] | None = None) -> int:
    """The exit code."""
    options = parser().parse_args(words)
    if wrong := mistakes(options):
        print("\n".join(f"error: {line}" for line in wrong), file=sys.stderr)
        return BAD_INPUT
    try:
        if options.command == "list":
            return listed(options.data, options.json)
        names = list(dict.fromkeys(options.names))
        if options.command == "fetch":
            return fetched(names, options.data, options.deadline)
        return check(options.data, names, options.deep, options.json)
    except KeyboardInterrupt:
        print("interrupted; what came is kept, and the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return STORAGE


if __name__ == "__main__":
    sys.exit(main())
