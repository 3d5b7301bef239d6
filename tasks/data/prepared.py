"""Features of many recordings, computed in one pass and memory-mapped from then on: data larger than memory.

A preparation is a folder in the cache: `frames`, (frame, band) float16, all recordings one after the other, and
`index.npz`, what is known of each. Half precision is exact to 0.004 for a log-mel value below 8 and halves what is
read; moments are taken of the rounded values.

The key of a preparation is the code that made it, its settings, the libraries' versions and, of each file, its name,
size and time of change in nanoseconds: hashing the 60 GB of LibriSpeech at every start would take minutes.
A file of other content with the same size and time is not noticed.

**Memory.** Recordings are read, transformed and written in groups of about 30 s of sound. More files take no more but
what their list does, some 1 KiB each: beside the libraries at most 1 GiB, LibriSpeech's 281,241 recordings included. A
single recording of ten minutes, the most that tasks.data.sound allows, takes 1.5 GiB at 192 kHz.

**Whole or not at all.** A pass writes into a folder of its own, which is given its name at the end. What a killed pass
left is removed by the next one; a lock makes a second process wait for the first instead of doing the same.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import soundfile
import torch
import torchaudio
from filelock import FileLock
from numpy.typing import NDArray

from tasks import features
from tasks.data import places, sound
from tasks.data.source import DamagedData
from tasks.features import Mel, log_mel

GROUP = 30  # seconds of sound that are transformed together


@dataclass(frozen=True)
class Clip:
    """A recording, or a stretch of one."""

    path: Path
    name: str  # what messages call it
    begin: int = 0  # sample, at the file's own rate
    end: int | None = None
    raw: int | None = None  # Hz of a file that has no header: 16 bit, mono (tasks.data.sound.headless)


class Joined:
    """Mapped arrays as if they stood one after the other: (frame, band), read by slices."""

    def __init__(self, parts: Sequence[NDArray[np.float16]]) -> None:
        self.parts = parts
        self.ends = np.cumsum([len(part) for part in parts])
        self.shape = (int(self.ends[-1]), parts[0].shape[1])

    def __getitem__(self, span: slice) -> NDArray[np.float16]:
        begins = self.ends - [len(part) for part in self.parts]
        pieces = [
            part[max(span.start - begin, 0) : max(span.stop - begin, 0)]
            for part, begin in zip(self.parts, begins.tolist(), strict=True)
        ]
        found = [piece for piece in pieces if len(piece)]
        return found[0] if len(found) == 1 else np.concatenate(found or pieces)


@dataclass(frozen=True)
class Prepared:
    """Features of clips, in the clips' order."""

    frames: NDArray[np.float16] | Joined  # (frame, band), mapped
    lengths: NDArray[np.int64]  # (clip,) frames of each
    prints: NDArray[np.uint8]  # (clip, 16) hash of the decoded samples, before any change of rate
    key: str  # what made it


def prepared(name: str, clips: Sequence[Clip], rate: int, mel: Mel) -> Prepared:
    """The features of these clips at `rate`, from the cache if they have been made before. Raises DamagedData."""
    folder = places.cache() / "prepared"
    final = folder / f"{name}-{_key(clips, rate, mel)}"
    if (found := _opened(final, mel.bands)) is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{final.name}.lock"):  # the system frees it when its owner dies
            if (found := _opened(final, mel.bands)) is None:
                half = folder / f"{final.name}.half"
                for left in (half, final):  # of a killed pass; and of damage
                    shutil.rmtree(left, ignore_errors=True)
                half.mkdir()
                _write(half, clips, rate, mel)
                os.replace(half, final)
                found = _opened(final, mel.bands)
    except OSError as error:
        shutil.rmtree(folder / f"{final.name}.half", ignore_errors=True)
        said = error.strerror or str(error)
        raise DamagedData(
            f"{name}: features cannot be written to the cache folder ({said}); make room there, or name another "
            "folder with LSTM_BENCH_CACHE"
        ) from None
    assert found is not None, "what was written can be read"
    return found


