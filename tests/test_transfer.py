"""A file comes whole and as it was pinned, or not at all, whatever the server does."""

from __future__ import annotations

import hashlib
import http.client
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from servers import BODY, QUICK, Asked, Told, cut, got, interrupted, left, pinned, serving, whole

from tasks.data import DamagedData
from tasks.data.fetch import fetch
from tasks.data.https import NotFetched, secure


def test_a_file_comes_whole(tmp_path: Path) -> None:
    """It is where it belongs, nothing is beside it, and a second fetch asks for nothing."""
    with serving(whole) as server:
        assert got(server, pinned(), tmp_path).have == len(BODY)
        assert got(server, pinned(), tmp_path).said == ["set/file.bin: already there"]
    assert (tmp_path / "set/file.bin").read_bytes() == BODY
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["file.bin"]
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "url", ["http://data.example/f", "ftp://data.example/f", "file:///etc/hosts", "data.example/f"]
)
def test_only_https(url: str, tmp_path: Path) -> None:
    """Any other address is refused before a connection is made, the seam of these tests notwithstanding."""
    source = pinned()
    source = replace(source, downloads=(replace(source.downloads[0], url=url),))
    with serving(whole) as server, pytest.raises(NotFetched, match="not https"):
        got(server, source, tmp_path)
    assert server.hosts == []


def test_the_production_path_speaks_tls(tmp_path: Path) -> None:
    """It verifies certificates and names, and gets nothing from a server without TLS."""
    made = secure("data.example", 1.0)
    assert isinstance(made, http.client.HTTPSConnection)
    context = made._context  # type: ignore[attr-defined]
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    with serving(whole) as server:
        source = pinned()
        here = replace(source.downloads[0], url=f"https://127.0.0.1:{server.port}/f")
        with pytest.raises(NotFetched, match="SSL"):
            fetch(replace(source, downloads=(here,)), tmp_path, Told(), QUICK)
    assert server.asked == []


def test_a_proxy_is_asked_for_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS is spoken through it to the host itself, and its password goes to it alone."""
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy.example:3128")
    monkeypatch.setenv("no_proxy", "near.example")
    made = secure("data.example", 1.0)
    assert (made.host, made.port) == ("proxy.example", 3128)
    assert made._tunnel_host == "data.example"  # type: ignore[attr-defined]
    assert made._tunnel_headers["Proxy-Authorization"].startswith("Basic ")  # type: ignore[attr-defined]
    assert secure("near.example", 1.0).host == "near.example"


# Hostile servers


def test_a_wrong_checksum(tmp_path: Path) -> None:
    """Both hashes and sizes are named, nothing of it stays, and the file that was there is untouched."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set/file.bin").write_bytes(b"old")
    bad = bytes(len(BODY))
    with serving(lambda asked: whole(asked, bad)) as server, pytest.raises(DamagedData) as caught:
        got(server, pinned(), tmp_path)
    for body in (BODY, bad):
        assert hashlib.sha256(body).hexdigest() in str(caught.value)
    assert str(caught.value).count(f"({len(BODY)} bytes)") == 2
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "set").iterdir()] == [("file.bin", b"old")]
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 404, 403, 429])
def test_a_status_is_tried_three_times(status: int, tmp_path: Path) -> None:
    """The message names it, and nothing is left."""
    refused = pytest.raises(NotFetched, match=rf"data\.example/file\.bin: HTTP status {status} .*tried 3 times")
    with serving(lambda asked: asked.head(status, Content_Length=0)) as server, refused:
        got(server, pinned(), tmp_path)
    assert len(server.asked) == 3
    assert left(tmp_path) == set()


@pytest.mark.parametrize("status", [500, 429])
def test_a_passing_fault_is_got_over(status: int, tmp_path: Path) -> None:
    """The third try is as good as the first."""

    def answer(asked: Asked) -> None:
        if len(server.asked) < 3:
            asked.head(status, Content_Length=0)
        else:
            whole(asked)

    with serving(answer) as server:
        got(server, pinned(), tmp_path)
    assert (tmp_path / "set/file.bin").read_bytes() == BODY


