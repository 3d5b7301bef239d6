"""Spoken digits: the generator, the splits, the features and the metrics."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchaudio.functional import edit_distance

import tasks
from tasks.base import Batch, Sequences, Tally, fingerprint
from tasks.data import DamagedData, MissingData, digits, fsdd
from tasks.features import Mel, log_mel
from tasks.recognition import Connected, Isolated
from tasks.speech_cards import SPEAKERS

SYNTHETIC = ("speech/digits", "speech/connected")
REAL = ("speech/fsdd", "speech/fsdd-connected", *(f"speech/fsdd-speakers/{speaker}" for speaker in SPEAKERS))


@pytest.fixture(scope="module", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory):
    """A cache folder of this module's own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSTM_BENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def isolated(cache_folder: Path) -> Isolated:
    return tasks.load("speech/digits")


@pytest.fixture(scope="module")
def connected(cache_folder: Path) -> Connected:
    return tasks.load("speech/connected")


def splits(task: Isolated | Connected) -> tuple[Sequences, Sequences, Sequences]:
    return task.train, task.valid, task.test


def frames(split: Sequences) -> Tensor:
    """All frames of a split that are not padding."""
    return torch.cat([x[:length] for x, length in zip(split.x, split.lengths, strict=True)])


def hashes(split: Sequences) -> list[str]:
    return [hashlib.sha256(x[:n].numpy().tobytes()).hexdigest() for x, n in zip(split.x, split.lengths, strict=True)]


def scores(task: Isolated | Connected, answer, size: int) -> dict[str, float]:
    """Metrics on test of the outputs `answer(batch)`."""
    total: Tally = {}
    for batch in task.test.ordered(size):
        for name, value in task.tally(answer(batch), batch).items():
            total[name] = total.get(name, 0) + value
    return task.metrics(total)


def perfect_labels(batch: Batch) -> Tensor:
    return 20 * torch.nn.functional.one_hot(batch.y, 10).float()


def perfect_strings(batch: Batch) -> Tensor:
    """Outputs that spell each string, a blank before every label."""
    out = torch.zeros(*batch.x.shape[:2], 11)
    out[..., 0] = 20
    for row, (y, length) in enumerate(zip(batch.y, batch.y_lengths, strict=True)):
        for position, label in enumerate(y[:length].tolist()):
            out[row, 2 * position + 1] = 0
            out[row, 2 * position + 1, label] = 20
    return out


# --- the generator


def test_the_generator_repeats_itself() -> None:
    """The same call gives the same bytes."""
    lines = digits.lines("valid", 20, 1, 3)
    assert digits.lines("valid", 20, 1, 3) == lines
    one, two = digits.samples("valid", lines), digits.samples("valid", lines)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True))


def test_recordings_are_sixteen_bit_sound_of_the_length_of_a_digit() -> None:
    """Isolated digits last 0.2 to 0.6 s, lie on the grid of 16 bit and are not clipped."""
    for sound in digits.samples("train", digits.lines("train", 50, 1, 1)):
        assert 0.2 < len(sound) / digits.RATE < 0.6
        assert 0.2 < np.abs(sound).max() < 1
        assert np.array_equal(sound * 32768, np.round(sound * 32768))


def test_every_digit_has_the_formants_of_its_phones() -> None:
    """The long vowels of `three` and `four` peak where Peterson & Barney measured them, speaker by speaker scaled."""
    rng, voices = np.random.default_rng(0), digits._voices()
    speakers = np.arange(24)
    for digit, first in ((3, digits.PHONES["IY"].f1), (4, digits.PHONES["AO"].f1)):
        ratios = []
        for sound, speaker in zip(digits._words(np.full(24, digit), speakers, rng), speakers, strict=True):
            middle = sound[int(0.5 * len(sound)) : int(0.65 * len(sound))]
            power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 4096)) ** 2
            hertz = np.fft.rfftfreq(4096, 1 / digits.RATE)
            low = (hertz > 150) & (hertz < 1000)
            ratios.append((power * hertz)[low].sum() / power[low].sum() / voices.tract[speaker] / first)
        assert 0.75 < np.median(ratios) < 1.35


