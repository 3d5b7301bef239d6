"""Claims and the ledger as tables: for the page, a terminal, Markdown and CSV."""

from __future__ import annotations

import argparse
import csv
import io
import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from report.board import board_of
from report.comparison import SEEDS
from report.files import write
from report.frame import chosen
from report.ledger import Entry, entries
from report.stats import shown, signed
from report.tables import Line, Table, absent, escape, inert, markdown_table
from report.verdicts import NOT, OPEN, OPPOSITE, SUPPORTED, Finding, findings

VERDICTS = (SUPPORTED, OPPOSITE, NOT, OPEN)

RULES = (
    "Effect: the mean difference over shared seeds ± half its 95 % t interval, turned so that + supports the claim and "
    "- speaks against it.",
    f"{SUPPORTED}: the whole interval is on the side of the claim; {OPPOSITE}: on the other side; {NOT}: shown to be "
    f"smaller than a margin that matters; {OPEN}: these seeds cannot tell, which is no evidence that there is nothing.",
    "Each verdict stands alone: where nothing is true, one in twenty is still supported or opposite. ms/step is over "
    "that of what the technique is compared with, × nn.LSTM over torch's layer. The rules are in docs/claims.md.",
)
NOTHING = f"No claim can be decided: each needs its technique and what it is compared with, on {SEEDS} shared seeds."


def run(asked: argparse.Namespace) -> int:
    """`python -m report claims` and `ledger`."""
    width = None if asked.markdown else shutil.get_terminal_size((120, 24)).columns
    if asked.command == "claims":
        text, written = claims(asked.results, asked.out, asked.matrix, width)
    else:
        text, written = ledger(asked.results, asked.out, width)
    print(text, end="")
    for path in written if width else []:  # Markdown is for another program
        print(path)
    return 0


def decidable(found: Iterable[Finding]) -> bool:
    """Whether any claim has enough runs to say something."""
    return any(one.decidable for one in found)


def claims(results: Path, out: Path, matrices: list[str] | None, width: int | None) -> tuple[str, list[Path]]:
    """The claims on these matrices, as text, and the files written."""
    boards = [board_of(results, name) for name in chosen(results, matrices)]
    found = [(board.frames.matrix, findings(board)) for board in boards]
    said = [claims_markdown(*one) if width is None else claims_terminal(*one, width) for one in found]
    return "\n".join(said), write_claims(out, found)


def ledger(results: Path, out: Path, width: int | None) -> tuple[str, list[Path]]:
    """The ledger, as text, and the files written."""
    found = entries(results)
    return ledger_markdown(found) if width is None else ledger_terminal(found, width), write_ledger(out, found)


def write_claims(out: Path, found: Sequence[tuple[str, Sequence[Finding]]]) -> list[Path]:
    """claims.md and claims.csv, over all of `found`: matrix and findings."""
    text = "\n".join(["# Claims\n", *(claims_markdown(matrix, mine) for matrix, mine in found)])
    return [write(out / "claims.md", text), write(out / "claims.csv", claims_csv(found))]


def write_ledger(out: Path, found: Sequence[Entry]) -> list[Path]:
    """ledger.md and ledger.csv."""
    text = f"# Published against ours\n\n{ledger_markdown(found)}"
    return [write(out / "ledger.md", text), write(out / "ledger.csv", ledger_csv(found))]


def for_page(found: Sequence[Finding]) -> tuple[Table, Table] | None:
    """The summary and every row; None where no claim can be decided."""
    return (claims_summary(found), claims_table(found)) if decidable(found) else None


def claims_summary(found: Sequence[Finding]) -> Table:
    """One row a claim, technique and measure: how many tasks say what."""
    told: dict[tuple[str, str, str], list[str]] = {}
    for one in found:
        told.setdefault((one.claim.sentence, _versus(one), one.measure), []).append(one.verdict)
    lines = [
        (*key, *(str(said.count(name)) if name in said else "" for name in VERDICTS)) for key, said in told.items()
    ]
    return _table(("claim", "technique", "measured by", *(f"{name}, tasks" for name in VERDICTS)), lines, 3)


COSTS = ("ms/step", "× nn.LSTM")
HEADS = ("claim", "technique", "measured by", "task", "verdict", "effect (+ supports)", "pairs", *COSTS, "remarks")


def claims_table(found: Sequence[Finding]) -> Table:
    """One row a finding."""
    lines = [
        (
            one.claim.sentence,
            _versus(one),
            one.measure,
            one.task,
            one.verdict,
            _effect(one),
            str(one.n),
            _cost(one.cost),
            _cost(one.ratio),
            one.why,
        )
        for one in found
    ]
    return _table(HEADS, lines, 5)


def _versus(one: Finding) -> str:
    on = f"{one.claim.on} with " if one.claim.on else ""
    return f"{on}{one.technique} vs {one.claim.other}"


def _effect(one: Finding) -> str:
    return signed(one.effect) + ("" if math.isnan(one.half) else f" ± {shown(one.half, 2)}")


def _cost(value: float) -> str:
    return "" if math.isnan(value) else f"{shown(value, 3)}×"


LEDGER_HEADS = ("what", "published", "ours", "n", "verdict", "counts as reached", "remarks", "source", "matrix")


def ledger_table(entries: Iterable[Entry]) -> Table:
    """One row a published number or ordering."""
    lines = [
        (
            *(entry.row.what, entry.row.published, entry.outcome.ours, str(entry.outcome.n or ""), entry.verdict),
            *(
                entry.row.rule,
                entry.row.miss if entry.outcome.holds is False else "",
                entry.row.source,
                entry.row.matrix,
            ),
        )
        for entry in entries
    ]
    return _table(LEDGER_HEADS, lines, 3)


