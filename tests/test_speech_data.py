"""Published recordings in their official layouts: splits, counts, damage."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import trees
from trees import few, sizes

import tasks
from bench.guards import Guard, overlap, scalers
from bench.matrices import STANDARD
from bench.network import Shape, count, solve_width
from bench.plan import budget
from bench.run import run_one
from bench.spec import Architecture
from tasks.base import fingerprint
from tasks.data import DamagedData, MissingData, commands, librispeech
from tasks.recognition import Connected, Isolated

pytestmark = pytest.mark.usefixtures("cache_folder")

Task = Isolated | Connected
SUBSETS = ("train-clean-100", "dev-clean", "test-clean")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each published dataset in its official layout, small."""
    root = tmp_path_factory.mktemp("data")
    for version in (1, 2):
        trees.speech_commands(root / "SpeechCommands" / f"speech_commands_v0.0{version}", version)
    trees.yesno(root / "waves_yesno")
    trees.an4(root / "an4")
    trees.librispeech(root / "LibriSpeech", SUBSETS)
    return root


@pytest.fixture
def copied(published: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """A data folder with one of the datasets in it, to be damaged."""

    def copy(below: str, to: str) -> Path:
        shutil.copytree(published / below, tmp_path / to)
        return tmp_path

    return copy


def refused(name: str, data: Path, said: str, error: type[Exception] = DamagedData) -> None:
    with pytest.raises(error) as raised:
        tasks.load(name, data)
    assert said in str(raised.value)
    assert str(data) not in str(raised.value).split("; get it with")[0].replace(f"not found in {data}", "")


# --- Speech Commands


@pytest.mark.parametrize(
    ("name", "classes", "counts"),
    [
        ("commands-v1/30", 30, [180, 30, 30]),
        ("commands-v2/35", 35, [210, 35, 35]),
        ("commands-v1/20", 21, [180, 30, 30]),
        ("commands-v2/20", 21, [210, 35, 35]),
        ("commands-v1/12", 12, [72, 12, 12]),
        ("commands-v2/12", 12, [72, 12, 12]),
    ],
)
def test_speech_commands_have_their_words_and_official_lists(
    name: str, classes: int, counts: list[int], published: Path
) -> None:
    """Valid and test are what the lists name; of the ten words' number a tenth are others, and a tenth silence."""
    task = tasks.load(f"speech/{name}", published)
    assert isinstance(task, Isolated)
    assert task.outputs == len(set(task.labels)) == classes
    assert sizes(task) == counts
    for split in (task.train, task.valid, task.test):
        count = split.y.bincount(minlength=classes)
        if name.endswith("/12"):
            known = int(count[:10].sum())
            assert count[10:].tolist() == [math.ceil(known / 10)] * 2
        elif name.endswith("/20"):
            assert int(count[20]) == len(split) - int(count[:20].sum()) > 0
        assert (count > 0).all()


def test_silence_of_two_splits_never_overlaps(published: Path) -> None:
    """Each noise recording gives train, valid and test stretches of its own, a second long."""
    found = commands.commands(2, "12", published)
    ranges = {}
    for split, parts in found.parts.items():
        clips = [found.clips[n] for n in parts if found.clips[n].name.startswith("_background")]
        assert clips
        assert all(clip.end == clip.begin + commands.RATE for clip in clips)
        ranges[split] = (min(clip.begin for clip in clips), max(clip.end for clip in clips))
    assert ranges["train"][1] <= ranges["valid"][0]
    assert ranges["valid"][1] <= ranges["test"][0]


def test_the_published_lists_are_read_whole(data: Path) -> None:
    """9,981 and 11,005 lines, all of the form expected; the ten words make a test set of 4,890 with the rest."""
    lists = data / "speech_commands_v2_lists"
    if not lists.is_dir():
        pytest.skip("the data folder has no lists of Speech Commands")
    names = {name: (lists / name).read_text().splitlines() for name in ("validation_list.txt", "testing_list.txt")}
    assert [len(lines) for lines in names.values()] == [9_981, 11_005]
    for lines in names.values():
        assert all(commands.LISTED.fullmatch(line) and line.split("/")[0] in commands.THIRTY_FIVE for line in lines)
    ten = sum(line.split("/")[0] in commands.TEN for line in names["testing_list.txt"])
    assert ten + 2 * math.ceil(ten * commands.SHARE / 100) == 4_890


@pytest.mark.parametrize("to", ["speech_commands_v0.02", "speech_commands_v0.02/speech_commands_v0.02"])
def test_speech_commands_may_lie_in_another_folder(
    to: str, copied: Callable[[str, str], Path], published: Path
) -> None:
    """With torchaudio's folder around them or without, it is the same task."""
    root = copied("SpeechCommands/speech_commands_v0.02", to)
    here, there = (tasks.load("speech/commands-v2/35", data) for data in (root, published))
    assert fingerprint(here) == fingerprint(there)


LISTED = "yes/bbbbbbbb_nohash_0.wav"


def appended(text: str) -> Callable[[Path], object]:
    def append(root: Path) -> None:
        with (root / "testing_list.txt").open("a") as file:
            file.write(text)

    return append


@pytest.mark.parametrize(
    ("damage", "said", "error"),
    [
        (lambda root: (root / LISTED).unlink(), "yes/bbbbbbbb_nohash_0.wav (on ", MissingData),
        (lambda root: shutil.rmtree(root / "visual"), "visual of speech_commands_v0.02", MissingData),
        (lambda root: (root / "testing_list.txt").unlink(), "testing_list.txt of", MissingData),
        (appended("\n" + LISTED), "testing_list.txt:36: yes/bbbbbbbb_nohash_0.wav is already on", DamagedData),
        (appended("\nyes/aaaaaaaa_nohash_0.wav"), "is already on speech_commands_v0.02/validation_list", DamagedData),
        (appended("\nbanana/c_nohash_0.wav"), "testing_list.txt:36: 'banana/c_nohash_0.wav' is no", DamagedData),
        (appended("\n\nnonsense"), "testing_list.txt:36: ''", DamagedData),
        (lambda root: (root / "visual").rename(root / "vizual"), "visual of", MissingData),
        (lambda root: trees.record(root / "banana/x.wav", 16_000), "banana is no word of version 2", DamagedData),
        (lambda root: (root / LISTED).write_bytes(b"text"), f"{LISTED}: begins with text", DamagedData),
        (lambda root: (root / "testing_list.txt").write_bytes(b"\xff"), "byte 0 is no UTF-8", DamagedData),
    ],
)
def test_damaged_speech_commands_are_refused(
    damage: Callable[[Path], object], said: str, error: type[Exception], copied: Callable[[str, str], Path]
) -> None:
    """Lists that name what is not there, twice or strange; words that lack; files that are no sound."""
    data = copied("SpeechCommands/speech_commands_v0.02", "speech_commands_v0.02")
    damage(data / "speech_commands_v0.02")
    refused("speech/commands-v2/35", data, said, error)


def test_silence_needs_noise(copied: Callable[[str, str], Path]) -> None:
    """Without `_background_noise_` twelve classes cannot be made; thirty-five can."""
    data = copied("SpeechCommands/speech_commands_v0.02", "speech_commands_v0.02")
    shutil.rmtree(data / "speech_commands_v0.02/_background_noise_")
    refused("speech/commands-v2/12", data, "no noise there")
    assert sizes(tasks.load("speech/commands-v2/35", data)) == [210, 35, 35]


# --- YESNO, AN4, LibriSpeech


def test_yesno_is_split_as_kaldi_does(published: Path, copied: Callable[[str, str], Path]) -> None:
    """31 recordings for training, five of them set aside, and 29 for test; eight words each."""
    task = tasks.load("speech/yesno", published)
    assert sizes(task) == [26, 5, 29]
    names = sorted(path.stem for path in (published / "waves_yesno").glob("*.wav"))
    assert [task.test.string(n).tolist() for n in range(29)] == [[1 + int(w) for w in x.split("_")] for x in names[31:]]
    data = copied("waves_yesno", "waves_yesno")
    trees.record(data / "waves_yesno/maybe.wav", 8_000)
    refused("speech/yesno", data, "maybe.wav: expected names like")
    shutil.rmtree(data / "waves_yesno")
    trees.yesno(data / "waves_yesno", 2)
    refused("speech/yesno", data, "2 recordings; the archive has 60")


def test_an4_holds_speakers_apart(published: Path) -> None:
    """The official lists; of the training speakers every tenth is for validation. Transcripts are spelled."""
    task = tasks.load("speech/an4", published)
    assert isinstance(task, Connected)
    assert sizes(task) == [22, 2, 4]
    assert "".join(task.labels) == " EGINORSTX"
    assert task._references(task.test)[:2] == [("GO",), ("ENTER", "SIX")]


@pytest.mark.parametrize("ending", ["wav", "raw"])
def test_an4_is_one_task_in_every_form(ending: str, published: Path, tmp_path: Path) -> None:
    """SPHERE, WAV and bare samples hold the same recordings."""
    trees.an4(tmp_path / "an4/an4", ending=ending)
    assert fingerprint(tasks.load("speech/an4", tmp_path)) == fingerprint(tasks.load("speech/an4", published))


@pytest.mark.parametrize(
    ("old", "new", "said", "error"),
    [
        ("<s> GO </s> (an1-s000-b)\n", "", "cen2-s000-b, where an4_train.fileids has an4_clstk/s000/an1", DamagedData),
        ("(an1-s000-b)", "an1-s000-b", "transcription:1: '<s> GO </s> an1-s000-b' does not end in", DamagedData),
        ("(an1-s000-b)", "(an1-s001-b)", "transcription:1: an1-s001-b, where an4_train.fileids has", DamagedData),
        ("ENTER SIX </s> (cen2-s011-b)\n", "ENTER SIX </s> (cen2-s011-b)\nGO (x)\n", "24 lines in", DamagedData),
    ],
)
def test_an4_lists_have_to_agree(
    old: str, new: str, said: str, error: type[Exception], copied: Callable[[str, str], Path]
) -> None:
    """Line by line."""
    data = copied("an4", "an4")
    path = data / "an4/etc/an4_train.transcription"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    refused("speech/an4", data, said, error)


def test_an4_that_lacks_files_is_missing(copied: Callable[[str, str], Path]) -> None:
    """The first file that is not there is named."""
    data = copied("an4", "an4")
    (data / "an4/wav/an4_clstk/s003/an1-s003-b.sph").unlink()
    refused("speech/an4", data, "an4/wav/an4_clstk/s003/an1-s003-b.sph not found", MissingData)
    (data / "an4/etc/an4_test.fileids").unlink()
    refused("speech/an4", data, "an4/etc/an4_test.fileids not found", MissingData)


def test_librispeech_has_its_subsets_and_28_symbols(published: Path) -> None:
    """Train, dev and test of the names; transcripts are spelled with letters, apostrophe and space."""
    task = tasks.load("speech/librispeech/100/clean", published)
    assert isinstance(task, Connected)
    assert sizes(task) == [4, 4, 4]
    assert task.outputs == 29
    assert task._references(task.test) == [("IT", "IS"), ("DON'T", "GO")] * 2
    assert librispeech.subsets("960", "other") == {
        "train": ("train-clean-100", "train-clean-360", "train-other-500"),
        "valid": ("dev-other",),
        "test": ("test-other",),
    }
    refused("speech/librispeech/460/clean", published, "LibriSpeech/train-clean-360 not found", MissingData)


def test_tasks_of_librispeech_share_what_is_prepared(tmp_path: Path, cache_folder: Path) -> None:
    """Another kind of test adds its own two subsets; a batch from joined files is that of one file."""
    trees.librispeech(tmp_path / "LibriSpeech", (*SUBSETS, "dev-other", "test-other"))
    made = []
    for kind in ("clean", "other"):
        task = tasks.load(f"speech/librispeech/100/{kind}", tmp_path)
        made.append(len([path for path in (cache_folder / "prepared").glob("librispeech-*") if path.is_dir()]))
    assert made[1] == made[0] + 2
    (last,) = task.test.ordered(4)
    frames = task.test.frames
    assert frames.shape == (12 * 38, 40)
    assert np.array_equal(frames[38:76], frames.parts[0][38:76])
    assert np.array_equal(frames[100:400], np.concatenate([np.array(part) for part in frames.parts])[100:400])
    alone = np.array(frames.parts[2][:38], np.float32)
    torch.testing.assert_close(last.x[0], (torch.from_numpy(alone) - task.test.mean) / task.test.sd)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda root: (root / "101/10/101-10-0001.flac").unlink(), "dev-clean/101/10: 101-10-0001.flac not there"),
        (lambda root: trees.record(root / "101/10/101-10-0002.flac", 16_000), "the line of 101-10-0002 in"),
        (lambda root: (root / "101/10/101-10.trans.txt").unlink(), "101-10.trans.txt: cannot be read"),
        (lambda root: (root / "101/10/101-10.trans.txt").write_text("101-10-0000 it is"), "trans.txt:1: '101-10-0000"),
        (lambda root: (root / "101/10/101-10.trans.txt").write_text("101-10-0000 A\n" * 2), "trans.txt:2: '101-10-"),
        (lambda root: [shutil.rmtree(path) for path in root.iterdir()], "dev-clean: no recordings in it"),
        (lambda root: (root / "101/10/101-10-0000.flac").write_bytes(b"fLaC"), "101-10-0000.flac: ends at byte 4"),
    ],
)
def test_damaged_librispeech_is_refused(
    damage: Callable[[Path], object], said: str, copied: Callable[[str, str], Path]
) -> None:
    """Every recording has its line and every line its recording."""
    data = copied("LibriSpeech", "LibriSpeech")
    damage(data / "LibriSpeech/dev-clean")
    refused("speech/librispeech/100/clean", data, said)


