"""Noise on the recurrence does what its papers say: recurrent dropout, zoneout and weight drop, by their effects."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from layers import NOISES, ON_CPU, ready, sensible
from toys import Labels, network

from bench import native, noise, probes
from bench.cells import CELLS, LSTM, RNN, Now
from bench.core import eager, scan
from bench.noise import Noise, bits, draw, drop_weights
from bench.spec import CellName, Stabilisation

CPU = torch.device("cpu")
NUMBERS = [0, 1, 2**62 + 12345, 2**63 - 1]


def share(mask: torch.Tensor) -> float:
    return float(mask.double().mean())


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.95])
def test_the_share_of_bits_is_p(p: float) -> None:
    """Over a million bits the share is p to within five standard deviations, and so is that of every fourth."""
    found = bits(noise.fresh(), (1_000_000,), p, CPU)
    assert share(found) == pytest.approx(p, abs=5 * (p * (1 - p) / 1e6) ** 0.5)
    for part in range(4):  # four elements share a word
        assert share(found[part::4]) == pytest.approx(p, abs=5 * (p * (1 - p) / 2.5e5) ** 0.5)


def test_bits_are_independent() -> None:
    """The same place under the next number, and neighbours along each axis, agree as often as chance has it."""
    one, other = bits(1, (200, 100, 50), 0.5, CPU), bits(2, (200, 100, 50), 0.5, CPU)
    for a, b in ((one, other), (one[1:], one[:-1]), (one[:, 1:], one[:, :-1]), (one[..., 1:], one[..., :-1])):
        assert share(a == b) == pytest.approx(0.5, abs=5 * 0.5 / a.numel() ** 0.5)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("shape", [(1,), (3,), (4, 5), (7, 3, 11)])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_kernel_and_formula_agree(
    number: int, shape: tuple[int, ...], p: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The C++ kernel and the formula in torch, which other devices use, give the same bits element for element."""
    if native.problem() is not None:
        pytest.skip(str(native.problem()))
    fast = bits(number, shape, p, CPU)
    monkeypatch.setattr(native, "function", lambda *arguments: None)
    assert torch.equal(bits(number, shape, p, CPU), fast)


