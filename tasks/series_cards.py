"""The cards of time-series prediction. Standard library only."""

from __future__ import annotations

from tasks.card import Card, ours

MACKEY = "Mackey & Glass 1977, Science 197:287; equation integrated by this suite"
ZHOU = "Zhou et al. 2021, Informer, AAAI, arXiv:2012.07436"
ETT = ("zhou2021", "zeng2023")  # the data, and the windows relative to their last row

HORIZONS = (24, 48, 96, 168, 336, 720)  # steps of one hour (ETTh1) or 15 minutes (ETTm1)


def _ett(name: str, horizon: int) -> Card:
    return Card(
        f"series/{name}/{horizon}",
        f"{name.upper()}, 7 variates, {horizon} steps ahead",
        "mse",
        "lower",
        "",
        ZHOU,
        dataset=name,
        cites=ETT,
    )


def _univariate(horizon: int) -> Card:
    summary = f"ETTH1, oil temperature alone, {horizon} steps ahead"
    return Card(f"series/etth1-univariate/{horizon}", summary, "mse", "lower", "", ZHOU, dataset="etth1", cites=ETT)


CARDS: tuple[Card, ...] = (
    Card("series/mackey-glass", "chaotic delay equation", "mse", "lower", "", MACKEY, cites=("mackey1977",)),
    ours("series/seasonal", "two seasons, trend and regime change", "mse", "lower", ""),
    *(_ett(name, horizon) for name in ("etth1", "ettm1") for horizon in HORIZONS),
    *(_univariate(horizon) for horizon in HORIZONS),
)