def together(parts: Sequence[Prepared]) -> Prepared:
    """Several preparations as one: what tasks have in common is prepared once."""
    frames = Joined([part.frames for part in parts if isinstance(part.frames, np.ndarray)])
    lengths, prints = (np.concatenate([getattr(part, name) for part in parts]) for name in ("lengths", "prints"))
    return Prepared(frames, lengths, prints, " ".join(part.key for part in parts))


def _key(clips: Sequence[Clip], rate: int, mel: Mel) -> str:
    digest = hashlib.sha256()
    for module in (features.__file__, sound.__file__, __file__):
        digest.update(Path(module).read_bytes())
    versions = [str(library.__version__) for library in (np, scipy, soundfile, torch, torchaudio)]
    digest.update(repr((rate, mel, versions, soundfile.__libsndfile_version__)).encode())
    for clip in clips:
        try:
            found = clip.path.stat()
        except OSError:
            raise DamagedData(f"{clip.name}: not there, or not to be read; fetch the data again") from None
        said = (clip.name, clip.begin, clip.end, clip.raw, found.st_size, found.st_mtime_ns)
        digest.update(repr(said).encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _opened(folder: Path, bands: int) -> Prepared | None:
    """What a pass has written; None where there is nothing, or where it is damaged."""
    try:
        with (folder / "index.npz").open("rb") as file, np.load(file, allow_pickle=False) as index:
            lengths, prints = index["lengths"], index["prints"]
        shape = (int(lengths.sum()), bands)
        if (folder / "frames").stat().st_size != 2 * shape[0] * bands:
            return None
        frames: NDArray[np.float16] = np.memmap(folder / "frames", np.float16, "r", shape=shape)
    except Exception:  # a damaged archive fails in a dozen ways; all of them mean: make it again
        return None
    return Prepared(frames, lengths, prints, folder.name)


def _write(folder: Path, clips: Sequence[Clip], rate: int, mel: Mel) -> None:
    """The one pass over all clips."""
    lengths, prints = [], []
    with (folder / "frames").open("wb") as file:
        for group in _groups(clips, rate):
            made = log_mel([samples for samples, _ in group], mel, rate)
            made.frames.astype(np.float16).tofile(file)
            lengths.append(made.lengths)
            prints += [found for _, found in group]
        file.flush()
        os.fsync(file.fileno())
    arrays: dict[str, Any] = {
        "lengths": np.concatenate(lengths).astype(np.int64),
        "prints": np.frombuffer(b"".join(prints), np.uint8).reshape(-1, 16),
    }
    np.savez(folder / "index.npz", **arrays)


def _sound(clip: Clip) -> tuple[sound.Samples, int]:
    """The whole file of a clip, and its rate."""
    if clip.raw is not None:
        return sound.headless(clip.path, clip.raw, clip.name)
    return sound.decoded(clip.path, clip.name)


def _groups(clips: Sequence[Clip], rate: int) -> Iterator[list[tuple[sound.Samples, bytes]]]:
    """The samples of consecutive clips at `rate`, and their hashes."""
    group: list[tuple[sound.Samples, bytes]] = []
    seconds = 0.0
    last: tuple[Path, sound.Samples, int] | None = None
    for clip in clips:
        if last is None or last[0] != clip.path:  # several stretches of one file are read once
            last = clip.path, *_sound(clip)
        samples, own = last[1][clip.begin : clip.end], last[2]
        found = hashlib.blake2b(np.ascontiguousarray(samples, "<f4").tobytes(), digest_size=16).digest()
        length = len(samples) / own
        if group and seconds + length > GROUP:  # a long one stands alone: a group is padded to its longest
            yield group
            group, seconds = [], 0.0
        group.append((sound.at_rate(samples, own, rate), found))
        seconds += length
    if group:
        yield group
