"""Free Spoken Digit Dataset: six men say each digit fifty times (Jackson et al. 2018, doi:10.5281/zenodo.1342401).

Layout `fsdd/recordings/{digit}_{speaker}_{index}.wav`: 3,000 files, 8 kHz, mono, 16 bit, 0.14 / 0.42 / 2.28 s at the
least / median / most, as in github.com/Jakobovski/free-spoken-digit-dataset at 26eb9aa. Licence CC BY-SA 4.0: keep the
attribution, share alike. Nothing of it is copied into this repository.

The official split tests on indexes 0 to 4. Each speaker of its test set is also in training, so it is **not** speaker
independent; leaving one speaker out is the harder and fairer test. Published scores are from other splits and only a
rough guide: 97.33 % for a one-layer BiLSTM on 39 MFCC, random 80/10/10 split (aniruddhapal211316/
spoken_digit_recognition at 147f435); 97 % for a CNN on the older 1,500 files of three speakers ("sound-mnist").
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from tasks.data import SOURCES, DamagedData
from tasks.data.source import missing
from tasks.speech_cards import SPEAKERS

RATE = 8000
INDEXES = range(50)

# By index. Test is official; the repository names no validation recordings, so the next five of each are set aside.
SPLIT = {"train": range(10, 50), "valid": range(5, 10), "test": range(0, 5)}

SEED = 20180102
GAP = (0.02, 0.2)  # seconds between the digits of a string
NOISE = 40.0  # dB below a string's mean power, so that its joints are not told by digital silence

# sha256 of the sorted lines "<sha256>  fsdd/recordings/<name>.wav\n", as `sha256sum` writes them
CHECKSUM = "8f12bbbd51d141d7b73139fc9ba83cf9aaea4b7a385284e7710430761b28b673"

# The same over the lines of one speaker or of one digit, first 16 digits: where the two cross lies the damage.
BY_SPEAKER = {
    "george": "8586438beeb6aa28",
    "jackson": "54ce3e37a2cf665e",
    "lucas": "2733858dd9f34a2a",
    "nicolas": "bb786f5718f692a8",
    "theo": "24a143779be72d96",
    "yweweler": "9acbb144e262ecd8",
}
BY_DIGIT = (
    "f9c77cda6a239567",
    "2aea44ef3d67df26",
    "88b0addf0304ec5f",
    "305744b39afdc4a7",
    "0fb9e399a11d64a9",
    "dbcfa8061dc55e73",
    "6ea69ca9776c3bc3",
    "75b3a31c658836e7",
    "e466af5d253aed60",
    "ad8c7898bd952a33",
)


@dataclass(frozen=True)
class Recording:
    """One spoken digit."""

    digit: int
    speaker: str
    index: int

    @property
    def name(self) -> str:
        return f"{self.digit}_{self.speaker}_{self.index}.wav"


# in the order of their file names, which is that of the checksum and of every array made from them
RECORDINGS = sorted(
    (Recording(digit, speaker, index) for digit in range(10) for speaker in SPEAKERS for index in INDEXES),
    key=lambda recording: recording.name,
)


@cache
def located(data: Path | None) -> Path:
    """The folder of the recordings, all of them there and compared with the pinned checksum."""
    folder = (data or Path()) / "fsdd" / "recordings"
    absent = [one.name for one in RECORDINGS if data is None or not (folder / one.name).is_file()]
    if absent:
        lacks = "fsdd/recordings" if len(absent) == len(RECORDINGS) else f"{_some(absent)} of fsdd/recordings"
        raise missing(SOURCES["fsdd"], data, lacks)
    lines = {one: _line(one, folder) for one in RECORDINGS}
    got = _checksum(lines.values())
    if got != CHECKSUM:
        speakers = [who for who in SPEAKERS if _differs(BY_SPEAKER[who], (lines[r] for r in lines if r.speaker == who))]
        digits = [str(d) for d in range(10) if _differs(BY_DIGIT[d], (lines[r] for r in lines if r.digit == d))]
        raise DamagedData(
            f"fsdd/recordings: expected checksum {CHECKSUM}, got {got}; files differ among digit {', '.join(digits)} "
            f"of speaker {', '.join(speakers)} ({{digit}}_{{speaker}}_*.wav); remove the folder and fetch it again"
        )
    return folder


def samples(data: Path | None) -> list[NDArray[np.float32]]:
    """The sound of each of RECORDINGS, (sample,) in [-1, 1]."""
    folder = located(data)
    return [soundfile.read(folder / one.name, dtype="float32")[0] for one in RECORDINGS]


def lines(split: str, count: int, shortest: int = 3, longest: int = 7) -> list[list[int]]:
    """`count` strings of digits, as indexes of RECORDINGS: each of one speaker, from recordings of `split` alone."""
    rng = _rng(split, "lines")
    number = {recording: index for index, recording in enumerate(RECORDINGS)}
    found = []
    for _ in range(count):
        speaker = SPEAKERS[rng.integers(len(SPEAKERS))]
        spoken = rng.integers(10, size=rng.integers(shortest, longest + 1)).tolist()
        takes = rng.choice(SPLIT[split], len(spoken)).tolist()
        found.append([number[Recording(digit, speaker, take)] for digit, take in zip(spoken, takes, strict=True)])
    return found


def joined(split: str, lines: list[list[int]], sounds: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """The recordings of each line in a row, with short pauses and faint noise."""
    rng = _rng(split, "joined")
    strings = []
    for line in lines:
        parts = [sounds[line[0]]]
        for index in line[1:]:
            parts += [np.zeros(int(rng.uniform(*GAP) * RATE), dtype=np.float32), sounds[index]]
        string = np.concatenate(parts)
        level = np.float32(np.sqrt(np.square(string).mean() / 10 ** (NOISE / 10)))
        strings.append(string + level * rng.standard_normal(len(string), dtype=np.float32))
    return strings


def _rng(split: str, use: str) -> np.random.Generator:
    return np.random.default_rng([SEED, list(SPLIT).index(split), ("lines", "joined").index(use)])


def _line(recording: Recording, folder: Path) -> str:
    sha256 = hashlib.sha256((folder / recording.name).read_bytes()).hexdigest()
    return f"{sha256}  fsdd/recordings/{recording.name}\n"


def _checksum(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _differs(pinned: str, lines: Iterable[str]) -> bool:
    return not _checksum(lines).startswith(pinned)


def _some(names: list[str]) -> str:
    """The first three names, and how many more."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
