"""How much of one split stands in another: whole sequences, runs of a stream, targets of a series."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from tasks.base import Split, Stream
from tasks.series import Windows

Hashes = NDArray[np.uint64]

SYMBOLS = 32
"""Neighbours of a stream that are compared: no two splits of our texts share as many."""
ROWS = 8
"""Rows of a series that are compared: one variate by itself repeats four by chance, eight never."""
FIRST, SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
"""Odd multipliers of SplitMix64."""


def shared(one: Split, other: Split) -> tuple[int, int]:
    """How many pieces of `other` stand in `one`, at whatever place, and how many there are."""
    if isinstance(one, Stream) and isinstance(other, Stream):
        run = max(SYMBOLS, other.window)
        pieces, known = (runs(split.symbols.cpu().numpy(), run) for split in (other, one))
        return _met(pieces[::run], known), len(pieces[::run])
    if isinstance(one, Windows) and isinstance(other, Windows):
        # inputs may reach back into the split before, by design: what is to be predicted may not stand there
        rows = np.concatenate([one.series.cpu().numpy(), other.series[other.length :].cpu().numpy()])
        numbers = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
        pieces = runs(numbers[len(one.series) :], ROWS)
        return _met(pieces, runs(numbers[: len(one.series)], ROWS)), len(pieces)
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


def _met(pieces: Hashes, known: Hashes) -> int:
    """How many pieces are known. A table of their first bits leaves few to be sorted: millions would take seconds."""
    high = np.uint64(42)
    near = np.isin((known >> high).astype(np.int64), (pieces >> high).astype(np.int64), kind="table")
    return int(np.isin(pieces, known[near]).sum())


def _sequences(split: Split) -> list[bytes]:
    """A hash of each sequence's input, without its padding: with another answer it is still the same sequence."""
    found = []
    for batch in split.ordered(256):
        lengths = [batch.x.shape[1]] * len(batch.x) if batch.lengths is None else batch.lengths.tolist()
        for x, length in zip(batch.x.cpu().numpy(), lengths, strict=True):
            found.append(hashlib.blake2b(x[:length].tobytes(), digest_size=16).digest())
    return found
