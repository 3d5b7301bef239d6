"""Models without a recurrence, to compare with, outside the ranking: causal transformer, TCN, linear map.

Each stands where the recurrent layers stand: (time, batch, feature) in, (time, batch, width) out, and no state to carry
over: of a stream they see each window by itself, of a padded batch only what stands before a frame. They are causal on
every task, so that padding never reaches an answer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.cells import State
from bench.dropout import Dropout

HEADS = 2
KERNEL = 3


class Transformer(nn.Module):
    """Causal transformer (Vaswani et al. 2017), normalised before each branch (Xiong et al. 2020), 2 heads, GELU,
    sinusoidal positions, a feed-forward layer four times as wide."""

    def __init__(self, inputs: int, width: int, depth: int, time: int, dropout: Dropout) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, state: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        y = self.enter(x)
        y = y + positions(len(y), y.shape[2]).to(y).unsqueeze(1)
        for block in self.blocks:
            y = block(y)
        return self.norm(y), ()


class Block(nn.Module):
    """Attention to the past, then a feed-forward layer, each added to what came in."""

    def __init__(self, width: int, dropout: Dropout) -> None:
        super().__init__()
        self.dropout = dropout
        inner = HEADS * max(width // HEADS, 1)
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, inner) for _ in range(3))
        self.leave = nn.Linear(inner, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attend(self.first_norm(x)))
        return x + self.dropout(self.narrow(F.gelu(self.wide(self.second_norm(x)))))

    def attend(self, x: Tensor) -> Tensor:
        """(time, batch, width), from each frame's own past."""

        def heads(part: Tensor) -> Tensor:  # (batch, head, time, feature)
            return part.unflatten(2, (HEADS, -1)).permute(1, 2, 0, 3)

        q, k, v = heads(self.query(x)), heads(self.key(x)), heads(self.value(x))
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        left: Tensor = self.leave(found.permute(2, 0, 1, 3).flatten(2))
        return left


def positions(time: int, width: int) -> Tensor:
    """(time, width): sines and cosines of wavelengths from 2 pi to 20 000 pi."""
    t = torch.arange(time).unsqueeze(1)
    rate = torch.exp(-math.log(10_000) * torch.arange(0, width, 2) / width)
    return torch.stack([(t * rate).sin(), (t * rate).cos()], dim=2).flatten(1)[:, :width]


class Convolution(nn.Module):
    """Causal dilated convolution over time under weight normalisation (Salimans & Kingma 2016)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        self.inputs, self.reach, self.dilation = inputs * kernel, dilation * (kernel - 1), dilation
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel))
        self.gain = nn.Parameter(torch.empty(outputs))
        self.bias = nn.Parameter(torch.empty(outputs))

    def measure(self) -> None:
        """The gain begins as the length of the weights."""
        with torch.no_grad():
            self.gain.copy_(self.weight.flatten(1).norm(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, feature, time)."""
        scale = self.gain / self.weight.flatten(1).norm(dim=1)
        return F.conv1d(
            F.pad(x, (self.reach, 0)), self.weight * scale.view(-1, 1, 1), self.bias, dilation=self.dilation
        )


class TCN(nn.Module):
    """Temporal convolutional network (Bai, Kolter & Koltun 2018): levels of two convolutions of 3 frames and a
    shortcut, the dilation doubling from level to level until the task's longest sequence is in sight."""

    def __init__(self, inputs: int, width: int, depth: int, time: int, dropout: Dropout) -> None:
        super().__init__()
        count = next(n for n in range(1, 64) if 1 + 2 * (KERNEL - 1) * (2**n - 1) >= time)
        self.levels = nn.ModuleList(
            Level(inputs if level == 0 else width, width, 2**level, dropout) for level in range(count)
        )

    def forward(self, x: Tensor, state: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        for level in self.levels:
            x = level(x)
        return x, ()


class Level(nn.Module):
    """Two convolutions, ReLU and dropout after each, and a shortcut; ReLU on the sum."""

    def __init__(self, inputs: int, width: int, dilation: int, dropout: Dropout) -> None:
        super().__init__()
        self.dropout = dropout
        self.first = Convolution(inputs, width, KERNEL, dilation)
        self.second = Convolution(width, width, KERNEL, dilation)
        self.shortcut = nn.Linear(inputs, width) if inputs != width else None

    def forward(self, x: Tensor) -> Tensor:
        """x: (time, batch, feature)."""
        y = x
        for convolution in (self.first, self.second):
            y = self.dropout(F.relu(convolution(y.permute(1, 2, 0)).permute(2, 0, 1)))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Linear(nn.Module):
    """A linear map of all frames so far, as many as the task's longest sequence has, of rank `width` at most: its other
    half is the network's head."""

    def __init__(self, inputs: int, width: int, depth: int, time: int, dropout: Dropout) -> None:
        super().__init__()
        self.time, self.map = time, nn.Linear(inputs * time, width)

    def forward(self, x: Tensor, state: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        frames = F.pad(x, (0, 0, 0, 0, self.time - 1, 0)).unfold(0, self.time, 1)  # (time, batch, feature, frame)
        return self.map(frames.flatten(2)), ()


MODELS: dict[str, type[Transformer | TCN | Linear]] = {"transformer": Transformer, "tcn": TCN, "linear": Linear}
