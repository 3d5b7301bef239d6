"""The parts of README and docs that are computed, each between `<!-- KIND:begin -->` and `<!-- KIND:end -->`:
`leaderboard:begin NAME` and `claims:begin NAME` of a matrix, `answer:begin NAME` with its picture, `speed` of the core,
`ledger` of published numbers, `signature` of one row."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from report import BadInput, findings, listing, speed
from report.board import board_of, broadest_first
from report.frame import names
from report.ledger import entries
from report.tables import escape, markdown, markdown_table, overall_tables, shortened
from report.verdicts import findings as verdicts

_NAMED, _ALONE = "leaderboard|claims|answer", "speed|ledger|signature"
_BLOCK = re.compile(
    rf"(?P<begin><!-- (?:(?P<kind>{_NAMED}):begin (?P<name>\S+)|(?P<alone>{_ALONE}):begin) -->\n).*?"
    r"(?P<end><!-- (?(kind)(?P=kind)|(?P=alone)):end -->)",
    re.DOTALL,
)


def update_all(root: Path, results: Path) -> dict[str, list[str]]:
    """Rewrite every block of README.md and docs/*.md; by page, what was rewritten."""
    pages = [root / "README.md", *sorted(root.glob("docs/*.md"))]
    return {page.relative_to(root).as_posix(): update(page, results, root) for page in pages if _begins(page)}


def _begins(page: Path) -> int:
    """How many blocks begin there."""
    if not page.is_file():
        raise BadInput(f"there is no {page.name} here")
    return len(re.findall(rf"<!-- (?:{_NAMED}|{_ALONE}):begin", page.read_text(encoding="utf-8")))


def update(page: Path, results: Path, root: Path | None = None) -> list[str]:
    """Rewrite each block from the records; what was rewritten, a leaderboard by the name of its matrix. BadInput, and
    no change, where one is wrong."""
    begun = _begins(page)
    text = page.read_text(encoding="utf-8")
    blocks = list(_BLOCK.finditer(text))
    if len(blocks) != begun:
        raise BadInput(
            f"{page.name}: a block must be <!-- leaderboard:begin NAME --> ... <!-- leaderboard:end -->, the same of "
            "claims and answer, or <!-- speed:begin --> ... <!-- speed:end -->, the same of ledger and signature"
        )
    up = os.path.relpath(root or page.parent, page.parent)
    fresh = _BLOCK.sub(lambda block: block["begin"] + _body(block, results, up) + block["end"], text)
    if fresh != text:
        aside = page.with_name(page.name + ".tmp")
        aside.write_text(fresh, encoding="utf-8")
        os.replace(aside, page)
    return [_called(block) for block in blocks]


def _called(block: re.Match[str]) -> str:
    if block["alone"]:
        return block["alone"]
    return block["name"] if block["kind"] == "leaderboard" else f"{block['kind']} {block['name']}"


def _body(block: re.Match[str], results: Path, up: str) -> str:
    alone: dict[str, Callable[[], str]] = {
        "speed": lambda: speed.markdown(results),
        "ledger": lambda: listing.ledger_markdown(entries(results)),
        "signature": lambda: _signature(results),
    }
    if block["alone"]:
        return alone[block["alone"]]()
    if block["kind"] == "answer":
        return _answer(results, block["name"], up)
    board = board_of(results, block["name"])
    if block["kind"] == "claims":
        return listing.claims_markdown(block["name"], verdicts(board), brief=True)
    return markdown(board, brief=True, level=4)


def _answer(results: Path, name: str, up: str) -> str:
    """What all records say in a sentence, and of one matrix its picture and the head of its table over all tasks."""
    board = board_of(results, name)
    said = findings.answer(broadest_first(board_of(results, matrix) for matrix in names(results)))
    parts = [f"**{escape(said)}**"]
    where = "" if up == "." else f"{up}/"
    alt = f"Techniques against tasks of {name}: {findings.heatmap(board)}"
    parts.append(f"![{escape(alt)}]({where}report/out/{name}/figures/heatmap.svg)")
    for _, table in overall_tables(board)[:1]:
        kept, left = shortened(table, board.baseline)
        parts += [f"`{name}`, over all its tasks:", markdown_table(kept), *(escape(note) for note in table.notes)]
        parts.append(f"{findings.plural(left, 'more row')} in [the report]({where}report/out/{name}/leaderboard.md).")
    return "\n\n".join(parts) + "\n"


def _signature(results: Path) -> str:
    """The best row of the first matrix that has one, as it is cited."""
    for board in broadest_first(board_of(results, name) for name in names(results)):
        rows = board.techniques[board.techniques["rank"].notna() & board.techniques["interval"].notna()]
        if len(rows):
            line = rows.iloc[0]["signature"]
            return f"```\n$ python -m report cite {line.rpartition('rec:')[2]}\n{line}\n```\n"
    return "No row has an interval yet.\n"