def test_a_server_may_ask_for_patience(tmp_path: Path) -> None:
    """A Retry-After beyond the deadline ends it at once."""
    refused = pytest.raises(NotFetched, match="HTTP status 429 .*not done within 20 s")
    with serving(lambda asked: asked.head(429, Content_Length=0, Retry_After=3_600)) as server, refused:
        got(server, pinned(), tmp_path)
    assert len(server.asked) == 1


def test_a_body_that_ends_early(tmp_path: Path) -> None:
    """Three tries; what came of the last one is kept, and no file is made of it."""
    refused = pytest.raises(NotFetched, match=rf"cut off after {int(0.3 * len(BODY))} of {len(BODY)} bytes; tried 3")
    with serving(lambda asked: cut(asked, 0.3)) as server, refused:
        got(server, pinned(), tmp_path)
    assert len(server.asked) == 3
    assert left(tmp_path) == set()


def test_a_connection_that_is_reset(tmp_path: Path) -> None:
    """No answer at all is tried again, and named."""

    def answer(asked: Asked) -> None:
        asked.handler.close_connection = True

    with serving(answer) as server, pytest.raises(NotFetched, match="RemoteDisconnected.*tried 3 times"):
        got(server, pinned(), tmp_path)
    assert len(server.asked) == 3


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_drip_is_stopped_by_the_deadline(where: str, tmp_path: Path) -> None:
    """A byte now and then keeps a socket's own timeout from ever coming."""

    def answer(asked: Asked) -> None:
        if where == "body":
            asked.head(200, Content_Length=len(BODY))
        while not server.done.wait(0.02):
            asked.handler.wfile.write(b"x")

    patience = replace(QUICK, deadline=0.4)
    with serving(answer) as server, pytest.raises(NotFetched, match=r"not done within 0\.4 s"):
        got(server, pinned(), tmp_path, patience)


def test_a_least_rate(tmp_path: Path) -> None:
    """A drip is stopped long before a long deadline."""

    def answer(asked: Asked) -> None:
        asked.head(200, Content_Length=len(BODY))
        while not server.done.wait(0.02):
            asked.body(b"x")

    patience = replace(QUICK, deadline=600.0, rate=100_000.0, window=0.1, tries=2)
    with serving(answer) as server, pytest.raises(NotFetched, match="slower than 100000 bytes a second; tried 2 times"):
        got(server, pinned(), tmp_path, patience)


def test_an_endless_body(tmp_path: Path) -> None:
    """At most one byte more than was pinned is taken, and nothing is kept."""

    def answer(asked: Asked) -> None:
        asked.head(200)
        asked.handler.close_connection = True
        while not server.done.is_set():
            asked.body(bytes(65_536))

    read: list[int] = []
    plainly = http.client.HTTPResponse.read1

    def counted(self: http.client.HTTPResponse, n: int = -1) -> bytes:
        read.append(len(chunk := plainly(self, n)))
        return chunk

    with pytest.MonkeyPatch.context() as patch, serving(answer) as server:
        patch.setattr(http.client.HTTPResponse, "read1", counted)
        with pytest.raises(DamagedData, match=rf"goes on after the {len(BODY)} bytes"):
            got(server, pinned(), tmp_path)
    assert sum(read) == len(BODY) + 1
    assert list((tmp_path / "set").iterdir()) == []


def test_another_length(tmp_path: Path) -> None:
    """A length that is not the pinned one is refused before the body."""
    refused = pytest.raises(DamagedData, match=f"expected {len(BODY)} bytes, the server offers {len(BODY) + 1}")
    with serving(lambda asked: whole(asked, BODY + b"x")) as server, refused:
        got(server, pinned(), tmp_path)
    assert list((tmp_path / "set").iterdir()) == []


def redirect(to: str) -> Callable[[Asked], None]:
    def answer(asked: Asked) -> None:
        if asked.path == "/file.bin":
            asked.head(302, Location=to, Content_Length=0)
        else:
            whole(asked)

    return answer


