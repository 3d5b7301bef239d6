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
from report.drawing import drawn
from report.files import write
from report.glossary import Glossary
from report.ledger import Entry
from report.plots import PLOTS, Plot
from report.verdicts import Finding

HERE = Path(__file__).parent


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
    boards: Sequence[Board],
    said: Sequence[list[Finding]],
    ledger: Sequence[Entry],
    results: Path,
    whole: bool = False,
) -> list[Path]:
    """Write a page over these boards and their tables beside it; the page comes first among the paths written.

    Tables and figures of each board go to a folder of its own where there are several or the page is the `whole`
    report, else beside the page.
    """
    sheet, glossary = svg.Sheet(), Glossary(boards)
    keys = anchors([board.frames.matrix for board in boards])
    folders = [path.parent / key if whole or len(boards) > 1 else path.parent for key in keys]
    pictures = _pictures(boards, keys, folders, sheet)
    chapters = []
    for place, (board, key, found) in enumerate(zip(boards, keys, said, strict=True)):
        shown, left_out = pictures[place]
        chapters.append(Chapter(key, board, _facts(board, found, results), _by_section(shown), left_out))
    page = _render(
        "page.html.j2",
        sheet,
        title=boards[0].frames.matrix if len(boards) == 1 else "Results",
        answer=findings.answer(boards),
        chapters=chapters,
        glossary=glossary,
        ledger=listing.ledger_table(ledger) if ledger else None,
        claims_rules=listing.RULES,
        no_claims=listing.NOTHING,
        rules=tables.RULES,
        quiet=tables.QUIET,
        records=_relative(results, path.parent),
    )
    return [write(path, page), *_write_tables(path.parent, boards, folders)]


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


def _facts(board: Board, found: list[Finding], results: Path) -> dict[str, Any]:
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
    boards: Sequence[Board], keys: Sequence[str], folders: Sequence[Path], sheet: svg.Sheet
) -> list[tuple[list[Picture], list[tuple[Plot, str]]]]:
    """For each board its figures, drawn and saved, and those left out with the reason; figures of an earlier report
    do not stay behind."""
    reasons = [[plot.without(board) for plot in PLOTS] for board in boards]
    jobs = [(b, p) for b, row in enumerate(reasons) for p, reason in enumerate(row) if not reason]
    found: list[tuple[list[Picture], list[tuple[Plot, str]]]] = [
        ([], [(PLOTS[p], reason) for p, reason in enumerate(row) if reason]) for row in reasons
    ]
    for folder, (_, left_out) in zip(folders, found, strict=True):
        for plot, _ in left_out:
            for kind in ("svg", "png"):
                (folder / "figures" / f"{plot.name}.{kind}").unlink(missing_ok=True)
    for (b, p), files in drawn(boards, jobs):
        plot, board = PLOTS[p], boards[b]
        write(folders[b] / "figures" / f"{plot.name}.svg", svg.compact(files["svg"]))
        write(folders[b] / "figures" / f"{plot.name}.png", files["png"])
        said = plot.finding(board)
        # Markup is safe here: it is what ElementTree wrote, with every text in it escaped
        image = Markup(svg.inline(files["svg"], f"{keys[b]}{p}-", f"{plot.title}. {said}", sheet))
        found[b][0].append(Picture(plot, image, said, _note(plot, board), plot.tables(board)))
    return found


def _by_section(pictures: Sequence[Picture]) -> list[tuple[str, list[Picture]]]:
    names = dict.fromkeys(picture.plot.section for picture in pictures)
    return [(name, [picture for picture in pictures if picture.plot.section == name]) for name in names]


def _note(plot: Plot, found: Board) -> str:
    if not plot.panels or len(found.groups) <= ink.PANELS:
        return ""
    return f"There are panels for the first {ink.PANELS} of {len(found.groups)} tasks; the tables hold all of them."


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
