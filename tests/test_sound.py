"""Recordings are read whole or refused with file, place and remedy."""

from __future__ import annotations

import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.data.sound import at_rate, decoded, headless, read
from tasks.data.source import DamagedData

EXAMPLES = 500 if os.environ.get("LSTM_BENCH_LONG") else 60
"""Of hypothesis; 500 in the long form."""

RATE = 8000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE // 4) / RATE)).astype(np.float32)


def wav(samples: bytes, rate: int = RATE, channels: int = 1, bits: int = 16, form: int = 1, size: int | None = None):
    """A WAV file, byte by byte; `size` is what its header says of the samples."""
    align = channels * bits // 8
    size = len(samples) if size is None else size
    head = struct.pack("<HHIIHH", form, channels % 65536, rate, rate * align % 2**32, align % 65536, bits)
    body = b"fmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", size) + samples
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


SOUND = (TONE * 32767).astype("<i2").tobytes()
NOT_A_NUMBER = np.where(np.arange(len(TONE)) == 100, np.nan, TONE).astype("<f4").tobytes()


def encoded(folder: Path, ending: str, samples: np.ndarray = TONE, subtype: str = "PCM_16", rate: int = RATE) -> bytes:
    path = folder / f"made.{ending}"
    soundfile.write(path, samples, rate, subtype=subtype)
    return path.read_bytes()


REFUSED: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "no samples": (lambda _: wav(b""), "no samples in it"),
    "no bytes": (lambda _: b"", "empty file"),
    "header cut": (lambda _: wav(SOUND)[:30], "'fmt ' chunk at byte 20 is cut"),
    "before the samples": (lambda _: wav(SOUND)[:38], "ends at byte 38, before a 'data' chunk"),
    "samples cut": (lambda _: wav(SOUND)[:-1000], "declares 2000 samples in 4000 bytes, 3000 bytes are there"),
    "lying header": (lambda _: wav(SOUND, size=2**32 - 1), "cut off: its header declares 2147483647 samples"),
    "no rate": (lambda _: wav(SOUND, rate=0), "a rate of 0 Hz"),
    "4 GHz": (lambda _: wav(SOUND, rate=2**32 - 1), "a rate of 4294967295 Hz"),
    "65535 channels": (lambda _: wav(SOUND, channels=65535), "65535 channels"),
    "no channels": (lambda _: wav(SOUND, channels=0), "0 channels"),
    "not a number": (lambda _: wav(NOT_A_NUMBER, bits=32, form=3), "sample 100 of channel 1 is not a finite number"),
    "text": (lambda _: b"these are no samples at all", "begins with text"),
    "half a frame": (lambda _: wav(SOUND + b"\0"), "no whole number of 2-byte frames"),
    "format": (lambda _: wav(SOUND, form=2), "WAV format 2"),
    "mp3": (lambda _: b"\xff\xfb\x90\x64" + bytes(400), "not with a WAV, FLAC or SPHERE header"),
    "hours": (lambda _: wav(bytes(2 * 4001 * 601), rate=4001), "cut it into utterances"),
    "flac cut": (lambda folder: encoded(folder, "flac")[:-400], "flac"),
    "flac header": (lambda folder: encoded(folder, "flac")[:20], "the header is cut"),
    "flac flipped": (lambda folder: flipped(encoded(folder, "flac"), 200), "flac"),
    "sphere cut": (lambda folder: encoded(folder, "nist")[:-10], "cut off: its header declares 2000 samples"),
    "sphere header": (lambda folder: b"NIST_1A\n   1024\nsample_count -i x\n", "SPHERE header cannot be read"),
}


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_whole_recording_is_refused(case: str, tmp_path: Path) -> None:
    """By name, with what is wrong and where, and what to do; the machine's folders are not named."""
    make, said = REFUSED[case]
    path = tmp_path / ("bad.flac" if "flac" in case else "bad.wav")
    path.write_bytes(make(tmp_path))
    with pytest.raises(DamagedData) as error:
        read(path)
    message = str(error.value)
    assert message.startswith("bad.")
    assert said in message
    assert str(tmp_path) not in message
    assert any(word in message for word in ("again", "convert", "cut it", "leave it out")), message


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The system's reason is in the message."""
    with pytest.raises(DamagedData, match=r"gone.wav: cannot be read as sound \(No such file"):
        read(tmp_path / "gone.wav")


@pytest.mark.parametrize(
    ("ending", "subtype", "off"),
    [
        ("wav", "PCM_16", 5e-5), ("wav", "PCM_24", 2e-7), ("wav", "PCM_32", 1e-7), ("wav", "PCM_U8", 8e-3),
        ("wav", "FLOAT", 0), ("wav", "DOUBLE", 1e-7), ("wav", "ULAW", 3e-2), ("wav", "ALAW", 3e-2),
        ("flac", "PCM_16", 5e-5), ("flac", "PCM_24", 2e-7), ("flac", "PCM_S8", 8e-3), ("nist", "PCM_16", 5e-5),
    ],
)  # fmt: skip
def test_every_kind_of_sample_becomes_float32(ending: str, subtype: str, off: float, tmp_path: Path) -> None:
    """As near as its number of bits allows, in [-1, 1]; the MD5 of FLAC agrees at each width."""
    encoded(tmp_path, ending, TONE, subtype)
    samples, rate = decoded(tmp_path / f"made.{ending}")
    assert rate == RATE
    assert samples.dtype == np.float32
    assert samples.shape == TONE.shape
    np.testing.assert_allclose(samples, TONE, atol=off, rtol=0)


