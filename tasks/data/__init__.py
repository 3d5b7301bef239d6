"""Where the real datasets come from, and the one way to open their files: by a pinned sha256.

A file is read only after its checksum has been compared, once for each process.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A published dataset: its files below the data folder, and how a person gets them."""

    name: str
    files: dict[str, str]  # path below the data folder -> sha256
    fetch: str  # a command, {data} standing for the data folder
    licence: str


class MissingData(Exception):
    """A real dataset's files are not there. The message says what is missing and the command that would get it."""


class DamagedData(Exception):
    """A file differs from the one that was pinned."""


_FSDD = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
_ETT = "1d16c8f4f943005d613b5bc962e9eeb06058cf07"
_WIKI = "https://raw.githubusercontent.com/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/word_language_model/data/wikitext-2"
_TOLSTOY = (
    "https://raw.githubusercontent.com/timbmg/RNNLM/e26dff5d8f4b5d07ee459f192ee2131923d7584f/data/warandpeace.txt"
)


def _ett(name: str, sha256: str) -> Source:
    file = f"ETT-small/{name[:3].upper()}{name[3:]}.csv"
    url = f"https://raw.githubusercontent.com/zhouhaoyi/ETDataset/{_ETT}/{file}"
    return Source(name, {file: sha256}, f"curl --create-dirs -fo {{data}}/{file} {url}", "CC BY-ND 4.0")


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            "fsdd",
            {},  # 3,000 small files: tasks.data.fsdd compares the checksum of their checksums
            "git clone https://github.com/Jakobovski/free-spoken-digit-dataset {data}/fsdd"
            f" && git -C {{data}}/fsdd checkout {_FSDD}",
            "CC BY-SA 4.0",
        ),
        Source(
            "warandpeace",
            {"warandpeace/warandpeace.txt": "bf5b273d9246268f96663c43c00a1055ae2e42c2262be32f7e43b48dd123451a"},
            f"curl --create-dirs -fo {{data}}/warandpeace/warandpeace.txt {_TOLSTOY}",
            "public domain text with the Project Gutenberg terms",
        ),
        Source(
            "wikitext2",
            {
                "wikitext-2/wiki.train.tokens": "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
                "wikitext-2/wiki.valid.tokens": "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
                "wikitext-2/wiki.test.tokens": "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
            },
            "for s in train valid test; do"
            f" curl --create-dirs -fo {{data}}/wikitext-2/wiki.$s.tokens {_WIKI}/$s.txt; done",
            "CC BY-SA 3.0",
        ),
        _ett("etth1", "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
        _ett("ettm1", "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e"),
    )
}


def missing(name: str, data: Path | None, lacks: str) -> MissingData:
    """The error for a dataset that is not there."""
    where = "the data folder, which --data DIR or LSTM_BENCH_DATA names" if data is None else str(data)
    command = SOURCES[name].fetch.format(data=data or "DIR")
    return MissingData(f"{name}: {lacks} not found in {where}; get it with: {command}")


def located(name: str, data: Path | None) -> dict[str, Path]:
    """The verified files of a source, by their path below the data folder."""
    found = {}
    for relative, sha256 in SOURCES[name].files.items():
        path = (data or Path()) / relative
        if data is None or not path.is_file():
            raise missing(name, data, relative)
        verify(path, sha256)
        found[relative] = path
    return found


@functools.cache
def verify(path: Path, sha256: str) -> None:
    """Raise DamagedData unless the file has this checksum."""
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != sha256:
        size = path.stat().st_size
        raise DamagedData(
            f"{path.name}: expected sha256 {sha256}, got {got} ({size} bytes); remove it and fetch it again"
        )
