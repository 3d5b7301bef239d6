"""Where recordings come from. Standard library only."""

from __future__ import annotations

from tasks.data.source import Source

_FSDD = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"

SOURCES: tuple[Source, ...] = (
    Source(
        "fsdd",
        "Free Spoken Digit Dataset",
        "CC BY-SA 4.0",
        "Jackson et al. 2018, doi:10.5281/zenodo.1342401",
        ("fsdd/recordings",),  # 3,000 small files: tasks.data.fsdd compares the checksum of their checksums
        size=21_128_848,
        by_hand="git clone https://github.com/Jakobovski/free-spoken-digit-dataset {data}/fsdd"
        f" && git -C {{data}}/fsdd checkout {_FSDD}",
    ),
)