def test_channels_become_their_mean(tmp_path: Path) -> None:
    """Two channels of other content are one in between, for WAV and for FLAC."""
    both = np.stack([TONE, 0.5 * TONE[::-1]], axis=1)
    for ending in ("wav", "flac"):
        encoded(tmp_path, ending, both)
        np.testing.assert_allclose(read(tmp_path / f"made.{ending}"), both.mean(1), atol=5e-5)


@pytest.mark.parametrize(
    ("own", "rate"), [(16000, 8000), (44100, 16000), (8000, 16000), (11025, 16000), (16001, 16000)]
)
def test_another_rate_keeps_the_sound(own: int, rate: int, tmp_path: Path) -> None:
    """A tone of 440 Hz is one of 440 Hz, of the same level and length, whatever the two rates are."""
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(own) / own)).astype(np.float32)
    encoded(tmp_path, "wav", tone, "FLOAT", own)
    changed = read(tmp_path / "made.wav", rate)
    assert changed.dtype == np.float32
    assert len(changed) == rate
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    np.testing.assert_allclose(changed[400:-400], expected[400:-400], atol=2e-3)
    assert at_rate(tone, own, own) is tone


@pytest.mark.parametrize("order", [">i2", "<i2"])
def test_bare_samples_are_read_in_the_order_that_is_speech(order: str, tmp_path: Path) -> None:
    """Big or little end first, told by the samples themselves; what is no row of samples is refused."""
    path = tmp_path / "a.raw"
    path.write_bytes((TONE * 32767).astype(order).tobytes())
    samples, rate = headless(path, RATE)
    np.testing.assert_allclose(samples, TONE, atol=5e-5)
    assert rate == RATE
    for damaged in (b"", b"odd"):
        path.write_bytes(damaged)
        with pytest.raises(DamagedData, match=f"a.raw: {len(damaged)} bytes"):
            headless(path, RATE)


def test_other_chunks_of_a_wav_file_are_passed_over(tmp_path: Path) -> None:
    """Text before and after the samples, of odd length too."""
    plain = wav(SOUND)
    note = b"LIST" + struct.pack("<I", 5) + b"hello\0"
    path = tmp_path / "a.wav"
    path.write_bytes(plain[:12] + note + plain[12:] + note)
    np.testing.assert_allclose(read(path), TONE, atol=5e-5)


def test_a_header_cannot_ask_for_memory(tmp_path: Path) -> None:
    """A small FLAC file that promises ten minutes costs no more than those."""
    data = bytearray(encoded(tmp_path, "flac"))
    frames = 600 * RATE
    data[21:26] = bytes([data[21] & 0xF0]) + frames.to_bytes(4)
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(DamagedData, match="a.flac"):
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * frames + 8e6


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Whole files of each format."""
    folder = tmp_path_factory.mktemp("valid")
    short = TONE[:300]
    return [
        encoded(folder, "wav", short), encoded(folder, "wav", np.stack([short, short], 1), "FLOAT"),
        encoded(folder, "wav", short, "PCM_24"), encoded(folder, "flac", short),
        encoded(folder, "flac", short, "PCM_24"), encoded(folder, "nist", short),
    ]  # fmt: skip


fuzzed = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def reads_or_refuses(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        samples = read(path, 16000)
    except DamagedData:
        return
    assert len(samples)
    assert np.isfinite(samples).all()


@fuzzed
@given(data=st.one_of(st.binary(max_size=200), st.sampled_from([b"RIFF\0\0\0\0WAVE", b"fLaC", b"NIST_1A\n   1024\n"])
                      .flatmap(lambda start: st.binary(max_size=200).map(lambda rest: start + rest))))  # fmt: skip
def test_any_bytes_are_read_or_refused(data: bytes, tmp_path: Path) -> None:
    """Nothing but DamagedData ever comes out."""
    reads_or_refuses(tmp_path / "any.wav", data)


@fuzzed
@given(data=st.data())
def test_any_damage_to_a_whole_file_is_read_or_refused(data: st.DataObject, valid: list[bytes], tmp_path: Path) -> None:
    """Bytes changed, cut, doubled or put in: nothing but DamagedData, and no cut file passes."""
    file = data.draw(st.sampled_from(valid))
    changed = bytearray(file)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(st.integers(0, min(60, len(changed) - 1)), st.integers(0, len(changed) - 1)))
        match data.draw(st.sampled_from(["byte", "insert", "remove"])):
            case "byte":
                changed[place] = data.draw(st.integers(0, 255))
            case "insert":
                changed[place:place] = data.draw(st.binary(min_size=1, max_size=8))
            case _:
                del changed[place : place + data.draw(st.integers(1, 8))]
    reads_or_refuses(tmp_path / "any.wav", bytes(changed))


def test_every_cut_of_a_file_is_found(valid: list[bytes], tmp_path: Path) -> None:
    """At whatever byte a file ends, unless it is whole."""
    path = tmp_path / "cut.wav"
    for file in valid:
        path.write_bytes(file)
        read(path)
        for length in range(0, len(file), max(1, len(file) // (2 * EXAMPLES))):
            path.write_bytes(file[:length])
            with pytest.raises(DamagedData):
                read(path)