def _table(heads: tuple[str, ...], lines: Iterable[tuple[str, ...]], texts: int) -> Table:
    """A table whose first columns, and those that are known to be words, are text."""
    words = ("verdict", "counts as reached", "remarks", "source", "matrix")
    text = tuple(place < texts or head in words for place, head in enumerate(heads))
    return Table(heads, text, tuple(Line("technique", cells) for cells in lines))


def claims_markdown(matrix: str, found: Sequence[Finding], brief: bool = False) -> str:
    """The claims on one matrix; `brief` for a README: the summary alone."""
    parts = [] if brief else [f"## Claims on {escape(matrix)}"]
    if not decidable(found):
        return "\n\n".join([*parts, NOTHING]) + "\n"
    parts += [markdown_table(claims_summary(found)), *map(escape, RULES)]
    parts += [] if brief else ["### Task by task", markdown_table(claims_table(found))]
    return "\n\n".join(parts) + "\n"


def ledger_markdown(entries: Iterable[Entry]) -> str:
    """The ledger as a table."""
    return markdown_table(ledger_table(entries)) + "\n"


def claims_csv(found: Iterable[tuple[str, Sequence[Finding]]]) -> str:
    """Every finding of every matrix with unrounded numbers; an absent number is an empty cell."""
    heads = ("matrix", "claim", "sentence", "technique", "against", "measure", "task", "verdict", "effect", "half")
    return _csv(
        (*heads, "pairs", "cost", "over_nn_lstm", "remarks"),
        (
            (
                *(matrix, one.claim.key, one.claim.sentence, one.technique, one.claim.other, one.measure),
                *(one.task, one.verdict, one.effect, one.half, one.n, one.cost, one.ratio, one.why),
            )
            for matrix, mine in found
            for one in mine
        ),
    )


def ledger_csv(entries: Iterable[Entry]) -> str:
    """The cells of the ledger."""
    return _csv(LEDGER_HEADS, (line.cells for line in ledger_table(entries).lines))


def _csv(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(heads)
    for row in rows:
        writer.writerow(
            "" if absent(v) else f"{v:.10g}" if isinstance(v, float) else v if isinstance(v, int) else inert(v)
            for v in row
        )
    return file.getvalue()


def claims_terminal(matrix: str, found: Sequence[Finding], width: int) -> str:
    """The summary, then each claim with its rows."""
    if not decidable(found):
        return printed(width, lambda console: console.print(Text(f"{matrix}: {NOTHING}")))

    left_out = () if width >= 100 else COSTS
    shown_heads = [place for place in range(3, len(HEADS)) if HEADS[place] not in left_out]

    def show(console: Console) -> None:
        console.print(Text(f"Claims on {matrix}: on how many tasks each is supported"))
        for sentence, mine in _by_sentence(found):
            console.print(Text(sentence))
            for _, technique, measure, *counts in (line.cells for line in claims_summary(mine).lines):
                said = [f"{count} {name}" for name, count in zip(VERDICTS, counts, strict=True) if count]
                console.print(Text(f"  {technique}, {measure}: {', '.join(said)}"))
        console.print()
        for sentence, mine in _by_sentence(found):
            for measured in dict.fromkeys((one.technique, one.measure) for one in mine):
                part = [one for one in mine if (one.technique, one.measure) == measured]
                console.print(Text(f"{sentence}: {_versus(part[0])}, {part[0].measure}"))
                console.print(rich_table(with_columns(claims_table(part), shown_heads)))
        for rule in RULES:
            console.print(Text(rule))

    return printed(width, show)


def ledger_terminal(entries: Sequence[Entry], width: int) -> str:
    """The ledger without its sources; the written files have them."""
    table = ledger_table(entries)
    kept = [place for place, head in enumerate(table.heads) if head not in ("source", "matrix", "counts as reached")]
    return printed(width, lambda console: console.print(rich_table(with_columns(table, kept))))


def _by_sentence(found: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    sentences = dict.fromkeys(one.claim.sentence for one in found)
    return [(sentence, [one for one in found if one.claim.sentence == sentence]) for sentence in sentences]


def with_columns(table: Table, kept: Iterable[int]) -> Table:
    """Some columns of a table, less those without a single entry."""
    full = [place for place in kept if any(line.cells[place] for line in table.lines)]

    def pick(cells: Sequence[str]) -> tuple[str, ...]:
        return tuple(cells[place] for place in full)

    lines = tuple(Line(line.kind, pick(line.cells)) for line in table.lines)
    return Table(pick(table.heads), tuple(table.texts[place] for place in full), lines)


WHOLE = (*HEADS[3:9], "n")
"""Columns of a terminal that are never broken."""


def rich_table(table: Table, whole: Sequence[str] = WHOLE) -> RichTable:
    """A table for a terminal; the columns named in `whole` are never broken."""
    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head, text in zip(table.heads, table.texts, strict=True):
        made.add_column(Text(head), justify="left" if text else "right", overflow="fold", no_wrap=head in whole)
    for line in table.lines:
        made.add_row(*(Text(cell) for cell in line.cells))
    return made


def printed(width: int, show: Callable[[Console], None]) -> str:
    """What `show` prints on a console of `width` columns, 40 at least, as text without colour."""
    file = io.StringIO()
    show(Console(file=file, width=max(width, 40), color_system=None, legacy_windows=False, emoji=False))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
