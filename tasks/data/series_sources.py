"""Where series come from. Standard library only.

Pins were read, not measured: those of ETT in datasets/ett/dataset_infos.json of huggingface/datasets;
sha256 and size of LSTNet's electricity and traffic agree in several public repositories that pin or log them. Of the
other files no size with a checksum was found, so a person gets them, and what is read is checked for its shape.
"""

from __future__ import annotations

from tasks.data.source import Download, Source

_ETT = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07"
_LSTNET = "laiguokun/multivariate-time-series-data"
_LAI = "Lai et al. 2018, arXiv:1703.07015"
_WU = "Wu et al. 2021, arXiv:2106.13008"
_COMMIT = "7f402f185cc2435b5e66aed13a3b560ed142e023"


def _ett(name: str, sha256: str, size: int) -> Source:
    title = f"{name[:3].upper()}{name[3:]}"
    file = f"ETT-small/{title}.csv"
    return Source(
        name,
        f"Electricity Transformer Temperature, {title}",
        "CC BY-ND 4.0",
        "Zhou et al. 2021, arXiv:2012.07436",
        (file,),
        size=size,
        files={file: sha256},
        downloads=(Download(f"{_ETT}/{file}", sha256, size, file),),
    )


def _lstnet(name: str, title: str, file: str, size: int, sha256: str = "") -> Source:
    """A dataset of LSTNet; Autoformer's CSV of it is read as well (tasks.data.benchmarks)."""
    url = f"https://raw.githubusercontent.com/{_LSTNET}/{_COMMIT}/{file}"
    return Source(
        name,
        title,
        "none stated",
        _LAI,
        (file,),
        size=size,
        downloads=(Download(url, sha256, size, file),) if sha256 else (),
        by_hand=f"curl -L --create-dirs -o {{data}}/{file} {url}",
    )


def _autoformer(name: str, title: str, file: str, size: int) -> Source:
    return Source(
        name,
        title,
        "none stated",
        _WU,
        (file,),
        size=size,
        by_hand=f"put {file} into {{data}}, from the datasets that https://github.com/thuml/Autoformer links to",
    )


SOURCES: tuple[Source, ...] = (
    _ett("etth1", "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066", 2_589_657),
    _ett("etth2", "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b", 2_417_960),
    _ett("ettm1", "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e", 10_360_719),
    _ett("ettm2", "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd", 9_677_236),
    _lstnet(
        "electricity",
        "Electricity consumption of 321 clients",
        "electricity/electricity.txt.gz",
        17_993_794,
        "3c4c069588198c1fcc95cace7bb69c99922129edfd673b7286661dad20badefa",
    ),
    _lstnet(
        "traffic",
        "Road occupancy around San Francisco",
        "traffic/traffic.txt.gz",
        29_310_512,
        "c7be5a00519d344a5ec0eabdbfec5ea0c7dd1eed5f9b1a3843a93bb88086a56d",
    ),
    _lstnet("solar", "Output of 137 solar plants in Alabama", "solar-energy/solar_AL.txt.gz", 9_000_000),
    _lstnet("exchange", "Exchange rates of eight countries", "exchange_rate/exchange_rate.txt.gz", 250_000),
    _autoformer("weather", "Weather at one station in Germany, 2020", "weather/weather.csv", 7_200_000),
    _autoformer("ili", "Influenza-like illness in the United States", "illness/national_illness.csv", 70_000),
    Source(
        "m4",
        "M4 competition: 100,000 series of six frequencies",
        "none stated",
        "Makridakis et al. 2018, doi:10.1016/j.ijforecast.2018.06.001",
        tuple(
            f"M4/Dataset/{part}/{frequency}-{part.lower()}.csv"
            for frequency in ("Yearly", "Quarterly", "Monthly", "Weekly", "Daily", "Hourly")
            for part in ("Train", "Test")
        ),
        size=400_000_000,
        by_hand="git clone --depth 1 https://github.com/Mcompetitions/M4-methods {data}/M4",
    ),
)
