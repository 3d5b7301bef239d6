"""`family:key=value,key=value` read: how own data are written on a command line. Standard library only.

A value ends at the next comma: one that has a comma stands in double quotes, or has a backslash before the comma. The
first `=` parts key and value, any other belongs to the value. Spaces around a key, and around a value without quotes,
are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

LONGEST = 4_096
"""Characters of a value."""

_OPTION = re.compile(r'([^=,]*)=(?:\s*"([^"]*)"\s*|((?:\\,|[^,])*))(,|$)')


def read(text: str, known: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """The options in `key=value,...`, and everything that is wrong with them."""
    names = list(known)
    found: dict[str, str] = {}
    mistakes: list[str] = []
    place, more = 0, bool(text)
    while more:
        match = _OPTION.match(text, place)
        if match is None:
            mistakes.append(f"expected key=value, got {text[place:]!r}; a value that has a comma needs double quotes")
            break
        key, quoted, plain, end = match.groups()
        key, value = key.strip(), quoted if quoted is not None else plain.replace("\\,", ",").strip()
        place, more = match.end(), bool(end)
        if key not in names:
            mistakes.append(unknown("option", key, names))
        elif key in found:
            mistakes.append(f"{key} is given twice")
        elif not value:
            mistakes.append(f"{key} has no value")
        elif not value.isprintable() or len(value) > LONGEST:
            mistakes.append(f"{key} must be printable text of at most {LONGEST} characters, got {value[:60]!r}")
        found[key] = value
    return found, mistakes


def written(options: Mapping[str, str]) -> str:
    """Options as `read` would read them."""
    return ",".join(f"{key}={value.replace(',', COMMA)}" for key, value in options.items())


COMMA = "\\,"


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Words for a name that is not known, with the nearest one that is."""
    names = list(known)
    close = get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(names)}"
