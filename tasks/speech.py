"""Speech, synthetic and real: which recordings make a task, their features and their splits."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy
import torch
import torchaudio
from numpy.typing import NDArray

from tasks import features
from tasks.base import Sequences
from tasks.card import Card
from tasks.data import an4, commands, digits, folder, fsdd, librispeech, yesno
from tasks.data.cache import cached
from tasks.data.prepared import Clip, Prepared, prepared, together
from tasks.data.source import DamagedData
from tasks.features import Mel, Ragged, log_mel
from tasks.recognition import Connected, Isolated
from tasks.recordings import String, splits
from tasks.speech_cards import SPEAKERS

# 20 ms between frames: a digit is 20 of them, so that an update costs milliseconds on one core. 20 bands are half of
# the usual 40 and still part the formants.
COARSE = Mel(bands=20, hop=160)
# Real speech rewards detail: 40 bands; 16 ms make 27 frames of the median digit.
FINE = Mel(bands=40, hop=128)
# Strings are long. 30 ms still leave five frames to the shortest digit, where CTC needs two; 20 ms cost half as much
# again and learnt no more.
COARSE_STRING = Mel(bands=20, hop=240, window=384)
FINE_STRING = Mel(bands=40, hop=240, window=384)


def wide(rate: int) -> Mel:
    """For speech at 16 kHz and other rates: windows of 25 ms, as is usual, every 16 ms instead of the usual 10.

    A recurrent network's time goes with the frames. 62 a second are still more than fast reading has characters.
    """
    return Mel(bands=40, hop=rate * 16 // 1000, window=rate * 25 // 1000)


UNSEEN = "\N{REPLACEMENT CHARACTER}"
"""Stands for every character that no training transcript has."""

DIGITS = {"train": 1200, "valid": 200, "test": 400}
CONNECTED = {"train": 800, "valid": 150, "test": 250}
FSDD_CONNECTED = {"train": 1500, "valid": 200, "test": 300}

Sounds = Sequence[NDArray[np.float32]]


def build(card: Card, data: Path | None) -> Isolated | Connected:
    """The speech task of this card."""
    match card.name.split("/")[1:]:
        case ["digits"]:
            return _digits(card)
        case ["connected"]:
            return _connected(card)
        case ["fsdd"]:
            return _fsdd(card, data, {split: (SPEAKERS, indexes) for split, indexes in fsdd.SPLIT.items()})
        case ["fsdd-speakers", speaker]:
            beside = SPEAKERS[(SPEAKERS.index(speaker) + 1) % len(SPEAKERS)]
            others = tuple(who for who in SPEAKERS if who not in (speaker, beside))
            who = {"train": others, "valid": (beside,), "test": (speaker,)}
            return _fsdd(card, data, {split: (who[split], fsdd.INDEXES) for split in who})
        case ["fsdd-connected"]:
            return _fsdd_connected(card, data)
        case ["commands-v1" | "commands-v2" as name, kind]:
            return _commands(card, int(name[-1]), kind, data)
        case ["yesno"]:
            clips, parts, answers = yesno.recordings(data)
            said = [np.array(line, np.int16) + 1 for line in answers]
            return _said(card, clips, parts, said, yesno.LABELS, FINE_STRING, yesno.RATE)
        case ["an4"]:
            clips, parts, transcripts = an4.recordings(data)
            return _spelled(card, clips, parts, transcripts, an4.RATE)
        case ["librispeech", hours, kind]:
            clips, parts, transcripts = librispeech.recordings(hours, kind, data)
            return _spelled(card, clips, parts, transcripts, librispeech.RATE, librispeech.LABELS)
    raise ValueError(f"no speech task is called {card.name}")


def own(card: Card, options: Mapping[str, str]) -> Isolated | Connected:
    """The task made of the reader's own recordings, as tasks.data.folder says. Raises MissingData and DamagedData."""
    rate, every = folder.rate(options), folder.utterances(options)
    clips = [Clip(one.path, one.name) for one in every]
    parts = {split: [n for n, one in enumerate(every) if one.split == split] for split in folder.SPLITS}
    if "csv" in options:
        return _spelled(card, clips, parts, [one.said for one in every], rate)
    labels = tuple(sorted({one.said for one in every}))
    said = {split: [labels.index(every[n].said) for n in parts[split]] for split in parts}
    return _isolated_clips(card, clips, parts, said, labels, rate)


