"""Datasets are in their places whole or not at all, whatever the disk, an archive or a person does meanwhile."""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from servers import BODY, QUICK, Asked, Told, got, left, pinned, serving, whole
from test_archive import CONTENT, member, plain, tarred, zipped

import tasks.data.fetch
from tasks.data import SOURCES, DamagedData, Download, Source
from tasks.data import transfer as transfers
from tasks.data.fetch import fetch, lacking, receipt
from tasks.data.https import NotFetched


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says so, no file is made, what came is kept, and the same call goes on."""
    real = transfers.os.fsync

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with serving(whole) as server:
        monkeypatch.setattr(transfers.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            got(server, pinned(), tmp_path)
        assert left(tmp_path) == set()
        assert len(server.asked) == 1
        monkeypatch.setattr(transfers.os, "fsync", real)
        got(server, pinned(), tmp_path)
    assert (tmp_path / "set/file.bin").read_bytes() == BODY


def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot fit is not begun."""
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1_000}))
    with serving(whole) as server, pytest.raises(NotFetched, match=f"{len(BODY)} bytes to come, and 1000 are free"):
        got(server, pinned(), tmp_path)
    assert server.asked == []


def test_an_interruption(tmp_path: Path) -> None:
    """Ctrl-C keeps what came, and the next fetch asks for the rest alone."""

    class Impatient(Told):
        def came(self, download: Download, have: int) -> None:
            if have > 0.3 * len(BODY):
                raise KeyboardInterrupt

    with serving(whole) as server, pytest.raises(KeyboardInterrupt):
        fetch(pinned(), tmp_path, Impatient(), QUICK, server.connect)
    assert left(tmp_path) == set()
    with serving(whole) as server:
        got(server, pinned(), tmp_path)
    assert server.sent <= 0.75 * len(BODY)
    assert (tmp_path / "set/file.bin").read_bytes() == BODY


def test_two_at_once(tmp_path: Path) -> None:
    """The second waits, finds the file, and asks for nothing."""
    begun, going = threading.Event(), threading.Event()

    def answer(asked: Asked) -> None:
        begun.set()
        going.wait(10)
        whole(asked)

    class Waiting(Told):
        def say(self, text: str) -> None:
            super().say(text)
            going.set()

    second = Waiting()
    with serving(answer) as server:
        first = threading.Thread(target=got, args=(server, pinned(), tmp_path))
        first.start()
        assert begun.wait(10)
        fetch(pinned(), tmp_path, second, QUICK, server.connect)
        first.join()
    assert [text.partition(": ")[2] for text in second.said] == [
        "another fetch of it is under way; waiting",
        "already there",
    ]
    assert len(server.asked) == 1


# Archives


def archived(kind: str, body: bytes, **more: object) -> Source:
    more = {"unpacked": 100_000, "members": 10, "strip": "set"} | more
    return replace(pinned(body, "deep/set", kind=kind, **more), layout=("deep/set/list.txt",))


@pytest.mark.parametrize(("kind", "body"), [("tar", gzip.compress(plain())), ("zip", zipped(*CONTENT.items()))])
def test_an_archive_comes_whole(kind: str, body: bytes, tmp_path: Path) -> None:
    """Its files are in their places, the archive is gone, and a second fetch asks for nothing until one is lost."""
    source = archived(kind, body)
    with serving(lambda asked: whole(asked, body)) as server:
        got(server, source, tmp_path)
        assert got(server, source, tmp_path).said == ["deep/set: already there"]
        assert len(server.asked) == 1
        assert left(tmp_path) == {f"deep/{name}" for name in CONTENT}
        assert all((tmp_path / "deep" / name).read_bytes() == content for name, content in CONTENT.items())
        assert not list((tmp_path / "deep").glob(".*"))
        (tmp_path / "deep/set/deep/er/a.bin").unlink()
        assert lacking(source.downloads[0], tmp_path) == "deep/set/deep/er/a.bin is not there"
        got(server, source, tmp_path)
    assert left(tmp_path) == {f"deep/{name}" for name in CONTENT}


def test_an_archive_goes_into_a_folder_that_is_there(tmp_path: Path) -> None:
    """What else is in it stays."""
    body = gzip.compress(plain())
    (tmp_path / "deep/set/deep").mkdir(parents=True)
    (tmp_path / "deep/set/deep/mine").write_bytes(b"mine")
    (tmp_path / "deep/set/empty").write_bytes(b"half")
    with serving(lambda asked: whole(asked, body)) as server:
        got(server, archived("tar", body), tmp_path)
    assert left(tmp_path) == {"deep/set/deep/mine", *(f"deep/{name}" for name in CONTENT)}
    assert (tmp_path / "deep/set/empty").read_bytes() == b""


