"""From outputs of a CTC network to labels: greedy, and prefix beam search against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tasks.decoding import collapse, decode, prefix_beam


@pytest.mark.parametrize(
    ("path", "labels"),
    [([0, 0], ()), ([1, 1, 1], (1,)), ([1, 0, 1], (1, 1)), ([0, 1, 1, 0, 2, 2, 1], (1, 2, 1)), ([], ())],
)
def test_an_alignment_collapses(path: list[int], labels: tuple[int, ...]) -> None:
    """Repeats become one label unless a blank parts them; blanks go."""
    assert collapse(path) == labels


def test_greedy_decoding_leaves_out_padding() -> None:
    """Frames beyond a sequence's length say nothing."""
    out = torch.nn.functional.one_hot(torch.tensor([[1, 0, 2, 2], [3, 3, 1, 1]]), 4).float()
    assert decode(out, torch.tensor([4, 2])) == [(1, 2), (3,)]


def brute_force(log_probs: np.ndarray) -> dict[tuple[int, ...], float]:
    """The log probability of every label string, summed over all alignments."""
    total: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        labels = collapse(list(path))
        likelihood = log_probs[np.arange(len(path)), list(path)].sum()
        total[labels] = np.logaddexp(total.get(labels, -np.inf), likelihood)
    return total


@pytest.mark.parametrize("seed", range(10))
def test_prefix_beam_search_finds_the_best_string(seed: int) -> None:
    """With room enough it equals the enumeration of all alignments, and is never less likely than greedy decoding."""
    rng = np.random.default_rng(seed)
    frames_, symbols = rng.integers(1, 6), rng.integers(2, 4)
    out = torch.from_numpy(rng.standard_normal((1, frames_, symbols)) * 2).log_softmax(2)
    every = brute_force(out[0].numpy())
    best = max(every, key=lambda labels: every[labels])
    labels, likelihood = prefix_beam(out[0].numpy(), 1000)
    assert labels == best
    assert likelihood == pytest.approx(every[best])
    lengths = torch.tensor([frames_])
    assert decode(out, lengths, beam=1000) == [best]
    assert likelihood >= every[decode(out, lengths)[0]] - 1e-12


def test_prefix_beam_search_can_beat_greedy_decoding() -> None:
    """Graves' example: the blank is each frame's likeliest symbol, yet the label is the likelier string."""
    out = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()  # no label 0.36, one label 0.64
    assert decode(out, torch.tensor([2])) == [()]
    assert decode(out, torch.tensor([2]), beam=4) == [(1,)]
