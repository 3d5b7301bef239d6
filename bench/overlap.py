"""How much of one split stands in another: whole sequences, runs of a stream, targets of a series."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tasks.base import Split, Stream
from tasks.m4 import Cuts
from tasks.recordings import Recordings
from tasks.windows import Windows

Hashes = NDArray[np.uint64]

SYMBOLS = 32
"""Neighbours of a stream that are compared: no two splits of our texts share as many."""
ROWS = 8
"""Rows of a series that are compared, all different: one variate by itself repeats four by chance, eight never."""
STRETCH, MOST = 2**22, 2**24
"""Symbols of a stream that are hashed at once, and in all: of a longer text its end, which stands next to test."""
FIRST, SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
"""Odd multipliers of SplitMix64."""


def shared(one: Split, other: Split) -> tuple[int, int]:
    """How many pieces of `other` stand in `one`, at whatever place, and how many there are."""
    if isinstance(one, Stream) and isinstance(other, Stream):
        run = max(SYMBOLS, other.window)
        pieces = np.concatenate([part[::run] for part in _stretches(other, run)])
        met = np.zeros(len(pieces), dtype=bool)
        for known in _stretches(one, run):
            met |= _known(pieces, known)
        return int(met.sum()), len(pieces)
    if isinstance(one, Windows) and isinstance(other, Windows):
        # inputs may reach back into the split before, by design: what is to be predicted may not stand there
        rows = np.concatenate([one.series.cpu().numpy(), other.series[other.length :].cpu().numpy()])
        numbers = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
        pieces = runs(numbers[len(one.series) :], ROWS)[_moving(numbers[len(one.series) :])]
        return _met(pieces, runs(numbers[: len(one.series)], ROWS)), len(pieces)
    if isinstance(one, Cuts) and isinstance(other, Cuts):
        # each series is in every split, by design, at another time
        targets, known_targets = ({row.tobytes() for row in _changing(split)} for split in (other, one))
        return len(targets & known_targets), len(other)
    found, known_sequences = list(_sequences(other)), set(_sequences(one))
    return sum(sequence in known_sequences for sequence in found), len(found)


def runs(numbers: NDArray[np.int64], length: int) -> Hashes:
    """A hash of every `length` neighbours, by doubling."""
    hashes: Hashes = (numbers.astype(np.uint64) + np.uint64(1)) * FIRST
    done = 1
    while done < length and len(hashes):
        step = min(done, length - done)
        hashes = hashes[:-step] * SECOND + hashes[step:]
        hashes ^= hashes >> np.uint64(29)
        done += step
    return hashes


def _changing(split: Cuts) -> NDArray[np.float64]:
    """(series, horizon) the targets of the series that do not stand still."""
    targets: NDArray[np.float64] = split.targets().cpu().numpy()
    return targets[np.ptp(targets, axis=1) > 0]


def _moving(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which runs of ROWS neighbours never repeat a row: nights of zeros are alike on every day, and no secret."""
    if len(numbers) < ROWS:
        return np.empty(0, dtype=bool)
    ordered = np.sort(np.lib.stride_tricks.sliding_window_view(numbers, ROWS), axis=1)
    moving: NDArray[np.bool_] = np.all(np.diff(ordered, axis=1) > 0, axis=1)
    return moving


def _stretches(split: Stream, run: int) -> Iterator[Hashes]:
    """The hashes of a stream's runs in their order, some at a time: a whole text of them may not fit into memory."""
    several = STRETCH // run * run
    for begin in range(max(0, len(split.symbols) - MOST), len(split.symbols), several):
        yield runs(split.symbols[begin : begin + several + run - 1].cpu().numpy(), run)


def _met(pieces: Hashes, known: Hashes) -> int:
    """How many pieces are known."""
    return int(_known(pieces, known).sum())


def _known(pieces: Hashes, known: Hashes) -> NDArray[np.bool_]:
    """Which pieces are known. A table of their first bits leaves few to be sorted: millions would take seconds."""
    high = np.uint64(42)
    near = np.isin((known >> high).astype(np.int64), (pieces >> high).astype(np.int64), kind="table")
    return np.isin(pieces, known[near])


def _sequences(split: Split) -> list[bytes]:
    """A hash of each sequence's input, without its padding: with another answer it is still the same sequence."""
    if isinstance(split, Recordings):  # hashed when they were decoded
        return [one.tobytes() for one in split.prints]
    found = []
    for batch in split.ordered(256):
        lengths = [batch.x.shape[1]] * len(batch.x) if batch.lengths is None else batch.lengths.tolist()
        for x, length in zip(batch.x.cpu().numpy(), lengths, strict=True):
            found.append(hashlib.blake2b(x[:length].tobytes(), digest_size=16).digest())
    return found
