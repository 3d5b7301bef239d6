"""What a run is: frozen values, and nothing but the standard library.

Each field has one reader, named beside it. `problems()` lists what is wrong with a value in words a person can act on.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any, Literal, get_args

from bench import PROTOCOL

Reference = Literal["transformer", "tcn", "linear"]
CellName = Literal[
    "rnn", "irnn", "indrnn", "lstm", "peephole", "cifg", "projection", "slstm", "gru", "mingru", "minlstm", Reference
]
Initial = Literal["uniform", "orthogonal", "identity"]
Schedule = Literal["constant", "step", "plateau", "cosine", "one-cycle"]
Activation = Literal["tanh", "relu", "leaky-relu", "hardtanh"]
BatchNorm = Literal["input", "recurrent"]
DropoutKind = Literal["layers", "variational"]
Backend = Literal["auto", "fused", "cpp", "fn", "eager", "triton", "graph"]
Isa = Literal["native", "generic", "avx2", "avx512"]
# fmt: off
Rule = Literal[
    "sgd", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "amsgrad", "nadam", "radam", "adamw", "adafactor",
    "muon", "lion", "schedule-free", "prodigy", "soap",
]
# fmt: on

DECOUPLED: tuple[Rule, ...] = ("adamw", "adafactor", "muon", "lion", "schedule-free", "prodigy", "soap")
"""The rules that read `decay`."""


PLUGGED: dict[str, set[str]] = {"cell": set(), "rule": set(), "own": set()}
"""Field -> the values that plug-ins add to it (bench.plugins)."""


def _choice(name: str, value: object, kind: Any) -> list[str]:
    known = [*get_args(kind), *sorted(PLUGGED.get(name, ()))]
    if value in known:
        return []
    close = get_close_matches(str(value).lower(), known, n=1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return [f"{name} must be one of {', '.join(known) or 'those of a plug-in'}, got {value!r}{hint}"]


def _between(name: str, value: object, low: float, high: float, open_low: bool = False) -> list[str]:
    """Both ends belong to the range unless `open_low`; bool is no number here."""
    bracket = f"{'(' if open_low else '['}{low:g}, {high:g}]"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return [f"{name} must be a number in {bracket}, got {value!r}"]
    if value < low or value > high or (open_low and value == low):
        return [f"{name} must be in {bracket}, got {value!r}"]
    return []


def _whole(name: str, value: object, low: int, high: int) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, int):
        return [f"{name} must be a whole number in [{low}, {high}], got {value!r}"]
    return _between(name, value, low, high)


def _flag(name: str, value: object) -> list[str]:
    return [] if isinstance(value, bool) else [f"{name} must be true or false, got {value!r}"]


@dataclass(frozen=True)
class Architecture:
    """The shape of a network, but for its width: the task's parameter budget sets that (network.solve_width)."""

    cell: CellName | str = "lstm"  # bench.cells; the reference models, which have no recurrence, bench.reference
    depth: int = 1  # bench.network
    bidirectional: bool = False  # bench.network
    attention: bool = False  # bench.attention
    residual: bool = False  # bench.network: a layer's input is added to its output, where their widths agree

    def problems(self) -> list[str]:
        found = [
            *_choice("cell", self.cell, CellName),
            *_whole("depth", self.depth, 1, 16),
            *_flag("bidirectional", self.bidirectional),
            *_flag("attention", self.attention),
            *_flag("residual", self.residual),
        ]
        if self.residual is True and self.depth == 1:
            found.append("residual needs a depth of 2 or more: the first layer has no input of its own width")
        if self.cell in get_args(Reference):
            asked = [name for name in ("bidirectional", "attention", "residual") if getattr(self, name)]
            if self.depth != 1 and self.cell != "transformer":
                asked.append("depth")
            found += [f"the reference model {self.cell} has no {name} to choose" for name in asked]
        return found


