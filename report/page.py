"""The page of a matrix: one self-contained file, beside its tables and figures."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from report import findings, ink, listing, tables
from report.board import Board, board
from report.files import write
from report.frame import chosen, load, names
from report.ledger import entries
from report.plots import PLOTS, Plot
from report.verdicts import Finding
from report.verdicts import findings as verdicts

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it."""

    plot: Plot
    source: str  # data URI
    finding: str
    note: str  # which panels there was no room for
    tables: list[tuple[str, tables.Table]]


def build(results: Path, out: Path, matrices: list[str] | None) -> list[Path]:
    """Write the page of each matrix and the contents page over all pages in `out`; the paths written."""
    known = names(results)
    written, said = [], []
    for name in chosen(results, matrices):
        found = board(load(results, name))
        said.append((name, verdicts(found)))
        written.append(_write_matrix(found, said[-1][1], out / name))
    if matrices is None:  # these are over all matrices
        listing.write_claims(out, said)
        listing.write_ledger(out, entries(results))
    here = [name for name in known if (out / name / "index.html").exists()]
    links = [(name, f"{quote(name)}/index.html") for name in here]
    return [*written, write(out / "index.html", _render("contents.html.j2", links=links))]


def _write_matrix(found: Board, said: list[Finding], folder: Path) -> Path:
    pictures, left_out = _pictures(found, folder / "figures")
    write(folder / "leaderboard.md", f"# {tables.escape(found.frames.matrix)}\n\n{tables.markdown(found)}")
    write(folder / "leaderboard.csv", tables.csv_text(found))
    page = _render(
        "page.html.j2",
        board=found,
        headline=findings.headline(found),
        apart=tables.apart(found),
        overall=tables.overall_tables(found),
        claims=listing.for_page(said),
        claims_rules=listing.RULES,
        no_claims=listing.NOTHING,
        quiet=tables.QUIET,
        groups=[(group, tables.task_table(found, group)) for group in found.groups],
        skipped=tables.skipped(found),
        rules=tables.RULES,
        pictures=pictures,
        left_out=left_out,
        machines=sorted(set(found.frames.runs["machine"])),
    )
    return write(folder / "index.html", page)


def _pictures(found: Board, folder: Path) -> tuple[list[Picture], list[tuple[Plot, str]]]:
    """Figures drawn and saved, and those left out with the reason; files of an earlier report do not stay behind."""
    pictures, left_out = [], []
    folder.mkdir(parents=True, exist_ok=True)
    with ink.theme():
        for plot in PLOTS:
            reason = plot.without(found)
            if reason:
                left_out.append((plot, reason))
                for kind in ("svg", "png"):
                    (folder / f"{plot.name}.{kind}").unlink(missing_ok=True)
                continue
            drawn = ink.files(plot.draw(found))
            for kind, data in drawn.items():
                write(folder / f"{plot.name}.{kind}", data)
            # an image, not inline: text in it can never become part of the page
            source = "data:image/svg+xml;base64," + base64.b64encode(drawn["svg"]).decode()
            pictures.append(Picture(plot, source, plot.finding(found), _note(plot, found), plot.tables(found)))
    return pictures, left_out


def _note(plot: Plot, found: Board) -> str:
    if not plot.panels or len(found.groups) <= ink.PANELS:
        return ""
    return f"There are panels for the first {ink.PANELS} of {len(found.groups)} tasks; the tables hold all of them."


def _render(template: str, **values: object) -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(style=(HERE / "style.css").read_text(encoding="utf-8"), **values)