def test_a_transcript_too_long_for_its_recording_is_refused(copied: Callable[[str, str], Path]) -> None:
    """CTC needs a frame a sign; the recording is named."""
    data = copied("LibriSpeech", "LibriSpeech")
    (data / "LibriSpeech/dev-clean/101/10/101-10.trans.txt").write_text("101-10-0000 A\n101-10-0001 " + "LONG " * 20)
    refused("speech/librispeech/100/clean", data, "101-10-0001.flac: 38 frames are too few for a transcript of")


# --- what all of them keep

EVERY = (
    "commands-v1/30", "commands-v1/12", "commands-v2/35", "commands-v2/20", "commands-v2/12", "yesno", "an4",
    "librispeech/100/clean",
)  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_every_dataset_keeps_the_contract(name: str, published: Path) -> None:
    """Batches, loss, tally and naive answers; normalised on train, padded with zeros; no recording in two splits."""
    task = tasks.load(f"speech/{name}", published)
    assert overlap(task) is None
    assert scalers(task)
    frames = []
    for batch in task.train.ordered(7):
        beyond = torch.arange(batch.x.shape[1]) >= batch.lengths[:, None]
        assert not batch.x[beyond].any()
        assert batch.x.shape[1:] == (int(batch.lengths.max()), task.inputs)
        frames.append(batch.x[~beyond])
    every = torch.cat(frames)
    torch.testing.assert_close(every.mean(0), torch.zeros(task.inputs), atol=1e-4, rtol=0)
    torch.testing.assert_close(every.std(0, correction=0), torch.ones(task.inputs), atol=1e-4, rtol=0)
    batch = next(task.train.shuffled(4, torch.Generator().manual_seed(0)))
    shape = (*batch.x.shape[:2], task.outputs) if task.per_step else (4, task.outputs)
    out = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    task.loss(out, batch).backward()
    assert out.grad.isfinite().all()
    assert task.metrics(task.tally(out.detach(), batch))["loss"] == pytest.approx(
        task.loss(out, batch).item(), rel=1e-4
    )
    assert all(math.isfinite(score) for score in task.naive().values())
    whole = sum(len(batch.x) for batch in task.test.ordered(5))
    assert whole == len(task.test)
    assert task.time == int(task.train.lengths.max())


