"""What `python -m tasks` does: list, fetch and check the real datasets. torch is loaded by `check --deep` alone."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tasks.cards import TASKS
from tasks.data import SOURCES, DamagedData, MissingData, Source
from tasks.data.source import located
from tasks.words import size

OK, WRONG, BAD_INPUT, STORAGE, INTERRUPTED = 0, 1, 2, 3, 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WIDTH = 24


def using(source: Source) -> list[str]:
    """The names of the tasks that read a dataset, without studies of them."""
    return [card.name for card in TASKS.values() if card.dataset == source.name and card.study is None]


def listed(data: Path, as_json: bool) -> int:
    """Print what there is. Nothing is compared with its pins."""
    if not as_json:
        print(f"data folder: {data}\n")
    for source in SOURCES.values():
        download = sum(part.size for part in source.downloads)
        facts = {
            "name": source.name,
            "title": source.title,
            "there": all((data / path).exists() for path in source.layout),
            "download_bytes": download or None,
            "disk_bytes": source.size,
            "licence": source.licence,
            "reference": source.reference,
            "tasks": using(source),
            "get": source.command(data),
        }
        if as_json:
            print(json.dumps(facts))
            continue
        costs = f"download {size(download)}" if download else "by hand"
        print(f"{source.name:<{WIDTH}}{source.title}")
        for line in (
            f"{'there' if facts['there'] else 'absent'}, {costs}, disk {size(source.size)}, licence: {source.licence}",
            source.reference,
            f"tasks: {', '.join(using(source)) or 'none'}",
            f"{'get' if download else 'by hand'}: {facts['get']}",
        ):
            print(" " * WIDTH + line)
        print()
    return OK


def fetched(names: Iterable[str], data: Path, deadline: float | None) -> int:
    """Get datasets, one after the other; one that fails does not keep the next from being tried."""
    from tasks.data.fetch import Patience, fetch
    from tasks.data.https import NotFetched
    from tasks.telling import teller

    worst = OK
    for source in (SOURCES[name] for name in names):
        try:
            if not source.downloads:
                if _there(source, data):
                    print(f"{source.name}: already there, in {data}")
                else:
                    print(f"{source.name} is got by hand: {source.command(data)}")
                    worst = max(worst, BAD_INPUT)
                continue
            with teller(source) as told:
                fetch(source, data, told, Patience(deadline))
            print(f"{source.name}: whole, in {data}")
        except (MissingData, DamagedData) as error:
            print(f"error: {error}", file=sys.stderr)
            worst = max(worst, WRONG)
        except NotFetched as error:
            also = f"\nby hand: {replace(source, downloads=()).command(data)}" if source.by_hand else ""
            print(f"error: {error}{also}", file=sys.stderr)
            worst = max(worst, STORAGE)
        except OSError as error:
            what = "the disk is full" if error.errno in FULL else f"cannot write: {error.strerror}"
            where = error.filename or data
            print(
                f"error: {source.name}: {what} ({where}); what came is kept, and the same command goes on from there",
                file=sys.stderr,
            )
            return STORAGE
    return worst


def _there(source: Source, data: Path) -> bool:
    try:
        return bool(located(source, data))
    except MissingData:
        return False


@dataclass
class Finding:
    """What a look at a dataset found."""

    name: str
    state: str  # ok, absent, wrong
    wrong: list[str] = field(default_factory=list)
    tasks: dict[str, dict[str, str | int]] = field(default_factory=dict)  # task -> fingerprint and sizes of the splits


def check(data: Path, names: list[str], deep: bool, as_json: bool) -> int:
    """Compare what is there with its pins. An absent dataset is wrong only where it was named, or where all are."""
    findings = []
    for name in names or SOURCES:
        found = look(SOURCES[name], data, deep)
        findings.append(found)
        if as_json:
            print(json.dumps(asdict(found)))
            continue
        print(f"{name:<{WIDTH}}{found.state}")
        for line in found.wrong:
            print(f"{'':<{WIDTH}}{line}")
        for task, facts in found.tasks.items():
            print(f"{'':<{WIDTH}}{task}: {', '.join(f'{key} {value}' for key, value in facts.items())}")
    absent = [found for found in findings if found.state == "absent"]
    if absent and not deep and not as_json:
        print("\nabsent: not in the official layout; --deep asks the readers, which know others too")
    if len(absent) == len(findings):
        print(f"error: none of this is in {data}; official layouts stand in docs/data.md", file=sys.stderr)
    if any(found.state == "wrong" for found in findings) or (absent and (names or len(absent) == len(findings))):
        return WRONG
    return OK


def look(source: Source, data: Path, deep: bool = False) -> Finding:
    """The layout, the pins, the receipts of what was fetched, and with `deep` the tasks themselves."""
    from tasks.data.fetch import lacking, receipt

    there = [path for path in source.layout if (data / path).exists()]
    found = Finding(source.name, "ok" if there else "absent")
    for path in source.layout if there else ():
        try:
            located(replace(source, layout=(path,)), data)
        except (MissingData, DamagedData) as error:
            found.wrong.append(str(error))
    for download in source.downloads:
        pinned = download.to in there and download.to not in source.files and download.kind == "file"
        if (pinned or receipt(download, data).exists()) and (lacks := lacking(download, data)) is not None:
            found.wrong.append(f"{source.name}: {lacks}; get it again with: {source.command(data)}")
    if deep and not found.wrong:
        _built(source, data, found)
    if found.wrong:
        found.state = "wrong"
    return found


def _built(source: Source, data: Path, found: Finding) -> None:
    """Ask the readers: they know other layouts than the official one, and what a dataset holds."""
    from tasks import load
    from tasks.base import fingerprint

    for name in using(source):
        try:
            task = load(name, data)
        except MissingData as error:
            if found.state != "absent":
                found.wrong.append(f"{name}: {error}")
            return
        except DamagedData as error:
            found.wrong.append(f"{name}: {error}")
        else:
            sizes = {split: len(getattr(task, split)) for split in ("train", "valid", "test")}
            found.state = "ok"
            found.tasks[name] = {"fingerprint": fingerprint(task), **sizes}