def _commands(card: Card, version: int, kind: str, data: Path | None) -> Isolated:
    found = commands.commands(version, kind, data)
    return _isolated_clips(card, found.clips, found.parts, found.said, found.labels, commands.RATE)


def _isolated_clips(
    card: Card,
    clips: Sequence[Clip],
    parts: Mapping[str, Sequence[int]],
    said: Mapping[str, Sequence[int]],
    labels: tuple[str, ...],
    rate: int,
) -> Isolated:
    """Recordings of one word each. `said`: split -> the label of each of its `parts`."""
    mel = wide(rate)
    found = splits(_prepared(card, clips, rate, mel), parts, said, rate, mel)
    return Isolated(card, *found, labels=labels)


def _spelled(
    card: Card,
    clips: Sequence[Clip],
    parts: Mapping[str, Sequence[int]],
    transcripts: Sequence[str],
    rate: int,
    labels: tuple[str, ...] | None = None,
) -> Connected:
    """Recordings whose transcripts are spelled; of `labels`, or of the characters of train and one for all others."""
    if labels is None:
        known = {sign for n in parts["train"] for sign in transcripts[n]}
        strange = {sign for transcript in transcripts for sign in transcript} - known
        labels = (*sorted(known), UNSEEN) if strange else tuple(sorted(known))
    if not any(transcripts[n].strip() for n in parts["train"]) or not any(
        transcripts[n].strip() for n in parts["test"]
    ):
        raise DamagedData(f"{card.name}: no word in any transcript of train or of test; add some")
    number = {label: place + 1 for place, label in enumerate(labels)}
    said = [np.array([number.get(sign, len(labels)) for sign in line], np.int16) for line in transcripts]
    return _said(card, clips, parts, said, labels, wide(rate), rate, spelled=True)


def _said(
    card: Card,
    clips: Sequence[Clip],
    parts: Mapping[str, Sequence[int]],
    said: Sequence[String],
    labels: tuple[str, ...],
    mel: Mel,
    rate: int,
    spelled: bool = False,
) -> Connected:
    """Recordings with a string of labels each, numbered from 1, since 0 is CTC's blank."""
    features_ = _prepared(card, clips, rate, mel)
    for clip, frames, line in zip(clips, features_.lengths.tolist(), said, strict=True):
        needed = len(line) + int((line[1:] == line[:-1]).sum())
        if frames < max(needed, 1):
            raise DamagedData(
                f"{clip.name}: {frames} frames are too few for a transcript of {len(line)} signs; "
                "is it this recording's? mend it or leave it out"
            )
    chosen = {split: [said[n] for n in parts[split]] for split in parts}
    return Connected(card, *splits(features_, parts, chosen, rate, mel), labels=labels, spelled=spelled)


def _prepared(card: Card, clips: Sequence[Clip], rate: int, mel: Mel) -> Prepared:
    """The features of a task's clips. A subset of LibriSpeech, in several tasks, is prepared by itself."""
    if not card.name.startswith("speech/librispeech/"):
        return prepared(card.name.replace("/", "-"), clips, rate, mel)
    subsets = itertools.groupby(clips, key=lambda clip: clip.name.split("/")[0])
    return together([prepared(f"librispeech-{subset}", list(some), rate, mel) for subset, some in subsets])


def _digits(card: Card) -> Isolated:
    lines = {split: digits.lines(split, count, 1, 1) for split, count in DIGITS.items()}
    found = _features(card, COARSE, lambda: {split: digits.samples(split, lines[split]) for split in lines})
    return Isolated(card, *_isolated(found, {split: [line.digits[0] for line in lines[split]] for split in lines}))


