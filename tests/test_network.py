"""Layers, directions, attention, dropout and width: each technique changes what it claims."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from toys import Labels, Symbols, network

import tasks
from bench.attention import Attention
from bench.axes import ARCHITECTURES
from bench.dropout import Dropout
from bench.matrices import MATRICES
from bench.network import Network, Shape, count, solve_width
from bench.plan import budget
from bench.sequences import reverse
from bench.spec import Architecture, Stabilisation
from tasks.base import Batch


def test_bidirectional_equals_torch_on_packed_sequences() -> None:
    """Two directions over sequences of several lengths give what nn.LSTM gives on a packed sequence."""
    task = Labels()
    model = network(task, Architecture(bidirectional=True, depth=2))
    batch = next(task.train.ordered(8))
    twin = nn.LSTM(3, 6, num_layers=2, bidirectional=True, batch_first=True)
    own = model.state_dict()
    for i in range(2):
        for side, suffix in (("ahead", ""), ("back", "_reverse")):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(twin, f"{kind}_l{i}{suffix}").data = own[f"layers.{i}.{side}.weights.{kind}_l0"]
    packed = nn.utils.rnn.pack_padded_sequence(batch.x, batch.lengths, batch_first=True, enforce_sorted=False)
    _, (h, _) = twin(packed)
    expected = nn.functional.linear(torch.cat([h[-2], h[-1]], 1), own["head.weight"], own["head.bias"])
    torch.testing.assert_close(model(batch)[0], expected, rtol=1e-5, atol=1e-6)


def test_reverse_is_its_own_inverse_and_keeps_padding_in_place() -> None:
    """Each sequence is turned round within its own length."""
    x = torch.arange(1.0, 11).view(5, 2, 1)
    lengths = torch.tensor([5, 3])
    turned = reverse(x, lengths)
    assert turned[:, 1, 0].tolist() == [6, 4, 2, 8, 10]
    torch.testing.assert_close(reverse(turned, lengths), x)


@pytest.mark.parametrize("name", list(ARCHITECTURES))
@pytest.mark.parametrize(
    "recipe",
    [
        Stabilisation(),
        Stabilisation(activation="relu"),
        Stabilisation(batch_norm="input"),
        Stabilisation(batch_norm="recurrent"),
        Stabilisation(layer_norm=True, zoneout=0.2, zoneout_memory=0.2),
    ],
)
def test_padding_never_changes_an_answer(name: str, recipe: Stabilisation) -> None:
    """A sequence scores the same alone and beside longer ones, whatever stands in its padding."""
    task = Labels()
    model = network(task, ARCHITECTURES[name], recipe).eval()
    batch = next(task.train.ordered(8))
    together, _ = model(batch)
    for i, length in enumerate(batch.lengths.tolist()):
        alone, _ = model(Batch(batch.x[i : i + 1, :length], batch.y[i : i + 1], batch.lengths[i : i + 1]))
        torch.testing.assert_close(together[i], alone[0], rtol=1e-4, atol=1e-5)
    batch.x[torch.arange(batch.x.shape[1]) >= batch.lengths.unsqueeze(1)] = 99.0
    torch.testing.assert_close(model(batch)[0], together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, value in ARCHITECTURES.items() if not value.bidirectional])
def test_causal_networks_never_see_the_future(name: str) -> None:
    """Changing the symbols from step 5 on changes no output before it."""
    task = Symbols()
    model = network(task, ARCHITECTURES[name])
    batch = next(task.train.ordered(4))
    changed = batch.x.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 5
    a, b = model(batch)[0], model(Batch(changed, batch.y))[0]
    torch.testing.assert_close(a[:, :5], b[:, :5])
    assert not torch.allclose(a[:, 5:], b[:, 5:])


def test_attention_weights_are_a_distribution_over_what_may_be_seen() -> None:
    """Positive, a sum of 1, nothing on padding, nothing on the future."""
    states, valid = torch.randn(3, 6, 4), torch.arange(6) < torch.tensor([[6], [4], [2]])
    pooled = Attention(4, causal=False).weights(states[:, :1], states, valid)
    torch.testing.assert_close(pooled.sum(2), torch.ones(3, 1))
    assert float(pooled.detach()[~valid.unsqueeze(1)].abs().max()) == 0
    causal = Attention(4, causal=True).weights(states, states, None).detach()
    torch.testing.assert_close(causal.sum(2), torch.ones(3, 6))
    assert float(causal.triu(1).abs().max()) == 0
    assert float(causal.tril().min()) >= 0


def test_attention_reaches_back_where_the_last_state_cannot() -> None:
    """The gradient from the output to the first state does not pass through the recurrence alone."""
    states = torch.randn(2, 9, 4, requires_grad=True)
    out = Attention(4, causal=False)(states[:, -1:], states, None)
    (gradient,) = torch.autograd.grad(out.sum(), states)
    assert float(gradient[:, 0].norm()) > 0


@pytest.mark.parametrize("kind", ["layers", "variational"])
def test_dropout_drops_and_rescales(kind: str) -> None:
    """About p of the units are zero, the rest are 1 / (1 - p), and evaluation leaves them alone."""
    torch.manual_seed(0)
    drop = Dropout(0.3, kind)
    y = drop(torch.ones(50, 20, 40))
    assert y.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert float((y == 0).float().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(drop.eval()(torch.ones(5, 2, 3)), torch.ones(5, 2, 3))


def test_masks_differ_by_step_or_by_sequence() -> None:
    """Between layers a new mask is drawn each step; variational dropout keeps one a sequence, another for each."""
    torch.manual_seed(0)
    x = torch.ones(6, 4, 32)
    fresh, locked = Dropout(0.5, "layers")(x), Dropout(0.5, "variational")(x)
    assert not torch.equal(fresh[0], fresh[1])
    assert all(torch.equal(locked[0], locked[t]) for t in range(6))
    assert not torch.equal(locked[0, 0], locked[0, 1])


def test_dropout_stands_after_the_embedding_and_after_each_layer() -> None:
    """In a network of two layers it is applied three times, and never inside the recurrence."""
    task = Symbols()
    model = network(task, Architecture(depth=2), Stabilisation(dropout=0.5))
    seen: list[int] = []
    model.dropout.register_forward_hook(lambda module, inputs, output: seen.append(int((output == 0).any())))
    model.train()(next(task.train.ordered(4)))
    assert seen == [1, 1, 1]
    assert model.backend == network(task, Architecture(depth=2)).backend


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_depth(depth: int) -> None:
    """A stacked network has as many layers as it says, each reading the one below."""
    model = network(Labels(), Architecture(depth=depth))
    assert len(model.layers) == depth
    assert [cell.weights.input_size for cell in model.cells] == [3] + [6] * (depth - 1)


def test_weights_are_paired_across_techniques() -> None:
    """One seed gives every technique the same initial weights wherever the shapes agree, and another seed others."""
    task = Labels()
    plain = network(task).state_dict()
    for recipe in (Stabilisation(batch_norm="recurrent"), Stabilisation(activation="relu"), Stabilisation(dropout=0.5)):
        other = network(task, recipe=recipe).state_dict()
        assert all(torch.equal(value, other[name]) for name, value in plain.items())
    deeper = network(task, Architecture(depth=2)).state_dict()
    assert torch.equal(plain["layers.0.ahead.weights.weight_hh_l0"], deeper["layers.0.ahead.weights.weight_hh_l0"])
    assert not torch.equal(plain["head.weight"], network(task, seed=1).state_dict()["head.weight"])


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_parameters_are_counted_right(name: str) -> None:
    """count() is the number of weights of the network as built."""
    task = Symbols() if name != "bilstm" else Labels()
    shape = Shape.of(task)
    model = Network(shape, ARCHITECTURES[name], Stabilisation(), 7, seed=0)
    assert count(shape, ARCHITECTURES[name], 7) == sum(weight.numel() for weight in model.parameters())


EMBEDDED = [(m.name, t) for m in MATRICES.values() for t in m.budgets if t in tasks.TASKS and tasks.TASKS[t].synthetic]


@pytest.mark.parametrize(("matrix", "name"), EMBEDDED)
def test_architectures_share_a_parameter_budget(matrix: str, name: str) -> None:
    """Every architecture's solved width comes within 2 % of the task's budget, embedded tasks."""
    _within_two_percent(tasks.load(name), budget(MATRICES[matrix], name).parameters)


def _within_two_percent(task: tasks.base.Task, parameters: int) -> None:
    shape = Shape.of(task)
    for name, architecture in ARCHITECTURES.items():
        if architecture.bidirectional and shape.causal:
            continue
        made = count(shape, architecture, solve_width(shape, architecture, parameters))
        assert made == pytest.approx(parameters, rel=0.02), f"{name}: {made} parameters for a budget of {parameters}"