@pytest.mark.parametrize("kernel", [True, False])
def test_the_first_words_are_those_of_splitmix64(kernel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four 16-bit parts a word, lowest first, of the published generator: worked out here in whole numbers."""
    if not kernel:
        monkeypatch.setattr(native, "function", lambda *arguments: None)
    seed, wide = 1234567, 2**64
    parts = []
    for k in range(1, 4):
        w = (seed + k * 0x9E3779B97F4A7C15) % wide
        w = (w ^ w >> 30) * 0xBF58476D1CE4E5B9 % wide
        w = (w ^ w >> 27) * 0x94D049BB133111EB % wide
        w ^= w >> 31
        parts += [w >> 16 * part & 0xFFFF for part in range(4)]
    for threshold in (1_000, 30_000, 65_000):
        expected = [part < threshold for part in parts]
        assert bits(seed, (12,), threshold / 2**16, CPU).tolist() == expected


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_recurrent_dropout_falls_on_what_is_written(name: CellName) -> None:
    """Where it drops, a step writes nothing; where it does not, the candidate is scaled by 1 / (1 - p)."""
    torch.manual_seed(0)
    cell = CELLS[name](3, 50, Stabilisation(recurrent_dropout=0.4)).train()
    found = cell.noise(20, torch.zeros(20, 8, 3))
    assert found.update is not None
    assert share(~found.update) == pytest.approx(0.4, abs=0.03)
    assert found.scale == pytest.approx(1 / 0.6)
    candidate = torch.full((8, 50), 0.3)
    assert torch.equal(found.drop(candidate, 5), torch.where(found.update[5], 0.3 / 0.6, 0.0))
    state = tuple(torch.randn(8, 50) for _ in range(cell.states))
    z = torch.randn(8, cell.gates * 50)
    weight = cell.recurrent_weight()
    with_it, without = (cell.step(z, state, Now(5, None, weight, noise)) for noise in (found, Noise()))
    if name == "rnn":
        torch.testing.assert_close(with_it[0], found.drop(without[0], 5))
    if name == "lstm":  # c is what was kept of it, plus what was written
        kept = cell.step(z, state, Now(5, None, weight, Noise(torch.zeros(20, 8, 50, dtype=torch.bool), 1.0)))[1]
        torch.testing.assert_close(with_it[1] - kept, found.drop(without[1] - kept, 5))
    if name == "gru":
        kept = cell.step(z, state, Now(5, None, weight, Noise(torch.zeros(20, 8, 50, dtype=torch.bool), 1.0)))[0]
        torch.testing.assert_close(with_it[0] - kept, found.drop(without[0] - kept, 5))


def test_masks_are_drawn_anew() -> None:
    """Each step, each pass and each direction has a mask of its own; one seed gives the same masks again."""
    recipe = Stabilisation(recurrent_dropout=0.5, zoneout=0.5, zoneout_memory=0.5)

    def drawn() -> list[torch.Tensor]:
        made = draw(recipe, True, 2, (4, 8, 32), CPU)
        return [mask for mask in (made.update, *made.keep) if isinstance(mask, torch.Tensor)]

    torch.manual_seed(3)
    first, second = drawn(), drawn()
    assert len(first) == 3
    masks = [step for mask in (*first, *second) for step in mask]
    assert all(not torch.equal(a, b) for i, a in enumerate(masks) for b in masks[:i])
    torch.manual_seed(3)
    assert all(map(torch.equal, drawn(), first))


@pytest.mark.parametrize("backend", ["eager", *ON_CPU])
def test_zoneout_keeps_old_values(backend: Any) -> None:
    """In training exactly the masked units of h and of c keep their old value, bit for bit, and the others do not."""
    torch.manual_seed(0)
    cell, x = LSTM(3, 16, Stabilisation(zoneout=0.3, zoneout_memory=0.6)).train(), torch.randn(1, 40, 3)
    ready(backend, [cell])
    state = (torch.randn(40, 16), torch.randn(40, 16))
    torch.manual_seed(1)
    masks = cell.noise(1, x).keep
    torch.manual_seed(1)
    cell.recurrent_weight()
    _, last = scan([cell], x, state, None, backend)
    for before, after, mask, p in zip(state, last, masks, (0.3, 0.6), strict=True):
        assert isinstance(mask, torch.Tensor)
        assert share(mask) == pytest.approx(p, abs=0.1)
        assert torch.equal(after == before, mask[0])


@pytest.mark.parametrize("backend", ["eager", *ON_CPU])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_evaluation_sees_the_expectation(backend: Any, name: CellName) -> None:
    """After training nothing is drawn: the state is p of the old one and 1 - p of the new one."""
    p = 0.3
    cell = CELLS[name](3, 16, Stabilisation(zoneout=p, zoneout_memory=p, recurrent_dropout=0.5, weight_drop=0.5)).eval()
    plain = CELLS[name](3, 16).eval()
    plain.load_state_dict(cell.state_dict())
    ready(backend, [cell])
    x, state = torch.randn(1, 8, 3), tuple(torch.randn(8, 16) for _ in range(cell.states))
    before = torch.get_rng_state()
    _, last = scan([cell], x, state, None, backend)
    assert torch.equal(torch.get_rng_state(), before)
    for old, new, mixed in zip(state, eager([plain], x, state)[1], last, strict=True):
        torch.testing.assert_close(mixed, p * old + (1 - p) * new)


def test_expectation_is_the_mean_of_training() -> None:
    """Over many draws the state after one step of zoneout comes to the one that evaluation sees."""
    cell, x = RNN(3, 8, Stabilisation(zoneout=0.3)), torch.randn(1, 1, 3)
    many, state = x.expand(1, 20_000, 3), (torch.randn(1, 8),)
    trained = eager([cell.train()], many, (state[0].expand(20_000, 8),))[0][0].mean(0)
    torch.testing.assert_close(trained, eager([cell.eval()], x, state)[0][0, 0], atol=0.03, rtol=0)


def test_weight_drop_holds_for_the_whole_pass() -> None:
    """Elements of W_hh are dropped once a pass, for all rows and steps, and the others scaled up; no other weight."""
    torch.manual_seed(0)
    weight = torch.randn(200, 100)
    dropped = drop_weights(weight, 0.3, training=True)
    assert share(dropped == 0) == pytest.approx(0.3, abs=0.02)
    torch.testing.assert_close(dropped[dropped != 0], weight[dropped != 0] / 0.7)
    assert drop_weights(weight, 0.3, training=False) is weight

    cell, x = RNN(3, 16, Stabilisation(weight_drop=0.5)).train(), torch.randn(9, 4, 3)
    plain = RNN(3, 16)
    torch.manual_seed(7)
    y, _ = eager([cell], x)
    torch.manual_seed(7)
    plain.load_state_dict(cell.state_dict())
    plain.weights.weight_hh_l0.data = drop_weights(cell.weights.weight_hh_l0.detach(), 0.5, training=True)
    torch.testing.assert_close(y, eager([plain], x)[0])


def test_the_gradient_reaches_the_raw_weight() -> None:
    """Dropped elements get no gradient, the others the scaled one: what is trained is the weight itself."""
    torch.manual_seed(0)
    weight = torch.randn(20, 10, requires_grad=True)
    dropped = drop_weights(weight, 0.5, training=True)
    (gradient,) = torch.autograd.grad(dropped.sum(), weight)
    assert torch.equal(gradient, torch.where(dropped == 0, 0.0, 2.0))


@pytest.mark.parametrize("name", list(CELLS))
@pytest.mark.parametrize("knob", ["recurrent_dropout", "zoneout", "weight_drop"])
def test_every_knob_changes_training_and_only_that(name: CellName, knob: str) -> None:
    """Each kind of noise changes the states in training; without noise on the cell it does not."""
    if not sensible(name, Stabilisation(**{knob: 0.5})):
        pytest.skip(f"{name} has nothing for {knob} to change")
    torch.manual_seed(0)
    cell, x = CELLS[name](3, 8, Stabilisation(**{knob: 0.5})), torch.randn(5, 4, 3)
    plain = CELLS[name](3, 8)
    plain.load_state_dict(cell.state_dict())
    quiet = eager([plain], x)[0]
    assert not torch.allclose(eager([cell.train()], x)[0], quiet)
    cell.noisy = False
    if knob != "zoneout":
        torch.testing.assert_close(eager([cell], x)[0], quiet)


def test_the_memory_has_a_zoneout_of_its_own() -> None:
    """zoneout_memory is that of c: h is made from the new memory, and what is carried on is the old one."""
    torch.manual_seed(0)
    cell, x = LSTM(3, 8, Stabilisation(zoneout_memory=0.5)).train(), torch.randn(1, 4, 3)
    plain = LSTM(3, 8)
    plain.load_state_dict(cell.state_dict())
    state = (torch.randn(4, 8), torch.randn(4, 8))
    (h, c), (new_h, new_c) = eager([cell], x, state)[1], eager([plain], x, state)[1]
    torch.testing.assert_close(h, new_h)
    assert 0 < share(c == state[1]) < 1
    assert torch.equal((c == state[1]) | (c == new_c), torch.ones(4, 8, dtype=torch.bool))


def test_noise_belongs_to_positions() -> None:
    """A reader from the end finds the masks of the positions that it reads, within each sequence's length."""
    torch.manual_seed(0)
    made = draw(NOISES["noisy"], True, 2, (5, 2, 3), CPU)
    turned = made.turned(torch.tensor([5, 3]))
    for mask, other in zip((made.update, *made.keep), (turned.update, *turned.keep), strict=True):
        assert torch.equal(other[0, 0], mask[4, 0])
        assert torch.equal(other[0, 1], mask[2, 1])
        assert torch.equal(other[3:, 1], mask[3:, 1])


def test_the_probe_is_free_of_noise() -> None:
    """Gradient norms of a noisy network are those without dropout, with zoneout at its expectation: they repeat."""
    task = Labels()
    batch = next(task.train.ordered(8))
    noisy = network(task, recipe=Stabilisation(recurrent_dropout=0.5, weight_drop=0.5))
    assert probes.gradient_norms(noisy, task, batch) == probes.gradient_norms(network(task), task, batch)
    zoned, plain = network(task, recipe=Stabilisation(zoneout=0.5, zoneout_memory=0.5)), network(task)
    state = torch.get_rng_state()
    once = probes.gradient_norms(zoned, task, batch)
    assert once == probes.gradient_norms(zoned, task, batch)
    assert once != probes.gradient_norms(plain, task, batch)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(cell.noisy for cell in zoned.cells)
