"""One pinned file brought into a partial file, which a later try or a later command goes on with.

Standard library only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from time import monotonic, sleep

from tasks.data.https import Again, Connect, NotFetched, answer, network, secure
from tasks.data.placing import checksum
from tasks.data.source import DamagedData, Download

CHUNK = 1 << 16


@dataclass(frozen=True)
class Patience:
    """How long a server may take."""

    deadline: float | None = None  # seconds for a file, tries and pauses included; None: at ten times the least rate
    rate: float = 10_000.0  # bytes a second at least, over each `window`
    window: float = 30.0  # seconds
    silence: float = 30.0  # seconds without a byte
    tries: int = 3
    pause: float = 1.0  # seconds before the second try, doubled before each later one

    def seconds(self, size: int) -> float:
        """For a file of `size` bytes, all in all."""
        return self.deadline if self.deadline is not None else 300.0 + size / (10 * self.rate)


def silent(have: int) -> None:
    """Hears how many bytes there are, and says nothing."""


@dataclass
class Transfer:
    """A download on its way. Raises NotFetched, or DamagedData for what differs from its pin; OSError is the disk's."""

    download: Download
    part: Path
    patience: Patience = Patience()
    connect: Connect = secure
    told: Callable[[int], None] = silent

    def run(self) -> None:
        """Bring `part` to the whole of the pinned file."""
        seconds, tries = self.patience.seconds(self.download.size), self.patience.tries
        until = monotonic() + seconds
        for attempt in range(1, tries + 1):
            try:
                self._more(until)
                return
            except Again as error:
                pause = max(self.patience.pause * 2 ** (attempt - 1), error.after)
                late = monotonic() + pause >= until
                if late or attempt == tries:
                    why = f"{error}; not done within {seconds:g} s" if late else f"{error}; tried {tries} times"
                    raise NotFetched(f"{self.download.url}: {why}; {self._kept()}") from None
            sleep(pause)

    def _kept(self) -> str:
        have = self.part.stat().st_size if self.part.exists() else 0
        return f"{have} of {self.download.size} bytes are kept: the same command goes on" if have else "nothing came"

    def _more(self, until: float) -> None:
        """One try: what is lacking, and the comparison with the pin."""
        state = _state(self.part)
        ours = state.get("url") == self.download.url and self.part.exists()
        have = self.part.stat().st_size if ours else 0
        if have < self.download.size:
            self._ask(have, state.get("etag", "") if have else "", until)
        got, size = checksum(self.part), self.part.stat().st_size
        if got == self.download.sha256:
            return
        drop(self.part)
        if have:
            raise Again("what had been kept does not go together with the rest, and was dropped")
        raise DamagedData(
            f"{self.download.url}: expected sha256 {self.download.sha256} ({self.download.size} bytes), got {got} "
            f"({size} bytes); it was dropped, and what was there before is untouched"
        )

    def _ask(self, have: int, etag: str, until: float) -> None:
        """One request, for the bytes from `have` on if the server still has the same file."""
        headers = {"User-Agent": "lstm-training-bench", "Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={have}-"} if have else {}
        headers |= {"If-Range": etag} if etag else {}
        url, hosts = self.download.url, self.download.hosts
        with answer(url, hosts, headers, until, self.patience.silence, self.connect) as response:
            self._read(response, self._first(response, have, etag), until)

    def _first(self, response: HTTPResponse, have: int, etag: str) -> int:
        """The place of the answer's first byte in the file: `have`, or 0 where it begins anew."""
        size = self.download.size
        tag = response.headers.get("ETag", "")
        tag = tag if tag.startswith('"') else ""  # a weak one does not promise the same bytes
        if (coding := response.headers.get("Content-Encoding", "identity")) != "identity":
            raise Again(f"the server sends it encoded as {coding[:20]!r}")
        if response.status == 200:
            offered = response.headers.get("Content-Length", str(size))
            if offered != str(size):
                raise DamagedData(f"{self.download.url}: expected {size} bytes, the server offers {offered[:20]}")
            self.part.unlink(missing_ok=True)  # a part never stands beside the state of another
            _beside(self.part).write_text(json.dumps({"url": self.download.url, "etag": tag}), encoding="utf-8")
            return 0
        if response.status == 206 and have:
            same = response.headers.get("Content-Range") == f"bytes {have}-{size - 1}/{size}"
            if same and (not etag or tag in ("", etag)):
                return have
        if response.status in (206, 416):
            drop(self.part)
            raise Again("the server's file is not the one whose first part was kept")
        after = response.headers.get("Retry-After", "")
        wait = float(after) if after.isascii() and after.isdigit() and len(after) < 6 else 0.0
        raise Again(f"HTTP status {response.status} {response.reason}".rstrip(), wait)

    def _read(self, response: HTTPResponse, have: int, until: float) -> None:
        """Append the body, one byte more than is due at most."""
        size, patience = self.download.size, self.patience
        with self.part.open("ab" if have else "wb") as file:
            since, came = monotonic(), 0
            while have <= size:
                with network():
                    chunk = response.read1(min(CHUNK, size + 1 - have))
                now = monotonic()
                if now >= until:
                    raise Again("too slow")
                if not chunk:
                    break
                file.write(chunk)
                have, came = have + len(chunk), came + len(chunk)
                self.told(have)
                if now - since >= patience.window:
                    if came < patience.rate * patience.window:
                        raise Again(f"slower than {patience.rate:g} bytes a second")
                    since, came = now, 0
            file.flush()
            os.fsync(file.fileno())
        if have > size:
            drop(self.part)
            raise DamagedData(f"{self.download.url}: goes on after the {size} bytes that it should have")
        if have < size:
            raise Again(f"cut off after {have} of {size} bytes")


def _state(part: Path) -> dict[str, str]:
    """What is known of a partial file; nothing where that cannot be read."""
    try:
        read = json.loads(_beside(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) and all(isinstance(value, str) for value in read.values()) else {}


def _beside(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def drop(part: Path) -> None:
    """Forget a partial file."""
    part.unlink(missing_ok=True)
    _beside(part).unlink(missing_ok=True)
