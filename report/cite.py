"""`python -m report cite ROW`: a row as a sentence, its signature, what to cite with it and how to run it again."""

from __future__ import annotations

import argparse
import math
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.finding import Found, recorded
from bench.matrices import MATRICES
from bench.methods import METHODS, cited, method
from bench.store import stores
from bench.untrusted import clean
from report import suite
from report.citable import Citable, find
from report.findings import listed, plural
from report.signature import ranges
from report.stats import shown
from tasks.cards import TASKS


def run(asked: argparse.Namespace) -> int:
    """Print what there is to say of the row. Raises BadInput where it is not one."""
    row = find(asked.row, asked.results)
    print("\n\n".join([sentence(row), row.signature, bibliography(row), again(row, asked.results)]))
    return 0


def sentence(row: Citable) -> str:
    """One sentence to paste into a paper, computed from the records."""
    architecture, stabilisation, optimizer = row.triple
    how = "without stabilisation" if stabilisation == "none" else f"with {listed(stabilisation.split('+'), 9)}"
    task = f"the synthetic task {row.group.task}" if row.group.synthetic else row.group.task
    parts = [f"On {task}, {architecture} {how}, trained by {optimizer}, {_result(row)}"]
    if row.group.tuned != "0":
        parts.append(f"tuned by {row.group.tuned} trials")
    version = _version(row)
    parts.append(f"{suite.NAME} {version}" if version else f"{suite.NAME} of a version that the records do not name")
    return f"{', '.join(parts)}{_doubts(row)}."


def _result(row: Citable) -> str:
    """What came of it, over which seeds and after how many updates."""
    (mean, half), runs = row.score, row.seeds
    good, which = runs[runs["status"] == "ok"], ranges(int(seed) for seed in runs["seed"].dropna())
    kinds = Counter(runs.loc[runs["status"] != "ok", "status"])
    ends = listed([f"{count} {kind}" if len(kinds) > 1 else kind for kind, count in sorted(kinds.items())], 9)
    if math.isnan(mean):
        return f"gives no score (seeds {which}: {ends})"
    unit = f" {row.group.unit}" if row.group.unit else ""
    seeds = ranges(int(seed) for seed in good["seed"].dropna())
    if len(good) == 1:
        company = f"seed {seeds} alone, so without an interval"
    elif not math.isnan(half):
        company = f"mean ± half the 95 % t interval over {len(good)} seeds, {seeds}"
    else:
        why = "all equal" if good["score"].nunique() == 1 else "too few for an interval"
        company = f"mean over {len(good)} seeds, {seeds}, {why}"
    lost = f"; {len(runs) - len(good)} of {plural(len(runs), 'seed')} gave no score: {ends}" if kinds else ""
    spread = "" if math.isnan(half) else f" ± {shown(half, 2)}"
    after = _updates(sorted(set(good["steps"].dropna())))
    return f"reaches {row.group.metric} {shown(mean)}{spread}{unit} ({company}{lost}) on test{after}"


def _updates(steps: list[float]) -> str:
    if not steps:
        return ""
    numbers = dict.fromkeys(f"{count:,.0f}" for count in (steps[0], steps[-1]))
    return f", after {' to '.join(numbers)} updates"


def _version(row: Citable) -> str:
    """The suite's version in the row's records; "" where none says."""
    return listed(sorted(set(row.seeds["suite"]) - suite.SILENT), 9)


def _doubts(row: Citable) -> str:
    """What a reader of the number must not miss: techniques that did nothing, scores that are too good."""
    idle = sorted(set.intersection(*(set(text.split(", ")) for text in row.seeds["idle"])) - {""})
    found = [f"{listed(idle, 9)} did nothing in these runs"] if idle else []
    return "".join(f"; {said}" for said in [*found, *sorted(set(row.seeds["alarm"]) - {""})])


