"""Leaderboards as cells of plain text, and as Markdown and CSV. The page and the terminal take the same cells."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from report import findings
from report.board import Board
from report.groups import AXES, Group, Triple
from report.stats import shown, signed

RULES = (
    "Scores are on test, the mean ± half the 95 % t interval over n seeds; rows that show the same score share a rank.",
    "Failures rank worst: a row with a failed seed comes below every row without; its mean is over the other seeds.",
    "Gain: mean difference to the baseline over the seeds of both ± half its 95 % t interval, in the metric's unit, "
    "positive is better. ▲ better, ▼ worse: sign-flip permutation p ≤ 0.05 after Holm within the axis; ≈ equivalent: "
    "apart by less than 1 % point, or 2 % of the baseline; = the same with every seed. Intervals and p need 3 seeds.",
)
QUIET = ("naive", "bound", "published")
"""Kinds of rows that were not trained here: set in italics."""
Cell = Callable[[Any, Group | None], str]


@dataclass(frozen=True)
class Column:
    """One column: its head, what it shows, and whether a narrow table keeps it."""

    head: str
    cell: Cell
    primary: bool = False
    text: bool = False


@dataclass(frozen=True)
class Line:
    """One row of cells. kind: technique, naive, bound, published, below (loses to a naive answer) or failed."""

    kind: str
    cells: tuple[str, ...]
    signature: str = ""  # of the row that its column "record" names
    files: tuple[str, ...] = ()  # where that row's records are


@dataclass(frozen=True)
class Table:
    """A table ready to be written anywhere; its cells are plain text that nobody has escaped yet."""

    heads: tuple[str, ...]
    texts: tuple[bool, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


def _score(row: Any, _: Group | None) -> str:
    if row.kind == "technique" and math.isnan(row.mean):
        return "-"
    return shown(row.mean) + (
        f" ± {shown(row.interval, 2)}" if row.kind == "technique" and not math.isnan(row.interval) else ""
    )


def _seeds(row: Any, _: Group | None) -> str:
    return "" if row.kind != "technique" else "n=1" if row.scored == 1 else f"{row.scored:.0f}"


def _remarks(row: Any, _: Group | None) -> str:
    failed = f"{row.failed:.0f}/{row.seeds:.0f} {row.failures}" if row.failed else ""
    idle = f"did nothing: {row.idle}" if row.idle and not absent(row.idle) else ""
    alarm = f"alarm: {row.alarm}" if row.alarm and not absent(row.alarm) else ""
    suspect = f"suspect: {row.suspect}" if row.suspect and not absent(row.suspect) else ""
    return "; ".join(filter(None, (failed, "below naive" if row.below else "", suspect, idle, alarm)))


def _first(row: Any, _: Group | None) -> str:
    if row.kind == "technique":
        return row.architecture + row.name_.removeprefix("/".join(row.triple))  # and what tells it from its namesakes
    return f"{row.kind}: {row.name_}"


def _milliseconds(device: str) -> Cell:
    def cell(row: Any, _: Group | None) -> str:
        value, noisy = getattr(row, f"ms_{device}"), getattr(row, f"noisy_{device}")
        return "" if absent(value) else f"{'~' if noisy else ''}{shown(value, 3)}"

    return cell


def _gain(row: Any, _: Group | None) -> str:
    if row.kind != "technique" or absent(row.family):
        return ""
    if not row.family:
        return "baseline"
    if row.scored and not row.pairs:
        return "no pair"
    half = "" if absent(row.half) else f" ± {shown(row.half, 2)}"
    few = f" (n={row.pairs:.0f})" if 0 < row.pairs < row.seeds else ""
    return f"{signed(row.gain)}{half}{few} {row.mark or ''}".strip()


def _p(row: Any, _: Group | None) -> str:
    return "" if absent(row.adjusted) else f"{shown(row.adjusted, 2)} (≥ {shown(row.least, 2)})"


def _target(row: Any, _: Group | None) -> str:
    if row.kind != "technique" or absent(row.reached):
        return ""
    if row.reached == 0:
        return "not reached"
    whole = row.reached == row.watched
    return f"{row.to_target:.0f}" if whole else f"≥ {row.to_target:.0f} ({row.reached:.0f}/{row.watched:.0f})"


def absent(value: Any) -> bool:
    """Whether there is no such value: None or NaN."""
    return value is None or value != value


def _number(name: str, digits: int = 3) -> Cell:
    return lambda row, _: "" if absent(getattr(row, name)) else shown(float(getattr(row, name)), digits)


def _count(name: str) -> Cell:
    return lambda row, _: "" if absent(getattr(row, name)) else f"{getattr(row, name):.0f}"


def _text(name: str) -> Cell:
    return lambda row, _: "" if absent(getattr(row, name)) else str(getattr(row, name))


COLUMNS = (
    Column("rank", _count("rank"), True),
    Column("architecture", _first, True, True),
    Column("stabilisation", _text("stabilisation"), True, True),
    Column("optimizer", _text("optimizer"), True, True),
    Column("score", _score, True),
    Column("n", _seeds, True),
    Column("gain", _gain, True),
    Column("p, Holm", _p),
    Column("remarks", _remarks, True, True),
    Column("steps to target", _target),
    Column("s to target", _number("seconds")),
    Column("ms/step cpu", _milliseconds("cpu"), True),
    Column("ms/step cuda", _milliseconds("cuda")),
    Column("× nn.LSTM", _number("ratio")),
    Column("half-life", _number("half_life")),
    Column("gap", _number("gap")),
    Column("parameters", _count("parameters")),
    Column("width", _count("width")),
    Column("back end", _text("backend"), False, True),
    Column("machine", _text("machine"), False, True),
    Column("record", _text("record"), False, True),
)

OVERALL = (
    Column("rank", _count("rank"), True),
    Column("architecture", _first, True, True),
    Column("stabilisation", _text("stabilisation"), True, True),
    Column("optimizer", _text("optimizer"), True, True),
    Column("mean rank", _number("mean_rank"), True),
    Column("tasks", lambda row, _: f"{row.tasks}" if row.tasks == row.of else f"{row.tasks} of {row.of}", True),
    Column("vs baseline, %", lambda row, _: "baseline" if row.base else _change(row.difference), True),
    Column("better on", lambda row, _: "" if row.base else f"{row.wins}"),
    Column("remarks", lambda row, _: f"{row.failed}/{row.seeds} failed" if row.failed else "", True, True),
)


def _change(value: float) -> str:
    """In %; beyond ten thousand the digits say nothing more."""
    if math.isnan(value):
        return ""
    return "failed" if math.isinf(value) else f"{value:+.1f}" if abs(value) < 1e4 else "far worse"


def task_table(board: Board, group: Group, primary: bool = False) -> Table:
    """The leaderboard of one group."""
    columns = [column for column in COLUMNS if column.primary or not primary]
    rows = list(board.of(group).rename(columns={"name": "name_"}).itertuples())
    lines = tuple(_line(row, group, columns) for row in rows)
    heads = tuple(_score_head(group) if column.head == "score" else column.head for column in columns)
    return Table(heads, tuple(column.text for column in columns), lines, _notes(board, group, rows))


def _line(row: Any, group: Group, columns: list[Column]) -> Line:
    cells = tuple(column.cell(row, group) for column in columns)
    return Line(_kind(row), cells, row.signature, row.files) if row.kind == "technique" else Line(_kind(row), cells)


def _score_head(group: Group) -> str:
    return f"{group.metric}{f' ({group.unit})' if group.unit else ''} {'↓' if group.better == 'lower' else '↑'}"


def _kind(row: Any) -> str:
    return "below" if row.below else "failed" if row.failed else row.kind


def _notes(board: Board, group: Group, rows: list[Any]) -> tuple[str, ...]:
    found = list(filter(None, [findings.reach(board, group)]))
    if not math.isnan(group.target):
        base = "/".join(board.baseline or ())
        found.append(
            f"Target: validation {group.metric} {shown(group.target)}, the median over seeds of the best of {base}."
        )
    if any(row.below for row in rows):
        found.append("Below naive: worse than the best answer that needs no network.")
    if any(row.kind == "bound" for row in rows):
        found.append("A bound is no answer: no model can beat it, so it has no rank.")
    if any(row.kind == "published" for row in rows):
        found.append("A published score was reached under its own protocol and budget, so it has no rank here.")
    if any(row.noisy_cpu is True or row.noisy_cuda is True for row in rows):
        found.append("~ marks a time taken on a noisy machine.")
    return tuple(found)


def overall_tables(board: Board) -> list[tuple[str, Table]]:
    """The table over all tasks, one for each device; none where there is one task, or nothing to compare on all."""
    if len({group.task for group in board.groups}) < 2 or board.overall["rank"].notna().sum() < 2:
        return []
    found = []
    for device in board.overall["device"].drop_duplicates():
        mine = board.overall[board.overall["device"] == device].rename(columns={"name": "name_"})
        rows = list(mine.assign(kind="technique", base=mine["triple"] == board.baseline).itertuples())
        lines = tuple(
            Line("failed" if row.failed else "technique", tuple(c.cell(row, None) for c in OVERALL)) for row in rows
        )
        notes = [
            "Mean rank over the tasks, among the techniques run on all of them; ties share the mean of their places."
        ]
        if board.baseline:
            notes.append(
                f"vs baseline: median over tasks of the difference to {'/'.join(board.baseline)}, in % of its score; "
                "positive is better."
            )
        if sum(group.device == device for group in board.groups) > max(row.of for row in rows):
            notes.append(
                "Of a task with several tables, the one with the most techniques counts here; a task with fewer than "
                "half the techniques of the fullest is left out."
            )
        if any(row.tasks < row.of for row in rows):
            notes.append("Techniques that were not run on every task have no mean rank and are listed last.")
        table = Table(tuple(c.head for c in OVERALL), tuple(c.text for c in OVERALL), lines, tuple(notes))
        found.append((device, table))
    return found


def apart(board: Board) -> list[str]:
    """One line for each task with several groups, and for tasks of several machines: what is kept apart."""
    found = []
    for task in dict.fromkeys(group.task for group in board.groups):
        mine = [group.apart for group in board.groups if group.task == task]
        if len(mine) > 1:
            found.append(f"{task} has {len(mine)} tables that are never averaged, for they differ: {'; '.join(mine)}.")
    tasks: dict[tuple[str, ...], list[str]] = {}
    for task, places in board.frames.runs.groupby("task")["origin"]:
        tasks.setdefault(tuple(sorted(set(places))), []).append(str(task))
    for origins, here in tasks.items():
        if len(origins) > 1:
            found.append(
                f"{findings.listed(here)} ran on {len(origins)} machines or versions of torch ({'; '.join(origins)}): "
                "runs of two are neither averaged nor paired, so a row from elsewhere than the baseline's has no gain."
            )
    return found


def skipped(board: Board) -> list[str]:
    """One line for each reason for which runs were skipped."""
    counts = board.frames.skipped.groupby("reason").size()
    return [
        f"{findings.plural(count, 'run')} skipped: {reason or 'no reason given'}" for reason, count in counts.items()
    ]


def escape(text: str) -> str:
    """`text` for a Markdown table: it starts no markup, no formula, no link and no cell."""
    text = re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("://", ":&#47;&#47;").replace("www.", "www&#46;").replace("@", "&#64;")


def markdown_table(table: Table) -> str:
    """A table in GitHub's Markdown; naive rows and bounds in italics."""
    rule = [":--" if text else "--:" for text in table.texts]
    rows = [[escape(cell) for cell in line.cells] for line in table.lines]
    for row, line in zip(rows, table.lines, strict=True):
        if line.kind in QUIET:
            row[:] = [f"*{cell}*" if cell else "" for cell in row]
    return "\n".join(f"| {' | '.join(row)} |" for row in ([escape(h) for h in table.heads], rule, *rows))


