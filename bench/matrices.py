"""The presets: which crosses, which seeds, which budgets. Standard library only.

The parameter budgets look odd because a width is a whole number: these are the values near the round ones at which
every architecture of axes.py comes within 2 % (tests/test_network.py holds it).
"""

from __future__ import annotations

from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.spec import Block, Budget, Matrix
from tasks.cards import TASKS, matching

EMBEDDED = tuple(name for name, card in TASKS.items() if card.synthetic)
REAL = tuple(name for name, card in TASKS.items() if not card.synthetic)


def _first(names: dict[str, object], baseline: str) -> tuple[str, ...]:
    """The names of a table, the baseline in front."""
    return (baseline, *(name for name in names if name != baseline))


EVERYTHING = (
    _first(ARCHITECTURES, "lstm"),  # type: ignore[arg-type]
    _first(STABILISATIONS, "none"),  # type: ignore[arg-type]
    _first(OPTIMIZERS, "adam"),  # type: ignore[arg-type]
)
"""Each technique once round lstm/none/adam."""


def star(*tasks: str) -> Block:
    """Every technique of axes.py, one at a time round the baseline."""
    return Block(tasks, *EVERYTHING, star=True)


QUICK = Matrix(
    name="quick",
    summary="every technique once on embedded data and one real cross; no network, about 3 minutes on 2 cores",
    blocks=(
        star("speech/digits", "language/grammar", "series/mackey-glass"),
        Block(("speech/connected", "series/seasonal"), ("lstm", "bilstm", "gru"), ("none", "clip"), ("adam",)),
        Block(
            ("series/mackey-glass",), ("lstm", "gru", "rnn"), ("none", "clip", "dropout"), ("adam", "rmsprop", "nadam")
        ),
    ),
    seeds=(0, 1),
    budgets={
        "speech/digits": Budget(parameters=12_000, batch=32, steps=100, evaluate=25, curve=200, seconds=60),
        "speech/connected": Budget(parameters=12_000, batch=16, steps=120, evaluate=40, curve=100, seconds=60),
        "language/grammar": Budget(parameters=12_000, batch=32, steps=120, evaluate=30, curve=64, seconds=60),
        "series/mackey-glass": Budget(parameters=6_000, batch=32, steps=120, evaluate=30, curve=200, seconds=60),
        "series/seasonal": Budget(parameters=6_000, batch=32, steps=120, evaluate=30, curve=200, seconds=60),
    },
    pairs=6,
)

HOUR = 3_600

_STANDARD = {
    "speech/digits": Budget(parameters=50_000, batch=32, steps=600, evaluate=60, curve=200, seconds=HOUR),
    "speech/connected": Budget(parameters=100_000, batch=32, steps=1_000, evaluate=100, curve=150, seconds=HOUR),
    "speech/fsdd": Budget(parameters=100_000, batch=32, steps=1_000, evaluate=100, curve=300, seconds=HOUR),
    "speech/fsdd-speakers": Budget(parameters=100_000, batch=32, steps=1_000, evaluate=100, curve=300, seconds=HOUR),
    "speech/fsdd-connected": Budget(parameters=200_000, batch=32, steps=1_500, evaluate=150, curve=200, seconds=HOUR),
    "language/grammar": Budget(parameters=30_000, batch=32, steps=1_000, evaluate=100, curve=256, seconds=HOUR),
    "language/warandpeace": Budget(
        parameters=200_000, batch=32, steps=4_000, evaluate=400, curve=512, seconds=2 * HOUR
    ),
    "language/wikitext2": Budget(
        parameters=4_500_000, batch=20, steps=3_000, evaluate=500, curve=256, seconds=4 * HOUR
    ),
    "series/mackey-glass": Budget(parameters=20_000, batch=32, steps=1_000, evaluate=100, curve=500, seconds=HOUR),
    "series/seasonal": Budget(parameters=20_000, batch=32, steps=1_000, evaluate=100, curve=500, seconds=HOUR),
    "series/etth1": Budget(parameters=60_000, batch=32, steps=1_000, evaluate=100, curve=500, seconds=HOUR),
    "series/ettm1": Budget(parameters=60_000, batch=32, steps=1_000, evaluate=100, curve=500, seconds=HOUR),
}

STANDARD = Matrix(
    name="standard",
    summary="every technique once on every task, real data included; 5 seeds",
    blocks=(
        star(*EMBEDDED),
        star(
            "speech/fsdd",
            "speech/fsdd-speakers/theo",
            "speech/fsdd-connected",
            "language/warandpeace",
            "language/wikitext2",
            *matching("series/etth1"),
            *matching("series/ettm1"),
        ),
    ),
    seeds=(0, 1, 2, 3, 4),
    budgets=_STANDARD,
)

FULL = Matrix(
    name="full",
    summary="the full cross of architectures, stabilisations and optimizers on every task; 9 seeds",
    blocks=(Block((*EMBEDDED, *REAL), *EVERYTHING),),
    seeds=tuple(range(9)),  # 9 paired seeds: the fewest that can be significant after Holm over eleven techniques
    budgets=_STANDARD,
)

MATRICES: dict[str, Matrix] = {matrix.name: matrix for matrix in (QUICK, STANDARD, FULL)}