def test_data_put_there_by_hand_are_not_fetched_again(tmp_path: Path) -> None:
    """The official layout is enough."""
    (tmp_path / "deep/set").mkdir(parents=True)
    (tmp_path / "deep/set/list.txt").write_bytes(b"one")
    with serving(whole) as server:
        got(server, archived("tar", gzip.compress(plain())), tmp_path)
    assert server.asked == []


def test_half_a_move_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an interrupted fetch has moved into a folder that was there is not taken for data put there by hand."""
    body = gzip.compress(plain())
    (tmp_path / "deep/set").mkdir(parents=True)

    def half(made: Path, target: Path) -> None:
        (made / "list.txt").rename(target / "list.txt")
        raise KeyboardInterrupt

    move = tasks.data.fetch.move
    with serving(lambda asked: whole(asked, body)) as server:
        monkeypatch.setattr(tasks.data.fetch, "move", half)
        with pytest.raises(KeyboardInterrupt):
            got(server, archived("tar", body), tmp_path)
        monkeypatch.setattr(tasks.data.fetch, "move", move)
        got(server, archived("tar", body), tmp_path)
    assert left(tmp_path) == {f"deep/{name}" for name in CONTENT}
    assert len(server.asked) == 1


def test_a_hostile_archive_leaves_nothing(tmp_path: Path) -> None:
    """Though its checksum is the pinned one."""
    body = gzip.compress(tarred(member("set/list.txt"), member("set/../../evil")))
    with serving(lambda asked: whole(asked, body)) as server, pytest.raises(DamagedData, match="leads out"):
        got(server, archived("tar", body), tmp_path / "data")
    assert left(tmp_path) == set()
    assert not list(tmp_path.rglob("*.new"))


def test_a_disk_that_fills_while_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half of an archive is left; the next fetch unpacks what came, without asking again."""
    body = gzip.compress(plain())

    def full(*rest: object) -> None:
        raise OSError(28, "No space left on device")

    with serving(lambda asked: whole(asked, body)) as server:
        with monkeypatch.context() as patch:
            patch.setattr("tasks.data.archive._put", full)
            with pytest.raises(OSError, match="No space left"):
                got(server, archived("tar", body), tmp_path)
        assert left(tmp_path) == set()
        got(server, archived("tar", body), tmp_path)
    assert len(server.asked) == 1
    assert left(tmp_path) == {f"deep/{name}" for name in CONTENT}


def test_a_gz_is_unpacked(tmp_path: Path) -> None:
    """Into one file, whose own checksum is compared where it is pinned."""
    body = gzip.compress(BODY)
    source = pinned(body, kind="gz", unpacked=len(BODY))
    with serving(lambda asked: whole(asked, body)) as server:
        with pytest.raises(DamagedData, match="out of the archive"):
            got(server, replace(source, files={"set/file.bin": "0" * 64}), tmp_path)
        assert left(tmp_path) == set()
        got(server, source, tmp_path)
        got(server, source, tmp_path)
    assert left(tmp_path) == {"set/file.bin"}
    assert (tmp_path / "set/file.bin").read_bytes() == BODY
    assert len(server.asked) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', '{"files": {"deep/set/list.txt": 1}}', "\0"])
def test_a_damaged_receipt(text: str, tmp_path: Path) -> None:
    """It is none: the archive is fetched again."""
    body = gzip.compress(plain())
    source = archived("tar", body)
    with serving(lambda asked: whole(asked, body)) as server:
        got(server, source, tmp_path)
        receipt(source.downloads[0], tmp_path).write_text(text)
        got(server, source, tmp_path)
    assert len(server.asked) == 2
    assert json.loads(receipt(source.downloads[0], tmp_path).read_text())["files"].keys() == {
        f"deep/{name}" for name in CONTENT
    }


# The table


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_can_be_got(name: str) -> None:
    """Its downloads are https, pinned, bounded and below the data folder; else words say what to do by hand."""
    source = SOURCES[name]
    assert source.downloads or source.by_hand
    assert source.layout
    for path in (*source.layout, *source.files, *(download.to for download in source.downloads)):
        assert path
        assert not Path(path).is_absolute()
        assert ".." not in Path(path).parts
    for download in source.downloads:
        assert urlsplit(download.url).scheme == "https"
        assert len(bytes.fromhex(download.sha256)) == 32
        assert download.size > 0
        assert download.kind == "file" or download.unpacked > 0
        assert source.files.get(download.to, download.sha256) == download.sha256 or download.kind != "file"