@pytest.mark.parametrize("name", ["commands-v2/12", "yesno", "librispeech/100/clean"])
def test_a_run_on_prepared_recordings_ends_well(name: str, published: Path, unbuilt: None) -> None:
    """Guards, training, curve and score, for one word a recording and for strings."""
    record = run_one(few(f"speech/{name}"), published)
    assert record.status == "ok", record.reason
    assert record.certificate["guards"]["overlap"] == "ok"
    assert record.task["fingerprint"] == fingerprint(tasks.load(f"speech/{name}", published))


@pytest.mark.parametrize(("inputs", "outputs", "per_step", "name"), [
    (40, 30, False, "commands-v1/30"), (40, 21, False, "commands-v2/20"), (40, 12, False, "commands-v2/12"),
    (40, 3, True, "yesno"), (40, 28, True, "an4"), (40, 29, True, "librispeech/960/other"),
    (40, 2, False, "own/clips"),
])  # fmt: skip
def test_a_width_meets_every_budget(inputs: int, outputs: int, per_step: bool, name: str) -> None:
    """Within 2 % of the standard budget, for one direction and two."""
    shape = Shape(inputs, outputs, symbols=False, per_step=per_step, causal=False, time=100)
    parameters = budget(STANDARD, f"speech/{name}").parameters
    for architecture in (Architecture(), Architecture(bidirectional=True)):
        assert count(shape, architecture, solve_width(shape, architecture, parameters)) == pytest.approx(
            parameters, rel=0.02
        )