def markdown(board: Board, brief: bool = False, level: int = 2) -> str:
    """Every leaderboard of a matrix; `brief` for a README: fewer columns, and of a long table the rows that matter."""
    parts = [escape(findings.headline(board)), *(escape(line) for line in apart(board))]
    tables = []
    for device, table in overall_tables(board):
        where = f" on {device}" if board.overall["device"].nunique() > 1 else ""
        tables.append((f"Over all tasks{where}", table))
    tables += [(group.label, task_table(board, group, primary=brief)) for group in board.groups]
    for title, table in tables:
        shown, left = shortened(table, board.baseline) if brief else (table, 0)
        parts += [f"{'#' * level} {escape(title)}", markdown_table(shown), *(escape(note) for note in table.notes)]
        if left:
            parts.append(
                f"{findings.plural(left, 'more row')} in report/out/{escape(board.frames.matrix)}/leaderboard.md."
            )
    parts += [*RULES, *(escape(line) + "." for line in skipped(board))]
    return "\n\n".join(parts) + "\n"


BEST = 5
"""Rows at the head of a brief table."""


def shortened(table: Table, base: Triple | None) -> tuple[Table, int]:
    """The best rows, the baseline and all that was not trained here; and how many rows that leaves out."""
    kept = tuple(
        line
        for place, line in enumerate(table.lines)
        if place < BEST or line.kind in QUIET or (line.cells[1:4] == base and line.cells[0])
    )
    return replace(table, lines=kept), len(table.lines) - len(kept)


