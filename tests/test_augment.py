"""Augmentation changes training batches within its bounds, and nothing else."""

from __future__ import annotations

import pytest
import torch

from bench.augment import BANDS, LONGEST, SPANS, WIDEST, augmented, masked
from bench.spec import Stabilisation
from tasks.base import Batch


def spectrogram() -> Batch:
    lengths = torch.tensor([50, 20, 35, 50])
    return Batch(torch.ones(4, 50, 40), torch.zeros(4, dtype=torch.int64), lengths)


def test_masks_are_bands_and_spans_within_their_widths() -> None:
    """What is masked is whole bands and whole spans; spans stand within a sequence's own frames."""
    torch.manual_seed(0)
    shares = []
    for _ in range(50):
        batch = spectrogram()
        hidden = masked(batch)
        for one, length in zip(hidden, batch.lengths.tolist(), strict=True):
            bands, spans = one.all(0), one.all(1)
            assert torch.equal(one, bands.unsqueeze(0) | spans.unsqueeze(1))
            assert int(bands.sum()) <= BANDS * (WIDEST * 40 + 1)
            assert int(spans.sum()) <= SPANS * (LONGEST * length + 1)
            assert not spans[length:].any()
            shares.append(float(one[:length].float().mean()))
    assert 0.2 < sum(shares) / len(shares) < 0.6
    assert max(shares) > min(shares)


def test_masked_values_are_the_mean() -> None:
    """Zero, which is the mean of normalised features; everything else stays."""
    torch.manual_seed(1)
    batch = spectrogram()
    seen = augmented(batch, Stabilisation(spec_augment=True))
    assert set(seen.x.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(seen.y, batch.y)
    assert (batch.x == 1).all()


def test_jitter_is_noise_on_inputs() -> None:
    """Zero mean, the deviation asked for, targets untouched."""
    torch.manual_seed(2)
    batch = Batch(torch.zeros(64, 50, 3), torch.zeros(64, 5, 3))
    seen = augmented(batch, Stabilisation(jitter=0.03))
    assert float(seen.x.std()) == pytest.approx(0.03, rel=0.05)
    assert float(seen.x.mean()) == pytest.approx(0, abs=1e-3)
    assert torch.equal(seen.y, batch.y)


def test_scaling_is_one_factor_a_variate_of_a_window() -> None:
    """Inputs and targets of a window keep their proportions; windows and variates differ."""
    torch.manual_seed(3)
    batch = Batch(torch.ones(500, 6, 3), torch.ones(500, 2, 3))
    seen = augmented(batch, Stabilisation(scaling=0.1))
    whole = torch.cat([seen.x, seen.y], dim=1)
    assert torch.equal(whole, whole[:, :1].expand_as(whole))
    assert float(whole[:, 0].std()) == pytest.approx(0.1, rel=0.1)
    assert float(whole[:, 0].mean()) == pytest.approx(1, abs=0.02)


def test_nothing_asked_is_nothing_done() -> None:
    """The same batch comes back, and no random number is drawn."""
    batch, before = spectrogram(), torch.get_rng_state()
    assert augmented(batch, Stabilisation()) is batch
    assert torch.equal(torch.get_rng_state(), before)