def test_a_recording_of_test_is_left_out_of_train(copied: Callable[[str, str], Path]) -> None:
    """To the last sample the same under two names: test keeps it, train does not; the guard finds nothing."""
    data = copied("SpeechCommands/speech_commands_v0.02", "speech_commands_v0.02")
    root = data / "speech_commands_v0.02"
    shutil.copy(root / LISTED, root / "no/00000001_nohash_0.wav")
    shutil.copy(root / "go/aaaaaaaa_nohash_0.wav", root / "go/00000001_nohash_0.wav")
    task = tasks.load("speech/commands-v2/35", data)
    assert sizes(task) == [208, 35, 35]
    assert overlap(task) is None
    leaky = replace(task, train=replace(task.train, prints=task.test.prints))
    with pytest.raises(Guard, match="35 of 35 pieces of test are in train too"):
        overlap(leaky)


def test_the_fingerprint_follows_samples_and_labels(copied: Callable[[str, str], Path]) -> None:
    """One sample of one recording, or one word of one transcript, is another fingerprint; loading twice is not."""
    data = copied("LibriSpeech", "LibriSpeech")
    first = fingerprint(tasks.load("speech/librispeech/100/clean", data))
    assert fingerprint(tasks.load("speech/librispeech/100/clean", data)) == first
    text = data / "LibriSpeech/test-clean/102/10/102-10.trans.txt"
    before = text.read_text()
    text.write_text(before.replace("IT IS", "IT AS"))
    assert fingerprint(tasks.load("speech/librispeech/100/clean", data)) != first
    text.write_text(before)
    path = data / "LibriSpeech/test-clean/102/10/102-10-0000.flac"
    samples = soundfile.read(path, dtype="int16")[0]
    samples[50] += 1
    soundfile.write(path, samples, 16_000)
    assert fingerprint(tasks.load("speech/librispeech/100/clean", data)) != first
