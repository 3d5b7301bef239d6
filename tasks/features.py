"""Log-mel features of recordings of unequal length, and how they become padded, normalised sequences."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torchaudio 2.11 speaks of its own maintenance phase on import
    from torchaudio.transforms import MelSpectrogram

# Added to mel powers before the logarithm, some 40 dB below the mean band of a recording at level 1: lower, features
# would tell rooms and microphones apart by their noise floors. From 1e-4 to 1e-2 held-out speakers score alike.
FLOOR = 1e-2
QUIETEST = 1e-7  # a root mean square below a hundredth of a step of 24 bit is no sound


@dataclass(frozen=True)
class Mel:
    """Settings of a log-mel spectrogram; samples are 1/8000 s where nothing else is said."""

    bands: int
    hop: int  # samples between frames
    window: int = 256  # samples: 32 ms, two periods of the lowest voice
    lowest: float = 60.0  # Hz: below lies mains hum


@dataclass(frozen=True)
class Ragged:
    """Features of many recordings without padding, one after the other."""

    frames: NDArray[np.float32]  # (frame, band), the frames of all recordings
    lengths: NDArray[np.int64]  # (recording,) frames of each

    def pick(self, indexes: Sequence[int]) -> Ragged:
        """The recordings at `indexes`."""
        ends = self.lengths.cumsum()
        parts = [self.frames[ends[index] - self.lengths[index] : ends[index]] for index in indexes]
        return Ragged(np.concatenate(parts), self.lengths[list(indexes)])

    def moments(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation of each band over all frames."""
        mean, sd = self.frames.mean(0, dtype=np.float64), self.frames.std(0, dtype=np.float64)
        return mean.astype(np.float32), sd.astype(np.float32)

    def padded(self, mean: NDArray[np.float32], sd: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Normalised frames (recording, frame, band) with zeros at the end, and the lengths."""
        lengths = torch.from_numpy(self.lengths)
        parts = torch.from_numpy((self.frames - mean) / sd).split(self.lengths.tolist())
        return torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True), lengths


def log_mel(recordings: Sequence[NDArray[np.float32]], mel: Mel, rate: int = 8000) -> Ragged:
    """The log-mel spectrogram of each recording, brought to a root mean square of 1 first.

    Without that step a network learns how loud each speaker was recorded, and fails on a speaker held out. Digital
    silence stays what it is. Frames are centred and the sound goes on as zeros on both sides, so that padding a batch
    changes no frame.
    """
    transform = MelSpectrogram(
        rate, n_fft=mel.window, hop_length=mel.hop, f_min=mel.lowest, n_mels=mel.bands, pad_mode="constant"
    )
    lengths = np.array([1 + len(recording) // mel.hop for recording in recordings])
    parts: list[NDArray[np.float32] | None] = [None] * len(recordings)
    for group in np.array_split(np.argsort(lengths, kind="stable"), -(-len(recordings) // 64)):  # alike in length
        sounds = [torch.from_numpy(recordings[index] / _level(recordings[index])) for index in group]
        powers = transform(torch.nn.utils.rnn.pad_sequence(sounds, batch_first=True))
        spectra = (powers + FLOOR).log().transpose(1, 2).numpy()
        for index, spectrum in zip(group, spectra, strict=True):
            parts[index] = spectrum[: lengths[index]]
    return Ragged(np.concatenate([part for part in parts if part is not None]), lengths)


def _level(recording: NDArray[np.float32]) -> np.float32:
    """Its root mean square; 1 where it has none that could be divided by."""
    level: np.float32 = np.sqrt(np.square(recording).mean())
    return level if level > QUIETEST else np.float32(1)
