"""The presets: which crosses, which seeds, which budgets. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bench.axes import ARCHITECTURES, BASELINE, OPTIMIZERS, STABILISATIONS
from bench.budgets import HOUR, ett
from bench.budgets import STANDARD as STANDARD_BUDGETS
from bench.spec import Block, Budget, Matrix, Optimizer, Stabilisation
from tasks.cards import STUDIED, TASKS, matching

EMBEDDED = tuple(
    name for name, card in TASKS.items() if card.synthetic and card.study is None and card.family != "memory"
)
REAL = tuple(
    name
    for name, card in TASKS.items()
    if not card.synthetic and card.study is None and not name.startswith("series/etth1-univariate/")
)
EACH = (
    *("speech/fsdd", "speech/fsdd-speakers/theo", "speech/fsdd-connected", "speech/commands-v2/12", "speech/yesno"),
    *("speech/an4", "language/warandpeace", "language/wikitext2", "language/ptb", "language/ptb-char"),
    *("language/shakespeare", *matching("series/etth1"), *matching("series/ettm1"), "series/etth2/96"),
    *("series/ettm2/96", "series/electricity/96", "series/traffic/96", "series/solar/96", "series/exchange/96"),
    *("series/weather/96", "series/ili/24", "series/m4/hourly"),
)
"""One task of each real dataset, ETT at every horizon; those that take days for a single run are left to `full`."""


def _first(names: Iterable[str], baseline: str) -> tuple[str, ...]:
    """The names of a table, the baseline in front."""
    return (baseline, *(name for name in names if name != baseline))


EVERYTHING = (
    _first(ARCHITECTURES, BASELINE[0]),
    _first(STABILISATIONS, BASELINE[1]),
    _first(OPTIMIZERS, BASELINE[2]),
)
"""Every technique of axes.py."""

CORE = (
    ("lstm", "rnn", "irnn", "peephole", "gru", "stacked-2", "stacked-3", "stacked-4", "bilstm", "attention"),
    (
        *("none", "clip", "clip-value", "batch-norm", "recurrent-bn", "layer-norm", "relu", "leaky-relu", "hardtanh"),
        *("dropout", "variational", "recurrent-dropout", "zoneout", "weight-drop", "l2", "early-stop"),
    ),
    ("adam", "sgd", "momentum", "adagrad", "rmsprop", "nadam", "adamw"),
)
"""The techniques that every textbook names: what `quick` and `small` run, and what `full` crosses."""


def star(*tasks: str) -> Block:
    """Every technique of axes.py, one at a time round the baseline."""
    return Block(tasks, *EVERYTHING, star=True)


def core(*tasks: str) -> Block:
    """The techniques that every textbook names, one at a time round the baseline."""
    return Block(tasks, *CORE, star=True)


QUICK = Matrix(
    name="quick",
    summary="every textbook technique once on embedded data and one real cross; no network, minutes on 2 cores",
    blocks=(
        core("speech/digits", "language/grammar", "series/mackey-glass"),
        Block(("speech/connected", "series/seasonal"), ("lstm", "bilstm", "gru"), ("none", "clip"), ("adam",)),
        Block(
            ("series/mackey-glass",), ("lstm", "gru", "rnn"), ("none", "clip", "dropout"), ("adam", "rmsprop", "nadam")
        ),
    ),
    seeds=(0, 1),
    budgets={
        "speech/digits": Budget(parameters=26_880, batch=32, steps=150, evaluate=30, curve=200, seconds=60),
        "speech/connected": Budget(parameters=26_940, batch=16, steps=300, evaluate=60, curve=60, seconds=60),
        "language/grammar": Budget(parameters=22_760, batch=32, steps=150, evaluate=30, curve=64, seconds=60),
        "series/mackey-glass": Budget(parameters=10_200, batch=32, steps=150, evaluate=30, curve=200, seconds=60),
        "series/seasonal": Budget(parameters=10_200, batch=32, steps=150, evaluate=30, curve=200, seconds=60),
        # data of the reader's own (docs/own-data.md), of any size: what they take is longer
        "speech/own": Budget(parameters=50_000, batch=32, steps=150, evaluate=30, curve=200, seconds=600),
        "language/own": Budget(parameters=100_000, batch=16, steps=150, evaluate=30, curve=64, seconds=600),
        "series/own": Budget(parameters=42_640, batch=32, steps=150, evaluate=30, curve=200, seconds=600, rate=0.3),
    },
    pairs=6,
)

STANDARD = Matrix(
    name="standard",
    summary="every technique once on embedded data and on each real dataset but the largest; tuned; 5 seeds",
    blocks=(star(*EMBEDDED, *EACH),),
    seeds=(0, 1, 2, 3, 4),
    budgets=STANDARD_BUDGETS,
    tune=8,
)

FULL = Matrix(
    name="full",
    summary="every technique once on every task, and the full cross of textbook techniques on those of `standard`; "
    "tuned by 8 trials; 9 seeds",
    blocks=(Block((*EMBEDDED, *EACH), *CORE), star(*EMBEDDED, *REAL)),
    seeds=tuple(range(9)),  # 9 paired seeds: the fewest that can be significant after Holm over eleven techniques
    budgets=STANDARD_BUDGETS,
    tune=8,
)

SMALL = Matrix(
    name="small",
    summary="every textbook technique once on four real datasets, short budgets; 3 seeds, about an hour on 2 cores",
    blocks=(core("speech/fsdd", "language/warandpeace", "language/wikitext2", "series/etth1/24"),),
    seeds=(0, 1, 2),
    budgets={
        "speech/fsdd": Budget(53_000, batch=32, steps=600, evaluate=50, curve=150, seconds=900, rate=0.5),
        "language/warandpeace": Budget(67_000, batch=32, steps=600, evaluate=50, curve=128, seconds=900),
        "language/wikitext2": Budget(1_776_000, batch=10, steps=400, evaluate=50, curve=64, seconds=1_800),
        "series/etth1/24": Budget(61_560, batch=32, steps=600, evaluate=50, curve=250, seconds=900, rate=0.3),
    },
)

PLAIN = Matrix(
    name="plain",
    summary="the plain recipe beside published numbers: FSDD, War and Peace, ETTh1; 3 seeds",
    blocks=(
        Block(("speech/fsdd",), ("bilstm",), ("clip",), ("adam",)),
        Block(("language/warandpeace",), ("lstm",), ("clip",), ("adam",)),
        Block(("series/etth1/24",), ("lstm",), ("clip+early-stop",), ("adam",)),
    ),
    seeds=(0, 1, 2),
    budgets={
        "speech/fsdd": Budget(150_000, batch=32, steps=800, evaluate=100, curve=300, seconds=HOUR, rate=0.3),
        "language/warandpeace": Budget(360_000, batch=32, steps=6_000, evaluate=600, curve=256, seconds=HOUR, rate=0.2),
        "series/etth1/24": Budget(61_560, batch=32, steps=1_500, evaluate=100, curve=500, seconds=HOUR, rate=0.1),
    },
)

_REMEMBERED = ("memory/adding/50", "memory/adding/100", "memory/adding/200", "memory/copy/50")

MEMORY = Matrix(
    name="memory",
    summary="adding problem and copy memory: the longest T that each technique solves; 3 seeds",
    blocks=(
        Block(
            _REMEMBERED,
            ("lstm", "rnn", "irnn", "gru", "peephole", "stacked-2", "attention", "bilstm"),
            (
                *("none", "clip-1", "orthogonal", "forget-1", "chrono", "batch-norm", "recurrent-bn", "layer-norm"),
                *("relu", "zoneout"),
            ),
            ("adam",),
            star=True,
        ),
        Block(
            _REMEMBERED,
            ("rnn",),
            ("clip-1", "orthogonal", "batch-norm", "relu"),
            ("adam",),
        ),
    ),
    seeds=(0, 1, 2),
    budgets={
        "memory/adding": Budget(8_193, batch=32, steps=1_500, evaluate=100, curve=256, seconds=HOUR),
        "memory/copy": Budget(11_170, batch=32, steps=1_500, evaluate=100, curve=256, seconds=HOUR),
    },
    stabilisations={"clip-1": Stabilisation(clip_norm=1.0)},  # Le, Jaitly & Hinton 2015 search 1, 10, 100, 1000
)

OVERFITTING = Matrix(
    name="overfitting",
    summary="a tenth, 30 % and all of the training data, and shuffled labels, under each regulariser; 3 seeds",
    blocks=(
        Block(
            tuple(name for base in STUDIED[:4] for name in matching(base, TASKS)),
            ("lstm",),
            ("none", "dropout", "zoneout", "l2", "early-stop"),
            ("adam",),
        ),
    ),
    seeds=(0, 1, 2),
    budgets={
        "speech/digits": Budget(26_880, batch=32, steps=600, evaluate=50, curve=200, seconds=HOUR),
        "speech/fsdd": Budget(53_000, batch=32, steps=600, evaluate=50, curve=150, seconds=HOUR, rate=0.5),
        "language/grammar": Budget(22_760, batch=32, steps=600, evaluate=50, curve=64, seconds=HOUR),
        "series/mackey-glass": Budget(10_200, batch=32, steps=600, evaluate=50, curve=200, seconds=HOUR),
    },
)

_LEDGER_SERIES = tuple(
    f"series/{name}/{horizon}" for name in ("etth1", "etth1-univariate") for horizon in (24, 48, 168)
)

LEDGER = Matrix(
    name="ledger",
    summary="the runs behind `python -m report ledger`: ours beside published numbers; 3 seeds",
    blocks=(
        Block(_LEDGER_SERIES, ("lstm",), ("clip+early-stop",), ("adam",)),
        Block(("speech/fsdd", *matching("speech/fsdd-speakers")), ("bilstm",), ("clip",), ("adam",)),
        Block(("memory/adding/150",), ("lstm",), ("clip-1",), ("adam",)),
        Block(("memory/adding/150",), ("irnn", "rnn"), ("clip-1",), ("adam-slow",)),
        Block(("memory/adding/150",), ("rnn",), ("clip-1",), ("adam-low",)),
        Block(("memory/adding/500",), ("lstm",), ("clip-1", "clip-1+chrono"), ("adam-middle",)),
        Block(("memory/copy/100",), ("lstm",), ("clip-1", "clip-1+chrono"), ("rmsprop-middle",)),
    ),
    seeds=(0, 1, 2),
    budgets={
        **ett(steps=1_500, evaluate=100),
        "speech/fsdd": Budget(150_000, batch=32, steps=800, evaluate=100, curve=300, seconds=HOUR, rate=0.3),
        "speech/fsdd-speakers": Budget(150_000, batch=32, steps=800, evaluate=100, curve=300, seconds=HOUR, rate=0.3),
        "memory/adding/150": Budget(17_473, batch=32, steps=5_000, evaluate=250, curve=256, seconds=HOUR),
        "memory/adding/500": Budget(10_033, batch=32, steps=3_000, evaluate=150, curve=256, seconds=HOUR),
        "memory/copy/100": Budget(19_785, batch=32, steps=4_000, evaluate=200, curve=256, seconds=HOUR),
    },
    stabilisations={"clip-1": Stabilisation(clip_norm=1.0)},
    # the papers search rates for each network; these are the ones of three tried that work at these lengths
    optimizers={
        "adam-slow": Optimizer("adam", lr=0.0001, schedule="cosine"),  # at 0.001 IRNN exploded with two seeds of three
        "adam-low": Optimizer("adam", lr=0.001),
        "adam-middle": Optimizer("adam", lr=0.003),
        "rmsprop-middle": Optimizer("rmsprop", lr=0.003),
    },
)

LIBRARY = Matrix(
    name="library",
    summary="every technique of the library once on two embedded tasks, each tuned by 8 trials; 3 seeds",
    blocks=(star("language/grammar", "series/mackey-glass"),),
    seeds=(0, 1, 2),
    # twice as many evaluations as in `quick`: averages and plateaus act on them
    budgets={name: replace(QUICK.budgets[name], evaluate=15) for name in ("language/grammar", "series/mackey-glass")},
    tune=8,
)

MATRICES: dict[str, Matrix] = {
    matrix.name: matrix for matrix in (QUICK, SMALL, PLAIN, LEDGER, MEMORY, OVERFITTING, LIBRARY, STANDARD, FULL)
}
