"""AN4: census data, spelled and spoken, recorded at Carnegie Mellon University in 1991 (Acero 1993).

Layout `an4/etc/an4_{train,test}.{fileids,transcription}` and `an4/wav/{file id}.sph`, 16 kHz, mono, 16 bit: 948
recordings for training and 130 for test, of other speakers (README.html beside the archives). The archives hold NIST
SPHERE, or bare samples (`.raw`, of either byte order: tasks.data.sound tells which); a `.wav` or `.flac` beside them
does as well.

**Split**: the official lists. There are no validation recordings: every tenth speaker of the training list, in
alphabetical order, is set aside. Transcripts lose `<s>`, `</s>` and other marks in angle brackets, nothing else.

**Published**, word error on test (773 words): 7.6 % for ESPnet's Transformer with CTC and attention, without a language
model, which sets the first 100 training recordings aside (egs2/an4/asr1/README.md in espnet/espnet at ae42481).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tasks.data import SOURCES, DamagedData
from tasks.data.layout import folder, some, text
from tasks.data.prepared import Clip
from tasks.data.source import missing

RATE = 16_000
HELD_OUT = 10
ENDINGS = (".sph", ".wav", ".flac", ".raw")
LINE = re.compile(r"(?P<text>.*?)\s*\((?P<id>[^()\s]+)\)\s*")


def recordings(data: Path | None) -> tuple[list[Clip], dict[str, list[int]], list[str]]:
    """The recordings, which of them each split has, and the transcripts. Raises MissingData and DamagedData."""
    # torchaudio has no class for AN4
    root = folder(SOURCES["an4"], data, ("an4",))
    lists = {split: _listed(root, split, data) for split in ("train", "test")}
    speakers = sorted({_speaker(file) for file in lists["train"]})
    aside = set(speakers[HELD_OUT - 1 :: HELD_OUT] or speakers[-1:])
    chosen = {
        "train": [file for file in lists["train"] if _speaker(file) not in aside],
        "valid": [file for file in lists["train"] if _speaker(file) in aside],
        "test": list(lists["test"]),
    }
    empty = [split for split, files in chosen.items() if not files]
    if empty:
        raise DamagedData(f"an4: no recordings for {', '.join(empty)}; the lists in an4/etc are cut: fetch it again")
    said: Mapping[str, str] = {**lists["train"], **lists["test"]}
    files = [file for split in chosen.values() for file in split]
    place = {file: number for number, file in enumerate(files)}
    clips = [_clip(root, file, data) for file in files]
    return clips, {split: [place[file] for file in chosen[split]] for split in chosen}, [said[file] for file in files]


def _speaker(file: str) -> str:
    return file.split("/")[-2] if "/" in file else file.split("-")[-2]


def _listed(root: Path, split: str, data: Path | None) -> dict[str, str]:
    """file id -> transcript, from the two lists of a split, which have to agree line by line."""
    names = [f"an4_{split}.{ending}" for ending in ("fileids", "transcription")]
    absent = [f"an4/etc/{name}" for name in names if not (root / "etc" / name).is_file()]
    if absent:
        raise missing(SOURCES["an4"], data, some(absent))
    files, lines = (text(root / "etc" / name, f"an4/etc/{name}").split("\n") for name in names)
    files, lines = ([line.strip() for line in one if line.strip()] for one in (files, lines))
    found: dict[str, str] = {}
    for number, (file, line) in enumerate(zip(files, lines, strict=False), 1):
        where = f"an4/etc/{names[1]}:{number}"
        match = LINE.fullmatch(line)
        if not match:
            raise DamagedData(f"{where}: {line[:80]!r} does not end in (file id); fetch it again")
        if match["id"] != file.split("/")[-1]:
            raise DamagedData(f"{where}: {match['id']}, where {names[0]} has {file}; fetch both again")
        if file in found or ".." in file.split("/") or file.startswith("/"):
            raise DamagedData(f"an4/etc/{names[0]}:{number}: {file} again, or outside the folder; fetch it again")
        found[file] = " ".join(re.sub(r"<[^>]*>", " ", match["text"]).split())
    if len(files) != len(lines):
        raise DamagedData(f"an4/etc: {len(files)} lines in {names[0]}, {len(lines)} in {names[1]}; fetch both again")
    return found


def _clip(root: Path, file: str, data: Path | None) -> Clip:
    for ending in ENDINGS:
        path = root / "wav" / f"{file}{ending}"
        if path.is_file():
            return Clip(path, f"an4/wav/{file}{ending}", raw=RATE if ending == ".raw" else None)
    raise missing(SOURCES["an4"], data, f"an4/wav/{file}.sph")