@pytest.mark.parametrize(
    "to",
    ["https://evil.example/x", "http://data.example/x", "//evil.example/x", "https://data.example@evil.example/x",
     "https://data.example:8443/x", "ftp://data.example/x", "file:///etc/hosts"],
)  # fmt: skip
def test_a_redirect_elsewhere(to: str, tmp_path: Path) -> None:
    """Another host, another port or no TLS: refused at once, and nobody else is asked."""
    with serving(redirect(to)) as server, pytest.raises(NotFetched, match="refused"):
        got(server, pinned(), tmp_path)
    assert server.hosts == ["data.example"]


def test_a_redirect_to_a_listed_host(tmp_path: Path) -> None:
    """Or to the same host: followed."""
    for host, to in (("mirror.example", "https://mirror.example/x"), ("data.example", "/x")):
        with serving(redirect(to)) as server:
            got(server, pinned(hosts=("mirror.example",)), tmp_path / host)
        assert server.hosts == ["data.example", host]


@pytest.mark.parametrize("to", ["https://[", "https://data.example/\xe9", "/a b"])
def test_a_redirect_to_no_address(to: str, tmp_path: Path) -> None:
    """A fault of the server, like any other."""
    with serving(redirect(to)) as server, pytest.raises(NotFetched, match="tried 3 times"):
        got(server, pinned(), tmp_path)


def test_redirects_in_a_circle(tmp_path: Path) -> None:
    """They end."""
    with serving(redirect("/file.bin")) as server, pytest.raises(NotFetched, match="more than 5 redirects"):
        got(server, pinned(), tmp_path)
    assert len(server.asked) == 6


# Going on


def test_a_fetch_goes_on(tmp_path: Path) -> None:
    """After a cut at 30 % the rest is asked for, at most 75 % is sent again, and the file is the same."""
    interrupted(pinned(), tmp_path)
    with serving(whole) as server:
        got(server, pinned(), tmp_path)
    assert (tmp_path / "set/file.bin").read_bytes() == BODY
    assert server.asked[0].headers["If-Range"] == '"one"'
    assert server.sent <= 0.75 * len(BODY)


def test_a_file_that_has_changed_begins_anew(tmp_path: Path) -> None:
    """Another ETag: a server that honours If-Range sends all of it."""
    interrupted(pinned(), tmp_path)
    with serving(lambda asked: whole(asked, tag='"two"')) as server:
        got(server, pinned(), tmp_path)
    assert (tmp_path / "set/file.bin").read_bytes() == BODY
    assert server.sent == len(BODY)


@pytest.mark.parametrize("fault", ["tag", "range", "416", "bytes"])
def test_a_rest_that_does_not_fit(fault: str, tmp_path: Path) -> None:
    """A server that ignores If-Range, or sends another range, or other bytes: the next try begins anew."""
    interrupted(pinned(), tmp_path)
    have = int(0.3 * len(BODY))

    def answer(asked: Asked) -> None:
        if "Range" not in asked.headers:
            whole(asked)
        elif fault == "416":
            asked.head(416, Content_Length=0)
        else:
            start = have - 1 if fault == "range" else have
            asked.head(
                206,
                Content_Length=len(BODY) - start,
                Content_Range=f"bytes {start}-{len(BODY) - 1}/{len(BODY)}",
                ETag='"two"' if fault == "tag" else '"one"',
            )
            asked.body(BODY[start:] if fault != "bytes" else bytes(len(BODY) - start))

    with serving(answer) as server:
        got(server, pinned(), tmp_path)
    assert (tmp_path / "set/file.bin").read_bytes() == BODY
    assert ["Range" in asked.headers for asked in server.asked] == [True, False]


def test_a_part_without_a_past_is_not_trusted(tmp_path: Path) -> None:
    """Where its state is lost, damaged or of another address, all is asked for."""
    for place, state in enumerate([None, "", "[1]", '{"url": "https://data.example/other"}', '{"url": 3}']):
        data = tmp_path / str(place)
        interrupted(pinned(), data)
        (beside,) = (data / "set").glob(".*.json")
        beside.unlink() if state is None else beside.write_text(state)
        with serving(whole) as server:
            got(server, pinned(), data)
        assert "Range" not in server.asked[0].headers
        assert (data / "set/file.bin").read_bytes() == BODY
