"""An Optimizer value -> a torch optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from bench.spec import Optimizer, Rule

Build = Callable[[list[nn.Parameter], Optimizer], torch.optim.Optimizer]

# fused=True runs torch's single-pass kernel where it has one (SGD, Adagrad, Adam, AdamW on CPU and CUDA)
RULES: dict[Rule, Build] = {
    "sgd": lambda p, o: torch.optim.SGD(p, o.lr, momentum=o.momentum, fused=True),
    "adagrad": lambda p, o: torch.optim.Adagrad(p, o.lr, fused=True),
    "rmsprop": lambda p, o: torch.optim.RMSprop(p, o.lr, alpha=0.9),  # alpha as in Hinton's lecture 6e
    "adam": lambda p, o: torch.optim.Adam(p, o.lr, fused=True),
    "nadam": lambda p, o: torch.optim.NAdam(p, o.lr),
    "adamw": lambda p, o: torch.optim.AdamW(p, o.lr, weight_decay=o.decay, fused=True),
}


def build(optimizer: Optimizer, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The torch optimizer of these settings over `parameters`."""
    return RULES[optimizer.rule](list(parameters), optimizer)


def add_l2(weights: list[nn.Parameter], strength: float) -> None:
    """Add the gradient of strength/2 * |w|^2 to each weight's gradient: coupled L2 (Krogh & Hertz 1991).

    The same as torch's `weight_decay` of every rule but AdamW, whose decay is decoupled: done here, L2 means one thing
    under every rule, and is seen by the rule's own scaling (Loshchilov & Hutter 2019 tell the two apart).
    """
    pairs = [(w.grad, w.detach()) for w in weights if w.grad is not None]
    gradients: list[Tensor] = [gradient for gradient, _ in pairs]
    torch._foreach_add_(gradients, [weight for _, weight in pairs], alpha=strength)
