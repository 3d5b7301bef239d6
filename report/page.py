"""The page: one self-contained file over one or more matrices, beside their tables and figures."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from report import findings, formats, ink, listing, reproduce, svg, tables
from report.board import Board
from report.drawing import Drawing
from report.files import write
from report.glossary import Glossary
from report.ledger import Entry
from report.plots import PLOTS, Plot
from report.verdicts import Finding

HERE = Path(__file__).parent
TAKEN = ("main", "answer", "published", "techniques", "rules", "tip", "said")
"""Names of the page's own parts."""


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it."""

    plot: Plot
    image: Markup
    finding: str
    note: str  # which panels there was no room for
    tables: list[tuple[str, tables.Table]]


@dataclass(frozen=True)
class Chapter:
    """One matrix, as the template reads it."""

    key: str  # anchor: no other chapter has it
    board: Board
    facts: dict[str, Any]
    sections: list[tuple[str, list[Picture]]]
    left_out: list[tuple[Plot, str]]


def write_page(
    path: Path,
    drawing: Drawing,
    said: Sequence[list[Finding]],
    ledger: Sequence[Entry],
    results: Path,
    whole: bool = False,
) -> list[Path]:
    """Write a page over the boards that are drawn, and their tables beside it; the page comes first of what is written.

    Tables and figures of each board go to a folder of its own where there are several or the page is the `whole`
    report, else beside the page.
    """
    boards, sheet = drawing.boards, svg.Sheet()
    keys = anchors([*TAKEN, *(board.frames.matrix for board in boards)])[len(TAKEN) :]
    folders = [path.parent / key if whole or len(boards) > 1 else path.parent for key in keys]
    facts = [_facts(board, found) for board, found in zip(boards, said, strict=True)]
    tables_written = _write_tables(path.parent, boards, folders)
    pictures = _pictures(drawing, folders, sheet)
    chapters = [
        Chapter(keys[place], board, facts[place], _by_section(shown), left_out)
        for place, (board, (shown, left_out)) in enumerate(zip(boards, pictures, strict=True))
    ]
    page = _render(
        "page.html.j2",
        sheet,
        title=boards[0].frames.matrix if len(boards) == 1 else "Results",
        answer=findings.answer(boards),
        chapters=chapters,
        glossary=Glossary(boards),
        ledger=listing.ledger_table(ledger) if ledger else None,
        claims_rules=listing.RULES,
        no_claims=listing.NOTHING,
        rules=tables.RULES,
        quiet=tables.QUIET,
        records=_relative(results, path.parent),
    )
    return [write(path, page), *tables_written]


def _write_tables(top: Path, boards: Sequence[Board], folders: Sequence[Path]) -> list[Path]:
    """The leaderboards in every form: of each matrix, and of all of them."""
    found = []
    names = [board.frames.matrix for board in boards]
    for kind in formats.KINDS:
        texts = [formats.text(board, kind) for board in boards]
        for folder, name, text in zip(folders, names, texts, strict=True):
            write(folder / f"leaderboard.{kind}", formats.joined([name], [text], kind))
        found.append(write(top / f"leaderboard.{kind}", formats.joined(names, texts, kind)))
    return found


def anchors(names: Sequence[str]) -> list[str]:
    """A name for a folder and a link from each of these, no two alike."""
    found: list[str] = []
    for name in names:
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "matrix"
        while slug in found:
            slug += "-2"
        found.append(slug)
    return found


def _facts(board: Board, found: list[Finding]) -> dict[str, Any]:
    return {
        "headline": findings.headline(board),
        "apart": tables.apart(board),
        "overall": tables.overall_tables(board),
        "claims": listing.for_page(found),
        "groups": [(group, tables.task_table(board, group)) for group in board.groups],
        "skipped": tables.skipped(board),
        "reproduce": reproduce.steps(board),
        "machines": sorted(set(board.frames.runs["machine"])),
    }


def _pictures(
    drawing: Drawing, folders: Sequence[Path], sheet: svg.Sheet
) -> list[tuple[list[Picture], list[tuple[Plot, str]]]]:
    """For each board its figures, drawn and saved, and those left out with the reason; figures of an earlier report
    do not stay behind."""
    found: list[tuple[list[Picture], list[tuple[Plot, str]]]] = [
        ([], [(PLOTS[p], reason) for p, reason in enumerate(row) if reason]) for row in drawing.reasons
    ]
    for folder, (_, left_out) in zip(folders, found, strict=True):
        for plot, _ in left_out:
            for kind in ("svg", "png"):
                (folder / "figures" / f"{plot.name}.{kind}").unlink(missing_ok=True)
    for (b, p), files in drawing.files():
        plot, board = PLOTS[p], drawing.boards[b]
        write(folders[b] / "figures" / f"{plot.name}.svg", svg.compact(files["svg"]))
        write(folders[b] / "figures" / f"{plot.name}.png", files["png"])
        said = plot.finding(board)
        # Markup is safe here: it is what ElementTree wrote, with every text in it escaped
        image = Markup(svg.inline(files["svg"], f"{plot.title}. {said}", sheet))
        found[b][0].append(Picture(plot, image, said, _note(plot, board), plot.tables(board)))
    return found


def _by_section(pictures: Sequence[Picture]) -> list[tuple[str, list[Picture]]]:
    names = dict.fromkeys(picture.plot.section for picture in pictures)
    return [(name, [picture for picture in pictures if picture.plot.section == name]) for name in names]


def _note(plot: Plot, found: Board) -> str:
    most = ink.room(found.techniques["name"].nunique()) if plot.panels == "lines" else ink.PANELS
    if not plot.panels or len(found.groups) <= most:
        return ""
    return f"There are panels for the first {most} of {len(found.groups)} tasks; the tables hold all of them."


def _relative(results: Path, folder: Path) -> str:
    """The way from a page to the records; "" where there is none."""
    try:
        return quote(Path(os.path.relpath(results.resolve(), folder.resolve())).as_posix()) + "/"
    except ValueError:  # another drive
        return ""


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _render(template: str, sheet: svg.Sheet, **values: object) -> str:
    """The page with its style and its script, which run because their hashes stand in its policy, and nothing else."""
    style = (HERE / "style.css").read_text(encoding="utf-8") + sheet.css()
    script = (HERE / "page.js").read_text(encoding="utf-8")
    return _environment().get_template(template).render(
        style=Markup(style), script=Markup(script), policy=Markup(_policy(style, script)), **values
    )  # fmt: skip


def _policy(style: str, script: str) -> str:
    def allowed(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; style-src {allowed(style)}; script-src {allowed(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
