"""The leaderboards of the README, between `<!-- leaderboard:begin NAME -->` and `<!-- leaderboard:end -->`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from report import BadInput
from report.board import board_of
from report.tables import markdown

_BLOCK = re.compile(r"(<!-- leaderboard:begin (?P<name>\S+) -->\n).*?(<!-- leaderboard:end -->)", re.DOTALL)


def update(readme: Path, results: Path) -> list[str]:
    """Rewrite each block from the records; the names of the matrices. BadInput, and no change, where one is wrong."""
    if not readme.is_file():
        raise BadInput(f"there is no {readme.name} here")
    text = readme.read_text(encoding="utf-8")
    if len(_BLOCK.findall(text)) != text.count("<!-- leaderboard:begin"):
        raise BadInput(f"{readme.name}: a block must be <!-- leaderboard:begin NAME --> ... <!-- leaderboard:end -->")
    fresh = _BLOCK.sub(
        lambda block: block[1] + markdown(board_of(results, block["name"]), brief=True, level=4) + block[3], text
    )
    if fresh != text:
        aside = readme.with_name(readme.name + ".tmp")
        aside.write_text(fresh, encoding="utf-8")
        os.replace(aside, readme)
    return [block["name"] for block in _BLOCK.finditer(text)]
