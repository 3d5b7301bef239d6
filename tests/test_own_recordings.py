"""A reader's own recordings: a folder of labels, or a table of files and transcripts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trees
from trees import few, sizes

from bench.run import run_one
from tasks import own as door
from tasks.base import fingerprint
from tasks.cards import TASKS
from tasks.data import DamagedData, folder
from tasks.recognition import Connected, Isolated
from tasks.speech import own

pytestmark = pytest.mark.usefixtures("cache_folder")

Task = Isolated | Connected


def labelled(root: Path, count: int = 10, splits: tuple[str, ...] = ("",)) -> Path:
    for split in splits:
        for label in ("left", "right"):
            for n in range(count):
                trees.record(root / split / label / f"{split}{label}{n}.wav", (8_000, 44_100)[n % 2])
    return root


def task_of(**options: str) -> Task:
    metric, better, unit = folder.metric(options)
    card = replace(TASKS["speech/an4"], name="speech/own/mine", metric=metric, better=better, unit=unit)
    return own(card, options)


def test_a_folder_of_labels_is_a_task(tmp_path: Path) -> None:
    """A tenth for test, a tenth for valid, by a hash of names; any rate, any depth, hidden files passed over."""
    root = labelled(tmp_path / "clips")
    (root / "left/.hidden.wav").write_bytes(b"no sound")
    (root / "notes.txt").write_text("no sound either")
    (root / "left/deeper").mkdir()
    shutil.move(root / "left/left0.wav", root / "left/deeper/left0.wav")
    task = task_of(dir=str(root))
    assert isinstance(task, Isolated)
    assert task.labels == ("left", "right")
    assert sizes(task) == [16, 2, 2]
    assert task.card.metric == "accuracy"
    assert task.time == 1 + 4_000 // 256
    assert task_of(dir=str(root), rate="8000").time == 1 + 2_000 // 128
    assert fingerprint(task) == fingerprint(task_of(dir=str(root)))


def test_a_train_split_that_is_in_test_is_refused(tmp_path: Path) -> None:
    """To the last sample the same: nothing would be learnt that is not tested."""
    root = labelled(tmp_path / "clips", 2, ("valid", "test"))
    shutil.copytree(root / "test", root / "train")
    with pytest.raises(DamagedData, match="every recording of train stands in test"):
        task_of(dir=str(root))


def test_a_folder_may_have_splits(tmp_path: Path) -> None:
    """train, valid and test with labels below."""
    root = labelled(tmp_path / "clips", 3, folder.SPLITS)
    assert sizes(task_of(dir=str(root))) == [6, 6, 6]
    trees.record(root / "test/up/a.wav", 16_000)
    with pytest.raises(DamagedData, match="clips/test/up/a.wav: train has no recording of up"):
        task_of(dir=str(root))
    shutil.rmtree(root / "test/up")
    trees.record(root / "extra/up/a.wav", 16_000)
    with pytest.raises(DamagedData, match="clips: extra beside train, valid and test"):
        task_of(dir=str(root))
    shutil.rmtree(root / "extra")
    trees.record(root / "test/a.wav", 16_000)
    with pytest.raises(DamagedData, match=r"clips/test/a.wav: not in the folder of a label"):
        task_of(dir=str(root))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda root: shutil.rmtree(root / "left"), "clips: one label, right"),
        (lambda root: (root / "left/a.mp3").write_bytes(b""), "clips/left/a.mp3: .mp3 is not read; convert it"),
        (lambda root: trees.record(root / "a.wav", 16_000), "clips/a.wav: not in the folder of a label"),
        (lambda root: [shutil.rmtree(path) for path in root.iterdir()], "clips: no recordings"),
        (lambda root: (root / "left/left1.wav").write_bytes(b"text"), "left/left1.wav: begins with text"),
    ],
)
def test_a_folder_that_is_no_task_is_refused(damage: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    """With the file and what to do."""
    root = labelled(tmp_path / "clips", 4)
    damage(root)
    with pytest.raises(DamagedData) as error:
        task_of(dir=str(root))
    assert said in str(error.value)


def table(root: Path, text: str | bytes, count: int = 10) -> Path:
    for n in range(count):
        trees.record(root / f"{n}.wav", 16_000, 0.5)
    path = root / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_table_of_transcripts_is_a_task(tmp_path: Path) -> None:
    """Characters of train are symbols; one more stands for all that train does not have."""
    rows = [
        f'{n}.wav,{"test" if n > 7 else "valid" if n > 5 else "train"},"a  {"ä," if n > 7 else "b"}"' for n in range(10)
    ]
    path = table(tmp_path / "audio", "\ufefffile,split,transcript\r\n" + "\r\n".join(rows) + "\r\n\r\n")
    task = task_of(csv=str(path))
    assert isinstance(task, Connected)
    assert sizes(task) == [6, 2, 2]
    assert task.labels == (" ", "a", "b", "\N{REPLACEMENT CHARACTER}")
    assert task._references(task.train)[0] == ("a", "b")
    moved = tmp_path / "elsewhere.csv"
    moved.write_text("file,transcript\n" + "\n".join(f"{n}.wav,a b" for n in range(10)))
    task = task_of(csv=str(moved), audio="audio")
    assert sizes(task) == [8, 1, 1]
    assert task.card.metric == "wer"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "list.csv: empty"),
        ("\n\n", "list.csv: empty"),
        ("file,transcript\n", "list.csv: a header and no recordings"),
        ("file,text\n0.wav,a\n", "list.csv:1: columns file, text; expected file, transcript"),
        ("file,transcript,transcript\n0.wav,a,b\n", "list.csv:1: columns file, transcript, transcript"),
        ("file,transcript\n0.wav,a,b\n", "list.csv:2: 3 fields, the header has 2"),
        ("file,transcript\n0.wav\n", "list.csv:2: 1 fields, the header has 2"),
        ("file,transcript\n0.wav,a\n0.wav,b\n", "list.csv:3: 0.wav comes twice"),
        ("file,transcript\n,a\n", "list.csv:2: no file is named"),
        ("file,transcript\ngone.wav,a\n", "list.csv:2: gone.wav is not there"),
        ("file,transcript,split\n0.wav,a,dev\n", "list.csv:2: split 'dev'; expected train, valid or test"),
        ('file,transcript\n0.wav,"a\n', "list.csv:2: unexpected end of data"),
        (b"file,transcript\n0.wav,\xff\n", "list.csv: byte 22 is no UTF-8"),
        ("file,transcript,split\n0.wav,a,train\n", "list.csv: 1 recordings, none of them for valid"),
        ("file,transcript\n0.wav,\n1.wav,\n2.wav,\n3.wav,\n", "no word in any transcript"),
        ("file,transcript\n0.wav," + "ab" * 40 + "\n1.wav,a\n2.wav,b\n3.wav,a\n", "0.wav: 32 frames are too few"),
        ("file,transcript\n0.wav," + "x" * 140_000 + "\n", "list.csv:2: field larger than field limit"),
        ("file,transcript\n0.wav\0,a\n", "list.csv:2: "),
    ],
)
def test_a_table_that_is_no_task_is_refused(text: str | bytes, said: str, tmp_path: Path) -> None:
    """With the line and what to do."""
    with pytest.raises(DamagedData) as error:
        task_of(csv=str(table(tmp_path, text)))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give either dir=... or csv=..."),
        ({"dir": "a", "csv": "b"}, "give either"),
        ({"dir": "a", "audio": "b"}, "audio=... belongs to csv=..."),
        ({"dir": "a", "rate": "fast"}, "rate must be a whole number from 8000 to 48000, got 'fast'"),
        ({"dir": "a", "rate": "4000"}, "rate must be"),
        ({"dir": "a", "rate": "-16000"}, "rate must be"),
    ],
)
def test_options_that_make_no_task_are_refused(options: dict[str, str], said: str) -> None:
    """Before any file is read."""
    with pytest.raises(ValueError, match=said.replace("(", r"\(").split("...")[0]):
        folder.metric(options)


def test_own_recordings_run_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbuilt: None
) -> None:
    """`speech:dir=clips` is a task like any other."""
    monkeypatch.delenv(door.VARIABLE, raising=False)
    monkeypatch.setenv(door.VARIABLE, "")
    labelled(tmp_path / "clips")
    (name,) = door.register(["speech:dir=clips,rate=8000"], tmp_path).values()
    try:
        record = run_one(few(name))
        assert record.status == "ok", record.reason
        assert record.task["metric"] == "accuracy"
    finally:
        del door.OWNED[name], TASKS[name]
