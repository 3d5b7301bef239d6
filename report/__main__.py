"""`python -m report`: rebuild the page from the records alone; its commands answer on the terminal."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

FORMATS = ("md", "csv", "tex", "json")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m report",
        description="Rebuild the report from results/<matrix>/<machine>.jsonl.",
        epilog="exit code: 0 done, 1 verify or add found something wrong, 2 bad input, 3 a file cannot be used",
    )
    made.set_defaults(command=None)
    _places(made, Path("results"), Path("report/out"))
    made.add_argument("--matrix", action="append", metavar="NAME", help="a page of this matrix; may be given again")
    made.add_argument("--task", action="append", metavar="NAME", help="a page of this task alone; may be given again")
    made.add_argument("--compare", nargs=2, metavar="TECHNIQUE", help="a page of two techniques beside each other")
    made.add_argument("--format", choices=FORMATS, help="print the leaderboards, write nothing")
    made.add_argument("--watch", action="store_true", help="show a running matrix from its records, until Ctrl-C")
    made.add_argument("--readme", action="store_true", help="also renew the tables in README.md and docs/")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", title="commands", required=False)
    for name, (what, arguments) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        _places(command, argparse.SUPPRESS, argparse.SUPPRESS)  # what stands before the command holds
        for flag, settings in arguments.items():
            command.add_argument(flag, **settings)
    return made


MATRIX = {"action": "extend", "nargs": "+", "default": argparse.SUPPRESS, "metavar": "NAME"}
MARKDOWN = {"action": "store_true", "help": "print Markdown"}

COMMANDS: dict[str, tuple[str, dict[str, dict]]] = {
    "claims": (
        "textbook sentences, each with a verdict computed from the records",
        {"--matrix": {**MATRIX, "help": "only these matrices"}, "--markdown": MARKDOWN},
    ),
    "ledger": ("published numbers against ours", {"--markdown": MARKDOWN}),
    "cite": (
        "a row's sentence, signature, BibTeX and the command that runs it again",
        {
            "row": {
                "metavar": "ROW",
                "help": "a record hash (rec:...), or matrix:task/architecture/stabilisation/optimizer",
            }
        },
    ),
    "verify": (
        "check checksums, duplicates, seeds, schema, environments and scores that are too good",
        {"folder": {"nargs": "?", "type": Path, "metavar": "RESULTS", "help": "folder or file (default: results)"}},
    ),
    "add": (
        "take someone's records in, once they are verified",
        {
            "file": {"type": Path, "metavar": "FILE", "help": "a .jsonl file of records"},
            "--matrix": {"dest": "into", "metavar": "NAME", "help": "the matrix (default: the name of its folder)"},
        },
    ),
    "diff": (
        "what moved between two sets of results",
        {
            "old": {"type": Path, "metavar": "OLD", "help": "folder of records"},
            "new": {"type": Path, "metavar": "NEW", "help": "folder of records"},
            "--markdown": MARKDOWN,
        },
    ),
    "crate": (
        "describe a folder of results as an RO-Crate, ready to be deposited",
        {"folder": {"nargs": "?", "type": Path, "metavar": "RESULTS", "help": "folder (default: results)"}},
    ),
}
"""Each command: what it does, and its arguments. `report/<name>.py` has its run()."""

MODULES = {"claims": "listing", "ledger": "listing"}


def _places(made: argparse.ArgumentParser, results: object, out: object) -> None:
    made.add_argument("--results", type=Path, default=results, help="folder of records (default: results)")
    made.add_argument("--out", type=Path, default=out, help="folder of pages (default: report/out)")


def main(arguments: list[str] | None = None) -> int:
    """The exit status that `--help` explains."""
    asked = parser().parse_args(arguments)
    from report import BadInput  # here, so that --help answers at once

    name = asked.command
    try:
        return import_module(f"report.{MODULES.get(name, name) if name else 'pages'}").run(asked)
    except BadInput as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        return 0
    except OSError as error:
        print(f"error: {error.filename or asked.out}: {error.strerror}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
