"""The one strict reader of recordings: WAV, FLAC and NIST SPHERE, decoded by soundfile.

Decoders are lenient: soundfile and `wave` give what there is of a cut file and say nothing. So the header is read here
first, and a file is refused, by name, place and remedy, unless what it declares is what it holds:

- the format is WAV (PCM, float, A-law or mu-law), FLAC or SPHERE (PCM or mu-law), whatever the file's name ends in;
- 1 to 8 channels, 4 to 192 kHz, one sample at least and ten minutes at most;
- all declared samples are there, and every one is a finite number; FLAC's own MD5 of the samples is compared.

What is read is converted by rule: any number of bits becomes float32 in [-1, 1], channels become their mean, another
rate is changed by polyphase filtering (scipy), which needs little memory whatever the two rates are.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from tasks.data.source import DamagedData

Samples = NDArray[np.float32]

RATES = (4_000, 192_000)  # Hz: below, speech cannot be told; above, nobody records
CHANNELS = 8
AGAIN = "copy, fetch or export it again"
LONGEST = 600  # seconds: a header that promises more is likelier to lie than to be an utterance
BLOCK = 1 << 18  # frames that are decoded at once
WAV_FORMATS = {1: "PCM", 3: "float", 6: "A-law", 7: "mu-law", 0xFFFE: "extensible"}


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    frames: int
    rate: int
    channels: int
    bits: int = 0  # of a sample, and
    md5: bytes = b""  # of all samples: FLAC alone


def read(path: Path, rate: int | None = None, name: str | None = None) -> Samples:
    """The recording, (sample,) float32 in [-1, 1], at `rate` Hz, or at its own.

    `name` stands for the file in messages. Raises DamagedData, and nothing else, whatever the file holds.
    """
    samples, own = decoded(path, name)
    return samples if rate is None else at_rate(samples, own, rate)


def at_rate(samples: Samples, own: int, rate: int) -> Samples:
    """The recording at another rate."""
    if own == rate:
        return samples
    both = math.gcd(own, rate)
    changed: Samples = resample_poly(samples, rate // both, own // both).astype(np.float32)
    return changed


def decoded(path: Path, name: str | None = None) -> tuple[Samples, int]:
    """The recording at its own rate, the mean of its channels, and that rate. Raises DamagedData."""
    called = name or path.name
    try:
        with path.open("rb") as file:
            header = _header(file, called)
            _check(header, called)
            file.seek(0)
            samples, digest = _decode(file, header, called)
    except (OSError, soundfile.SoundFileError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else _last(error)
        raise DamagedData(f"{called}: cannot be read as sound ({said}); {AGAIN}") from None
    if len(samples) != header.frames:
        raise DamagedData(
            f"{called}: cut off: its header declares {header.frames} samples, {len(samples)} are there; {AGAIN}"
        )
    if digest is not None and digest != header.md5:
        raise DamagedData(f"{called}: the samples differ from the MD5 in its header; {AGAIN}")
    return samples, header.rate


def headless(path: Path, rate: int, name: str | None = None) -> tuple[Samples, int]:
    """A file of bare samples, 16 bit and mono, as some corpora of the 1990s have them, and its rate.

    Nothing in it says which byte comes first: it is the order in which neighbouring samples differ less. In the wrong
    one speech is noise. Raises DamagedData.
    """
    called = name or path.name
    try:
        data = path.read_bytes() if path.stat().st_size <= 2 * LONGEST * rate else None
    except OSError as error:
        raise DamagedData(f"{called}: cannot be read ({error.strerror}); {AGAIN}") from None
    if not data or len(data) % 2:
        size = "more bytes than ten minutes have" if data is None else f"{len(data)} bytes"
        raise DamagedData(f"{called}: {size}; expected bare samples of two bytes each: {AGAIN}")
    orders = [np.frombuffer(data, dtype).astype(np.int32) for dtype in (">i2", "<i2")]
    samples = min(orders, key=lambda order: int(np.abs(np.diff(order)).sum()))
    return (samples / np.float32(1 << 15)).astype(np.float32), rate


def _last(error: Exception) -> str:
    """The decoder's own words, without the file object that it prints."""
    return str(error).rpartition(": ")[2].rstrip(".") or "no reason given"


