"""How large and how long on each task: the budgets of `standard` and `full`. Standard library only.

The parameter budgets look odd because a width is a whole number: these are the values near the round ones at which
every architecture of axes.py comes within 2 % (tests/test_network.py holds it).
"""

from __future__ import annotations

from bench.spec import Budget

HOUR = 3_600

_ALONE = {24: 42_640, 48: 46_098, 96: 37_054, 168: 43_970, 336: 73_600, 720: 111_968}
_ETT = {24: 61_560, 48: 41_740, 96: 66_464, 168: 84_604, 336: 167_700, 720: 347_211}  # horizon -> parameters


def ett(steps: int, evaluate: int) -> dict[str, Budget]:
    """The ETT tasks at every horizon: the head grows with the horizon, so the budget does."""

    def budget(size: int) -> Budget:
        return Budget(size, 32, steps, evaluate, curve=500, seconds=HOUR, rate=0.1)

    several = {f"series/{name}/{horizon}": budget(_ETT[horizon]) for name in ("etth1", "ettm1") for horizon in _ETT}
    return {**several, **{f"series/etth1-univariate/{horizon}": budget(size) for horizon, size in _ALONE.items()}}


STANDARD: dict[str, Budget] = {
    "speech/digits": Budget(50_000, batch=32, steps=600, evaluate=60, curve=200, seconds=HOUR, rate=0.3),
    "speech/connected": Budget(100_000, batch=32, steps=1_000, evaluate=100, curve=150, seconds=HOUR, rate=0.3),
    "speech/fsdd": Budget(102_350, batch=32, steps=1_000, evaluate=100, curve=300, seconds=HOUR, rate=0.3),
    "speech/fsdd-speakers": Budget(102_350, batch=32, steps=1_000, evaluate=100, curve=300, seconds=HOUR, rate=0.3),
    "speech/fsdd-connected": Budget(
        220_000, batch=32, steps=1_500, evaluate=150, curve=200, seconds=2 * HOUR, rate=0.3
    ),
    "language/grammar": Budget(27_700, batch=32, steps=1_000, evaluate=100, curve=256, seconds=HOUR, rate=0.5),
    "language/warandpeace": Budget(262_440, batch=32, steps=4_000, evaluate=400, curve=512, seconds=4 * HOUR, rate=0.4),
    "language/wikitext2": Budget(
        4_725_000, batch=20, steps=3_000, evaluate=500, curve=256, seconds=12 * HOUR, rate=0.3
    ),
    "series/mackey-glass": Budget(22_060, batch=32, steps=1_000, evaluate=100, curve=500, seconds=HOUR, rate=0.5),
    "series/seasonal": Budget(20_190, batch=32, steps=1_000, evaluate=100, curve=500, seconds=HOUR, rate=0.5),
    "memory/adding": Budget(8_193, batch=32, steps=2_000, evaluate=100, curve=256, seconds=HOUR),
    "memory/copy": Budget(11_170, batch=32, steps=2_000, evaluate=100, curve=256, seconds=HOUR),
    **ett(steps=1_000, evaluate=100),
}