FACTS = ("task", "version", "fingerprint", "device", "budget", "protocol", "tuned", "metric", "better", "unit")
TEXTS = ("configuration", "origin", "failures", "backend", "family", "mark", "why", "record", "signature")
NUMBERS = (
    *("mean", "interval", "best", "worst", "scored", "seeds", "failed"),
    *("pairs", "gain", "half", "effect", "p", "adjusted", "floor", "least", "margin", "equivalent", "needed"),
    *("difference", "gap", "half_life", "parameters", "width", "ms_cpu", "ms_cuda", "ratio"),
    *("to_target", "reached", "watched", "median_step", "after", "by", "seconds", "peak_mib", "best_share"),
)


ENTRY = ("matrix", *FACTS, "rank", "kind", "name", *AXES, *TEXTS, "below_naive", *NUMBERS)
"""What a leaderboard's row is for a program, in the order of the CSV."""


def entries(board: Board) -> Iterator[dict[str, Any]]:
    """Every row of every group by the names of ENTRY: text, whole ranks, true or false, floats, and None for absent."""
    for group in board.groups:
        facts = {"matrix": board.frames.matrix, **{fact: getattr(group, fact) for fact in FACTS}}
        for _, row in board.of(group).iterrows():
            texts = {key: None if absent(row[key]) else row[key] for key in ("kind", "name", *AXES, *TEXTS)}
            numbers = {key: None if absent(row[key]) else float(row[key]) for key in NUMBERS}
            rank = None if absent(row["rank"]) else int(row["rank"])
            yield {**facts, **texts, **numbers, "rank": rank, "below_naive": bool(row["below"])}


def csv_text(board: Board) -> str:
    """Every row of every group with unrounded numbers; an absent number is an empty cell."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(ENTRY)
    writer.writerows([_csv_cell(entry[key]) for key in ENTRY] for entry in entries(board))
    return file.getvalue()


def _csv_cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, int | float) else inert(value)


def inert(value: Any) -> str:
    """A text cell that no spreadsheet takes for a formula."""
    text = "" if absent(value) else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