@dataclass(frozen=True)
class Stabilisation:
    """What is done against vanishing gradients, exploding gradients and overfitting. The defaults do nothing."""

    clip_norm: float | None = None  # bench.clipping
    clip_value: float | None = None  # bench.clipping
    agc: float | None = None  # bench.clipping: largest norm of a unit's gradient, over the norm of its weights
    autoclip: float | None = None  # bench.clipping: the percentile of past norms that is the threshold
    batch_norm: BatchNorm | None = None  # bench.cells
    layer_norm: bool = False  # bench.cells
    weight_norm: bool = False  # bench.cells: rows of W_hh and W_ih as a direction and a length
    activation: Activation = "tanh"  # bench.cells
    initial: Initial = "uniform"  # bench.initial: of each gate's block of W_hh
    forget_bias: float | None = None  # bench.initial: the sum of both of torch's biases
    chrono: bool = False  # bench.initial: forget and input biases for memories up to the task's length
    bptt: int | None = None  # bench.network: steps after which the gradient is cut
    gradient_noise: float = 0.0  # bench.noise: eta, the variance at the first update
    dropout: float = 0.0  # bench.dropout: probability of dropping a unit
    dropout_kind: DropoutKind = "layers"  # bench.dropout: a new mask each step, or one mask a sequence
    recurrent_dropout: float = 0.0  # bench.noise: probability that a unit's candidate is not written
    zoneout: float = 0.0  # bench.noise: probability that a unit of h keeps its value
    zoneout_memory: float = 0.0  # bench.noise: the same for the LSTM's c
    weight_drop: float = 0.0  # bench.noise: probability of dropping a recurrent weight for one batch
    weight_noise: float = 0.0  # bench.noise: standard deviation of what is added to every weight for one batch
    embedding_dropout: float = 0.0  # bench.dropout: probability of dropping a symbol's whole row for one batch
    tied: bool = False  # bench.network: the head's matrix is the embedding
    l2: float = 0.0  # bench.train: coupled, added to the gradient of weight matrices
    decay: float = 0.0  # bench.train: decoupled, taken from weight matrices beside the update, times the rate
    activation_penalty: float = 0.0  # bench.penalties: AR, alpha
    temporal_penalty: float = 0.0  # bench.penalties: TAR, beta
    label_smoothing: float = 0.0  # bench.penalties: share of the target spread over all classes
    spec_augment: bool = False  # bench.augment: bands and spans of a training spectrogram masked
    jitter: float = 0.0  # bench.augment: standard deviation of noise on the values of a series
    scaling: float = 0.0  # bench.augment: standard deviation of a factor on each variate of a window
    ema: float | None = None  # bench.averages: decay of the average of weights that is scored
    swa: float | None = None  # bench.averages: the share of the updates after which weights are averaged
    patience: int | None = None  # bench.train: evaluations without a better validation loss
    own: str | None = None  # bench.technique: a technique of a plug-in

    def problems(self) -> list[str]:
        found = [
            *_choice("activation", self.activation, Activation),
            *_between("dropout", self.dropout, 0, 0.95),
            *_choice("dropout_kind", self.dropout_kind, DropoutKind),
            *_flag("layer_norm", self.layer_norm),
            *_between("recurrent_dropout", self.recurrent_dropout, 0, 0.95),
            *_between("zoneout", self.zoneout, 0, 0.95),
            *_between("zoneout_memory", self.zoneout_memory, 0, 0.95),
            *_between("weight_drop", self.weight_drop, 0, 0.95),
            *_flag("weight_norm", self.weight_norm),
            *_choice("initial", self.initial, Initial),
            *_flag("chrono", self.chrono),
            *_between("gradient_noise", self.gradient_noise, 0, 10),
            *_between("weight_noise", self.weight_noise, 0, 10),
            *_between("embedding_dropout", self.embedding_dropout, 0, 0.95),
            *_flag("tied", self.tied),
            *_between("l2", self.l2, 0, 1),
            *_between("decay", self.decay, 0, 10),
            *_between("activation_penalty", self.activation_penalty, 0, 1_000),
            *_between("temporal_penalty", self.temporal_penalty, 0, 1_000),
            *_between("label_smoothing", self.label_smoothing, 0, 0.95),
            *_flag("spec_augment", self.spec_augment),
            *_between("jitter", self.jitter, 0, 10),
            *_between("scaling", self.scaling, 0, 10),
        ]
        if self.clip_norm is not None:
            found += _between("clip_norm", self.clip_norm, 0, 1e6, open_low=True)
        if self.clip_value is not None:
            found += _between("clip_value", self.clip_value, 0, 1e6, open_low=True)
        if self.agc is not None:
            found += _between("agc", self.agc, 0, 1e3, open_low=True)
        if self.autoclip is not None:
            found += _between("autoclip", self.autoclip, 0, 100, open_low=True)
        if self.forget_bias is not None:
            found += _between("forget_bias", self.forget_bias, -100, 100)
        if self.bptt is not None:
            found += _whole("bptt", self.bptt, 1, 1_000_000)
        if self.ema is not None:
            found += _between("ema", self.ema, 0, 0.999999, open_low=True)
        if self.swa is not None:
            found += _between("swa", self.swa, 0, 0.99)
        if self.batch_norm is not None:
            found += _choice("batch_norm", self.batch_norm, BatchNorm)
        if self.layer_norm is True and self.batch_norm is not None:
            found.append("layer_norm and batch_norm normalise the same products: choose one")
        if self.chrono is True and self.forget_bias is not None:
            found.append("chrono and forget_bias set the same biases: choose one")
        if self.bptt is not None and self.batch_norm is not None:
            found.append("bptt and batch_norm: a cut would give each piece statistics and time steps of its own")
        if self.ema is not None and self.swa is not None:
            found.append("ema and swa both say which average of weights is scored: choose one")
        if self.patience is not None:
            found += _whole("patience", self.patience, 1, 10_000)
        if self.own is not None:
            found += _choice("own", self.own, None)
        return found

    @property
    def clips(self) -> bool:
        """Whether gradients are clipped, in any way."""
        return any(limit is not None for limit in (self.clip_norm, self.clip_value, self.agc, self.autoclip))

    def __add__(self, other: Stabilisation) -> Stabilisation:
        """Both at once. Two different settings of one field are refused: neither could be said to have run."""
        mine, theirs, default = asdict(self), asdict(other), asdict(Stabilisation())
        both = [
            name for name in default if default[name] not in (mine[name], theirs[name]) and mine[name] != theirs[name]
        ]
        if both:
            raise ValueError(f"both set {', '.join(both)}")
        return replace(self, **{name: value for name, value in theirs.items() if value != default[name]})


