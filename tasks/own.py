"""Data of the reader's own as tasks: `language:text=my.txt`, `series:csv=my.csv,time=date`, `speech:dir=clips`.

How they are written is tasks.options' to say, and which options there are each family's (READERS). Every family also
takes `name=`, what to call the task. Standard library only.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasks.card import Card
from tasks.cards import TASKS
from tasks.data.source import DamagedData, MissingData
from tasks.options import read, unknown, written

if TYPE_CHECKING:
    from tasks.base import Task

VARIABLE = "LSTM_BENCH_OWN"
"""What worker processes learn of own data: a JSON list of the texts given, their paths absolute."""

READERS = {"language": "own_text", "series": "own_series", "speech": "folder"}
"""family -> the module of tasks.data that reads such data."""

FILES, FOLDERS = ("text", "valid", "test", "csv"), ("dir", "audio")
"""Options that name a file, and a folder."""

PART = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")
"""A part of a task's name."""

ENDS = 2**16
"""Bytes at either end of a recording that the version is made of."""


class Mistakes(Exception):
    """One or more mistakes in what was asked for, each a line."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)


@dataclass(frozen=True)
class Own:
    """Own data that were asked for."""

    card: Card
    options: Mapping[str, str]  # paths absolute
    text: str  # as it would be typed, paths absolute


OWNED: dict[str, Own] = {}
"""name -> the own data of this process; their cards are in TASKS."""


def is_own(text: str) -> bool:
    """Whether this is own data, and no task's name."""
    return ":" in text


def register(texts: Iterable[str], base: Path = Path()) -> dict[str, str]:
    """Text -> name of the task made of these own data, known from now on to this process and to those it starts.

    Paths are relative to `base`. Raises Mistakes, with every mistake in every text, and then none is known.
    """
    mistakes: list[str] = []
    found: dict[str, Own] = {}
    names: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        try:
            one = _read(text, base)
        except Mistakes as error:
            mistakes += [f"{text!r}: {mistake}" for mistake in error.mistakes]
            continue
        other = found.get(one.card.name) or OWNED.get(one.card.name)
        if other is not None and other.text != one.text:
            mistakes.append(f"{text!r}: another of your tasks is called {one.card.name}; add name=... to one of them")
        names[text] = one.card.name
        found.setdefault(one.card.name, one)
    if mistakes:
        raise Mistakes(mistakes)
    OWNED.update(found)
    TASKS.update({name: one.card for name, one in found.items()})
    if OWNED:
        os.environ[VARIABLE] = json.dumps([one.text for one in OWNED.values()])
    return names


def inherit(name: str) -> None:
    """Know the own data that the process which started this one was given, if they are what `name` asks for.

    Raises MissingData where they are not there any more.
    """
    if name in TASKS or VARIABLE not in os.environ:
        return
    try:
        register(json.loads(os.environ[VARIABLE]))
    except Mistakes:
        raise MissingData(f"{name}: a file or folder of your own data is not there any more") from None


def build(name: str) -> Task:
    """The task made of own data. Raises MissingData and DamagedData, in words without a path: records keep them."""
    one = OWNED[name]
    try:
        task: Task = importlib.import_module(f"tasks.{one.card.family}").own(one.card, dict(one.options))
    except (MissingData, DamagedData) as error:
        raise type(error)(_without_paths(one, str(error))) from None
    except OSError as error:
        raise DamagedData(_without_paths(one, f"{error.filename}: {error.strerror}")) from None
    return task


def _without_paths(own: Own, text: str) -> str:
    """`text` with file and folder names in the place of absolute paths."""
    for key in (*FILES, *FOLDERS):
        if path := own.options.get(key):
            text = text.replace(path, Path(path).name)
    return text


def _read(text: str, base: Path) -> Own:
    """Raises Mistakes."""
    family, _, rest = text.partition(":")
    if family not in READERS:
        raise Mistakes([unknown("family", family, READERS)])
    reader: Any = importlib.import_module(f"tasks.data.{READERS[family]}")
    options, mistakes = read(rest, [*reader.OPTIONS, "name"])
    paths = [key for key in reader.OPTIONS if key in (*FILES, *FOLDERS)]
    given = [key for key in paths if key in options]
    if not given:
        mistakes.append(f"where are the data? {family} takes {' or '.join(f'{key}=...' for key in paths)}")
    if mistakes:
        raise Mistakes(mistakes)
    for key in given:
        path = os.path.abspath(base / os.path.expanduser(options[key]))
        kind = "folder" if key in FOLDERS else "file"
        if not os.path.exists(path):
            mistakes.append(f"there is no {kind} {path}")
        elif os.path.isdir(path) != (kind == "folder"):
            mistakes.append(f"{key} takes a {kind}, and {path} is none")
        options[key] = path
    name = options.pop("name", None) or called(options[given[0]])
    if not PART.fullmatch(name):
        mistakes.append(f"name must be of small letters, digits and '._+-', got {name!r}")
    if mistakes:
        raise Mistakes(mistakes)
    try:
        measured = reader.metric(options)
        sounds = reader.utterances(options) if hasattr(reader, "utterances") else []
        said = version(options, {one.name: one.path for one in sounds})
    except (ValueError, OSError, MissingData, DamagedData) as error:
        raise Mistakes([str(error)]) from None
    card = _card(f"{family}/own/{name}", measured, options, said)
    return Own(card, options, f"{family}:{written({**options, 'name': name})}")


def _card(
    name: str, measured: tuple[str, Literal["lower", "higher"], str], options: Mapping[str, str], said: str
) -> Card:
    settings = ", ".join(f"{key}={value}" for key, value in options.items() if key not in (*FILES, *FOLDERS))
    return Card(
        name,
        f"the reader's own{f', {settings}' if settings else ''}",
        *measured,
        reference="the reader's own",
        causal=name.startswith("language/"),
        dataset="own",
        version=said,
    )


def called(path: str) -> str:
    """The part of a task's name that a file or folder gives it: small letters, digits, and `-` for all else."""
    stem = Path(path).name if os.path.isdir(path) else Path(path).stem
    return re.sub(r"[^a-z0-9._+-]+", "-", stem.lower()).lstrip("._+-").rstrip("-")[:64] or "data"


def version(options: Mapping[str, str], sounds: Mapping[str, Path]) -> str:
    """First 8 digits of the sha256 over the options but for paths, and over the data: other data are another run.

    A text or a table counts with every byte. Of recordings, which are many and large, it is the name, the size and the
    first and last 64 KiB of each. A record's fingerprint is over all that was read of either.
    """
    digest = hashlib.sha256()
    plain = {key: value for key, value in options.items() if key not in (*FILES, *FOLDERS)}
    digest.update(json.dumps(plain, sort_keys=True).encode())
    for key in FILES:
        if key in options:
            with Path(options[key]).open("rb") as file:
                digest.update(key.encode() + hashlib.file_digest(file, "sha256").digest())
    for name, path in sorted(sounds.items()):
        size = path.stat().st_size
        digest.update(f"{name}\0{size}\0".encode(errors="surrogateescape"))
        with path.open("rb") as file:
            digest.update(file.read(ENDS))
            file.seek(max(size - ENDS, 0))
            digest.update(file.read(ENDS))
    return digest.hexdigest()[:8]
