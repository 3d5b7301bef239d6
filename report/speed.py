"""The table of the core from its records, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from bench import core_table
from bench.core_table import Key
from bench.untrusted import clean, mapping, number
from report import BadInput
from report.flat import Row
from report.frame import core
from report.tables import Line, Table, escape, markdown_table

WORDS = (
    "Time of forward and backward through the whole recurrent stack, of RMSprop and Nadam of one update, over what "
    "stands beside it: medians of ratios of interleaved pairs in one process, heap kept. 1t, 2t: threads."
)


def markdown(results: Path) -> str:
    """One table for each machine and device. Raises BadInput where nothing was measured."""
    found = core(results)
    if not found:
        raise BadInput(f"no measurements of the core below {results}; run python -m bench.timing --core")
    parts = [WORDS]
    for rows in found.values():
        texts = _texts(rows)
        for device in sorted({key[0] for key in texts}):
            drawn = core_table.grid(device, texts)
            lines = tuple(Line("technique", line) for line in drawn.lines)
            table = Table(drawn.heads, (True, True, True, *(False for _ in drawn.heads[3:])), lines)
            parts += [escape(_where(rows, device)), markdown_table(table)]
    return "\n\n".join([*parts, escape(core_table.LEGEND)]) + "\n"


def _texts(rows: list[Row]) -> dict[Key, str]:
    """The cells. A row, or a number, that today's table does not know is left out."""
    known: dict[tuple[str, str], core_table.Row] = {(row.device, row.name): row for row in core_table.ROWS}
    texts: dict[Key, str] = {}
    for row in rows:
        measured = mapping(row.get("measured"))
        ratio, threads = number(measured.get("ratio")), number(row.get("threads"))
        asked = known.get((clean(row.get("device")), clean(row.get("row"))))
        if asked is None or math.isnan(ratio) or math.isnan(threads):
            continue
        workload = clean(row.get("workload"))
        texts[asked.device, asked.name, workload, int(threads)] = core_table.shown(
            asked, workload, ratio, bool(measured.get("noisy"))
        )
    return texts


def _where(rows: list[Row], device: str) -> str:
    """The machine and the version of torch; of CUDA, the GPU."""
    mine = [row for row in rows if row.get("device") == device]
    facts = [mapping(row.get("machine")) for row in mine]
    gpus = [mapping(row.get("cuda")).get("gpu") for row in mine]
    cpus = [f"{each.get('cpu')}, {each.get('cores')} cores, {each.get('simd')}" for each in facts]
    torch = [mapping(row.get("versions")).get("torch") for row in mine]
    return f"{'; '.join(_each(gpus if device == 'cuda' else cpus))}, torch {', '.join(_each(torch))}:"


def _each(values: Iterable[object]) -> list[str]:
    """Each value once, clean and sorted."""
    return sorted({clean(value) for value in values})
