"""Features that are prepared once and mapped afterwards: whole or not at all, finite, in little memory."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import trees

from tasks.data import DamagedData, sound
from tasks.data.prepared import Clip, prepared
from tasks.speech import wide

pytestmark = pytest.mark.usefixtures("cache_folder")


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
