"""Archives are unpacked by their list of members: what is hostile or damaged is refused, and nothing of it stays."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from tasks.data import DamagedData
from tasks.data.archive import HEADERS, Limits, gunzip, unpack

Make = Callable[[Path], Literal["tar", "zip"]]
CONTENT = {"set/list.txt": b"one\ntwo\n", "set/deep/er/a.bin": bytes(range(256)) * 40, "set/empty": b""}


def member(
    name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = len(content), kind, link
    return made, content


def tarred(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def plain() -> bytes:
    folder = member("set", b"", tarfile.DIRTYPE)
    return tarred(folder, *(member(f"./{name}", content) for name, content in CONTENT.items()))


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def unixed(name: str, mode: int) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.create_system, made.external_attr = 3, mode << 16
    return made


def opened(tmp_path: Path, kind: Literal["tar", "zip"], archive: bytes, **limits: object) -> dict[str, bytes]:
    """What came of an archive; nothing beside the folder that it was unpacked into may be there."""
    work = tmp_path / "work"
    into = work / "into"
    into.mkdir(parents=True)
    path = tmp_path / f"archive.{kind}"
    path.write_bytes(archive)
    try:
        sizes = unpack(path, kind, into, Limits(**{"unpacked": 100_000, "members": 10} | limits))  # type: ignore[arg-type]
    finally:
        assert [item.name for item in work.iterdir()] == ["into"]
        assert {item.name for item in tmp_path.iterdir()} == {"work", path.name}
        assert not [item for item in into.rglob("*") if item.is_symlink() or not (item.is_file() or item.is_dir())]
    found = {item.relative_to(into).as_posix(): item.read_bytes() for item in into.rglob("*") if item.is_file()}
    assert sizes == {name: len(content) for name, content in found.items()}
    return found


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_comes_out_as_it_was(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Plain, gz, bz2 and xz are told by their first bytes."""
    assert opened(tmp_path, "tar", pack(plain())) == CONTENT


def test_a_zip_comes_out_as_it_was(tmp_path: Path) -> None:
    """Stored folders included."""
    assert opened(tmp_path, "zip", zipped(("set/", b""), *CONTENT.items())) == CONTENT


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_folder_is_stripped(kind: Literal["tar", "zip"], tmp_path: Path) -> None:
    """Members below `strip` lose it, members beside it stay out."""
    content = {**CONTENT, "README": b"about", "settle/x": b"y"}
    archive = tarred(*(member(*item) for item in content.items())) if kind == "tar" else zipped(*content.items())
    kept = {name.removeprefix("set/"): value for name, value in CONTENT.items()}
    assert opened(tmp_path, kind, archive, strip="set") == kept


