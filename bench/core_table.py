"""The table of the core: what is measured, on which workloads, and the goals. Standard library only.

Every cell is one ratio: a step of the row over a step of what stands in `over`. A step is forward and backward through
a whole recurrent stack, input projection and all weight gradients included; of an optimizer, one update.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mode
from typing import Literal

from bench.spec import Backend, CellName, Rule, Stabilisation

FOLDER = "core"
"""Below results: the table's records stand beside those of the matrices."""

THREADS = (1, 2)
MIN_PAIRS = 20
"""With so many the control stays within 2 % where nothing else is at work; with six it often does not."""


@dataclass(frozen=True)
class Workload:
    """The shape of a recurrent stack and of its batch."""

    time: int
    batch: int
    inputs: int
    hidden: int
    layers: int
    bidirectional: bool = False


WORKLOADS: dict[str, Workload] = {
    "ts": Workload(time=96, batch=32, inputs=7, hidden=64, layers=2),  # ETT
    "lm-char": Workload(time=64, batch=32, inputs=128, hidden=128, layers=1),
    "lm-word": Workload(time=35, batch=20, inputs=200, hidden=200, layers=2),  # the small model of Zaremba et al. 2014
    "speech": Workload(time=100, batch=32, inputs=40, hidden=128, layers=2, bidirectional=True),
}


NOTHING = Stabilisation()


@dataclass(frozen=True)
class Stack:
    """Our cells, layer upon layer, on one back end."""

    cell: CellName = "lstm"
    recipe: Stabilisation = NOTHING
    backend: Backend = "cpp"


@dataclass(frozen=True)
class Torch:
    """torch's own module of the whole stack."""

    name: Literal["nn.LSTM", "nn.GRU"] = "nn.LSTM"


@dataclass(frozen=True)
class Update:
    """One update of lm-word's network: 4.65 million parameters in 11 tensors."""

    rule: Rule


Subject = Stack | Torch | Update


def everywhere(most: float) -> dict[str, float]:
    """One goal on every workload."""
    return dict.fromkeys(WORKLOADS, most)


@dataclass(frozen=True)
class Row:
    """What is measured, what it is divided by, and how large the ratio may be on each workload."""

    name: str
    subject: Subject
    over: Subject = Torch()
    goals: Mapping[str, float] = field(default_factory=dict)  # workload -> the largest ratio that meets the goal
    control: bool = False  # the ratio of a thing to itself: as far below 1 as above is missed too
    only: str | None = None  # the one workload it is measured on
    device: Literal["cpu", "cuda"] = "cpu"


PLAIN = Stack()
ZONEOUT = Stabilisation(zoneout=0.05, zoneout_memory=0.5)  # rates of Krueger et al. 2017

CPU = (
    Row("LSTM", PLAIN, goals=everywhere(1.05)),
    Row("ReLU-LSTM", Stack(recipe=Stabilisation(activation="relu")), goals=everywhere(1.05)),
    Row("LayerNorm-LSTM", Stack(recipe=Stabilisation(layer_norm=True)), goals=everywhere(1.3)),
    Row("recurrent-BN-LSTM", Stack(recipe=Stabilisation(batch_norm="recurrent")), goals=everywhere(1.6)),
    Row("GRU", Stack("gru"), goals=everywhere(0.85)),
    Row("nn.GRU", Torch("nn.GRU")),
    Row("tanh RNN", Stack("rnn"), goals=everywhere(0.35)),
    Row("ReLU RNN", Stack("rnn", Stabilisation(activation="relu")), goals=everywhere(0.35)),
    # without a compiler; at H = 64 the calls weigh more than the arithmetic
    Row("fn LSTM", Stack(backend="fn"), goals=everywhere(1.5) | {"ts": 2.4}),
    # rates after Semeniuta et al. 2016 and Merity et al. 2018
    Row("zoneout", Stack(recipe=ZONEOUT), PLAIN, everywhere(1.1)),
    Row("recurrent dropout", Stack(recipe=Stabilisation(recurrent_dropout=0.25)), PLAIN, everywhere(1.1)),
    Row("peephole", Stack("peephole"), PLAIN, everywhere(1.1)),
    Row("weight drop", Stack(recipe=Stabilisation(weight_drop=0.5)), PLAIN, everywhere(1.1)),
    Row("RMSprop", Update("rmsprop"), Update("adam"), {"lm-word": 1.2}, only="lm-word"),
    Row("Nadam", Update("nadam"), Update("adam"), {"lm-word": 1.2}, only="lm-word"),
    Row("A/A control", Torch(), goals=everywhere(1.02), control=True),
)