def _check(header: Header, called: str) -> None:
    """Raise DamagedData unless a header's values are possible ones."""
    low, high = RATES
    if not low <= header.rate <= high:
        raise DamagedData(f"{called}: a rate of {header.rate} Hz; expected {low} to {high} Hz: export it again")
    if not 1 <= header.channels <= CHANNELS:
        raise DamagedData(f"{called}: {header.channels} channels; expected 1 to {CHANNELS}: export it again as mono")
    if header.frames < 1:
        raise DamagedData(f"{called}: no samples in it; record it again or leave it out")
    if header.frames > LONGEST * header.rate:
        raise DamagedData(
            f"{called}: {header.frames} samples are {header.frames / header.rate:.0f} s; "
            f"expected {LONGEST} s at most: cut it into utterances"
        )


def _decode(file: BinaryIO, header: Header, called: str) -> tuple[Samples, bytes | None]:
    """The mean of the channels, block by block, no more than was declared; and FLAC's MD5 where that was declared."""
    samples = np.empty(header.frames, np.float32)
    digest = hashlib.md5(usedforsecurity=False) if any(header.md5) else None
    done = 0
    with soundfile.SoundFile(file) as sound:
        if (sound.samplerate, sound.channels) != (header.rate, header.channels):
            raise DamagedData(
                f"{called}: its header is read as {header.rate} Hz, {header.channels} channels and by the decoder as"
                f" {sound.samplerate} Hz, {sound.channels}; {AGAIN}"
            )
        while wanted := min(BLOCK, header.frames - done):
            if digest is None:
                block = sound.read(wanted, "float32", always_2d=True)
            else:
                whole = sound.read(wanted, "int32", always_2d=True)
                digest.update(_packed(whole, header.bits))
                block = (whole / np.float32(1 << 31)).astype(np.float32)
            if not len(block):
                break
            wrong = ~np.isfinite(block)
            if wrong.any():
                frame, channel = np.argwhere(wrong)[0]
                raise DamagedData(
                    f"{called}: sample {done + frame} of channel {channel + 1} is not a finite number; export it again"
                )
            samples[done : done + len(block)] = block[:, 0] if header.channels == 1 else block.mean(1)
            done += len(block)
    return samples[:done], None if digest is None else digest.digest()


