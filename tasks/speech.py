"""Spoken digits, synthetic and real: which recordings make a task, their features and their splits."""

from __future__ import annotations

import hashlib
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
from tasks.data import digits, fsdd
from tasks.data.cache import cached
from tasks.features import Mel, Ragged, log_mel
from tasks.recognition import Connected, Isolated
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
    raise ValueError(f"no speech task is called {card.name}")


def _digits(card: Card) -> Isolated:
    lines = {split: digits.lines(split, count, 1, 1) for split, count in DIGITS.items()}
    found = _features(card, COARSE, lambda: {split: digits.samples(split, lines[split]) for split in lines})
    return Isolated(card, **_isolated(found, {split: [line.digits[0] for line in lines[split]] for split in lines}))


def _connected(card: Card) -> Connected:
    lines = {split: digits.lines(split, count, 2, 4) for split, count in CONNECTED.items()}
    found = _features(card, COARSE_STRING, lambda: {split: digits.samples(split, lines[split]) for split in lines})
    return Connected(card, **_strings(found, {split: [line.digits for line in lines[split]] for split in lines}))


def _fsdd(card: Card, data: Path | None, parts: Mapping[str, tuple[Sequence[str], range]]) -> Isolated:
    """`parts`: the speakers and the indexes of each split."""
    fsdd.located(data)
    every = _features(card, FINE, lambda: {"all": fsdd.samples(data)})["all"]  # the same for every split: cached once
    found, labels = {}, {}
    for split, (speakers, indexes) in parts.items():
        chosen = [n for n, one in enumerate(fsdd.RECORDINGS) if one.speaker in speakers and one.index in indexes]
        found[split], labels[split] = every.pick(chosen), [fsdd.RECORDINGS[n].digit for n in chosen]
    return Isolated(card, **_isolated(found, labels))


def _fsdd_connected(card: Card, data: Path | None) -> Connected:
    fsdd.located(data)
    lines = {split: fsdd.lines(split, count) for split, count in FSDD_CONNECTED.items()}

    def sounds() -> dict[str, Sounds]:
        recordings = fsdd.samples(data)
        return {split: fsdd.joined(split, lines[split], recordings) for split in lines}

    found = _features(card, FINE_STRING, sounds)
    spoken = {split: [[fsdd.RECORDINGS[n].digit for n in line] for line in lines[split]] for split in lines}
    return Connected(card, **_strings(found, spoken))


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


def _isolated(found: Mapping[str, Ragged], labels: Mapping[str, Sequence[int]]) -> dict[str, Sequences]:
    """Splits with one label a recording."""
    moments = found["train"].moments()
    splits = {}
    for split, ragged in found.items():
        x, lengths = ragged.padded(*moments)
        splits[split] = Sequences(x, torch.tensor(labels[split]), lengths)
    return splits


def _strings(found: Mapping[str, Ragged], spoken: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, Sequences]:
    """Splits with a string of labels a recording; label 0 is CTC's blank, so that digit d is label d + 1."""
    moments = found["train"].moments()
    splits = {}
    for split, ragged in found.items():
        x, lengths = ragged.padded(*moments)
        labels = [torch.tensor(line) + 1 for line in spoken[split]]
        y = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True)
        splits[split] = Sequences(x, y, lengths, torch.tensor([len(line) for line in labels]))
    return splits
