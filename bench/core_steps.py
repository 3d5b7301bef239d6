"""The steps of the core's table: a Subject of bench.core_table -> a function that makes one step and returns its
seconds."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from bench import clock, native
from bench.axes import OPTIMIZERS
from bench.cells import CELLS, Cell
from bench.core import choose
from bench.core_table import Stack, Subject, Update, Workload
from bench.network import Layer
from bench.optimizers import OnePass, build
from bench.pairs import Step

WORDS, EMBEDDED = 10_000, 200
"""Zaremba et al. 2014: the vocabulary of PTB, and the width of the small model."""


def step(subject: Subject, shape: Workload, device: str) -> tuple[Step, str]:
    """One step of the subject, timed, and what runs it. Raises core.NoBackend."""
    if isinstance(subject, Update):
        return _update(subject)
    model: nn.Module
    if isinstance(subject, Stack):
        model = Layers(subject, shape)
        name = choose(model.cells, torch.device(device), subject.backend)
    else:
        kind = {"nn.LSTM": nn.LSTM, "nn.GRU": nn.GRU}[subject.name]
        model = kind(shape.inputs, shape.hidden, shape.layers, bidirectional=shape.bidirectional)
        name = subject.name
    model = model.to(device)
    x = torch.randn(shape.time, shape.batch, shape.inputs, device=device)
    gradient = torch.randn(shape.time, shape.batch, shape.hidden * (1 + shape.bidirectional), device=device)

    def once() -> float:
        model.zero_grad(set_to_none=True)
        return clock.seconds(lambda: model(x)[0].backward(gradient), device)

    return once, name


class Layers(nn.Module):
    """Layer upon layer of one of our cells, called as torch's modules are."""

    def __init__(self, subject: Stack, shape: Workload) -> None:
        super().__init__()

        def cell(inputs: int) -> Cell:
            return CELLS[subject.cell](inputs, shape.hidden, subject.recipe, shape.time)

        layers, inputs = [], shape.inputs
        for _ in range(shape.layers):
            layers.append(Layer(cell(inputs), cell(inputs) if shape.bidirectional else None, subject.backend))
            inputs = shape.hidden * (1 + shape.bidirectional)
        self.layers, self.cells = nn.ModuleList(layers), layers[0].cells

    def forward(self, x: Tensor) -> tuple[Tensor]:
        for layer in self.layers:
            x, _ = layer(x, None, None)
        return (x,)


def _update(subject: Update) -> tuple[Step, str]:
    """An update of the weights of the small word model; next to no learning rate, so that weights stay themselves."""
    parts = (nn.Embedding(WORDS, EMBEDDED), nn.LSTM(EMBEDDED, EMBEDDED, 2), nn.Linear(EMBEDDED, WORDS))
    weights = [weight for part in parts for weight in part.parameters()]
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    optimizer = build(replace(OPTIMIZERS[subject.rule], lr=1e-12), weights)
    ours = isinstance(optimizer, OnePass) and native.problem() is None
    name = "cpp" if ours else "fused" if optimizer.defaults.get("fused") else "foreach"
    return lambda: clock.seconds(optimizer.step, "cpu"), name
