"""`python -m report` without a command: which page over which records, or leaderboards on standard output."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from report import BadInput, focus, formats, listing
from report.board import Board, board_of, broadest_first
from report.drawing import Drawing
from report.frame import chosen
from report.ledger import entries
from report.page import anchors, write_page
from report.verdicts import findings


def run(asked: argparse.Namespace) -> int:
    """Write what was asked for and print where it is."""
    if asked.watch:
        from report import watch

        return watch.run(asked)
    if asked.format:
        boards = _boards(asked.results, asked.matrix, asked.task, asked.compare)
        names = [board.frames.matrix for board in boards]
        print(formats.joined(names, [formats.text(board, asked.format) for board in boards], asked.format), end="")
        return 0
    if asked.task or asked.compare:
        boards = _boards(asked.results, asked.matrix, asked.task, asked.compare)
        paths = _one(boards, asked.out / focus.folder(asked.task, asked.compare), asked.results)
    else:
        paths = build(asked.results, asked.out, asked.matrix)
    for path in paths:
        print(path)
    if asked.readme:
        from report import readme

        for page, blocks in readme.update_all(Path(), asked.results).items():
            print(f"{page}: {', '.join(blocks) or 'no block of a table'}")
    return 0


def build(results: Path, out: Path, matrices: list[str] | None) -> list[Path]:
    """The page over all matrices, with claims and ledger beside it; or, where matrices are named, a page of each."""
    names = chosen(results, matrices)
    if matrices is not None:
        places = zip(names, anchors(names), strict=True)
        return [path for name, folder in places for path in _one([board_of(results, name)], out / folder, results)]
    boards = broadest_first(board_of(results, name) for name in names)
    with Drawing(boards) as drawing:
        said = [(board.frames.matrix, findings(board)) for board in boards]
        found = entries(results)
        paths = write_page(out / "index.html", drawing, [mine for _, mine in said], found, results, whole=True)
    return [*paths, *listing.write_claims(out, said), *listing.write_ledger(out, found)]


def _one(boards: Sequence[Board], folder: Path, results: Path) -> list[Path]:
    with Drawing(boards) as drawing:
        return write_page(folder / "index.html", drawing, [findings(board) for board in boards], [], results)


def _boards(
    results: Path, matrices: list[str] | None, tasks: list[str] | None, compare: list[str] | None
) -> list[Board]:
    """The boards of the matrices asked for, as far as they hold what is asked for. Raises BadInput where none does."""
    found = broadest_first(board_of(results, name) for name in chosen(results, matrices))
    if tasks or compare:
        found = focus.focused(found, tasks or [], compare or [])
    if not found:
        raise BadInput("nothing is left to report on")
    return found