@dataclass(frozen=True)
class Optimizer:
    """An update rule and its settings; what a rule does not use is left at its default."""

    rule: Rule | str  # bench.optimizers
    lr: float  # bench.optimizers
    momentum: float = 0.0  # bench.optimizers: sgd and nesterov
    decay: float = 0.0  # bench.optimizers: decoupled, of the rules that have it
    nonmono: int | None = None  # bench.averages: evaluations without a better validation loss before ASGD begins
    schedule: Schedule = "constant"  # bench.schedules: of the learning rate, over the budget's updates
    warmup: float = 0.0  # bench.schedules: the share of the updates over which the rate rises to its value

    def problems(self) -> list[str]:
        found = [
            *_choice("rule", self.rule, Rule),
            *_between("lr", self.lr, 0, 100, open_low=True),
            *_between("momentum", self.momentum, 0, 0.999),
            *_between("decay", self.decay, 0, 1),
            *([] if self.nonmono is None else _whole("nonmono", self.nonmono, 1, 10_000)),
            *_choice("schedule", self.schedule, Schedule),
            *_between("warmup", self.warmup, 0, 0.9),
        ]
        if found:
            return found
        if self.rule == "schedule-free" and (self.schedule != "constant" or self.warmup):
            found.append("schedule-free takes no schedule: it averages instead")
        if self.decay and self.rule not in DECOUPLED:
            found.append(f"decay is of the rules {', '.join(DECOUPLED)}; {self.rule} has none")
        if self.momentum and self.rule not in ("sgd", "nesterov"):
            found.append(f"momentum is of the rules sgd and nesterov, not {self.rule}")
        if self.rule == "nesterov" and not self.momentum:
            found.append("nesterov needs a momentum above 0")
        return found