def bibliography(row: Citable) -> str:
    """BibTeX for the suite, then for every method and dataset of the row; a comment for each that has none."""
    architecture, stabilisation, optimizer = row.triple
    found = cited(architecture, stabilisation, optimizer, row.group.task)
    for part in stabilisation.split("+"):  # a pair of which one is not known has no publications of its own
        found |= cited(architecture, part, optimizer, row.group.task)
    entries = [suite.bibtex(_version(row), f"row rec:{row.record}")]
    entries += [work.bibtex(key) for key, work in found.items()]
    return "\n\n".join([*entries, *(["\n".join(bare)] if (bare := list(_uncited(row))) else [])])


def _uncited(row: Citable) -> Iterator[str]:
    """A comment for each part that comes with no publication. BibTeX reads an entry at any @, comment or not."""
    for axis, name in zip(METHODS, row.triple, strict=True):
        for part in name.split("+") if axis == "stabilisation" else [name]:
            known = method(axis, part)
            if known is None:
                yield f"% {part}: a technique of this matrix's own".replace("@", "(at)")
            elif not known.cites and part != "none":
                yield f"% {part}: no publication to cite"
    card = TASKS.get(row.group.task)
    if card is None:
        yield f"% {row.group.task}: not a task of this version".replace("@", "(at)")
    elif not card.cites:
        yield f"% {row.group.task}: {card.reference}"


def again(row: Citable, results: Path) -> str:
    """The commands that run each seed again, the one that makes them all anew, and where the records are."""
    card = TASKS.get(row.group.task)
    data = ["--data", "DIR"] if card is None or card.dataset else []
    kept = [] if results == Path("results") else ["--results", str(results)]
    seeds = [["python", "-m", "bench.rerun", name, *data, *kept] for name in _records(row, results)]
    files = [str(results / row.matrix / file) for file in sorted(set(row.seeds["file"]) - {""})]
    lines = ["# again, seed by seed, each compared with its record (docs/rerun.md)", *map(_typed, seeds)]
    lines += ["# all of them anew, into a folder of their own", _typed([*_matrix(row), *data, "--results", "again"])]
    return "\n".join([*lines, f"# records: {clean(', '.join(files), 400)}"])


def _records(row: Citable, results: Path) -> list[str]:
    """Each run as bench.rerun takes it: its id, or file and line where several have the id or it is not one."""
    here = set(zip(row.ids, row.seeds["file"], strict=True))
    found: dict[str, list[Found]] = {}
    for one in recorded(stores(results)):
        if one.row["id"] in row.ids:
            found.setdefault(one.row["id"], []).append(one)
    names = []
    for run in row.ids:
        if len(found.get(run, [])) == 1 and re.fullmatch(r"[0-9a-f]{16}", run):
            names.append(run)
        else:
            mine = (one for one in found.get(run, []) if clean(one.path.parent.name) == row.matrix)
            names += [f"{one.path}:{one.line}" for one in mine if (run, clean(one.path.name, 160)) in here]
    return names


def _matrix(row: Citable) -> list[str]:
    """bench.matrix for this row alone; options that its matrix has anyway are left out."""
    preset, group = MATRICES.get(row.matrix), row.group
    words = ["python", "-m", "bench.matrix", "--matrix", row.matrix if preset else f"{row.matrix}.toml"]
    words += ["--task", group.task]
    for axis, name in zip(METHODS, row.triple, strict=True):
        words += [f"--{axis}", name]
    words += ["--device", group.device]
    seeds = [int(seed) for seed in row.seeds["seed"].dropna()]
    if seeds and (preset is None or sorted(seeds) != sorted(preset.seeds)):
        words += ["--seeds", ranges(seeds)]
    if preset is None or group.tuned != str(preset.tune):
        words += ["--tune", group.tuned]
    backend, *level = group.asked.split() or ["auto"]
    if backend != (preset.backend if preset else "auto"):
        words += ["--backend", backend]
    return [*words, *(["--isa", level[0]] if level else []), "--no-timing"]


def _typed(words: list[str]) -> str:
    return shlex.join(clean(word, 400) for word in words)
