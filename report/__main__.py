"""`python -m report`: rebuild every page from the records alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m report", description="Rebuild the report from results/<matrix>/<machine>.jsonl."
    )
    made.add_argument("--results", type=Path, default=Path("results"), help="folder of records (default: results)")
    made.add_argument("--out", type=Path, default=Path("report/out"), help="folder of pages (default: report/out)")
    made.add_argument("--matrix", action="append", metavar="NAME", help="only this matrix; may be given again")
    made.add_argument("--readme", action="store_true", help="also renew the tables in README.md")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 bad input, 3 a file cannot be read or written."""
    asked = parser().parse_args(arguments)
    from report import BadInput, build  # here, so that --help answers at once

    try:
        for path in build(asked.results, asked.out, asked.matrix):
            print(path)
        if asked.readme:
            from report import readme

            print(f"README.md: {', '.join(readme.update(Path('README.md'), asked.results)) or 'no block of a table'}")
    except BadInput as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or asked.out}: {error.strerror}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