@dataclass(frozen=True)
class Budget:
    """How large and how long: the same for every technique on one task of one matrix."""

    parameters: int  # bench.network: trainable parameters of the whole network; the width is solved for it
    batch: int  # bench.train
    steps: int  # bench.train: updates
    evaluate: int  # bench.train: steps between two points of the learning curve
    curve: int  # bench.train: sequences of each split in one point of the curve; selection uses the valid ones
    seconds: int  # bench.execute: a run that takes longer is a timeout
    rate: float = 1.0  # bench.plan: multiplies every rule's learning rate, for larger networks and longer runs

    def problems(self) -> list[str]:
        found = [
            *_whole("parameters", self.parameters, 100, 1_000_000_000),
            *_whole("batch", self.batch, 1, 100_000),
            *_whole("steps", self.steps, 1, 100_000_000),
            *_whole("evaluate", self.evaluate, 1, 100_000_000),
            *_whole("curve", self.curve, 1, 100_000_000),
            *_whole("seconds", self.seconds, 1, 10_000_000),
            *_between("rate", self.rate, 0, 1_000, open_low=True),
        ]
        if not found and self.evaluate > self.steps:
            found.append(f"evaluate must be at most steps ({self.steps}), got {self.evaluate}")
        return found


@dataclass(frozen=True)
class Names:
    """What people call the parts of a run. No part of its id."""

    task: str
    architecture: str
    stabilisation: str
    optimizer: str


