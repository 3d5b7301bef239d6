"""LibriSpeech: read audiobooks, 960 hours of training (Panayotov et al. 2015, doi:10.1109/ICASSP.2015.7178964).

Layout `LibriSpeech/{subset}/{speaker}/{chapter}/{speaker}-{chapter}-{n}.flac`, 16 kHz, mono, 16 bit, beside
`{speaker}-{chapter}.trans.txt` of lines `{utterance} {TRANSCRIPT}`. Licence CC BY 4.0 (openslr.org/12). Recordings:
train-clean-100 28,539, train-clean-360 104,014, train-other-500 148,688, dev-clean 2,703, dev-other 2,864, test-clean
2,620, test-other 2,939; no speaker is in two of these groups.

**Tasks** `{hours}/{clean|other}`: 100, 460 and 960 hours of training as usual, dev and test of the one kind. Symbols
are the 28 that transcripts are made of; word error counts words. No language model takes part, so published scores with
one are out of reach by design.

**Published**, word error on test-clean, 960 hours: 3.82 % for LSTM attention on subword units with a language model
(Zeyer et al. 2018, arXiv:1805.03294, abstract).
"""

from __future__ import annotations

import re
from pathlib import Path

from tasks.data import SOURCES, DamagedData
from tasks.data.layout import folder, some, text
from tasks.data.prepared import Clip

RATE = 16_000
LABELS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ' ")
TRAIN = {
    "100": ("train-clean-100",),
    "460": ("train-clean-100", "train-clean-360"),
    "960": ("train-clean-100", "train-clean-360", "train-other-500"),
}
LINE = re.compile(r"(\d+-\d+-\d+) ([A-Z' ]+)")


def subsets(hours: str, kind: str) -> dict[str, tuple[str, ...]]:
    """split -> the published subsets that it is made of."""
    return {"train": TRAIN[hours], "valid": (f"dev-{kind}",), "test": (f"test-{kind}",)}


def recordings(hours: str, kind: str, data: Path | None) -> tuple[list[Clip], dict[str, list[int]], list[str]]:
    """The recordings, which of them each split has, and the transcripts. Raises MissingData and DamagedData."""
    clips: list[Clip] = []
    said: list[str] = []
    parts = {}
    for split, names in subsets(hours, kind).items():
        begin = len(clips)
        for name in names:
            found = _subset(hours, kind, name, data)
            clips += [clip for clip, _ in found]
            said += [transcript for _, transcript in found]
        parts[split] = list(range(begin, len(clips)))
    return clips, parts, said


def _subset(hours: str, kind: str, name: str, data: Path | None) -> list[tuple[Clip, str]]:
    """The recordings of a subset in the order of their names, each with its transcript."""
    # torchaudio's LIBRISPEECH opens a chapter's transcripts again for each of its recordings, which are 281,241, and
    # tells of a recording without a line or a line without a recording only when it comes to it, or never
    source = SOURCES[f"librispeech-{hours}-{kind}"]
    root = folder(source, data, (f"LibriSpeech/{name}", name, f"LibriSpeech/LibriSpeech/{name}"))
    found: list[tuple[Clip, str]] = []
    for chapter in sorted(path for path in root.glob("*/*") if path.is_dir() and not path.name.startswith(".")):
        where = f"{name}/{chapter.parent.name}/{chapter.name}"
        title = f"{chapter.parent.name}-{chapter.name}.trans.txt"
        lines: dict[str, str] = {}
        for number, line in enumerate(text(chapter / title, f"{where}/{title}").splitlines(), 1):
            match = LINE.fullmatch(line.rstrip())
            if not match or match[1] in lines:
                raise DamagedData(
                    f"{where}/{title}:{number}: {line[:60]!r}; expected an utterance, once, and its words in capitals: "
                    "fetch it again"
                )
            lines[match[1]] = match[2]
        files = {path.stem: path for path in chapter.glob("*.flac") if not path.name.startswith(".")}
        if lines.keys() != files.keys():
            lacks = [f"{one}.flac" for one in lines if one not in files] + [
                f"the line of {one} in {title}" for one in files if one not in lines
            ]
            raise DamagedData(f"{where}: {some(lacks)} not there; fetch {name} again")
        found += [(Clip(files[one], f"{where}/{one}.flac"), lines[one]) for one in sorted(lines)]
    if not found:
        raise DamagedData(f"{name}: no recordings in it; fetch it again")
    return found
