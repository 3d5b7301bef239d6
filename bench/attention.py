"""Attention over the states of the top layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Attention over states, scored as Luong et al. 2015 ("general"), scaled as Vaswani et al. 2017.

    The query is a state itself: the last one where there is one output a sequence (pooling), each step's own where
    there is one a step; with `causal` a step sees itself and the past alone. Context and query pass through one tanh
    layer, Luong's attentional state.
    """

    def __init__(self, features: int, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.score = nn.Linear(features, features, bias=False)
        self.combine = nn.Linear(2 * features, features)

    def weights(self, query: Tensor, states: Tensor, valid: Tensor | None) -> Tensor:
        """How much each state counts, (batch, query, time): positive, a sum of 1.

        query: (batch, query, feature), states: (batch, time, feature), valid: (batch, time) bool or None.
        """
        scores = self.score(query) @ states.transpose(1, 2) / math.sqrt(states.shape[2])
        if self.causal:
            future = torch.ones(scores.shape[1:], dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(future, -math.inf)
        if valid is not None:
            scores = scores.masked_fill(~valid.unsqueeze(1), -math.inf)
        return scores.softmax(dim=2)

    def forward(self, query: Tensor, states: Tensor, valid: Tensor | None) -> Tensor:
        """The attentional states, (batch, query, feature)."""
        context = self.weights(query, states, valid) @ states
        return self.combine(torch.cat([context, query], dim=2)).tanh()