def test_synthetic_speakers_are_of_one_split_only() -> None:
    """Train, valid and test have different speakers, and each split uses many of its own."""
    used = {split: {line.speaker for line in digits.lines(split, 200, 1, 1)} for split in digits.SPEAKERS}
    assert not used["train"] & used["valid"]
    assert not used["train"] & used["test"]
    assert not used["valid"] & used["test"]
    assert all(used[split] == set(digits.SPEAKERS[split]) for split in used)


# --- every synthetic task


@pytest.mark.parametrize("name", SYNTHETIC)
def test_no_utterance_is_in_two_splits(name: str, request: pytest.FixtureRequest) -> None:
    """All utterances of a task differ from one another."""
    task = request.getfixturevalue("isolated" if name == "speech/digits" else "connected")
    every = [one for split in splits(task) for one in hashes(split)]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("name", SYNTHETIC)
def test_a_task_is_the_same_with_and_without_the_cache(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The fingerprint does not depend on where the features come from, and an unwritable cache is no error."""
    task = request.getfixturevalue("isolated" if name == "speech/digits" else "connected")
    from_cache = fingerprint(tasks.load(name))
    (tmp_path / "file").touch()
    monkeypatch.setenv("LSTM_BENCH_CACHE", str(tmp_path / "file" / "no-folder"))
    assert fingerprint(task) == from_cache == fingerprint(tasks.load(name))


def normalised_on_train(task: Isolated | Connected) -> None:
    """Each feature has mean 0 and sd 1 over the real frames of train, not quite so elsewhere, and padding is zeros."""
    train = frames(task.train)
    torch.testing.assert_close(train.mean(0), torch.zeros(task.inputs), atol=1e-3, rtol=0)
    torch.testing.assert_close(train.std(0), torch.ones(task.inputs), atol=1e-3, rtol=0)
    for split in (task.valid, task.test):
        assert frames(split).mean(0).abs().max() > 2e-3
    for split in splits(task):
        beyond = torch.arange(split.x.shape[1]) >= split.lengths[:, None]
        assert not split.x[beyond].any()
        assert split.x.shape[1] == split.lengths.max()


def contract(task: Isolated | Connected) -> None:
    """Shapes and types are those that tasks.base promises."""
    assert task.time == task.train.x.shape[1]
    for split in splits(task):
        assert split.x.dtype == torch.float32
        assert split.x.isfinite().all()
        assert split.y.dtype == split.lengths.dtype == torch.int64
        assert split.lengths.min() > 0
        assert split.x.shape[2] == task.inputs
        if task.per_step:
            assert split.y_lengths.dtype == torch.int64
            assert alignable(split)
        else:
            assert set(split.y.tolist()) == set(range(10))


def alignable(split: Sequences) -> bool:
    """Whether CTC can align every string: a frame a label, and one for the blank between equal neighbours."""
    equal = (split.y[:, 1:] == split.y[:, :-1]) & (split.y[:, 1:] != 0)
    return bool((split.lengths >= split.y_lengths + equal.sum(1)).all())


@pytest.mark.parametrize("name", SYNTHETIC)
def test_synthetic_tasks_keep_the_contract(name: str, request: pytest.FixtureRequest) -> None:
    """Shapes, types, normalisation on train alone, padding of zeros, strings that CTC can align."""
    task = request.getfixturevalue("isolated" if name == "speech/digits" else "connected")
    contract(task)
    normalised_on_train(task)


def test_padding_changes_no_frame() -> None:
    """A recording's features are the same alone and beside a longer one."""
    rng = np.random.default_rng(0)
    short, long = (rng.standard_normal(size).astype(np.float32) for size in (1000, 5000))
    alone, beside = log_mel([short], Mel(20, 160)), log_mel([long, short], Mel(20, 160))
    np.testing.assert_allclose(alone.frames, beside.pick([1]).frames, rtol=1e-5, atol=1e-5)
    assert alone.lengths[0] == 1000 // 160 + 1


# --- metrics


def test_a_perfect_answer_is_best(isolated: Isolated, connected: Connected) -> None:
    """The truth scores 100 % accuracy and no word errors, far better than every naive answer."""
    assert scores(isolated, perfect_labels, 64)["accuracy"] == 100
    assert max(isolated.naive().values()) < 90
    assert scores(connected, perfect_strings, 64)["wer"] == 0
    assert min(connected.naive().values()) > 80
    assert connected.naive()["empty answer"] == 100


def test_metrics_do_not_depend_on_the_batch_size(isolated: Isolated, connected: Connected) -> None:
    """The same outputs give the same scores in batches of 1, 7 and 64."""
    generator = torch.Generator().manual_seed(0)
    maps = {task: torch.randn(20, task.outputs, generator=generator) for task in (isolated, connected)}
    for task, answer in (
        (isolated, lambda batch: batch.x.sum(1) @ maps[isolated]),
        (connected, lambda batch: batch.x @ maps[connected]),
    ):
        one, seven, many = (scores(task, answer, size) for size in (1, 7, 64))
        assert one[task.card.metric] == seven[task.card.metric] == many[task.card.metric]
        assert one["loss"] == pytest.approx(seven["loss"], rel=1e-5) == pytest.approx(many["loss"], rel=1e-5)


def test_the_ctc_loss_is_the_mean_over_sequences_and_can_be_deterministic(connected: Connected) -> None:
    """Each sequence weighs the same, whatever its length; the gradient is finite and exists in deterministic mode."""
    batch = next(connected.test.ordered(3))
    out = torch.randn(*batch.x.shape[:2], 11, generator=torch.Generator().manual_seed(0), requires_grad=True)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        loss = connected.loss(out, batch)
        loss.backward()
    finally:
        torch.use_deterministic_algorithms(before)
    each = [
        connected.loss(
            out[[row], :length],
            Batch(batch.x[[row], :length], batch.y[[row]], batch.lengths[[row]], batch.y_lengths[[row]]),
        )
        for row, length in enumerate(batch.lengths.tolist())
    ]
    torch.testing.assert_close(loss, torch.stack(each).mean())
    assert out.grad is not None
    assert out.grad.isfinite().all()
    for row, length in enumerate(batch.lengths.tolist()):
        assert not out.grad[row, length:].any(), "padding has no gradient"


@pytest.mark.parametrize(
    ("answer", "reference", "edits"),
    [((), (), 0), ((), (1, 2), 2), ((1, 2), (), 2), ((1, 2, 3), (1, 3), 1), ((1, 2), (2, 1), 2), ((9,), (1,), 1)],
)  # fmt: skip
def test_edit_distance_by_hand(answer: tuple[int, ...], reference: tuple[int, ...], edits: int) -> None:
    """torchaudio counts deletions, insertions and substitutions as one each, also against an empty reference."""
    assert edit_distance(answer, reference) == edits


def test_word_error_rate_is_over_the_corpus(connected: Connected) -> None:
    """Errors are summed before they are divided: one error in 1 + 3 words is 25 %, not the mean of 100 % and 0 %."""
    batch = Batch(
        torch.zeros(2, 6, 20), torch.tensor([[4, 0, 0], [1, 2, 3]]), torch.tensor([6, 6]), torch.tensor([1, 3])
    )
    out = perfect_strings(batch)
    out[0] = torch.nn.functional.one_hot(torch.tensor([0, 5, 0, 0, 0, 0]), 11) * 20.0
    assert connected.metrics(connected.tally(out, batch))["wer"] == 25


# --- the real recordings


@pytest.fixture(scope="module")
def real(data: Path, cache_folder: Path):
    """Loads a task of real recordings."""
    if not (data / "fsdd").is_dir():
        pytest.skip("the data folder has no fsdd")
    return lambda name: tasks.load(name, data)


@pytest.mark.parametrize("name", REAL)
def test_real_tasks_keep_the_contract(name: str, real) -> None:
    """Shapes, types, normalisation on train alone, padding of zeros, strings that CTC can align."""
    task = real(name)
    contract(task)
    normalised_on_train(task)


def test_the_official_split(real) -> None:
    """2,400 / 300 / 300 recordings, thirty test recordings a digit, none in two splits."""
    task = real("speech/fsdd")
    assert [len(split) for split in splits(task)] == [2400, 300, 300]
    assert task.test.y.bincount().tolist() == [30] * 10
    every = [one for split in splits(task) for one in hashes(split)]
    assert len(every) == len(set(every))
    indexes = {split: set(range_) for split, range_ in fsdd.SPLIT.items()}
    assert indexes["test"] == {0, 1, 2, 3, 4}
    assert sum(map(len, indexes.values())) == len(set().union(*indexes.values())) == 50


def test_test_recordings_are_those_of_index_0_to_4(real, data: Path) -> None:
    """The official test set is made of the files 0 to 4 of each digit and speaker, in the order of their names."""
    task, sounds = real("speech/fsdd"), fsdd.samples(data)
    names = [(one, len(sound)) for one, sound in zip(fsdd.RECORDINGS, sounds, strict=True) if one.index < 5]
    assert task.test.y.tolist() == [one.digit for one, _ in names]
    assert task.test.lengths.tolist() == [1 + length // 128 for _, length in names]


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_a_speaker_is_held_out(speaker: str, real) -> None:
    """500 recordings of the speaker are test, 500 of the next are valid, and train has none of either."""
    task, official = real(f"speech/fsdd-speakers/{speaker}"), real("speech/fsdd")
    assert [len(split) for split in splits(task)] == [2000, 500, 500]
    every = [one for split in splits(task) for one in zip(split.y.tolist(), split.lengths.tolist(), strict=True)]
    official_ = [
        one for split in splits(official) for one in zip(split.y.tolist(), split.lengths.tolist(), strict=True)
    ]
    assert sorted(every) == sorted(official_), "the same 3,000 recordings"
    own = [one for one in fsdd.RECORDINGS if one.speaker == speaker]
    assert task.test.y.tolist() == [one.digit for one in own]


def test_strings_are_of_one_speaker_and_of_their_split() -> None:
    """3 to 7 recordings of one speaker, test strings from test recordings only, and so for the others."""
    for split, indexes in fsdd.SPLIT.items():
        strings = fsdd.lines(split, 300)
        assert strings == fsdd.lines(split, 300)
        assert {len(line) for line in strings} == {3, 4, 5, 6, 7}
        for line in strings:
            recordings = [fsdd.RECORDINGS[number] for number in line]
            assert len({one.speaker for one in recordings}) == 1
            assert all(one.index in indexes for one in recordings)


def test_joined_strings_hold_their_recordings(real, data: Path) -> None:
    """Each string is its recordings in order, 20 to 200 ms apart, under faint noise; the labels say which."""
    task, sounds, lines = real("speech/fsdd-connected"), fsdd.samples(data), fsdd.lines("test", 300)
    assert [len(split) for split in splits(task)] == [1500, 200, 300]
    for row, (line, string) in enumerate(zip(lines, fsdd.joined("test", lines, sounds), strict=True)):
        spoken = sum(len(sounds[number]) for number in line)
        pauses = (len(string) - spoken) / fsdd.RATE / (len(line) - 1)
        assert 0.019 < pauses < 0.2
        first = sounds[line[0]]
        assert np.abs(string[: len(first)] - first).max() < 0.1 * np.abs(string).max()
        labels = [fsdd.RECORDINGS[number].digit + 1 for number in line]
        assert task.test.y[row, : task.test.y_lengths[row]].tolist() == labels


def test_damaged_recordings_are_refused(real, data: Path, tmp_path: Path) -> None:
    """One changed byte in one file is found, and its digit and speaker are named."""
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    for one in fsdd.RECORDINGS:
        os.symlink(data / "fsdd" / "recordings" / one.name, folder / one.name)
    assert fsdd.located(tmp_path) == folder
    fsdd.located.cache_clear()
    changed = folder / "7_theo_3.wav"
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.unlink()
    changed.write_bytes(content)
    with pytest.raises(DamagedData, match=r"digit 7 of speaker theo"):
        tasks.load("speech/fsdd", tmp_path)
    changed.unlink()
    with pytest.raises(MissingData, match=r"7_theo_3\.wav of fsdd/recordings not found.*git clone"):
        tasks.load("speech/fsdd-connected", tmp_path)


@pytest.mark.parametrize("name", REAL)
def test_missing_recordings_say_how_to_get_them(name: str, tmp_path: Path) -> None:
    """Without the files, or without a data folder, the error names the dataset and the command."""
    for folder in (tmp_path, None):
        with pytest.raises(MissingData, match=r"fsdd: fsdd/recordings not found.*git clone"):
            tasks.load(name, folder)
