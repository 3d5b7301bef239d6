"""How large and how long on each task: the budgets of `standard` and `full`. Standard library only.

The parameter budgets look odd because a width is a whole number: these are the values near the round ones at which
every architecture of axes.py comes within 2 % (tests/test_network.py holds it).
"""

from __future__ import annotations

from bench.spec import Budget

HOUR = 3_600

_ALONE = {24: 42_640, 48: 46_098, 96: 37_054, 168: 43_970, 336: 73_600, 720: 111_968}
_ETT = {24: 61_560, 48: 41_740, 96: 66_464, 168: 84_604, 336: 167_700, 720: 347_211}  # horizon -> parameters
_STATIONS = ("etth1", "ettm1", "etth2", "ettm2")

_LONG: dict[str, dict[int, int]] = {  # the head takes nearly all: 720 steps of 862 roads are 620,640 outputs
    "electricity": {96: 2_228_238, 192: 2_328_811, 336: 3_820_969, 720: 8_593_088},
    "traffic": {96: 3_016_234, 192: 6_245_478, 336: 10_833_249, 720: 23_067_304},
    "solar": {96: 988_464, 192: 1_973_135, 336: 1_356_030, 720: 3_473_628},
    "exchange": {96: 72_995, 192: 113_438, 336: 213_998, 720: 411_044},
    "weather": {96: 169_409, 192: 318_474, 336: 488_125, 720: 1_125_680},
    "ili": {24: 30_496, 36: 35_068, 48: 41_743, 60: 46_677},
}


def ett(steps: int, evaluate: int) -> dict[str, Budget]:
    """The ETT tasks at every horizon: the head grows with the horizon, so the budget does."""

    def budget(size: int) -> Budget:
        return Budget(size, 32, steps, evaluate, curve=500, seconds=HOUR, rate=0.1)

    several = {f"series/{name}/{horizon}": budget(_ETT[horizon]) for name in _STATIONS for horizon in _ETT}
    return {**several, **{f"series/etth1-univariate/{horizon}": budget(size) for horizon, size in _ALONE.items()}}


def benchmarks() -> dict[str, Budget]:
    """The other benchmarks of long-term forecasting, with the steps of ETT."""
    return {
        f"series/{name}/{horizon}": Budget(size, 32, 1_000, 100, curve=200, seconds=6 * HOUR, rate=0.1)
        for name, sizes in _LONG.items()
        for horizon, size in sizes.items()
    }


STANDARD: dict[str, Budget] = {
    "speech/digits": Budget(50_000, batch=32, steps=600, evaluate=60, curve=200, seconds=HOUR, rate=0.3),
    "speech/connected": Budget(100_000, batch=32, steps=1_000, evaluate=100, curve=150, seconds=HOUR, rate=0.3),
    "speech/fsdd": Budget(102_350, batch=32, steps=1_000, evaluate=100, curve=300, seconds=HOUR, rate=0.3),
    "speech/fsdd-speakers": Budget(102_350, batch=32, steps=1_000, evaluate=100, curve=300, seconds=HOUR, rate=0.3),
    "speech/fsdd-connected": Budget(
        220_000, batch=32, steps=1_500, evaluate=150, curve=200, seconds=2 * HOUR, rate=0.3
    ),
    "speech/commands-v1": Budget(202_000, batch=64, steps=5_000, evaluate=500, curve=1_000, seconds=4 * HOUR, rate=0.3),
    "speech/commands-v2": Budget(202_000, batch=64, steps=5_000, evaluate=500, curve=1_000, seconds=4 * HOUR, rate=0.3),
    "speech/yesno": Budget(50_000, batch=8, steps=600, evaluate=60, curve=32, seconds=HOUR, rate=0.3),
    "speech/an4": Budget(500_000, batch=16, steps=3_000, evaluate=300, curve=200, seconds=6 * HOUR, rate=0.3),
    "speech/librispeech": Budget(
        4_000_000, batch=32, steps=50_000, evaluate=2_500, curve=500, seconds=48 * HOUR, rate=0.3
    ),
    "language/grammar": Budget(27_700, batch=32, steps=1_000, evaluate=100, curve=256, seconds=HOUR, rate=0.5),
    "language/warandpeace": Budget(262_440, batch=32, steps=4_000, evaluate=400, curve=512, seconds=4 * HOUR, rate=0.4),
    "language/wikitext2": Budget(
        4_725_000, batch=20, steps=3_000, evaluate=500, curve=256, seconds=12 * HOUR, rate=0.3
    ),
    "language/ptb": Budget(4_912_500, batch=20, steps=3_000, evaluate=500, curve=256, seconds=12 * HOUR, rate=0.3),
    "language/ptb-char": Budget(248_125, batch=32, steps=4_000, evaluate=400, curve=512, seconds=4 * HOUR, rate=0.4),
    # all words of a window are scored at once: eight windows of 35 are 0.3 GB of logits
    "language/wikitext103": Budget(
        17_368_750, batch=8, steps=10_000, evaluate=1_000, curve=128, seconds=48 * HOUR, rate=0.3
    ),
    "language/text8": Budget(503_750, batch=32, steps=10_000, evaluate=1_000, curve=512, seconds=24 * HOUR, rate=0.3),
    "language/enwik8": Budget(496_250, batch=32, steps=10_000, evaluate=1_000, curve=512, seconds=24 * HOUR, rate=0.3),
    "language/shakespeare": Budget(251_875, batch=32, steps=4_000, evaluate=400, curve=512, seconds=4 * HOUR, rate=0.4),
    "series/mackey-glass": Budget(22_060, batch=32, steps=1_000, evaluate=100, curve=500, seconds=HOUR, rate=0.5),
    "series/seasonal": Budget(20_190, batch=32, steps=1_000, evaluate=100, curve=500, seconds=HOUR, rate=0.5),
    "memory/adding": Budget(8_193, batch=32, steps=2_000, evaluate=100, curve=256, seconds=HOUR),
    "memory/copy": Budget(11_170, batch=32, steps=2_000, evaluate=100, curve=256, seconds=HOUR),
    "speech/own": Budget(102_350, batch=32, steps=1_000, evaluate=100, curve=300, seconds=HOUR, rate=0.3),
    "language/own": Budget(262_440, batch=32, steps=2_000, evaluate=200, curve=512, seconds=2 * HOUR, rate=0.4),
    "series/own": Budget(42_640, batch=32, steps=1_000, evaluate=100, curve=500, seconds=HOUR, rate=0.1),
    "series/m4": Budget(30_000, batch=32, steps=4_000, evaluate=400, curve=1_000, seconds=2 * HOUR, rate=0.3),
    **ett(steps=1_000, evaluate=100),
    **benchmarks(),
}

OWN = Budget(50_000, batch=32, steps=1_000, evaluate=100, curve=256, seconds=HOUR, rate=0.3)
"""Of a task of a family that is none of ours."""


def starting(task: str) -> Budget:
    """The budget of a task that no matrix has one for: a plug-in's gets that of own data of its family."""
    return STANDARD.get(f"{task.partition('/')[0]}/own", OWN)
