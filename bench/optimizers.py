"""An Optimizer value -> a torch optimizer."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Iterable
from ctypes import c_double, c_int, c_int64, c_void_p
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from bench import native
from bench.spec import Optimizer

Build = Callable[[list[nn.Parameter], Optimizer], torch.optim.Optimizer]
Group = dict[str, Any]

BEYOND = ("weight_decay", "momentum", "centered", "maximize", "capturable", "differentiable")
"""Settings of a group that the kernels do not know."""


def fit(tensors: list[Tensor], kind: type[Tensor], shape: tuple[int, ...]) -> bool:
    """Whether a kernel may take these for arrays: `kind` stands for a type, and also for CPU and not sparse."""
    return all(isinstance(tensor, kind) and tensor.is_contiguous() and tensor.shape == shape for tensor in tensors)


class OnePass(torch.optim.Optimizer):
    """A step by our kernel where it fits: plain tensors on CPU, settings it knows. Anything else is torch's own step.

    The state has torch's names, types and values, so that a state_dict moves between the two.
    """

    kernel: ClassVar[str]
    counters: ClassVar[dict[str, float]]  # what torch keeps beside each weight, and its first value
    averages: ClassVar[tuple[str, ...]]  # of each weight's shape, zero at first

    def numbers(self, group: Group) -> tuple[float, ...]:
        """The settings of a group, in the kernel's order."""
        raise NotImplementedError

    def step(self, closure: Any = None) -> Any:
        """Move each weight that has a gradient; the loss of `closure` if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        tables = [self._table(group) for group in self.param_groups]
        numbers = [self.numbers(group) for group in self.param_groups]
        kinds = (c_void_p, c_int64, c_int, c_int, *(c_double for _ in numbers[0]))
        if None in tables or (kernel := native.function(self.kernel, *kinds)) is None:
            super().step()
            return loss
        for (weights, wide, rows), values in zip(filter(None, tables), numbers, strict=True):
            kernel((c_int64 * len(rows))(*rows), len(weights), wide, torch.get_num_threads(), *values)
            torch.autograd.graph.increment_version(weights)
        return loss

    def _table(self, group: Group) -> tuple[list[Tensor], bool, list[int]] | None:
        """The weights that have a gradient, whether in double, and a row of numbers each; None where one misfits."""
        if any(group.get(name) for name in BEYOND):
            return None
        wide = isinstance(next(iter(group["params"]), None), torch.DoubleTensor)
        weights, rows = [], []
        for weight in group["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            if not state:
                state |= {name: torch.tensor(value) for name, value in self.counters.items()}
                state |= {name: torch.zeros_like(weight) for name in self.averages}
            counters = [state[name] for name in self.counters]
            arrays = [weight, weight.grad, *[state[name] for name in self.averages]]
            if not fit(arrays, torch.DoubleTensor if wide else torch.FloatTensor, weight.shape):
                return None
            if not fit(counters, torch.FloatTensor, ()):
                return None
            weights.append(weight)
            rows += [weight.numel(), *[tensor.data_ptr() for tensor in counters + arrays]]
        return weights, wide, rows


class RMSprop(OnePass, torch.optim.RMSprop):
    """torch.optim.RMSprop in one pass."""

    kernel, counters, averages = "rmsprop", {"step": 0.0}, ("square_avg",)

    def numbers(self, group: Group) -> tuple[float, ...]:
        return float(group["lr"]), group["alpha"], group["eps"]


class NAdam(OnePass, torch.optim.NAdam):
    """torch.optim.NAdam in one pass."""

    kernel, counters, averages = "nadam", {"step": 0.0, "mu_product": 1.0}, ("exp_avg", "exp_avg_sq")

    def numbers(self, group: Group) -> tuple[float, ...]:
        return float(group["lr"]), *group["betas"], group["eps"], group["momentum_decay"]


@cache
def bare(kind: type[torch.optim.Optimizer]) -> type[Any]:
    """`kind` without what torch.compile wraps its methods in: the first call of one loads a compiler of Python.

    That is torch._dynamo: 1.2 s and 158 MiB of every worker, for nothing that runs here.
    """
    names = ("add_param_group", "zero_grad", "step", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), methods | {"step": torch.no_grad()(methods["step"])})


class Both(torch.optim.Optimizer):
    """Two optimizers over disjoint weights, stepped together."""

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        # no super().__init__: the parts hold all groups and all state
        self.parts = parts
        self.param_groups = [group for part in parts for group in part.param_groups]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for part in self.parts:
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> Group:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: Group) -> None:
        for part, values in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(values)  # and its groups are other dictionaries now
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def muon(weights: list[nn.Parameter], o: Optimizer, hidden: Collection[nn.Parameter]) -> Both:
    """Muon (Jordan et al. 2024) for the matrices of hidden layers, gates stacked as torch keeps them, scaled so that a
    step is as long as AdamW's (Liu et al. 2025); AdamW at the same rate for embedding, head, biases and gains."""
    inner = {id(weight) for weight in hidden if weight.dim() == 2}
    matrices = [weight for weight in weights if id(weight) in inner]
    others = [weight for weight in weights if id(weight) not in inner]
    parts: list[torch.optim.Optimizer] = []
    if matrices:
        parts.append(bare(torch.optim.Muon)(matrices, o.lr, weight_decay=o.decay, adjust_lr_fn="match_rms_adamw"))
    if others:
        parts.append(bare(torch.optim.AdamW)(others, o.lr, weight_decay=o.decay, fused=True))
    return Both(*parts)


