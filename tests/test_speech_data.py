"""Published recordings in their official layouts, a reader's own, and the features that are prepared of them."""

from __future__ import annotations

import math
import random
import shutil
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import trees
from torchaudio.functional import edit_distance
from toys import tiny

import tasks
from bench import native
from bench.guards import Guard, overlap, scalers
from bench.matrices import STANDARD
from bench.network import Shape, count, solve_width
from bench.plan import budget
from bench.run import run_one
from bench.spec import Architecture, RunSpec
from tasks import own as door
from tasks.base import Batch, fingerprint
from tasks.cards import TASKS
from tasks.data import DamagedData, MissingData, commands, folder, librispeech, sound
from tasks.data.prepared import Clip, prepared
from tasks.recognition import Connected, Isolated, _Counted
from tasks.recordings import Recordings
from tasks.speech import own, wide

Task = Isolated | Connected
SUBSETS = ("train-clean-100", "dev-clean", "test-clean")


@pytest.fixture(scope="module", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this module's own."""
    made = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSTM_BENCH_CACHE", str(made))
        yield made


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


def sizes(task: Task) -> list[int]:
    return [len(split) for split in (task.train, task.valid, task.test)]


def few(name: str) -> RunSpec:
    """A run of a few updates on this task, on the back end that nothing is built for."""
    spec = tiny("speech/connected" if TASKS[name].metric == "wer" else "speech/digits")
    small = replace(spec.budget, batch=4, steps=4, evaluate=2, curve=8)
    return replace(spec, names=replace(spec.names, task=name), budget=small, backend="eager")


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that look for kernels find none: in a new cache folder they would be built anew."""
    monkeypatch.setattr(native, "problem", lambda *_, **__: "not for this test")


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


# --- word errors


def words_of(rng: random.Random, most: int) -> str:
    return " ".join(rng.choice(["a", "b", "cc", "dé"]) for _ in range(rng.randint(0, most)))


def spelled(labels: tuple[str, ...]) -> Connected:
    empty = torch.zeros(0, dtype=torch.int64)
    nothing = Recordings(np.zeros((0, 1), np.float16), empty, empty, np.zeros((0, 16), np.uint8), empty, empty,
                         torch.zeros(1), torch.ones(1), ())  # fmt: skip
    return Connected(TASKS["speech/an4"], nothing, nothing, nothing, labels=labels, spelled=True)


def outputs(texts: list[str], labels: tuple[str, ...]) -> torch.Tensor:
    """Outputs from which greedy decoding reads these texts: a blank before every sign."""
    out = torch.zeros(len(texts), 2 * max(map(len, texts)) + 1, len(labels) + 1)
    out[..., 0] = 20
    for row, text in enumerate(texts):
        for place, sign in enumerate(text):
            out[row, 2 * place + 1, 0] = 0
            out[row, 2 * place + 1, 1 + labels.index(sign)] = 20
    return out


def test_word_error_rate_is_that_of_jiwer() -> None:
    """Over the corpus, in words that characters spell; an empty reference counts what is answered to it."""
    jiwer = pytest.importorskip("jiwer")
    rng, labels = random.Random(0), tuple(" abcdé")
    task = spelled(labels)
    for _ in range(50):
        said, answers = ([words_of(rng, 6) for _ in range(5)] + ["a b"] for _ in range(2))
        y = torch.nn.utils.rnn.pad_sequence([torch.tensor([1 + labels.index(s) for s in x] or [0]) for x in said], True)
        out = outputs(answers, labels)
        lengths = torch.full((6,), out.shape[1])
        batch = Batch(torch.zeros(6, out.shape[1], 1), y, lengths, torch.tensor([len(text) for text in said]))
        measured = jiwer.process_words(said, answers)
        errors = measured.substitutions + measured.deletions + measured.insertions
        tally = task.tally(out, batch)
        assert (tally["edits"], tally["words"]) == (errors, sum(len(text.split()) for text in said))
        assert task.metrics(tally)["wer"] == pytest.approx(100 * jiwer.wer(said, answers))


def test_errors_of_a_constant_answer_need_no_alignment() -> None:
    """Counting gives the edit distance to any reference, however long either is."""
    rng = random.Random(1)
    references = [tuple(rng.choice("abc") for _ in range(rng.randint(0, 7))) for _ in range(60)]
    for word in "abcd":
        counted = _Counted(word, references)
        for times in range(9):
            errors = sum(edit_distance([word] * times, one) for one in references)
            assert counted.wer(times) == pytest.approx(100 * errors / sum(map(len, references)))


# --- preparation


def clips(root: Path, count: int, seconds: float = 0.25) -> list[Clip]:
    return [Clip(trees.record(root / f"{n}.wav", 16_000, seconds), f"{n}.wav") for n in range(count)]


def test_features_are_prepared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time no recording is read; another size or time of a file is another preparation."""
    every = clips(tmp_path, 3)
    first = prepared("once", every, 16_000, wide(16_000))
    assert first.frames.dtype == np.float16
    assert first.lengths.tolist() == [1 + 4000 // 256] * 3
    read: list[str] = []
    decoded = sound.decoded
    monkeypatch.setattr(sound, "decoded", lambda path, name: (read.append(name), decoded(path, name))[1])
    again = prepared("once", every, 16_000, wide(16_000))
    assert not read
    assert np.array_equal(first.frames, again.frames)
    time.sleep(0.01)
    trees.record(tmp_path / "1.wav", 16_000, 0.5)
    assert prepared("once", every, 16_000, wide(16_000)).lengths.tolist() == [16, 32, 16]
    assert read == ["0.wav", "1.wav", "2.wav"]


def test_stretches_of_a_file_are_its_samples(tmp_path: Path) -> None:
    """A clip of a file has the features that the samples have by themselves."""
    path = trees.record(tmp_path / "long.wav", 16_000, 2)
    part = prepared("stretch", [Clip(path, "long.wav", 4_000, 12_000)], 16_000, wide(16_000))
    alone = tmp_path / "alone.wav"
    soundfile.write(alone, soundfile.read(path, dtype="int16")[0][4_000:12_000], 16_000)
    whole = prepared("alone", [Clip(alone, "alone.wav")], 16_000, wide(16_000))
    assert np.array_equal(part.frames, whole.frames)
    assert np.array_equal(part.prints, whole.prints)


def test_a_killed_preparation_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path
) -> None:
    """Its folder has no name by which it would be taken for whole, and the next pass removes it."""
    every = clips(tmp_path, 4)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", killed)
        with pytest.raises(KeyboardInterrupt):
            prepared("killed", every, 16_000, wide(16_000))
    folders = [path for path in (cache_folder / "prepared").glob("killed-*") if path.is_dir()]
    assert [path.suffix for path in folders] == [".half"]
    assert len(prepared("killed", every, 16_000, wide(16_000)).lengths) == 4
    folders = [path for path in (cache_folder / "prepared").glob("killed-*") if path.is_dir()]
    assert [path.suffix for path in folders] == [""]


@pytest.mark.parametrize("file", ["frames", "index.npz"])
def test_a_damaged_preparation_is_made_again(file: str, tmp_path: Path, cache_folder: Path) -> None:
    """Cut short, or gone."""
    every = clips(tmp_path, 3)
    first = prepared(f"damaged-{file}", every, 16_000, wide(16_000))
    frames = np.array(first.frames)
    (path,) = (cache_folder / "prepared").glob(f"damaged-{file}-*/{file}")
    for damage in (lambda: path.write_bytes(path.read_bytes()[:-7]), path.unlink):
        damage()
        assert np.array_equal(prepared(f"damaged-{file}", every, 16_000, wide(16_000)).frames, frames)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do, and without the machine's folders."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("LSTM_BENCH_CACHE", str(tmp_path / "file/no-folder"))
    with pytest.raises(DamagedData, match=r"cannot be written to the cache folder .*LSTM_BENCH_CACHE") as error:
        prepared("unwritable", clips(tmp_path, 1), 16_000, wide(16_000))
    assert str(tmp_path) not in str(error.value)


def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    """Five times as many recordings, as large together as the peak, take no more; the frames stay on the disk."""
    every = clips(tmp_path, 150, 3)
    prepared("warm", every[:1], 16_000, wide(16_000))
    peaks = []
    for name, some in (("few", every[:30]), ("many", every)):
        tracemalloc.start()
        found = prepared(name, some, 16_000, wide(16_000))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1e6
    assert found.frames.nbytes + 4 * 150 * 48_000 > 2 * peaks[1]


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 48_000])
def test_features_at_every_rate_have_no_empty_band(rate: int, tmp_path: Path) -> None:
    """torchaudio warns of a band between two frequencies, and a warning is an error here."""
    path = trees.record(tmp_path / "a.wav", 16_000, 1)
    found = prepared(f"rate-{rate}", [Clip(path, "a.wav")], rate, wide(rate))
    assert (np.array(found.frames, np.float32).std(0) > 0.1).all()


def test_digital_silence_has_finite_features(tmp_path: Path) -> None:
    """A recording of zeros cannot be brought to a level; it stays zeros."""
    soundfile.write(tmp_path / "zeros.wav", np.zeros(8_000, np.int16), 16_000)
    assert np.isfinite(
        prepared("zeros", [Clip(tmp_path / "zeros.wav", "zeros.wav")], 16_000, wide(16_000)).frames
    ).all()


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


# --- the reader's own


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
