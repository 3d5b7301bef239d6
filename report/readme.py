"""The tables of the README: leaderboards, between `<!-- leaderboard:begin NAME -->` and `<!-- leaderboard:end -->`, and
the core's, between `<!-- speed:begin -->` and `<!-- speed:end -->`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from report import BadInput, speed
from report.board import board_of
from report.tables import markdown

_BLOCK = re.compile(
    r"(?P<begin><!-- (?:leaderboard:begin (?P<name>\S+)|(?P<speed>speed):begin) -->\n).*?"
    r"(?P<end><!-- (?(speed)speed|leaderboard):end -->)",
    re.DOTALL,
)


def update(readme: Path, results: Path) -> list[str]:
    """Rewrite each block from the records; the names of the matrices, and `speed`. BadInput, and no change, where one
    is wrong."""
    if not readme.is_file():
        raise BadInput(f"there is no {readme.name} here")
    text = readme.read_text(encoding="utf-8")
    blocks = list(_BLOCK.finditer(text))
    if len(blocks) != len(re.findall(r"<!-- (?:leaderboard|speed):begin", text)):
        raise BadInput(
            f"{readme.name}: a block must be <!-- leaderboard:begin NAME --> ... <!-- leaderboard:end -->, "
            "or <!-- speed:begin --> ... <!-- speed:end -->"
        )
    fresh = _BLOCK.sub(lambda block: block["begin"] + _body(block["name"], results) + block["end"], text)
    if fresh != text:
        aside = readme.with_name(readme.name + ".tmp")
        aside.write_text(fresh, encoding="utf-8")
        os.replace(aside, readme)
    return [block["name"] or "speed" for block in blocks]


def _body(matrix: str | None, results: Path) -> str:
    return speed.markdown(results) if matrix is None else markdown(board_of(results, matrix), brief=True, level=4)
