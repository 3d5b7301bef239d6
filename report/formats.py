"""The leaderboards of a matrix for other programs: LaTeX and JSON, beside the Markdown and CSV of tables.py."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from report import findings
from report.board import Board
from report.listing import with_columns
from report.tables import QUIET, RULES, Line, Table, csv_text, entries, markdown, overall_tables, task_table
from report.tables import escape as escape_markdown


def text(board: Board, kind: str) -> str:
    """The leaderboards as `kind`: md, csv, tex or json."""
    kinds: dict[str, Callable[[Board], str]] = {"md": markdown, "csv": csv_text, "tex": latex, "json": json_text}
    return kinds[kind](board)


def json_text(board: Board) -> str:
    """A list of every row of every group, one a line, by the names that the CSV has; null is an absent number.

    Strict JSON has no infinity, which a half-life may be: it is the text "Infinity", or "-Infinity".
    """
    lines = [json.dumps({k: _strict(v) for k, v in e.items()}, sort_keys=True) for e in entries(board)]
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def _strict(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return None if math.isnan(value) else float(f"{value:.10g}")


NEEDS = r"""Needs \usepackage{booktabs} and nothing else.
A table that is longer than a page: load longtable, and write longtable for tabular, outside of table."""


def latex(board: Board) -> str:
    """One booktabs table a group, and one over all tasks; answers that need no network are in italics."""
    parts = [_comment(findings.headline(board), *NEEDS.splitlines(), *RULES)]
    for device, table in overall_tables(board):
        parts.append(_table(table, f"Over all tasks, on {device}.", f"{board.frames.matrix}-overall-{device}"))
    for place, group in enumerate(board.groups, 1):
        lower = group.better == "lower"
        unit = f" in {group.unit}" if group.unit else ""
        caption = f"{group.label}: {group.metric}{unit}, {'lower' if lower else 'higher'} is better "
        caption += f"({'↓' if lower else '↑'}); the mean ± half its 95 % t interval over n seeds, on test."
        table = task_table(board, group, primary=True)
        parts.append(_table(table, caption, f"{board.frames.matrix}-{place}-{group.task}"))
    return "\n\n".join(parts) + "\n"


def _table(table: Table, caption: str, label: str) -> str:
    """One floating table; columns without an entry are left out."""
    full = with_columns(table, range(len(table.heads)))
    marks = "".join("l" if words else "r" for words in full.texts)
    notes = r" \par ".join(escape(note) for note in table.notes)
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering\small\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{escape(caption)}}}",
            rf"\label{{tab:{_label(label)}}}",
            rf"\begin{{tabular}}{{@{{}}{marks}@{{}}}}",
            r"\toprule",
            _row([escape(head) for head in full.heads]),
            r"\midrule",
            *(_row(_cells(line, full.texts)) for line in full.lines),
            r"\bottomrule",
            r"\end{tabular}",
            *([rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {notes}}}"] if notes else []),
            r"\end{table}",
        ]
    )


def _cells(line: Line, texts: Sequence[bool]) -> list[str]:
    """Escaped; the minus of a number is one."""
    pairs = zip(line.cells, texts, strict=True)
    cells = [escape(cell) if words else escape(cell).replace("-", "$-$") for cell, words in pairs]
    return [rf"\textit{{{cell}}}" if cell else "" for cell in cells] if line.kind in QUIET else cells


def _row(cells: Sequence[str]) -> str:
    """One row. What begins with a bracket would be read as an option of the row before it."""
    first = f"{{}}{cells[0]}" if cells[0].startswith(("[", "*")) else cells[0]
    return " & ".join([first, *cells[1:]]) + r" \\"


ESCAPES = {
    **{char: "\\" + char for char in "{}$&#%_"},
    **{"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "`": r"\`{}", '"': "''"},
    **{"<": "$<$", ">": "$>$", "|": "$|$", "±": r"$\pm$", "≥": r"$\geq$", "≤": r"$\leq$", "×": r"$\times$"},
    **{"↓": r"$\downarrow$", "↑": r"$\uparrow$", "→": r"$\rightarrow$", "∞": r"$\infty$", "≈": r"$\approx$"},
    **{"▲": r"$\bigtriangleup$", "▼": r"$\bigtriangledown$", "·": r"$\cdot$", "…": r"\ldots{}"},
    **{
        "–": r"\textendash{}",
        "—": r"\textemdash{}",
        "“": "``",
        "”": "''",
        "‘": "`",
        "’": "'",
        "−": "$-$",
        "\ufffd": "?",
        "\u00a0": "~",
    },
}
ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030a": "r", "\u030c": "v",
           "\u0327": "c", "\u0328": "k"}  # fmt: skip
"""Combining marks, and the command that sets each."""


def escape(text: str) -> str:
    """`text` as pdfTeX sets it with no package: no command, no mathematics, no comment, no character it lacks."""
    return re.sub("-(?=-)", "-{}", "".join(_escaped(char) for char in unicodedata.normalize("NFC", text)))


def _escaped(char: str) -> str:
    if char in ESCAPES:
        return ESCAPES[char]
    if " " <= char <= "~":
        return char
    base, *marks = list(unicodedata.normalize("NFD", char))
    if len(marks) == 1 and marks[0] in ACCENTS and base.isascii() and base.isalpha():
        return rf"\{ACCENTS[marks[0]]}{{{base}}}"
    return f"U+{ord(char):04X}"


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _comment(*lines: str) -> str:
    return "\n".join(f"% {' '.join(line.split())}" for line in lines)


KINDS = ("md", "csv", "tex", "json")


def joined(matrices: Sequence[str], texts: Sequence[str], kind: str) -> str:
    """The leaderboards of several matrices, each already as `kind`, one after the other."""
    if kind == "json":
        inner = [part.strip()[1:-1].strip("\n") for part in texts]
        return "[\n" + ",\n".join(filter(None, inner)) + "\n]\n" if any(inner) else "[]\n"
    if kind == "csv":
        return texts[0] + "".join(part.partition("\n")[2] for part in texts[1:])
    heads = [f"# {escape_markdown(name)}\n\n" if kind == "md" else "" for name in matrices]
    return "\n".join(head + part for head, part in zip(heads, texts, strict=True))
