"""Recordings of the reader's own: a folder of `<label>/*.wav`, or a table of files and transcripts.

**Folder** (`dir`): the folder below it names what is said in a recording; deeper folders do not matter. Where the
folders directly below are `train`, `valid` and `test`, each has label folders of its own. WAV, FLAC and SPHERE are
read; files that begin with a dot and files that are no sound are passed over, other kinds of sound are refused.

**Table** (`csv`): UTF-8, columns `file`, `transcript` and, if wanted, `split` of train, valid and test. Files are
relative to `audio`, or to the table's own folder. Of a transcript runs of white space count as one space.

**Split** where none is given: recordings are sorted by the sha256 of their path below the folder (of `file` in a
table); the first tenth is test, the next valid, the rest train, at least one each. It knows nothing of speakers: give
splits of your own to have different ones in each. Standard library only.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.data.source import DamagedData, MissingData

OPTIONS: dict[str, str] = {
    "dir": "folder of <label>/*.wav or *.flac, or of train, valid and test with such folders in each",
    "csv": "table with the columns file, transcript and, if wanted, split (train, valid or test)",
    "audio": "folder that the table's files are relative to (default: the table's own)",
    "rate": "samples a second that all recordings are brought to, 8000 to 48000 (default 16000)",
}

RATE = 16_000
RATES = (8_000, 48_000)
SPLITS = ("train", "valid", "test")
READ = (".wav", ".flac", ".sph")
OTHER = (".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".au", ".webm", ".caf", ".amr")


@dataclass(frozen=True)
class Utterance:
    """A recording, and what is said in it."""

    path: Path
    name: str  # below the folder
    said: str  # label, or transcript
    split: str


def metric(options: Mapping[str, str]) -> tuple[str, Literal["lower", "higher"], str]:
    """The metric of a task made of these options, which is better, and its unit. Raises ValueError."""
    if ("dir" in options) == ("csv" in options):
        raise ValueError("give either dir=... or csv=...")
    if "audio" in options and "dir" in options:
        raise ValueError("audio=... belongs to csv=...")
    rate(options)
    return ("accuracy", "higher", "%") if "dir" in options else ("wer", "lower", "%")


def rate(options: Mapping[str, str]) -> int:
    """Samples a second. Raises ValueError."""
    text, (low, high) = options.get("rate", str(RATE)), RATES
    if not (text.isascii() and text.isdigit() and low <= int(text[:9]) <= high):
        raise ValueError(f"rate must be a whole number from {low} to {high}, got {text!r}")
    return int(text)


def utterances(options: Mapping[str, str]) -> list[Utterance]:
    """All recordings. Raises MissingData and DamagedData."""
    found = _table(options) if "csv" in options else _folder(Path(options["dir"]))
    for split in SPLITS:
        if not any(one.split == split for one in found):
            raise DamagedData(
                f"{Path(options.get('csv') or options['dir']).name}: {len(found)} recordings, none of them for {split};"
                " record more, or give splits of your own"
            )
    return found


def _folder(root: Path) -> list[Utterance]:
    if not root.is_dir():
        raise MissingData(f"{root.name}: folder not found; dir=... names one of <label>/*.wav")
    below = sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))
    given = {one.name for one in below} >= set(SPLITS)
    if given and len(below) > len(SPLITS):
        strange = ", ".join(one.name for one in below if one.name not in SPLITS)
        raise DamagedData(f"{root.name}: {strange} beside train, valid and test; move it into one of them")
    found = []
    for path, parts in _files(root):
        depth = 2 if given else 1
        if len(parts) <= depth:
            raise DamagedData(f"{root.name}/{'/'.join(parts)}: not in the folder of a label; move it into one")
        found.append(Utterance(path, "/".join(parts), parts[depth - 1], parts[0] if given else ""))
    if not found:
        raise DamagedData(f"{root.name}: no recordings; expected <label>/*.wav or *.flac")
    labels = {one.said for one in found}
    if len(labels) < 2:
        raise DamagedData(f"{root.name}: one label, {labels.pop()}; a second one is needed to tell them apart")
    found = found if given else _divided(found)
    learnt = {one.said for one in found if one.split == "train"}
    for one in found:
        if one.said not in learnt:
            raise DamagedData(f"{root.name}/{one.name}: train has no recording of {one.said}; add some")
    return found


def _files(root: Path) -> list[tuple[Path, tuple[str, ...]]]:
    """The sound files below a folder and their paths in parts, sorted by name."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            parts = path.relative_to(root).parts
            ending = path.suffix.lower()
            if name.startswith("."):
                continue
            if ending in OTHER:
                raise DamagedData(f"{root.name}/{'/'.join(parts)}: {ending} is not read; convert it to WAV or FLAC")
            if ending in READ:
                found.append((path, parts))
    return sorted(found, key=lambda one: one[1])


