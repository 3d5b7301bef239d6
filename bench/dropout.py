"""Dropout on the connections between layers, never on the recurrent ones, and of whole symbols."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from bench.spec import DropoutKind


class Dropout(nn.Module):
    """Dropout of (time, batch, feature) activations: with a new mask for each step, or one mask a sequence.

    `layers` is Zaremba, Sutskever & Vinyals 2014, `variational` the locked masks of Gal & Ghahramani 2016. Masks are
    drawn from torch's global generator (see bench.rng).
    """

    def __init__(self, p: float, kind: DropoutKind, symbols: float = 0.0) -> None:
        super().__init__()
        self.p, self.kind, self.symbols = p, kind, symbols

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        if self.kind == "layers":
            return F.dropout(x, self.p)
        return x * F.dropout(x.new_ones(1, *x.shape[1:]), self.p)

    def embedded(self, embed: nn.Embedding, x: Tensor) -> Tensor:
        """The rows of these symbols; with probability `symbols` a symbol's row is zero for the whole batch, wherever
        the symbol stands, and the others are scaled up (Gal & Ghahramani 2016; Merity, Keskar & Socher 2018)."""
        rows: Tensor = embed(x)
        if not self.training or self.symbols == 0:
            return rows
        return rows * F.dropout(rows.new_ones(embed.num_embeddings), self.symbols)[x].unsqueeze(-1)

    def extra_repr(self) -> str:
        return f"p={self.p}, kind={self.kind}, symbols={self.symbols}"
