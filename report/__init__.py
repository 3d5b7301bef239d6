"""The report: from records to tables, figures and one page. Needs no torch; imports what is heavy when it is used."""

from __future__ import annotations

from pathlib import Path


class BadInput(ValueError):
    """What was asked for does not exist; the message says what does."""


def build(results: Path, out: Path, matrices: list[str] | None = None) -> list[Path]:
    """Write the page over all matrices below `results`, or one of each of `matrices`; the paths, a page first."""
    from report import pages

    return pages.build(results, out, matrices)


def leaderboard_text(results: Path, matrix: str, width: int) -> str:
    """The leaderboard of one matrix for a terminal of `width` columns."""
    from report.board import board_of
    from report.terminal import terminal

    return terminal(board_of(results, matrix), width)
