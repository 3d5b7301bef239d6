"""The reference models: causal, of the shape they claim, and equal to the same thing written another way."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from toys import Labels, Symbols, network, tiny

from bench import probes
from bench import run as room
from bench.axes import ARCHITECTURES, REFERENCE
from bench.core import NoBackend
from bench.dropout import Dropout
from bench.reference import MODELS, TCN, Block, Convolution, Linear, Transformer, positions
from bench.sense import nonsense
from bench.spec import Architecture, Stabilisation
from tasks.base import Batch
from tasks.cards import TASKS

NONE = Dropout(0.0, "layers")
every = pytest.mark.parametrize("name", list(MODELS))


def settled(model: nn.Module) -> nn.Module:
    """Weights of no special value."""
    torch.manual_seed(0)
    for weight in model.parameters():
        nn.init.uniform_(weight, -0.4, 0.4)
    return model


def test_which_models_are_references() -> None:
    """The marker names those of the table that have no recurrence."""
    assert sorted(REFERENCE) == ["linear", "tcn", "transformer"]
    for name, architecture in ARCHITECTURES.items():
        task = Labels()
        assert network(task, architecture).recurrent == (name not in REFERENCE)


@every
def test_no_frame_sees_the_future(name: str) -> None:
    """The gradient of a frame's output is zero on later frames and reaches itself; the first frame's, too, far on."""
    model = settled(MODELS[name](3, 8, 2, 20, NONE)).double()
    x = torch.randn(20, 2, 3, dtype=torch.float64, requires_grad=True)
    y, state = model(x, None, None)
    assert y.shape == (20, 2, 8)
    assert state == ()
    for t in (0, 7, 19):
        (gradient,) = torch.autograd.grad(y[t].square().sum(), x, retain_graph=True)
        assert not gradient[t + 1 :].any()
        assert bool((gradient[: t + 1].abs().sum((1, 2)) > 0).all()), "the longest sequence is in sight"


@every
def test_any_length(name: str) -> None:
    """Sequences longer and shorter than any of training are read."""
    model = settled(MODELS[name](3, 8, 2, 10, NONE))
    for time in (1, 9, 33):
        assert model(torch.randn(time, 2, 3), None, None)[0].shape == (time, 2, 8)


def test_tcn_equals_sums_over_taps() -> None:
    """A convolution is a sum over its taps into the past, its rows g v / |v|; a level two of them and a shortcut."""
    model = settled(TCN(3, 5, 1, 9, NONE)).double()
    x = torch.randn(9, 2, 3, dtype=torch.float64)

    def convolved(conv: Convolution, inputs: torch.Tensor) -> torch.Tensor:
        weight = conv.weight * (conv.gain / conv.weight.square().sum((1, 2)).sqrt()).view(-1, 1, 1)
        out = conv.bias.expand(len(inputs), inputs.shape[1], -1).clone()
        for t in range(len(inputs)):
            for tap in range(3):
                at = t - (2 - tap) * conv.dilation
                if at >= 0:
                    out[t] = out[t] + inputs[at] @ weight[:, :, tap].t()
        return out

    y = x
    for k, level in enumerate(model.levels):
        assert level.first.dilation == level.second.dilation == 2**k
        inner = F.relu(convolved(level.second, F.relu(convolved(level.first, y))))
        y = F.relu(inner + (y if level.shortcut is None else y @ level.shortcut.weight.t() + level.shortcut.bias))
    torch.testing.assert_close(model(x, None, None)[0], y)


@pytest.mark.parametrize(("time", "levels"), [(5, 1), (6, 2), (13, 2), (29, 3), (30, 4), (69, 5)])
def test_tcn_sees_the_longest_sequence(time: int, levels: int) -> None:
    """Two convolutions of 3 taps and dilation 2**k see 1 + 4 (2**n - 1) frames: as many levels as that needs."""
    assert len(TCN(1, 2, 1, time, NONE).levels) == levels


def test_weight_norm_begins_with_the_length_of_the_weights() -> None:
    """The network is built with gains that leave the drawn weights as they are."""
    model = network(Labels(), Architecture("tcn"))
    found = [module for module in model.modules() if isinstance(module, Convolution)]
    assert found
    for conv in found:
        torch.testing.assert_close(conv.gain, conv.weight.flatten(1).norm(dim=1))
        assert float(conv.weight.detach().abs().max()) <= conv.inputs**-0.5


def test_transformer_equals_torch() -> None:
    """torch's encoder layer, normalised first, with GELU, two heads and a causal mask, gives the same."""
    model = settled(Transformer(3, 8, 2, 9, NONE)).double()
    x = torch.randn(9, 2, 3, dtype=torch.float64)
    y = model.enter(x) + positions(9, 8).double().unsqueeze(1)
    mask = nn.Transformer.generate_square_subsequent_mask(9, dtype=torch.float64)
    for block in model.blocks:
        assert isinstance(block, Block)
        twin = nn.TransformerEncoderLayer(8, 2, 32, 0.0, "gelu", norm_first=True, dtype=torch.float64)
        names = {
            "self_attn.out_proj": block.leave, "linear1": block.wide, "linear2": block.narrow,
            "norm1": block.first_norm, "norm2": block.second_norm,
        }  # fmt: skip
        state = {f"{name}.{kind}": getattr(part, kind) for name, part in names.items() for kind in ("weight", "bias")}
        for kind in ("weight", "bias"):
            state[f"self_attn.in_proj_{kind}"] = torch.cat(
                [getattr(part, kind) for part in (block.query, block.key, block.value)]
            )
        twin.load_state_dict(state)
        y = twin(y, mask)
    torch.testing.assert_close(model(x, None, None)[0], model.norm(y))


