"""A server on this machine that answers as it is told, in the place of every host that a fetch asks for."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.data import Download, Source
from tasks.data.fetch import fetch
from tasks.data.https import NotFetched
from tasks.data.transfer import Patience


@dataclass
class Asked:
    """One request, and what is needed to answer it."""

    path: str
    headers: dict[str, str]
    handler: BaseHTTPRequestHandler
    sent: int = 0  # bytes of bodies

    def head(self, status: int, **headers: object) -> None:
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), str(value))
        self.handler.end_headers()

    def body(self, content: bytes) -> None:
        """Write what the other side still takes."""
        self.handler.wfile.write(content)
        self.sent += len(content)


@dataclass
class Server:
    """What was asked of it, and where it is. `answer` is called with every request."""

    answer: Callable[[Asked], None]
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def connect(self, host: str, timeout: float) -> HTTPConnection:
        """Plain http to here, whatever the host: the place of `tasks.data.https.secure`."""
        self.hosts.append(host)
        return HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    @property
    def sent(self) -> int:
        return sum(asked.sent for asked in self.asked)


@contextlib.contextmanager
def serving(answer: Callable[[Asked], None]) -> Iterator[Server]:
    """A server for as long as the context lasts."""
    made = Server(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = Asked(self.path, dict(self.headers), self)
            made.asked.append(asked)
            with contextlib.suppress(OSError):  # who asked has gone
                made.answer(asked)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    made.port = httpd.server_address[1]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.done.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join()


BODY = bytes(range(256)) * 1_200
QUICK = Patience(deadline=20.0, rate=1.0, window=5.0, silence=5.0, pause=0.01)
"""Far longer than any of these takes, but for the pauses."""


class Told:
    """What was said, and how far it came."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.have = 0

    def say(self, text: str) -> None:
        self.said.append(text)

    def came(self, download: Download, have: int) -> None:
        self.have = have


def pinned(body: bytes = BODY, to: str = "set/file.bin", **more: object) -> Source:
    """A source of one download."""
    sha256 = hashlib.sha256(body).hexdigest()
    download = Download("https://data.example/file.bin", sha256, len(body), to, **more)  # type: ignore[arg-type]
    return Source("set", "A set", "none", "nobody", (to,), len(body), downloads=(download,))


def whole(asked: Asked, body: bytes = BODY, tag: str = '"one"') -> None:
    """What a good server answers, ranges included."""
    start = 0
    span = asked.headers.get("Range", "")
    if span and asked.headers.get("If-Range", tag) == tag:
        start = int(span.removeprefix("bytes=").removesuffix("-"))
        span = f"bytes {start}-{len(body) - 1}/{len(body)}"
        asked.head(206, Content_Length=len(body) - start, Content_Range=span, ETag=tag)
    else:
        asked.head(200, Content_Length=len(body), ETag=tag)
    asked.body(body[start:])


def got(server: Server, source: Source, data: Path, patience: Patience = QUICK) -> Told:
    told = Told()
    fetch(source, data, told, patience, server.connect)
    return told


def left(data: Path) -> set[str]:
    """The files below a data folder that are not kept for a next time."""
    return {
        path.relative_to(data).as_posix()
        for path in data.rglob("*")
        if path.is_file() and path.parent.name != ".fetched" and not path.name.startswith(".")
    }


def cut(asked: Asked, share: float) -> None:
    asked.head(200, Content_Length=len(BODY), ETag='"one"')
    asked.body(BODY[: int(share * len(BODY))])
    asked.handler.close_connection = True


def interrupted(source: Source, data: Path, share: float = 0.3) -> None:
    """A fetch that ended early and was not tried again."""
    with (
        serving(lambda asked: cut(asked, share)) as server,
        pytest.raises(NotFetched, match="the same command goes on"),
    ):
        got(server, source, data, replace(QUICK, tries=1))
