"""The cards of time-series prediction. Standard library only."""

from __future__ import annotations

from tasks.card import Card, ours

MACKEY = "Mackey & Glass 1977, Science 197:287; equation integrated by this suite"
ZHOU = "Zhou et al. 2021, Informer, AAAI, arXiv:2012.07436"
LAI = "Lai et al. 2018, LSTNet, SIGIR, arXiv:1703.07015; protocol of Wu et al. 2021"
WU = "Wu et al. 2021, Autoformer, NeurIPS, arXiv:2106.13008"
MAKRIDAKIS = "Makridakis et al. 2018, International Journal of Forecasting 34:802"
ETT = ("zhou2021", "zeng2023")  # the data, and the windows relative to their last row
LSTNET = ("lai2018", "wu2021", "zeng2023")  # the data, the protocol, and the windows
AUTOFORMER = ("wu2021", "zeng2023")

HORIZONS = (24, 48, 96, 168, 336, 720)  # steps of one hour (ETTh1, ETTh2) or 15 minutes (ETTm1, ETTm2)
LONG = (96, 192, 336, 720)
WEEKS = (24, 36, 48, 60)

BENCHMARKS: tuple[tuple[str, str, int, tuple[int, ...], str, tuple[str, ...]], ...] = (
    ("electricity", "hourly consumption of clients", 321, LONG, LAI, LSTNET),
    ("traffic", "hourly occupancy of roads", 862, LONG, LAI, LSTNET),
    ("solar", "output of solar plants every 10 minutes", 137, LONG, LAI, LSTNET),
    ("exchange", "daily exchange rates", 8, LONG, LAI, LSTNET),
    ("weather", "weather every 10 minutes", 21, LONG, WU, AUTOFORMER),
    ("ili", "weekly reports of influenza-like illness", 7, WEEKS, WU, AUTOFORMER),
)
"""Name, what it is, variates, horizons, reference, publications."""

M4 = {"yearly": 6, "quarterly": 8, "monthly": 18, "weekly": 13, "daily": 14, "hourly": 48}
"""Steps to forecast."""


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
    *(_ett(name, horizon) for name in ("etth1", "ettm1", "etth2", "ettm2") for horizon in HORIZONS),
    *(_univariate(horizon) for horizon in HORIZONS),
    *(
        Card(
            f"series/{name}/{horizon}",
            f"{what}, {variates} variates, {horizon} steps ahead",
            "mse",
            "lower",
            "",
            reference,
            dataset=name,
            cites=cites,
        )
        for name, what, variates, horizons, reference, cites in BENCHMARKS
        for horizon in horizons
    ),
    *(
        Card(
            f"series/m4/{frequency}",
            f"M4 competition, {frequency} series, {horizon} steps ahead",
            "owa",
            "lower",
            "",
            MAKRIDAKIS,
            dataset="m4",
            cites=("makridakis2018",),
        )
        for frequency, horizon in M4.items()
    ),
)