def test_long_names_and_many_folders(tmp_path: Path) -> None:
    """Pax headers of ordinary length pass, and so do more folders than bytes of headers are allowed at once."""
    name = "/".join(["w" * 100] * 4)
    folders = [member(f"d{place}", b"", tarfile.DIRTYPE) for place in range(HEADERS // 512 + 50)]
    archive = tarred(*folders, member(name))
    assert opened(tmp_path, "tar", gzip.compress(archive), members=3_000) == {name: b"x"}


HOSTILE: dict[str, tuple[Literal["tar", "zip"], bytes, str]] = {
    "zip-slip": ("zip", zipped(("ok", b"x"), ("a/../../evil", b"x")), "leads out"),
    "zip, absolute": ("zip", zipped(("/evil", b"x")), "no plain relative path"),
    "zip, drive": ("zip", zipped(("C:evil", b"x")), "no plain relative path"),
    "zip, backslash": ("zip", zipped(("..\\evil", b"x")), "no plain relative path"),
    "zip, link": ("zip", zipped((unixed("l", stat.S_IFLNK | 0o777), b"../evil")), "no plain file"),
    "zip, device": ("zip", zipped((unixed("d", stat.S_IFCHR | 0o666), b"")), "no plain file"),
    "zip, bomb": ("zip", zipped(("zeros", bytes(2_000_000))), "bomb"),
    "zip, many": ("zip", zipped(*((f"f{place}", b"") for place in range(11))), "more than the 10 files"),
    "zip, cut": ("zip", zipped(*CONTENT.items())[:-30], "cut or damaged"),
    "zip, text": ("zip", b"<html>not found</html>", "cut or damaged"),
    "tar ../": ("tar", tarred(member("ok"), member("../evil")), "leads out"),
    "tar, inner ..": ("tar", tarred(member("a/../../evil")), "leads out"),
    "tar, absolute": ("tar", tarred(member("/evil")), "no plain relative path"),
    "tar, backslash": ("tar", tarred(member("..\\evil")), "no plain relative path"),
    "tar, symlink": ("tar", tarred(member("l", b"", tarfile.SYMTYPE, ".."), member("l/evil")), "no plain file"),
    "tar, hard link": ("tar", tarred(member("h", b"", tarfile.LNKTYPE, "../evil")), "no plain file"),
    "tar, device": ("tar", tarred(member("d", b"", tarfile.CHRTYPE)), "no plain file"),
    "tar, fifo": ("tar", tarred(member("f", b"", tarfile.FIFOTYPE)), "no plain file"),
    "tar, twice": ("tar", tarred(member("a"), member("./a")), "comes twice"),
    "tar, below a file": ("tar", tarred(member("a"), member("a/b")), "below a file"),
    "tar, many": ("tar", tarred(*(member(f"f{place}") for place in range(11))), "more than the 10 files"),
    "tar, folders": (
        "tar",
        tarred(*(member(f"d{place}", b"", tarfile.DIRTYPE) for place in range(200))),
        "more than the 10 files",
    ),
    "tar, bomb": ("tar", gzip.compress(tarred(member("zeros", bytes(2_000_000)))), "bomb"),
    "tar, long header": ("tar", gzip.compress(tarred(member("w" * 3_000_000))), "header longer"),
    "tar, long name": ("tar", tarred(member("w" * 300)), "too long a name"),
    "tar, zeros at its end": ("tar", gzip.compress(plain() + bytes(5_000_000)), "header longer"),
    "tar, cut": ("tar", plain()[:3_000], "cut or damaged"),
    "tar, cut between members": ("tar", tarred(member("a"), member("b"))[:1_024], "without an end mark"),
    "tar, header damaged": ("tar", tarred(member("a"))[:1_024] + b"?" * 512 + bytes(1_024), "goes on"),
    "tar.gz, cut": ("tar", gzip.compress(plain())[:-40], "cut or damaged"),
    "tar.gz, checksum": ("tar", gzip.compress(plain())[:-8] + bytes(8), "cut or damaged"),
    "tar.bz2, damaged": ("tar", bz2.compress(plain())[:60] + bytes(200), "cut or damaged"),
    "tar.xz, cut": ("tar", lzma.compress(plain())[:-40], "cut or damaged"),
    "tar, text": ("tar", b"<html>not found</html>", "cut or damaged"),
    "tar, empty": ("tar", b"", "cut or damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(name: str, tmp_path: Path) -> None:
    """Every one, with what is wrong with it; nothing lies outside the folder afterwards."""
    kind, archive, why = HOSTILE[name]
    with pytest.raises(DamagedData, match=rf"archive\.{kind}: .*{why}.*nothing of it was unpacked"):
        opened(tmp_path, kind, archive)


def test_a_header_that_lies(tmp_path: Path) -> None:
    """A zip whose header names fewer bytes than it holds is refused by what was read."""
    archive = bytearray(zipped(("zeros", bytes(90_000))))
    for place in (archive.index(b"PK\3\4") + 22, archive.index(b"PK\1\2") + 24):
        archive[place : place + 4] = (10).to_bytes(4, "little")
    with pytest.raises(DamagedData, match="cut or damaged"):
        opened(tmp_path, "zip", bytes(archive))


def test_a_nul_in_a_name(tmp_path: Path) -> None:
    """zipfile ends a name at its NUL: the name as it stands in the archive is judged."""
    archive = zipped(("okNevil", b"x")).replace(b"okNevil", b"ok\0evil")
    with pytest.raises(DamagedData, match="no plain relative path"):
        opened(tmp_path, "zip", archive)


@pytest.mark.parametrize("cut", range(0, len(gzip.compress(plain(), mtime=0)), 7))
def test_no_cut_is_taken_for_the_end(cut: int, tmp_path: Path) -> None:
    """A compressed tar cut anywhere is refused."""
    with pytest.raises(DamagedData):
        opened(tmp_path, "tar", gzip.compress(plain(), mtime=0)[:cut])


def test_a_gz_is_written_out(tmp_path: Path) -> None:
    """Whole, or refused where it is cut or holds more than was agreed on."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"text" * 100))
    gunzip(path, out := io.BytesIO(), Limits(400, 1))
    assert out.getvalue() == b"text" * 100
    with pytest.raises(DamagedData, match="bomb"):
        gunzip(path, io.BytesIO(), Limits(399, 1))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedData, match=r"a\.gz: cut or damaged"):
        gunzip(path, io.BytesIO(), Limits(400, 1))


def test_a_full_disk_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An OSError of the disk stays one."""

    def full(self: Path, *rest: object) -> None:
        raise OSError(28, "No space left on device")

    archive = tarred(member("a"))
    monkeypatch.setattr("tasks.data.archive._copy", full)
    with pytest.raises(OSError, match="No space left"):
        opened(tmp_path, "tar", archive)
