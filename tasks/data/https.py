"""The answer to one GET: over TLS, from hosts that were listed, and before a moment of the monotonic clock.

Standard library only.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

REDIRECTS = 5

Connect = Callable[[str, float], HTTPConnection]
"""Host (with its port, if any) and seconds of the socket's timeout -> a connection. Tests put a local server here."""


class NotFetched(Exception):
    """A server or the network did not give the file. The message says which, what was answered, and what was kept."""


class Again(Exception):
    """What another try may cure."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        super().__init__(why)
        self.after = after  # seconds that the server asks for


def secure(host: str, timeout: float) -> HTTPConnection:
    """TLS with a verified certificate, through the proxy that `https_proxy` names, if any."""
    context, proxy = ssl.create_default_context(), getproxies().get("https")
    if not proxy or proxy_bypass(host):
        return HTTPSConnection(host, timeout=timeout, context=context)
    at = urlsplit(proxy if "://" in proxy else f"//{proxy}")
    made = HTTPSConnection(at.hostname or "", at.port or 80, timeout=timeout, context=context)
    who = base64.b64encode(f"{unquote(at.username or '')}:{unquote(at.password or '')}".encode()).decode()
    made.set_tunnel(host, headers={"Proxy-Authorization": f"Basic {who}"} if at.username else {})
    return made


@contextmanager
def answer(
    url: str, hosts: tuple[str, ...], headers: dict[str, str], until: float, silence: float, connect: Connect
) -> Iterator[HTTPResponse]:
    """The answer for `url`, or for where it redirects to: its own host or one of `hosts`.

    A connection is shut when `until` comes, or after `silence` seconds without a byte: its timeout alone would let a
    server send a byte now and then for ever. Raises Again, or NotFetched where another try would not help.
    """
    origin, allowed = url, {urlsplit(url).netloc, *hosts}
    for _ in range(REDIRECTS + 1):
        to = urlsplit(url)
        if to.scheme != "https" or not to.netloc:
            raise NotFetched(f"{origin}: refused to go to {url!r}, which is not https")
        if to.netloc not in allowed:
            raise NotFetched(f"{origin}: refused a redirect to {to.netloc!r}; allowed: {', '.join(sorted(allowed))}")
        if (left := until - monotonic()) <= 0:
            raise Again("time is up")
        with contextlib.closing(connect(to.netloc, min(silence, left))) as connection:
            with network():
                try:
                    connection.connect()
                except ssl.SSLCertVerificationError as error:
                    raise NotFetched(f"{origin}: its certificate is not trusted: {error.verify_message}") from None
            with _guarded(connection.sock, until):
                with network():
                    connection.request("GET", f"{to.path or '/'}{'?' + to.query if to.query else ''}", headers=headers)
                    response = connection.getresponse()
                with response:
                    if response.status not in (301, 302, 303, 307, 308):
                        yield response
                        return
                    with network():
                        url = urljoin(url, response.headers.get("Location", ""))
                        urlsplit(url)
    raise NotFetched(f"{origin}: more than {REDIRECTS} redirects")


@contextmanager
def _guarded(sock: socket.socket, until: float) -> Iterator[None]:
    """The socket is shut when time is up, which wakes whoever waits for its next byte."""
    guard = threading.Timer(max(0.0, until - monotonic()), _shut, (sock,))
    guard.daemon = True
    guard.start()
    try:
        yield
    finally:
        guard.cancel()


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # that of ssl would drop the cipher under a read


@contextmanager
def network() -> Iterator[None]:
    """What goes wrong on the way, as Again: errors of the disk are OSError too, and no try cures them."""
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:  # an address may be no address
        raise Again(f"{type(error).__name__}: {error}") from None
