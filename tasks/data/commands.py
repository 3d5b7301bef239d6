"""Google Speech Commands, versions 1 and 2: one-second recordings of single words (Warden 2018, arXiv:1804.03209).

Layout `speech_commands_v0.02/{word}/{speaker}_nohash_{n}.wav`, 16 kHz, mono, 16 bit, beside `validation_list.txt`,
`testing_list.txt` and `_background_noise_/*.wav`; with torchaudio's folder `SpeechCommands` around it or without.
Version 1 has 64,727 recordings of 30 words, version 2 105,829 of 35. Licence CC BY 4.0.

**Splits** are the official lists, by speaker; what is on neither is training. In version 2 valid has 9,981 recordings
and test 11,005. A list that names a file which is not there, or twice, is refused.

**Tasks.** `35` (version 1: `30`): every word a class. `20`: twenty words and one class for all others, as in de Andrade
et al. 2018 (arXiv:1808.08929; SpeechDownloader.py in their repository). `12`: ten words, `_unknown_` and `_silence_`,
in the shares of Warden 2018 (input_data.py of tensorflow/examples/speech_commands): in each split of n recordings of
the ten words, a tenth of n more of other words, drawn by a hash of their names, and a tenth of n stretches of one
second of background noise. Each noise recording gives its first eight tenths to train, the next to valid, the last to
test, so no two splits share a stretch. Version 2 thus has 4,890 recordings in test, as many as the archive
`speech_commands_test_set_v0.02`, which holds a draw of its own and is not read: a task has one test set, whatever else
lies on the disk. Noise is not mixed into training recordings; published recipes do that anew in every epoch.

**Published**, accuracy on test: attention over a bidirectional LSTM with 202 K parameters, `20`: 94.1 % (version 1),
94.5 % (version 2) (de Andrade et al. 2018, abstract).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile
from torchaudio.datasets import SPEECHCOMMANDS

from tasks.data import SOURCES, DamagedData
from tasks.data.layout import folder, some, text
from tasks.data.prepared import Clip
from tasks.data.source import missing

RATE = 16_000
NOISE = "_background_noise_"
SILENCE, UNKNOWN = "_silence_", "_unknown_"
TEN = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
TWENTY = (*TEN, "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
THIRTY = (*TWENTY, "bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow")
THIRTY_FIVE = (*THIRTY, "backward", "forward", "follow", "learn", "visual")
WORDS = {1: THIRTY, 2: THIRTY_FIVE}
SHARE = 10  # % of silence and of unknown words, each of the number of known ones

SUBSETS = {"train": "training", "valid": "validation", "test": "testing"}
STRETCHES = {"train": (0.0, 0.8), "valid": (0.8, 0.9), "test": (0.9, 1.0)}  # of each noise recording
LISTED = re.compile(r"(\w+)/[^/\s]+_nohash_\d+\.wav")


@dataclass(frozen=True)
class Commands:
    """Recordings, their words and their splits."""

    labels: tuple[str, ...]
    clips: list[Clip]
    parts: dict[str, list[int]]  # split -> clips
    said: dict[str, list[int]]  # split -> label of each


def commands(version: int, kind: str, data: Path | None) -> Commands:
    """Version 1 or 2 as the task `kind`: 12, 20, or the number of all words. Raises MissingData and DamagedData."""
    root = _root(version, data)
    found = {split: _subset(root, split) for split in SUBSETS}
    words = WORDS[version]
    labels: tuple[str, ...] = words
    match kind:
        case "12":
            labels = (*TEN, UNKNOWN, SILENCE)
            noise = _noise(root)
            found = {split: _ten(split, every, noise) for split, every in found.items()}
        case "20":
            labels = (*TWENTY, UNKNOWN)
            found = {split: _renamed(every, TWENTY) for split, every in found.items()}
    clips: list[Clip] = []
    parts, said = {}, {}
    for split, every in found.items():
        parts[split] = list(range(len(clips), len(clips) + len(every)))
        clips += [clip for clip, _ in every]
        said[split] = [labels.index(word) for _, word in every]
    return Commands(labels, clips, parts, said)


def _root(version: int, data: Path | None) -> Path:
    """The folder of the word folders, with both lists and every word there."""
    source, name = SOURCES[f"speech-commands-v{version}"], f"speech_commands_v0.0{version}"
    root = folder(source, data, (f"SpeechCommands/{name}", name))
    words = WORDS[version]
    absent = [word for word in (*words, "validation_list.txt", "testing_list.txt") if not (root / word).exists()]
    if absent:
        raise missing(source, data, f"{some(absent)} of {name}")
    strange = sorted(
        one.name for one in root.iterdir() if one.name not in (*words, NOISE) and one.name[0] != "." and _sounds(one)
    )
    if strange:
        raise DamagedData(f"{name}: {some(strange)} is no word of version {version}; is this another version?")
    listed: dict[str, str] = {}
    for file in ("validation_list.txt", "testing_list.txt"):
        for number, line in enumerate(text(root / file, f"{name}/{file}").splitlines(), 1):
            where = f"{name}/{file}:{number}"
            if not LISTED.fullmatch(line) or line.split("/")[0] not in words:
                raise DamagedData(f"{where}: {line[:80]!r} is no recording of version {version}; fetch it again")
            if line in listed:
                raise DamagedData(f"{where}: {line} is already on {listed[line]}; fetch the lists again")
            listed[line] = where
    absent = [f"{line} (on {where})" for line, where in listed.items() if not (root / line).is_file()]
    if absent:
        raise missing(source, data, f"{some(absent)} of {name}")
    return root


def _sounds(path: Path) -> bool:
    return path.is_dir() and any(path.glob("*.wav"))


def _subset(root: Path, split: str) -> list[tuple[Clip, str]]:
    """The recordings of a split and their words, sorted by name."""
    # torchaudio knows the lists and what is no word; the sound it cannot read without torchcodec, so tasks.data.sound
    # does. Its root is ours, so that either layout will do.
    every = SPEECHCOMMANDS(root.parent, root.name, folder_in_archive="", subset=SUBSETS[split])
    found = []
    for number in range(len(every)):
        relative, _, word, _, _ = every.get_metadata(number)
        found.append((Clip(root.parent / relative, relative), word))
    if not found:
        raise DamagedData(f"{root.name}: no recordings in {split}; fetch the lists again")
    return sorted(found, key=lambda one: one[0].name)


def _renamed(every: Sequence[tuple[Clip, str]], known: Sequence[str]) -> list[tuple[Clip, str]]:
    return [(clip, word if word in known else UNKNOWN) for clip, word in every]


def _ten(split: str, every: Sequence[tuple[Clip, str]], noise: Mapping[Path, int]) -> list[tuple[Clip, str]]:
    """The ten words, and as many others and stretches of noise as a tenth of them."""
    renamed = _renamed(every, TEN)
    known = [one for one in renamed if one[1] != UNKNOWN]
    count = math.ceil(len(known) * SHARE / 100)
    others = sorted(
        (one for one in renamed if one[1] == UNKNOWN), key=lambda one: _hash(one[0].name.rpartition("/")[2])
    )
    first, last = STRETCHES[split]
    silence = []
    paths = list(noise)
    for number in range(count):
        path = paths[number % len(paths)]
        low, high = int(first * noise[path]), int(last * noise[path]) - RATE
        begin = low + _hash(f"{split} {path.name} {number}") % (high - low + 1)
        clip = Clip(path, f"{NOISE}/{path.name}", begin, begin + RATE)
        silence.append((clip, SILENCE))
    return [*known, *sorted(others[:count], key=lambda one: one[0].name), *sorted(silence, key=_place)]


def _place(one: tuple[Clip, str]) -> tuple[str, int]:
    return one[0].name, one[0].begin


def _noise(root: Path) -> dict[Path, int]:
    """The noise recordings and their lengths in samples."""
    found = {}
    for path in sorted((root / NOISE).glob("*.wav")):
        name = f"{root.name}/{NOISE}/{path.name}"
        try:
            about = soundfile.info(path)
        except (OSError, soundfile.SoundFileError):
            raise DamagedData(f"{name}: cannot be read as sound; fetch it again") from None
        if about.samplerate != RATE or about.frames < 10 * RATE:  # a tenth of it is test's, and has to hold a second
            raise DamagedData(
                f"{name}: {about.frames} samples at {about.samplerate} Hz; expected ten seconds at {RATE} Hz at least"
            )
        found[path] = about.frames
    if not found:
        raise DamagedData(f"{root.name}/{NOISE}: no noise there, of which {SILENCE} is cut; fetch the archive again")
    return found


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