class NoPackage(ImportError):
    """A rule's package is not installed."""


def _package(module: str, name: str) -> Any:
    """An optimizer of a package of the extra `optim`. Raises NoPackage."""
    try:
        return bare(getattr(importlib.import_module(module), name))
    except ImportError as error:
        raise NoPackage(
            f"the rule {name} needs {module}, which is not here; get it with: pip install -e '.[optim]'"
        ) from error


def _lion(p: list[nn.Parameter], o: Optimizer) -> torch.optim.Optimizer:
    """Chen et al. 2023."""
    return _package("pytorch_optimizer", "Lion")(p, o.lr, weight_decay=o.decay)


def _schedule_free(p: list[nn.Parameter], o: Optimizer) -> torch.optim.Optimizer:
    """Defazio et al. 2024, on AdamW. fit() asks for its averaged weights wherever weights are scored."""
    made = _package("schedulefree", "AdamWScheduleFree")(p, o.lr, weight_decay=o.decay)
    made.train()
    return made


def _prodigy(p: list[nn.Parameter], o: Optimizer) -> torch.optim.Optimizer:
    """Mishchenko & Defazio 2024: the rate is a factor on the one it estimates."""
    return _package("pytorch_optimizer", "Prodigy")(p, o.lr, weight_decay=o.decay)


def _soap(p: list[nn.Parameter], o: Optimizer) -> torch.optim.Optimizer:
    """Vyas et al. 2024, their sides of a matrix that are too long keeping their own axes: here those above 1,024, since
    an eigenbasis costs the cube of a side, and the heads of long forecasts and vocabularies have thousands of rows."""
    return _package("pytorch_optimizer", "SOAP")(p, o.lr, weight_decay=o.decay, max_precondition_dim=1_024)


# One pass over memory for every textbook rule, so that times compare algorithms: torch's own kernel (fused) where it
# has one on both CPU and CUDA, ours for RMSprop and NAdam on CPU. The others take what torch or their package has,
# several passes (foreach, or a loop over weights): their times compare implementations too.
RULES: dict[str, Build] = {
    "sgd": lambda p, o: bare(torch.optim.SGD)(p, o.lr, momentum=o.momentum, fused=True),
    "nesterov": lambda p, o: bare(torch.optim.SGD)(p, o.lr, momentum=o.momentum, nesterov=True, fused=True),
    "adagrad": lambda p, o: bare(torch.optim.Adagrad)(p, o.lr, fused=True),
    "adadelta": lambda p, o: bare(torch.optim.Adadelta)(p, o.lr, foreach=True),
    "rmsprop": lambda p, o: bare(RMSprop)(p, o.lr, alpha=0.9, foreach=True),  # alpha as in Hinton's lecture 6e
    "adam": lambda p, o: bare(torch.optim.Adam)(p, o.lr, fused=True),
    "amsgrad": lambda p, o: bare(torch.optim.Adam)(p, o.lr, amsgrad=True, fused=True),
    "nadam": lambda p, o: bare(NAdam)(p, o.lr, foreach=True),
    "adamw": lambda p, o: bare(torch.optim.AdamW)(p, o.lr, weight_decay=o.decay, fused=True),
    "radam": lambda p, o: bare(torch.optim.RAdam)(p, o.lr, foreach=True),
    "adafactor": lambda p, o: bare(torch.optim.Adafactor)(p, o.lr, weight_decay=o.decay),
    "lion": _lion,
    "schedule-free": _schedule_free,
    "prodigy": _prodigy,
    "soap": _soap,
}


def build(
    optimizer: Optimizer, parameters: Iterable[nn.Parameter], hidden: Collection[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The torch optimizer of these settings; `hidden` are the parameters of hidden layers. Raises NoPackage."""
    if optimizer.rule == "muon":
        return muon(list(parameters), optimizer, hidden)
    return RULES[optimizer.rule](list(parameters), optimizer)


def add_l2(weights: list[nn.Parameter], strength: float) -> None:
    """Add the gradient of strength/2 * |w|^2 to each weight's gradient: coupled L2 (Krogh & Hertz 1991).

    The same as torch's `weight_decay` of every rule but AdamW, whose decay is decoupled: done here, L2 means one thing
    under every rule, and is seen by the rule's own scaling (Loshchilov & Hutter 2019 tell the two apart).
    """
    pairs = [(w.grad, w.detach()) for w in weights if w.grad is not None]
    gradients: list[Tensor] = [gradient for gradient, _ in pairs]
    torch._foreach_add_(gradients, [weight for _, weight in pairs], alpha=strength)


def shrink(weights: list[nn.Parameter], strength: float, optimizer: torch.optim.Optimizer) -> None:
    """Take rate * strength of each weight from itself: decoupled decay (Loshchilov & Hutter 2019), under every rule.

    No gradient sees it, so no rule rescales it: that is all that sets it apart from L2.
    """
    group = optimizer.param_groups[0]
    rate = float(group["lr"]) * group.get("d", 1.0)  # Prodigy's is a factor on its estimate
    torch._foreach_mul_([weight.detach() for weight in weights], 1 - rate * strength)
