"""`python -m report`: rebuild every page from the records alone; `claims` and `ledger` answer on the terminal."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m report", description="Rebuild the report from results/<matrix>/<machine>.jsonl."
    )
    made.set_defaults(command=None)
    _places(made, Path("results"), Path("report/out"))
    made.add_argument("--matrix", action="append", metavar="NAME", help="only this matrix; may be given again")
    made.add_argument("--readme", action="store_true", help="also renew the tables in README.md")
    commands = made.add_subparsers(dest="command", metavar="claims | ledger", required=False)
    what = "textbook sentences, each with a verdict computed from the records"
    claims = commands.add_parser("claims", help=what, description=f"Print {what}; write claims.md and claims.csv.")
    claims.add_argument("--matrix", action="extend", nargs="+", default=argparse.SUPPRESS, metavar="NAME",
                        help="only these matrices")  # fmt: skip
    what = "published numbers against ours"
    ledger = commands.add_parser("ledger", help=what, description=f"Print {what}; write ledger.md and ledger.csv.")
    for command in (claims, ledger):
        _places(command, argparse.SUPPRESS, argparse.SUPPRESS)  # what stands before the command holds
        command.add_argument("--markdown", action="store_true", help="print Markdown")
    return made


def _places(made: argparse.ArgumentParser, results: object, out: object) -> None:
    made.add_argument("--results", type=Path, default=results, help="folder of records (default: results)")
    made.add_argument("--out", type=Path, default=out, help="folder of pages (default: report/out)")


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 bad input, 3 a file cannot be read or written."""
    asked = parser().parse_args(arguments)
    from report import BadInput  # here, so that --help answers at once

    try:
        _pages(asked) if asked.command is None else _answer(asked)
    except BadInput as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or asked.out}: {error.strerror}", file=sys.stderr)
        return 3
    return 0


def _pages(asked: argparse.Namespace) -> None:
    from report import build

    for path in build(asked.results, asked.out, asked.matrix):
        print(path)
    if asked.readme:
        from report import readme

        print(f"README.md: {', '.join(readme.update(Path('README.md'), asked.results)) or 'no block of a table'}")


def _answer(asked: argparse.Namespace) -> None:
    from report import listing

    width = None if asked.markdown else shutil.get_terminal_size((120, 24)).columns
    if asked.command == "claims":
        text, written = listing.claims(asked.results, asked.out, asked.matrix, width)
    else:
        text, written = listing.ledger(asked.results, asked.out, width)
    print(text, end="")
    for path in written if width else []:  # Markdown is for another program
        print(path)


if __name__ == "__main__":
    sys.exit(main())
