"""Where series come from. Standard library only."""

from __future__ import annotations

from tasks.data.source import Download, Source

_ETT = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07"


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


SOURCES: tuple[Source, ...] = (
    _ett("etth1", "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066", 2_589_657),
    _ett("ettm1", "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e", 10_360_719),
)