def _packed(samples: NDArray[np.int32], bits: int) -> bytes:
    """Samples that were moved to the top of 32 bits, as FLAC's MD5 counts them: little-endian, in whole bytes."""
    plain = np.ascontiguousarray(samples >> (32 - bits), dtype="<i4")
    return plain.view(np.uint8).reshape(-1, 4)[:, : -(-bits // 8)].tobytes()


def _header(file: BinaryIO, called: str) -> Header:
    """The header of a file of one of three formats. Raises DamagedData."""
    start = file.read(12)
    if not start:
        raise DamagedData(f"{called}: empty file; {AGAIN}")
    if start[:4] == b"fLaC":
        return _flac(file, called)
    if start[:7] == b"NIST_1A":
        return _sphere(file, called)
    if start[:4] == b"RIFF"[: len(start)] and start[8:12] == b"WAVE"[: max(0, len(start) - 8)]:
        return _wav(file, called)
    what = "text" if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start) else repr(start[:4])[1:]
    raise DamagedData(f"{called}: begins with {what}, not with a WAV, FLAC or SPHERE header; convert it to WAV or FLAC")


def _wav(file: BinaryIO, called: str) -> Header:
    """Walks the chunks of a RIFF file up to the samples."""
    size = file.seek(0, 2)
    place, found = 12, None
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            what = "a 'data' chunk" if found else "a 'fmt ' chunk"
            raise DamagedData(f"{called}: ends at byte {size}, before {what}: the header is cut; {AGAIN}")
        kind, length = head[:4], struct.unpack("<I", head[4:])[0]
        place += 8
        if kind == b"fmt ":
            body = file.read(16)
            if len(body) < 16 or length < 16:
                raise DamagedData(f"{called}: the 'fmt ' chunk at byte {place} is cut; {AGAIN}")
            found = struct.unpack("<HHIIHH", body)
        elif kind == b"data":
            break
        place += length + length % 2
    if found is None:
        raise DamagedData(f"{called}: 'data' at byte {place} comes before any 'fmt ' chunk; {AGAIN}")
    format_, channels, rate, _, align, bits = found
    if format_ not in WAV_FORMATS:
        known = ", ".join(WAV_FORMATS.values())
        raise DamagedData(f"{called}: WAV format {format_}; expected one of {known}: convert it to PCM of 16 bit")
    _check(Header(1, rate, channels), called)
    if align == 0 or align != channels * -(-bits // 8):
        raise DamagedData(f"{called}: {channels} channels of {bits} bit in frames of {align} bytes; {AGAIN}")
    if length > size - place:
        raise DamagedData(
            f"{called}: cut off: its header declares {length // align} samples in {length} bytes, "
            f"{size - place} bytes are there; {AGAIN}"
        )
    if length % align:
        raise DamagedData(f"{called}: {length} bytes of sound are no whole number of {align}-byte frames; {AGAIN}")
    return Header(length // align, rate, channels)


def _flac(file: BinaryIO, called: str) -> Header:
    """STREAMINFO, which comes first (RFC 9639, section 8.2)."""
    file.seek(4)
    block = file.read(38)
    if len(block) < 38:
        raise DamagedData(f"{called}: ends at byte {4 + len(block)}: the header is cut; {AGAIN}")
    if block[0] & 0x7F or int.from_bytes(block[1:4]) != 34:
        raise DamagedData(f"{called}: the block at byte 4 is not FLAC's STREAMINFO; {AGAIN}")
    packed = int.from_bytes(block[14:22])  # 20 bits of rate, 3 of channels, 5 of bits, 36 of samples
    rate, channels, bits = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1
    frames = packed & (1 << 36) - 1
    if frames == 0:
        raise DamagedData(f"{called}: its header declares no samples; encode it again to a file, not to a pipe")
    if bits < 8:  # libsndfile decodes 8, 16, 20, 24 and 32
        raise DamagedData(f"{called}: samples of {bits} bit; encode it again with 16 or 24")
    return Header(frames, rate, channels, bits, block[22:38])


def _sphere(file: BinaryIO, called: str) -> Header:
    """The text fields of a NIST header: `name -i value`, as in the corpora of the 1990s."""
    file.seek(0)
    try:
        size = int(file.read(16).split()[1])
        lines = file.read(size - 16).decode("ascii").split("\n")
        fields = {words[0]: words[2] for words in (line.split(maxsplit=2) for line in lines) if len(words) == 3}
        frames, rate, channels, width = (
            int(fields.get(key, default))
            for key, default in (
                ("sample_count", ""), ("sample_rate", ""), ("channel_count", "1"), ("sample_n_bytes", "2")
            )
        )  # fmt: skip
    except (ValueError, IndexError, OverflowError):
        raise DamagedData(f"{called}: the NIST SPHERE header cannot be read; {AGAIN}") from None
    coding = fields.get("sample_coding", "pcm").strip()
    if "," in coding:
        raise DamagedData(f"{called}: SPHERE samples are compressed ({coding}); decode them with sph2pipe first")
    there, needed = file.seek(0, 2) - size, frames * channels * width
    if there < needed:
        raise DamagedData(
            f"{called}: cut off: its header declares {frames} samples in {needed} bytes, {max(there, 0)} are there;"
            f" {AGAIN}"
        )
    return Header(frames, rate, channels)
