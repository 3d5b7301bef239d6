"""Whatever a matrix file or a line of records holds, the answer is words, never a traceback.

500 examples of each with LSTM_BENCH_LONG=1, fewer without.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from toys import tiny

from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.matrixfile import BLOCK_KEYS, KEYS, read
from bench.plan import BadInput, Filters, check, plan
from bench.record import decode, encode, unfinished
from bench.spec import Architecture, Budget, Optimizer, Stabilisation
from tasks.cards import TASKS

fuzzed = settings(
    max_examples=500 if os.environ.get("LSTM_BENCH_LONG") else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

GOOD = """
name = "mine"
block = [{ tasks = ["language/grammar"], architectures = ["lstm"], stabilisations = ["none", "tight"], optimizers = ["adam"] }]
seeds = [0, 1]
[stabilisation.tight]
clip_norm = 0.05
[budget]
steps = 50
evaluate = 10
"""  # noqa: E501

SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.sampled_from([0, -1, 1, 10**9, 2**31]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([*TASKS, *ARCHITECTURES, *STABILISATIONS, *OPTIMIZERS, "clip+dropout", "clip+clip", "+", "../x"]),
)
FIELDS = sorted(
    {name for kind in (Architecture, Stabilisation, Optimizer, Budget) for name in kind.__dataclass_fields__}
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*BLOCK_KEYS, *FIELDS, *list(TASKS)[:3]]) | st.text(max_size=4), inner, max_size=4
        )
    ),
    max_leaves=12,
)
TABLES = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), ANYTHING, max_size=8)


def toml(value: Any) -> str:
    """A value as TOML writes it, tables inline."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return str(value)


def refused_in_words(path: Path) -> None:
    """Read, check and plan a file: all of it works, or BadInput names the mistakes."""
    mistakes = ["none"]
    try:
        matrix = read(path)
        check(matrix)
        assume(len(matrix.rows()) * len(matrix.seeds) < 5_000)
        plan(matrix, Filters(), ["cpu"])
    except BadInput as error:
        mistakes = error.mistakes
    assert mistakes
    assert all(mistake.strip() for mistake in mistakes)


def test_the_good_file_is_good(tmp_path: Path) -> None:
    """What the next test changes is a matrix without mistakes."""
    (tmp_path / "m.toml").write_text(GOOD)
    check(read(tmp_path / "m.toml"))


@fuzzed
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_as_a_matrix_file(tmp_path: Path, content: bytes) -> None:
    """Bytes of any kind are a mistake with words."""
    (tmp_path / "m.toml").write_bytes(content)
    refused_in_words(tmp_path / "m.toml")


@fuzzed
@given(st.data())
def test_a_matrix_file_with_a_change(tmp_path: Path, data: st.DataObject) -> None:
    """A good file with a piece taken out, put in twice or overwritten."""
    begin = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(begin, min(len(GOOD), begin + 20)))
    piece = data.draw(st.sampled_from(["", GOOD[begin:end] * 2, "=", "[", "]", '"', "\n", "-", "1e999", "nan", "{}"]))
    (tmp_path / "m.toml").write_text(GOOD[:begin] + piece + GOOD[end:])
    refused_in_words(tmp_path / "m.toml")


@fuzzed
@given(TABLES)
def test_any_value_under_any_key(tmp_path: Path, table: dict[str, Any]) -> None:
    """TOML that is well formed and means nothing."""
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in table.items())
    (tmp_path / "m.toml").write_text(text)
    refused_in_words(tmp_path / "m.toml")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in nested tables and lists."""
    inside = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [path, *(place for key, item in inside for place in places(item, (*path, key)))]


@fuzzed
@given(st.data(), ANYTHING)
def test_any_value_in_a_good_file(tmp_path: Path, data: st.DataObject, value: Any) -> None:
    """One value of a good file is another, or a known field stands beside it with any value."""
    table = tomllib.loads(GOOD)
    *path, last = data.draw(st.sampled_from([place for place in places(table) if place]))
    inside = table
    for key in path:
        inside = inside[key]
    if isinstance(inside, dict) and data.draw(st.booleans()):
        last = data.draw(st.sampled_from(FIELDS))
    inside[last] = value
    (tmp_path / "m.toml").write_text("\n".join(f"{toml(key)} = {toml(item)}" for key, item in table.items()))
    refused_in_words(tmp_path / "m.toml")


@fuzzed
@given(ANYTHING, st.sampled_from(["spec", "names", "metrics", "curve", "schema", "sum", "id", "kind", "status"]))
def test_any_value_in_a_record(value: Any, key: str) -> None:
    """A record with a value of another kind in it fails its checksum, in words."""
    body = json.loads(encode(unfinished(tiny(), "ok")))
    assume(body[key] != value)
    with pytest.raises(ValueError, match="."):
        decode(json.dumps(body | {key: value}))


@fuzzed
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_any_text_as_a_record(line: str) -> None:
    """A line of anything is no record, and says why."""
    with pytest.raises((ValueError, RecursionError), match="."):
        decode(line)