def _divided(found: Sequence[Utterance]) -> list[Utterance]:
    """Recordings with splits by the hash of their names, in the order they came."""
    order = sorted(found, key=lambda one: hashlib.sha256(one.name.encode(errors="surrogateescape")).digest())
    tenth = max(1, len(order) // 10)
    split = {one.name: "test" if n < tenth else "valid" if n < 2 * tenth else "train" for n, one in enumerate(order)}
    return [Utterance(one.path, one.name, one.said, split[one.name]) for one in found]


def _table(options: Mapping[str, str]) -> list[Utterance]:
    path = Path(options["csv"])
    if not path.is_file():
        raise MissingData(f"{path.name}: file not found; csv=... names a table of file and transcript")
    audio = path.parent / options.get("audio", "")
    if not audio.is_dir():
        raise MissingData(f"{options['audio']}: folder not found; audio=... names the one of the table's files")
    rows = _rows(path)
    where, header = rows[0]
    allowed = ("file", "transcript", "split")
    if sorted(header) not in (sorted(allowed), sorted(allowed[:2])):
        raise DamagedData(f"{where}: columns {', '.join(header)}; expected file, transcript and, if wanted, split")
    found: dict[str, Utterance] = {}
    for where, row in rows[1:]:
        if len(row) != len(header):
            raise DamagedData(f"{where}: {len(row)} fields, the header has {len(header)}; quote a field with a comma")
        cells = dict(zip(header, row, strict=True))
        name, split = cells["file"].strip(), cells.get("split", "").strip()
        if not name or "\0" in name:
            raise DamagedData(f"{where}: no file is named; fill it in or remove the line")
        if name in found:
            raise DamagedData(f"{where}: {name} comes twice; remove one of the lines")
        if "split" in cells and split not in SPLITS:
            raise DamagedData(f"{where}: split {split!r}; expected train, valid or test")
        if not (audio / name).is_file():
            raise DamagedData(f"{where}: {name} is not there; files are relative to audio=..., or to the table")
        found[name] = Utterance(audio / name, name, " ".join(cells["transcript"].split()), split)
    if not found:
        raise DamagedData(f"{path.name}: a header and no recordings")
    utterances = list(found.values())
    return utterances if "split" in header else _divided(utterances)


def _rows(path: Path) -> list[tuple[str, list[str]]]:
    """The lines of a table that are not empty, each with its place; the first is the header. Raises DamagedData."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedData(f"{path.name}: byte {error.start} is no UTF-8; save the table as UTF-8") from None
    lines = csv.reader(text.splitlines(keepends=True), strict=True)
    rows = []
    try:
        for row in lines:
            if row:
                rows.append((f"{path.name}:{lines.line_num}", row))
    except csv.Error as error:
        raise DamagedData(
            f"{path.name}:{lines.line_num}: {error}; a table of commas and double quotes was expected"
        ) from None
    if not rows:
        raise DamagedData(f"{path.name}: empty; expected a header of file, transcript and, if wanted, split")
    rows[0] = rows[0][0], [name.strip() for name in rows[0][1]]
    return rows
