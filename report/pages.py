"""`python -m report` without a command: pages, or leaderboards on standard output."""

from __future__ import annotations

import argparse
from pathlib import Path

from report import build


def run(asked: argparse.Namespace) -> int:
    """Write what was asked for and print where it is."""
    for path in build(asked.results, asked.out, asked.matrix):
        print(path)
    if asked.readme:
        from report import readme

        print(f"README.md: {', '.join(readme.update(Path('README.md'), asked.results)) or 'no block of a table'}")
    return 0