def _connected(card: Card) -> Connected:
    lines = {split: digits.lines(split, count, 2, 4) for split, count in CONNECTED.items()}
    found = _features(card, COARSE_STRING, lambda: {split: digits.samples(split, lines[split]) for split in lines})
    return Connected(card, *_strings(found, {split: [line.digits for line in lines[split]] for split in lines}))


def _fsdd(card: Card, data: Path | None, parts: Mapping[str, tuple[Sequence[str], range]]) -> Isolated:
    """`parts`: the speakers and the indexes of each split."""
    fsdd.located(data)
    every = _features(card, FINE, lambda: {"all": fsdd.samples(data)})["all"]  # the same for every split: cached once
    found, labels = {}, {}
    for split, (speakers, indexes) in parts.items():
        chosen = [n for n, one in enumerate(fsdd.RECORDINGS) if one.speaker in speakers and one.index in indexes]
        found[split], labels[split] = every.pick(chosen), [fsdd.RECORDINGS[n].digit for n in chosen]
    return Isolated(card, *_isolated(found, labels))


def _fsdd_connected(card: Card, data: Path | None) -> Connected:
    fsdd.located(data)
    lines = {split: fsdd.lines(split, count) for split, count in FSDD_CONNECTED.items()}

    def sounds() -> dict[str, Sounds]:
        recordings = fsdd.samples(data)
        return {split: fsdd.joined(split, lines[split], recordings) for split in lines}

    found = _features(card, FINE_STRING, sounds)
    spoken = {split: [[fsdd.RECORDINGS[n].digit for n in line] for line in lines[split]] for split in lines}
    return Connected(card, *_strings(found, spoken))


def _features(card: Card, mel: Mel, sounds: Callable[[], Mapping[str, Sounds]]) -> dict[str, Ragged]:
    """Log-mel features of named lists of recordings, from the cache where they have been computed before."""

    def compute() -> dict[str, NDArray[np.generic]]:
        made = {name: log_mel(recordings, mel) for name, recordings in sounds().items()}
        fields = ("frames", "lengths")
        return {f"{name}.{field}": getattr(ragged, field) for name, ragged in made.items() for field in fields}

    name = "speech-fsdd" if card.name.startswith("speech/fsdd-speakers/") else card.name.replace("/", "-")
    arrays = cached(name, (card.version, mel, _origin(card)), compute)
    names = dict.fromkeys(key.split(".")[0] for key in arrays)
    return {name: Ragged(arrays[f"{name}.frames"], arrays[f"{name}.lengths"]) for name in names}


def _origin(card: Card) -> tuple[str, ...]:
    """What features come from: this code, with its settings, seed and pinned checksum, and the libraries' versions.

    The code's own bytes stand for its version, since a number can be forgotten.
    """
    modules = (features.__file__, fsdd.__file__ if card.dataset else digits.__file__, __file__)
    code = hashlib.sha256(b"".join(Path(file).read_bytes() for file in modules)).hexdigest()
    return code, *(str(library.__version__) for library in (np, scipy, torch, torchaudio))


def _isolated(
    found: Mapping[str, Ragged], labels: Mapping[str, Sequence[int]]
) -> tuple[Sequences, Sequences, Sequences]:
    """train, valid and test with one label a recording."""
    moments = found["train"].moments()

    def split(name: str) -> Sequences:
        x, lengths = found[name].padded(*moments)
        return Sequences(x, torch.tensor(labels[name]), lengths)

    return split("train"), split("valid"), split("test")


def _strings(
    found: Mapping[str, Ragged], spoken: Mapping[str, Sequence[Sequence[int]]]
) -> tuple[Sequences, Sequences, Sequences]:
    """The same with a string of labels a recording; label 0 is CTC's blank, so that digit d is label d + 1."""
    moments = found["train"].moments()

    def split(name: str) -> Sequences:
        x, lengths = found[name].padded(*moments)
        labels = [torch.tensor(line) + 1 for line in spoken[name]]
        y = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True)
        return Sequences(x, y, lengths, torch.tensor([len(line) for line in labels]))

    return split("train"), split("valid"), split("test")
