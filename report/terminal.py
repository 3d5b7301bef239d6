"""Leaderboards on a terminal. Cells are rich Text, never markup: a name cannot colour or break them."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from report import findings
from report.board import Board
from report.tables import QUIET, RULES, Line, Table, apart, overall_tables, skipped, task_table

TERMINAL_ROWS = 24
"""A longer table is cut on a terminal; the page and the Markdown hold every row."""


def terminal(board: Board, width: int) -> str:
    """The leaderboards for a terminal; where it is narrow, without the last columns."""
    file = io.StringIO()
    console = Console(file=file, width=max(width, 40), color_system=None, legacy_windows=False, emoji=False)
    tables = [(group.label, task_table(board, group)) for group in board.groups]
    tables = [(f"over all tasks, {device}", table) for device, table in overall_tables(board)] + tables
    for label, table in tables:
        console.print(Text(label))
        console.print(_rich(table, width))
        if rest := _rest(table):
            console.print(Text(rest))
    for line in (*(RULES if board.groups else ()), *apart(board), *skipped(board), findings.headline(board)):
        console.print(Text(line))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


KEPT = (
    *("rank", "n", "mean rank", "vs baseline, %", "gain", "remarks", "ms/step cpu", "ms/step cuda", "steps to target"),
    *("p, Holm", "× nn.LSTM", "s to target", "half-life", "tasks", "better on"),
)
"""Columns of a terminal beside the technique and its score, the last dropped first where there is no room."""


def _rich(table: Table, width: int) -> RichTable:
    lines = _abridged(table.lines)
    columns = [(0, table.heads[0], [line.cells[0] for line in lines])]
    columns.append((1, "technique", ["/".join(filter(None, line.cells[1:4])) for line in lines]))
    for i, head in enumerate(table.heads[4:], 4):
        if (head in KEPT or i == 4) and any(line.cells[i] for line in lines):
            columns.append((i, head, [line.cells[i] for line in lines]))
    for head in reversed(KEPT):
        if sum(max(map(len, [head, *cells])) + 2 for _, head, cells in columns) <= width:
            break
        columns = [column for column in columns if column[1] != head]
    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for i, head, _ in columns:
        made.add_column(Text(head), justify="left" if table.texts[i] else "right", overflow="fold", no_wrap=i != 1)
    for cells in zip(*(cells for _, _, cells in columns), strict=True):
        made.add_row(*(Text(cell) for cell in cells))
    return made


def _rest(table: Table) -> str:
    """What an abridged table leaves out."""
    lines = _abridged(table.lines)
    rest = [line for line in table.lines if line not in lines]
    failed = sum(line.kind == "failed" for line in rest)
    return f"  + {len(rest)} more rows in the report" + (f", {failed} with failures" if failed else "") if rest else ""


def _abridged(lines: Sequence[Line]) -> list[Line]:
    """All of a short table; of a long one its first rows and every naive one."""
    if len(lines) <= TERMINAL_ROWS:
        return list(lines)
    return [line for place, line in enumerate(lines) if place < TERMINAL_ROWS // 2 or line.kind in QUIET]