@dataclass(frozen=True)
class RunSpec:
    """One run, resolved to values. Two specs of equal values are the same run, whatever they are called."""

    names: Names
    task_version: str
    architecture: Architecture
    stabilisation: Stabilisation
    optimizer: Optimizer
    budget: Budget
    device: str
    seed: int
    backend: Backend = "auto"  # bench.run: the back end asked for; the record says which one ran
    tuned: int = 0  # bench.tune: trials that chose the settings; 0 where they are those of the tables
    isa: Isa = "native"  # bench.isa: the instruction-set level that every library is pinned to

    @property
    def configuration(self) -> str:
        """The run's name without its seed: task/architecture/stabilisation/optimizer/device, `cpu+fn` where a back end
        was asked for, `cpu+avx2` where an instruction set was."""
        n = self.names
        asked = [name for name in (self.backend, self.isa) if name not in ("auto", "native")]
        where = "+".join([self.device, *asked])
        return f"{n.task}/{n.architecture}/{n.stabilisation}/{n.optimizer}/{where}"

    @property
    def name(self) -> str:
        return f"{self.configuration}/s{self.seed}"

    def values(self) -> dict[str, Any]:
        """Everything that decides the outcome. Fields at their defaults do nothing and are left out, so that a field
        added later changes the id of no earlier run."""
        return {
            "protocol": PROTOCOL,
            "task": self.names.task,
            "task_version": self.task_version,
            "architecture": changed(self.architecture),
            "stabilisation": changed(self.stabilisation),
            "optimizer": changed(self.optimizer),
            "budget": {key: value for key, value in changed(self.budget).items() if key != "seconds"},
            "device": self.device,
            "seed": self.seed,
            **({} if self.backend == "auto" else {"backend": self.backend}),
            **({"tuned": self.tuned} if self.tuned else {}),
            **({} if self.isa == "native" else {"isa": self.isa}),
        }

    @classmethod
    def of(cls, values: Mapping[str, Any], names: Mapping[str, str], seconds: int) -> RunSpec:
        """The run of these values(), exactly, under these names; the limit of seconds is no part of them.

        Raises ValueError where the values are not those of a run of this code, and says what is wrong with them.
        """
        try:
            spec = cls(
                Names(**names),
                values["task_version"],
                Architecture(**values["architecture"]),
                Stabilisation(**values["stabilisation"]),
                Optimizer(**values["optimizer"]),
                Budget(**values["budget"], seconds=seconds),
                **{key: values[key] for key in ("device", "seed", "backend", "tuned", "isa") if key in values},
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the values of a run of this code: {error}") from None
        parts = (spec.architecture, spec.stabilisation, spec.optimizer, spec.budget)
        wrong = [problem for part in parts for problem in part.problems()]
        wrong += _choice("backend", spec.backend, Backend) + _choice("isa", spec.isa, Isa)
        wrong += _whole("seed", spec.seed, 0, 2**63 - 1) + _whole("tuned", spec.tuned, 0, 10_000)
        if wrong:
            raise ValueError("; ".join(wrong))
        if spec.values() != values:
            raise ValueError("not the values of a run of this code: some of them would not be read")
        return spec

    @property
    def id(self) -> str:
        return digest(self.values())

    @property
    def configuration_id(self) -> str:
        """The id that every seed of this configuration shares, under which it is timed."""
        return digest({key: value for key, value in self.values().items() if key != "seed"})


def changed(value: Architecture | Stabilisation | Optimizer | Budget) -> dict[str, Any]:
    """The fields that differ from their defaults, or have none."""
    default = {f.name: f.default for f in fields(value)}
    return {key: item for key, item in asdict(value).items() if item != default[key]}


def digest(values: Mapping[str, Any]) -> str:
    """First 16 hexadecimal digits of the sha256 of the canonical JSON of `values`."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Block:
    """A full cross of its four axes; with `star`, one factor at a time round the first name of each axis."""

    tasks: tuple[str, ...]
    architectures: tuple[str, ...]
    stabilisations: tuple[str, ...]
    optimizers: tuple[str, ...]
    star: bool = False

    def crossed(self) -> list[Names]:
        a, s, o = self.architectures, self.stabilisations, self.optimizers
        if self.star:
            triples = [(a[0], s[0], o[0])]
            triples += [(x, s[0], o[0]) for x in a[1:]]
            triples += [(a[0], x, o[0]) for x in s[1:]]
            triples += [(a[0], s[0], x) for x in o[1:]]
        else:
            triples = [(x, y, z) for x in a for y in s for z in o]
        return [Names(task, *triple) for task in self.tasks for triple in triples]


@dataclass(frozen=True)
class Matrix:
    """A union of blocks, the seeds that pair its runs, and one budget a task."""

    name: str
    summary: str
    blocks: tuple[Block, ...]
    seeds: tuple[int, ...]
    budgets: Mapping[str, Budget]
    pairs: int = 20  # bench.timing: interleaved pairs of the timed pass
    tune: int = 0  # bench.tune: trials of each technique before its scores; 0: the tables' values
    backend: Backend = "auto"  # bench.plan: of every run
    isa: Isa = "native"  # bench.plan: of every run
    architectures: Mapping[str, Architecture] = field(default_factory=dict)  # names of its own, beside those of axes.py
    stabilisations: Mapping[str, Stabilisation] = field(default_factory=dict)
    optimizers: Mapping[str, Optimizer] = field(default_factory=dict)

    def rows(self) -> list[Names]:
        """Each combination once, in the order of the blocks."""
        return list(dict.fromkeys(names for block in self.blocks for names in block.crossed()))


def settings(value: Architecture | Stabilisation | Optimizer) -> str:
    """The fields that differ from doing nothing, for a table: `clip_norm=1.0`."""
    return ", ".join(f"{key}={item}" for key, item in changed(value).items()) or "-"
