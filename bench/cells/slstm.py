"""The sLSTM of xLSTM."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.cells.base import Cell, Now, State, Weights
from bench.noise import Noise


class SLSTM(Cell):
    """LSTM with an exponential input gate (Beck et al. 2024, sLSTM): one head, a full recurrent matrix, sigmoid f.

    c / n is a mean of what was written, weighed by how wide the gates stood. Both are kept divided by exp(m), where m
    follows the largest gate, so that no exponential overflows; the quotient does not depend on m.
    """

    gates, states, exact = 4, 4, ()  # i, f, g, o; h, c, n, m
    writes, keeps = 0, 1

    def twin(self, inputs: int, hidden: int) -> nn.Module:
        rows = self.gates * hidden
        biases = {"bias_ih": (rows,), "bias_hh": (rows,)}
        return Weights(hidden, weight_ih=(rows, inputs), weight_hh=(rows, hidden), **biases)

    def noise(self, time: int, like: Tensor) -> Noise:
        """Zoneout of h alone: c, n and m are no numbers on one scale (bench.sense refuses it)."""
        drawn = super().noise(time, like)
        return replace(drawn, keep=(drawn.keep[0], None, None, None))

    def initial(self, like: Tensor) -> State:
        """m starts at minus infinity: nothing has been written, so the first step's gate is the largest."""
        h, c, n, m = super().initial(like)
        return h, c, n, torch.full_like(m, -torch.inf)

    def step(self, z: Tensor, state: State, now: Now) -> State:
        h, c, n, m = state
        i, f, g, o = (z + self.recur(h, now)).chunk(4, dim=1)
        kept = F.logsigmoid(f) + m
        m = torch.maximum(kept, i)
        write, keep = (i - m).exp(), (kept - m).exp()
        c = keep * c + write * now.noise.drop(self.act(g), now.t)
        n = keep * n + write
        return o.sigmoid() * self.cell_norm(c / n, now.t, now.rows), c, n, m