def test_positions_are_sines_and_cosines() -> None:
    """Vaswani et al. 2017, 3.5: sin and cos of t / 10000**(2 i / width) side by side, odd widths too."""
    found = positions(6, 5)
    for t in range(6):
        for k in range(5):
            angle = t / 10_000 ** (2 * (k // 2) / 5)
            assert float(found[t, k]) == pytest.approx(math.cos(angle) if k % 2 else math.sin(angle), abs=1e-5)


def test_linear_is_linear() -> None:
    """f(a x + b y) less f(0) is a and b times each; and a frame's output is a sum over all frames before it."""
    model = settled(Linear(3, 4, 1, 6, NONE)).double()
    x, y = torch.randn(2, 6, 2, 3, dtype=torch.float64)

    def f(inputs: torch.Tensor) -> torch.Tensor:
        return model(inputs, None, None)[0] - model(torch.zeros_like(x), None, None)[0]

    torch.testing.assert_close(f(2 * x - 3 * y), 2 * f(x) - 3 * f(y))
    weight = model.map.weight.view(4, 3, 6)
    expected = sum(x[5 - k] @ weight[:, :, 5 - k].t() for k in range(6)) + model.map.bias
    torch.testing.assert_close(model(x, None, None)[0][5], expected)


@every
def test_windows_of_a_stream_stand_alone(name: str) -> None:
    """No state goes on: the second window gives what it gives alone."""
    task = Symbols()
    model = network(task, ARCHITECTURES[name])
    stream = task.train.ordered(4)
    _, state = model(next(stream))
    second = next(stream)
    assert second.carried
    assert torch.equal(model(second, state)[0], model(second)[0])
    assert state == [()]


@every
def test_no_gradient_half_life(name: str) -> None:
    """There is no recurrence to measure: the probe has nothing to say, and the run says so."""
    task = Labels()
    assert probes.vanishing(network(task, ARCHITECTURES[name]), task) == {}
    record = room.run_one(tiny(architecture=ARCHITECTURES[name]))
    assert (record.status, record.backend) == ("ok", "eager")
    assert record.probes["gradient"] == {"start": {}, "end": {}}


@every
@pytest.mark.parametrize("task", ["speech/connected", "language/grammar"])
def test_runs_of_every_kind_of_task(name: str, task: str) -> None:
    """CTC over sequences of several lengths, and a stream of symbols, are trained and scored."""
    spec = tiny(task, architecture=ARCHITECTURES[name])
    record = room.run_one(replace(spec, budget=replace(spec.budget, parameters=8_000, steps=3, evaluate=3)))
    assert record.status == "ok"


@every
def test_dropout_changes_training_alone(name: str) -> None:
    """It falls on what stands around the model, and on each branch within it."""
    task = Labels()
    model, plain = network(task, ARCHITECTURES[name], Stabilisation(dropout=0.5)), network(task, ARCHITECTURES[name])
    batch = next(task.train.ordered(8))
    assert not torch.allclose(model.train()(batch)[0], plain(batch)[0])
    torch.testing.assert_close(model.eval()(batch)[0], plain.eval()(batch)[0])


@every
def test_what_has_no_meaning_is_refused(name: str) -> None:
    """Directions, attention and shortcuts by the architecture; recurrent techniques by the pair; a loop by the run."""
    for field in ("bidirectional", "attention"):
        (found,) = replace(ARCHITECTURES[name], **{field: True}).problems()
        assert found == f"the reference model {name} has no {field} to choose"
    assert ARCHITECTURES[name].problems() == []
    card = TASKS["series/mackey-glass"]
    refused = (
        Stabilisation(zoneout=0.1), Stabilisation(batch_norm="input"), Stabilisation(activation="relu"),
        Stabilisation(weight_drop=0.1), Stabilisation(layer_norm=True), Stabilisation(bptt=3),
        Stabilisation(chrono=True),
    )  # fmt: skip
    assert all(nonsense(ARCHITECTURES[name], recipe, card) for recipe in refused)
    assert nonsense(ARCHITECTURES[name], Stabilisation(dropout=0.1, clip_norm=1.0, l2=1e-4), card) is None
    spec = tiny(architecture=ARCHITECTURES[name], backend="cpp")
    with pytest.raises(NoBackend, match="has no recurrence; try auto"):
        _ = room.network(spec, room.loaded(spec.names.task, None)[0]).backend


@every
def test_padding_is_never_read(name: str) -> None:
    """Other numbers behind an end change no answer, not by a bit."""
    task = Labels()
    model, batch = network(task, ARCHITECTURES[name]), next(task.train.ordered(8))
    other = batch.x.clone()
    other[torch.arange(other.shape[1]) >= batch.lengths.unsqueeze(1)] = 99.0
    assert torch.equal(model(batch)[0], model(Batch(other, batch.y, batch.lengths))[0])
