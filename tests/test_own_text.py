"""A reader's own text, from the words of a command line to a score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from stories import story, written
from toys import tiny

import tasks
from bench.run import run_one
from tasks import own as room
from tasks.data import own_text, reading
from tasks.language import own

pytestmark = pytest.mark.usefixtures("text_cache")


@pytest.mark.parametrize(("options", "said"), [
    ({}, "text: missing"),
    ({"text": "a", "unit": "letter"}, "unit: expected word, character, byte, got 'letter'"),
    ({"text": "a", "test": "b"}, "test: give valid and test together"),
    ({"text": "a", "vocabulary": "100"}, "vocabulary: for unit=word alone"),
    ({"text": "a", "unit": "word", "vocabulary": "many"}, "vocabulary: expected a whole number from 3 to 1000000, got"),
])  # fmt: skip
def test_wrong_options_are_named(options: dict[str, str], said: str) -> None:
    """Each with what is possible."""
    with pytest.raises(ValueError, match=said):
        own_text.metric(options)


def test_files_of_the_readers_own_are_the_splits(tmp_path: Path) -> None:
    """Train, valid and test from a file each; the vocabulary is that of train."""
    parts = {
        key: written(tmp_path, story(2_000, seed), f"{key}.txt") for seed, key in enumerate(("text", "valid", "test"))
    }
    task = own(tasks.TASKS["language/warandpeace"], {key: str(path) for key, path in parts.items()})
    for key, split in (("text", task.train), ("valid", task.valid), ("test", task.test)):
        assert "".join(task.corpus.vocabulary[i] for i in split.symbols) == parts[key].read_text()


@pytest.mark.parametrize("unit", reading.UNITS)
def test_a_text_of_the_readers_own_is_trained_on(unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the words of a command line to a record with a score."""
    monkeypatch.setenv(room.VARIABLE, "[]")
    path = written(tmp_path, story(12_000))
    (name,) = room.register([f"language:text={path},unit={unit},name=story-{unit}"]).values()
    try:
        spec = tiny("language/grammar")
        record = run_one(replace(spec, names=replace(spec.names, task=name)))
    finally:
        del tasks.TASKS[name], room.OWNED[name]
    assert record.status == "ok", record.reason
    assert record.task["metric"] == ("perplexity" if unit == "word" else "bpc")
    assert 0 < record.score < 50
    assert record.certificate["guards"]["overlap"] == "ok"
