"""Words for a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """`unknown optimizer 'nadma'. Did you mean 'nadam'? Known: adam, nadam, ...`"""
    names = list(known)
    close = get_close_matches(name.lower(), names, n=2, cutoff=0.6)
    hint = f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(names)}"