NARROW = {"ts": 1.3, "lm-char": 1.3, "speech": 1.3}
"""Custom cells on CUDA at H = 64 and 128, where cuDNN runs its persistent algorithm; at 200 it does not."""

CUDA = (
    Row("LSTM", Stack(backend="triton"), goals=NARROW, device="cuda"),
    Row("ReLU-LSTM", Stack("lstm", Stabilisation(activation="relu"), "triton"), goals=NARROW, device="cuda"),
    Row("LayerNorm-LSTM", Stack("lstm", Stabilisation(layer_norm=True), "triton"), goals=NARROW, device="cuda"),
    Row("peephole", Stack("peephole", backend="triton"), goals=NARROW, device="cuda"),
    Row("zoneout", Stack("lstm", ZONEOUT, "triton"), goals=NARROW, device="cuda"),
    Row("A/A control", Torch(), goals=everywhere(1.02), control=True, device="cuda"),
)
"""Rows where there is a CUDA device; nn.LSTM is cuDNN there."""

ROWS = (*CPU, *CUDA)


Key = tuple[str, str, str, int]
"""Device, row, workload, threads."""


@dataclass(frozen=True)
class Place:
    """One cell of the table."""

    row: Row
    workload: str
    shape: Workload
    threads: int

    @property
    def key(self) -> Key:
        return self.row.device, self.row.name, self.workload, self.threads

    @property
    def name(self) -> str:
        where = f"{self.threads} thread{'s' * (self.threads > 1)}" if self.row.device == "cpu" else "cuda"
        return f"{self.row.name} on {self.workload}, {where}"


def places(
    rows: Iterable[Row] = ROWS, workloads: Mapping[str, Workload] = WORKLOADS, threads: Sequence[int] = THREADS
) -> Iterator[Place]:
    """Every cell of these rows, those of one thread count together. CUDA's rows are taken with one thread."""
    known = list(rows)
    for count in threads:
        for row in known:
            for name, shape in workloads.items():
                if row.only in (None, name) and (row.device == "cpu" or count == 1):
                    yield Place(row, name, shape, count)


def missed(row: Row, workload: str, ratio: float) -> bool:
    """Whether a ratio misses its goal; False where there is none."""
    most = row.goals.get(workload)
    return most is not None and not (2 - most if row.control else 0) <= ratio <= most


def shown(row: Row, workload: str, ratio: float, noisy: bool) -> str:
    """A cell: `0.98`, `1.12!` where the goal is missed, `~1.01` where the measurement was noisy."""
    return f"{'~' * noisy}{ratio:.2f}{'!' * missed(row, workload, ratio)}"


LEGEND = (
    "! misses the goal. ~ is a noisy measurement: the reference over itself is off by more than 2 %, or the median of "
    "ratios and the ratio of minima differ by more than 3 %."
)


def goal(row: Row) -> str:
    """The goal as the table states it: `≤ 1.5, ts ≤ 2.4`."""
    if row.control:
        return "1 ± 0.02"
    if not row.goals:
        return ""
    common = mode(row.goals.values())
    other = [f"{name} ≤ {most:g}" for name, most in row.goals.items() if most != common]
    without = [f"not {name}" for name in WORKLOADS if row.only is None and name not in row.goals]
    return ", ".join([f"≤ {common:g}", *other, *without])


def reference(row: Row) -> str:
    """What a row is divided by, in words."""
    if isinstance(row.over, Torch):
        return row.over.name
    return "fused Adam" if isinstance(row.over, Update) else "LSTM"


@dataclass(frozen=True)
class Grid:
    """The table of one device as plain text."""

    heads: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def grid(device: str, texts: Mapping[Key, str]) -> Grid:
    """The rows and columns that have any text, in the order of the tables above."""
    columns = [
        (workload, threads)
        for workload in dict.fromkeys([*WORKLOADS, *(key[2] for key in texts)])
        for threads in sorted({key[3] for key in texts})
        if any((key[0], *key[2:]) == (device, workload, threads) for key in texts)
    ]
    heads = [name if device == "cuda" else f"{name} {threads}t" for name, threads in columns]
    lines = []
    for row in ROWS:
        cells = [texts.get((device, row.name, *column), "") for column in columns]
        if row.device == device and any(cells):
            lines.append((row.name, reference(row), goal(row), *cells))
    return Grid(("step of", "over", "goal", *heads), tuple(lines))
