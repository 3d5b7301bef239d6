"""A split of recordings whose features are memory-mapped: read, normalised and padded batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.base import Batch, Indexed
from tasks.data.cache import cached
from tasks.data.prepared import Joined, Prepared
from tasks.data.source import DamagedData
from tasks.features import Mel

CHUNK = 1 << 16  # frames that are summed at once

String = NDArray[np.int16]
"""Labels in order, numbered from 1: 0 is CTC's blank."""

Moments = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Recordings(Indexed):
    """Recordings of a preparation, and what was said in each."""

    frames: NDArray[np.float16] | Joined  # (frame, band) of the whole preparation, mapped
    begins: Tensor  # (recording,) first frame of each, on the CPU as are all tensors here
    lengths: Tensor  # (recording,) frames of each
    prints: NDArray[np.uint8]  # (recording, 16) hash of the decoded samples
    y: Tensor  # (recording,) labels; with y_lengths all strings of labels one after the other, int16
    y_lengths: Tensor | None  # (recording,) labels of each string; CTC only
    mean: Tensor  # (band,) of train's frames
    sd: Tensor
    settings: tuple[float, ...]  # of the features: rate and Mel
    device: torch.device | str = field(default="cpu")

    def __len__(self) -> int:
        return len(self.begins)

    @property
    def bands(self) -> int:
        return self.frames.shape[1]

    def _take(self, index: Tensor) -> Batch:
        lengths = self.lengths[index]
        x = torch.zeros(len(index), int(lengths.max()), self.bands)
        for row, (begin, length) in enumerate(zip(self.begins[index].tolist(), lengths.tolist(), strict=True)):
            frames = torch.from_numpy(self.frames[begin : begin + length].astype(np.float32))
            x[row, :length] = (frames - self.mean) / self.sd
        if self.y_lengths is None:
            return Batch(x.to(self.device), self.y[index].to(self.device), lengths)
        y_lengths = self.y_lengths[index]
        y = torch.zeros(len(index), max(1, int(y_lengths.max())), dtype=torch.int64)
        for row, recording in enumerate(index.tolist()):
            y[row, : y_lengths[row]] = self.string(recording)
        return Batch(x.to(self.device), y.to(self.device), lengths, y_lengths)

    def string(self, recording: int) -> Tensor:
        """The labels of a recording, (label,) int16; CTC only."""
        assert self.y_lengths is not None
        begin = int(self._y_begins[recording])
        return self.y[begin : begin + int(self.y_lengths[recording])]

    @cached_property
    def _y_begins(self) -> Tensor:
        assert self.y_lengths is not None
        return self.y_lengths.cumsum(0) - self.y_lengths

    def to(self, device: torch.device | str) -> Recordings:
        return replace(self, device=device)

    def tensors(self) -> Mapping[str, Tensor]:
        """For the fingerprint: hashes of the decoded samples, labels and settings.

        Features would differ in their last bits between processors; what was decoded does not.
        """
        settings = torch.tensor(self.settings, dtype=torch.float64)
        found = {"prints": torch.from_numpy(self.prints.copy()), "y": self.y, "settings": settings}
        return found if self.y_lengths is None else {**found, "y_lengths": self.y_lengths}


def splits(
    found: Prepared,
    parts: Mapping[str, Sequence[int]],
    labels: Mapping[str, Sequence[int] | Sequence[String]],
    rate: int,
    mel: Mel,
) -> tuple[Recordings, Recordings, Recordings]:
    """train, valid and test from the clips at `parts`, with a label or a string of labels each.

    No recording is in two splits: one whose samples, to the last, stand in test too is left out of valid and train,
    and one of valid out of train. So the published test set stays whole. Normalised with the moments of train. Raises
    DamagedData where nothing is left.
    """
    begins = found.lengths.cumsum() - found.lengths
    kept: dict[str, list[int]] = {}
    known: set[bytes] = set()
    for name in ("test", "valid", "train"):
        prints = [found.prints[clip].tobytes() for clip in parts[name]]
        kept[name] = [place for place, one in enumerate(prints) if one not in known]
        known.update(prints)
    if empty := [name for name in ("train", "valid") if not kept[name]]:
        raise DamagedData(
            f"every recording of {empty[0]} stands in test, or in valid, too: to the last sample; give it others"
        )
    clips = {name: np.array([parts[name][place] for place in kept[name]], np.int64) for name in parts}
    mean, sd = map(torch.from_numpy, moments(found, clips["train"]))
    settings = rate, mel.bands, mel.hop, mel.window, mel.lowest

    def split(name: str) -> Recordings:
        chosen = clips[name]
        y, y_lengths = _labels([labels[name][place] for place in kept[name]])
        starts, lengths = torch.from_numpy(begins[chosen]), torch.from_numpy(found.lengths[chosen])
        return Recordings(found.frames, starts, lengths, found.prints[chosen], y, y_lengths, mean, sd, settings)

    return split("train"), split("valid"), split("test")


def _labels(labels: Sequence[int | String]) -> tuple[Tensor, Tensor | None]:
    """One label a recording; or all strings one after the other, and their lengths."""
    strings = [one for one in labels if isinstance(one, np.ndarray)]
    if not strings:
        return torch.tensor(labels, dtype=torch.int64), None
    return torch.from_numpy(np.concatenate(strings)), torch.tensor([len(one) for one in strings])


def moments(found: Prepared, clips: NDArray[np.int64]) -> Moments:
    """Mean and standard deviation of each band over all frames of these clips, from the cache if they are known."""

    def make() -> dict[str, NDArray[np.float32]]:
        mean, sd = _summed(found, clips)
        return {"mean": mean, "sd": sd}

    key = (found.key, hashlib.sha256(clips.astype("<i8").tobytes()).hexdigest())
    kept = cached("speech-moments", key, make)
    return kept["mean"], kept["sd"]


def _summed(found: Prepared, clips: NDArray[np.int64]) -> Moments:
    """A chunk of frames at a time."""
    bands = found.frames.shape[1]
    begins = found.lengths.cumsum() - found.lengths
    count, total, square = 0, np.zeros(bands), np.zeros(bands)
    for first, last in _stretches(begins[clips], begins[clips] + found.lengths[clips]):
        for place in range(first, last, CHUNK):
            frames = found.frames[place : min(place + CHUNK, last)].astype(np.float64)
            count += len(frames)
            total += frames.sum(0)
            square += np.square(frames).sum(0)
    mean = total / max(count, 1)
    sd = np.sqrt(np.maximum(square / max(count, 1) - np.square(mean), 0))
    return mean.astype(np.float32), np.where(sd > 0, sd, 1).astype(np.float32)


def _stretches(begins: NDArray[np.int64], ends: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Neighbouring clips joined, so that most of a file is read in a few pieces."""
    if not len(begins):
        return []
    order = np.argsort(begins)
    begins, ends = begins[order], ends[order]
    new = np.flatnonzero(np.append(True, begins[1:] != ends[:-1]))
    return list(zip(begins[new].tolist(), ends[np.append(new[1:], len(ends)) - 1].tolist(), strict=True))
