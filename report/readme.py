"""The tables of the README, each between `<!-- KIND:begin -->` and `<!-- KIND:end -->`: `leaderboard:begin NAME` and
`claims:begin NAME` of a matrix, `speed` of the core, `ledger` of published numbers."""

from __future__ import annotations

import os
import re
from pathlib import Path

from report import BadInput, listing, speed
from report.board import board_of
from report.ledger import entries
from report.tables import markdown
from report.verdicts import findings

_BLOCK = re.compile(
    r"(?P<begin><!-- (?:(?P<kind>leaderboard|claims):begin (?P<name>\S+)|(?P<alone>speed|ledger):begin) -->\n).*?"
    r"(?P<end><!-- (?(kind)(?P=kind)|(?P=alone)):end -->)",
    re.DOTALL,
)


def update(readme: Path, results: Path) -> list[str]:
    """Rewrite each block from the records; what was rewritten, a leaderboard by the name of its matrix. BadInput, and
    no change, where one is wrong."""
    if not readme.is_file():
        raise BadInput(f"there is no {readme.name} here")
    text = readme.read_text(encoding="utf-8")
    blocks = list(_BLOCK.finditer(text))
    if len(blocks) != len(re.findall(r"<!-- (?:leaderboard|claims|speed|ledger):begin", text)):
        raise BadInput(
            f"{readme.name}: a block must be <!-- leaderboard:begin NAME --> ... <!-- leaderboard:end -->, the same of "
            "claims, or <!-- speed:begin --> ... <!-- speed:end -->, the same of ledger"
        )
    fresh = _BLOCK.sub(lambda block: block["begin"] + _body(block, results) + block["end"], text)
    if fresh != text:
        aside = readme.with_name(readme.name + ".tmp")
        aside.write_text(fresh, encoding="utf-8")
        os.replace(aside, readme)
    return [_called(block) for block in blocks]


def _called(block: re.Match[str]) -> str:
    return block["alone"] or (f"claims {block['name']}" if block["kind"] == "claims" else block["name"])


def _body(block: re.Match[str], results: Path) -> str:
    if block["alone"] == "speed":
        return speed.markdown(results)
    if block["alone"] == "ledger":
        return listing.ledger_markdown(entries(results))
    board = board_of(results, block["name"])
    if block["kind"] == "claims":
        return listing.claims_markdown(block["name"], findings(board), brief=True)
    return markdown(board, brief=True, level=4)
