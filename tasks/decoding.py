"""From the outputs of a CTC network to labels: greedy, or prefix beam search.

Log probabilities are (frame, symbol); symbol 0 is the blank of Graves et al. 2006.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

BLANK = 0

Labels = tuple[int, ...]


def decode(log_probs: Tensor, lengths: Tensor, beam: int | None = None) -> list[Labels]:
    """The labels of each sequence of (batch, frame, symbol): greedy, or by a search that keeps `beam` prefixes."""
    if beam is None:
        paths = log_probs.argmax(-1).tolist()
        return [collapse(path[:length]) for path, length in zip(paths, lengths.tolist(), strict=True)]
    frames = log_probs.detach().double().cpu().numpy()
    return [prefix_beam(one[:length], beam)[0] for one, length in zip(frames, lengths.tolist(), strict=True)]


def collapse(path: list[int]) -> Labels:
    """The labels that an alignment stands for: repeats become one, then blanks go."""
    return tuple(symbol for symbol, before in zip(path, [BLANK, *path], strict=False) if symbol not in (before, BLANK))


def prefix_beam(log_probs: NDArray[np.floating], beam: int) -> tuple[Labels, float]:
    """The most likely labels and their log probability, summed over the alignments that the beam has seen.

    After Hannun et al. 2014, arXiv:1408.2873, algorithm 1, without a language model. Each prefix keeps two sums: over
    alignments that end in a blank and over those that do not. Only after a blank is a repeated symbol a new label.
    """
    nothing = -np.inf
    kept: dict[Labels, tuple[float, float]] = {(): (0.0, nothing)}
    for frame in log_probs:
        blank: dict[Labels, float] = defaultdict(lambda: nothing)
        label: dict[Labels, float] = defaultdict(lambda: nothing)
        for prefix, (ends_blank, ends_label) in kept.items():
            both = np.logaddexp(ends_blank, ends_label)
            blank[prefix] = np.logaddexp(blank[prefix], both + frame[BLANK])
            for symbol in range(1, len(frame)):
                longer = (*prefix, symbol)
                if prefix and symbol == prefix[-1]:
                    label[prefix] = np.logaddexp(label[prefix], ends_label + frame[symbol])
                    label[longer] = np.logaddexp(label[longer], ends_blank + frame[symbol])
                else:
                    label[longer] = np.logaddexp(label[longer], both + frame[symbol])
        sums = {prefix: (blank[prefix], label[prefix]) for prefix in {**blank, **label}}
        best = sorted(sums, key=lambda prefix: np.logaddexp(*sums[prefix]), reverse=True)[:beam]
        kept = {prefix: sums[prefix] for prefix in best}
    best_prefix = next(iter(kept))
    return best_prefix, float(np.logaddexp(*kept[best_prefix]))
