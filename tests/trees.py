"""Small recordings in the official layouts of published datasets: noise, and nobody's voice."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from toys import tiny

from bench.spec import RunSpec
from tasks.cards import TASKS
from tasks.data.commands import WORDS

SPEAKERS = {"train": [f"{n:08x}" for n in range(6)], "valid": ["aaaaaaaa"], "test": ["bbbbbbbb"]}
LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}


def noise(name: str, rate: int, seconds: float) -> np.ndarray:
    """Sound that is the name's own, on the grid of 16 bit."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return (rng.normal(0, 3000, int(rate * seconds)).clip(-32768, 32767)).astype(np.int16)


def record(path: Path, rate: int, seconds: float = 0.25, kind: str | None = None) -> Path:
    """A recording of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise(path.name + path.parent.name, rate, seconds), rate, subtype="PCM_16", format=kind)
    return path


def speech_commands(root: Path, version: int) -> Path:
    """Eight recordings of each word; the lists end without a newline, as the published ones do."""
    listed: dict[str, list[str]] = {"valid": [], "test": []}
    for word in WORDS[version]:
        for split, speakers in SPEAKERS.items():
            for speaker in speakers:
                name = f"{word}/{speaker}_nohash_0.wav"
                record(root / name, 16_000)
                if split in listed:
                    listed[split].append(name)
    for split, names in listed.items():
        (root / LISTS[split]).write_text("\n".join(names))
    for name in ("doing_the_dishes", "white_noise"):
        record(root / "_background_noise_" / f"{name}.wav", 16_000, 12)
    (root / "README.md").write_text("what this is")
    return root


def yesno(root: Path, count: int = 60) -> Path:
    """Strings of eight words; of 60 about as many different ones as the published archive has."""
    for number in range(count):
        word = "_".join(f"{number * 4 + 1:08b}")
        record(root / f"{word}.wav", 8_000, 1.2)
    (root / "README").write_text("what this is")
    return root


def an4(root: Path, speakers: int = 12, ending: str = "sph") -> Path:
    """Two recordings of each speaker; two more speakers are for test, whose transcripts have no marks."""
    lists: dict[str, list[str]] = {"train": [], "test": []}
    texts: dict[str, list[str]] = {"train": [], "test": []}
    for number in range(speakers + 2):
        split, folder = ("train", "an4_clstk") if number < speakers else ("test", "an4test_clstk")
        who = f"s{number:03d}"
        for said, take in (("GO", "an1"), ("ENTER SIX", "cen2")):
            name = f"{folder}/{who}/{take}-{who}-b"
            samples = smooth(name)
            path = root / "wav" / f"{name}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if ending == "raw":
                path.write_bytes(samples.astype(">i2").tobytes())
            else:
                soundfile.write(path, samples, 16_000, format={"sph": "NIST", "wav": "WAV"}[ending], subtype="PCM_16")
            lists[split].append(name)
            texts[split].append(
                f"<s> {said} </s> ({Path(name).name})" if split == "train" else f"{said} ({Path(name).name})"
            )
    (root / "etc").mkdir()
    for split in lists:
        (root / "etc" / f"an4_{split}.fileids").write_text("\n".join(lists[split]) + "\n")
        (root / "etc" / f"an4_{split}.transcription").write_text("\n".join(texts[split]) + "\n")
    return root


def smooth(name: str, seconds: float = 0.5) -> np.ndarray:
    """Noise whose neighbours are alike, as those of speech are: bare samples are told by that."""
    return np.convolve(noise(name, 16_000, seconds), np.ones(8) / 8, "same").astype(np.int16)


def librispeech(root: Path, subsets: Sequence[str]) -> Path:
    """Two chapters of two recordings in each subset."""
    for number, subset in enumerate(subsets):
        for chapter in (10, 11):
            speaker = 100 + number
            folder = root / subset / str(speaker) / str(chapter)
            lines = []
            for n in range(2):
                name = f"{speaker}-{chapter}-{n:04d}"
                record(folder / f"{name}.flac", 16_000, 0.6)
                lines.append(f"{name} {('IT IS', 'DON' + chr(39) + 'T GO')[n]}")
            (folder / f"{speaker}-{chapter}.trans.txt").write_text("\n".join(lines) + "\n")
    return root


def sizes(task: Any) -> list[int]:
    """How many sequences train, valid and test have."""
    return [len(split) for split in (task.train, task.valid, task.test)]


def few(name: str) -> RunSpec:
    """A run of a few updates on this task, on the back end that nothing is built for."""
    spec = tiny("speech/connected" if TASKS[name].metric == "wer" else "speech/digits")
    small = replace(spec.budget, batch=4, steps=4, evaluate=2, curve=8)
    return replace(spec, names=replace(spec.names, task=name), budget=small, backend="eager")
