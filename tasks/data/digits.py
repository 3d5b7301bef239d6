"""Ten spoken digits from a small formant synthesiser of our own, so that speech tasks run with no download.

Source and filter, after Klatt 1980 ("Software for a cascade/parallel formant synthesizer", JASA 67:971): a glottal
pulse train and breath noise go through a cascade of four resonators, hiss and plosive bursts through a parallel fifth.
Each digit is a row of phones; their targets are smoothed over time, which makes the glides between them. Speakers
differ in vocal-tract length, pitch, rate, jitter and in how they place each phone; those of train, valid and test are
different ones. Coloured noise is added at 2 to 20 dB. It is recognisable speech for a network and poor speech for a
person: labelled synthetic wherever a score on it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import lfilter

Floats = NDArray[np.floating]

SEED = 20180101
RATE = 8000
FRAME = 40  # samples for which the filters stand still: 5 ms, Klatt's own choice
SPEAKERS = {"train": range(0, 24), "valid": range(24, 32), "test": range(32, 48)}
GAP = (0.0, 0.08)  # seconds between the digits of a string, besides the silence around each
SNR = (2.0, 20.0)  # dB, drawn for each recording: hard enough that a good network still errs


@dataclass(frozen=True)
class Line:
    """What one speaker is to say in one recording."""

    digits: tuple[int, ...]
    speaker: int


@dataclass(frozen=True)
class Phone:
    """Targets of a stationary sound: formants in Hz, and how much of each source."""

    f1: float
    f2: float
    f3: float
    voice: float = 1.0
    breath: float = 0.0  # noise at the glottis, through the formants
    hiss: float = 0.0  # noise in the mouth, through a resonance of its own
    centre: float = 2500.0  # Hz of that resonance
    spread: float = 800.0  # and its bandwidth
    damping: float = 1.0  # factor on the formants' bandwidths


# Vowels: Peterson & Barney 1952, men. Consonants: Klatt 1980, table III, what lies above 4 kHz moved below it.
PHONES = {
    "-": Phone(500, 1500, 2500, voice=0),  # silence, and the closure of a plosive
    "IY": Phone(270, 2290, 3010),
    "IH": Phone(390, 1990, 2550),
    "EH": Phone(530, 1840, 2480),
    "EY": Phone(460, 1950, 2550),
    "AH": Phone(640, 1190, 2390),
    "AX": Phone(500, 1350, 2400, voice=0.7),
    "AA": Phone(730, 1100, 2440),
    "AO": Phone(570, 840, 2410),
    "OW": Phone(520, 950, 2400),
    "UW": Phone(300, 870, 2240),
    "W": Phone(290, 610, 2150, voice=0.7),
    "R": Phone(310, 1060, 1380, voice=0.7),
    "N": Phone(240, 1400, 2500, voice=0.5, damping=2.5),
    "V": Phone(220, 1100, 2080, voice=0.4, hiss=0.06, centre=2600, spread=3000, damping=1.5),
    "Z": Phone(240, 1390, 2530, voice=0.3, hiss=0.5, centre=3600, damping=1.5),
    "S": Phone(320, 1390, 2530, voice=0, hiss=1.0, centre=3600),
    "F": Phone(340, 1100, 2080, voice=0, hiss=0.15, centre=2600, spread=3000),
    "TH": Phone(320, 1290, 2540, voice=0, hiss=0.15, centre=3300, spread=2000),
    "T": Phone(400, 1600, 2600, voice=0, breath=0.1, hiss=1.2, centre=3300, spread=1500),
    "K": Phone(300, 1990, 2850, voice=0, breath=0.1, hiss=1.0, centre=1900, spread=500),
    "H": Phone(350, 1200, 2300, voice=0, breath=0.4),
}

WORDS = (  # phones with their milliseconds
    "Z 70 IH 60 R 60 OW 70 UW 60",
    "W 75 AH 110 N 90",
    "- 20 T 15 H 40 UW 170",
    "TH 75 R 60 IY 150",
    "F 85 AO 120 R 90",
    "F 85 AA 90 IH 70 V 65",
    "S 90 IH 70 - 45 K 25 S 95",
    "S 85 EH 65 V 40 AX 50 N 75",
    "EY 90 IY 80 - 50 T 30",
    "N 75 AA 95 IH 70 N 80",
)


def _script() -> tuple[NDArray[np.intp], Floats]:
    """Phone numbers and milliseconds, each (digit, segment): silence on either side, unused segments of no length."""
    names = list(PHONES)
    rows = [["-", *word.split()[::2], "-"] for word in WORDS]
    times = [[30, *map(int, word.split()[1::2]), 30] for word in WORDS]
    width = max(map(len, rows))
    phones = np.array([[names.index(name) for name in row + ["-"] * (width - len(row))] for row in rows])
    return phones, np.array([row + [0] * (width - len(row)) for row in times], dtype=np.float64)


def _table(*fields: str) -> Floats:
    """Targets of all phones, (phone, field)."""
    return np.array([[getattr(phone, field) for field in fields] for phone in PHONES.values()])


@dataclass(frozen=True)
class _Voices:
    """What all speakers of the suite are like, one row each."""

    tract: Floats  # factor on formants: 1 is the male average, a child's about 1.3
    pitch: Floats  # Hz
    rate: Floats  # factor on durations
    jitter: Floats  # relative, from one frame to the next
    breath: Floats
    accent: Floats  # (speaker, phone, formant) factors


def _voices() -> _Voices:
    rng = np.random.default_rng(SEED)
    count = SPEAKERS["test"].stop
    tract = rng.uniform(0.88, 1.25, count)
    return _Voices(
        tract=tract,
        pitch=110 * tract**2.5 * rng.lognormal(0, 0.12, count),  # short tracts go with high voices
        rate=rng.uniform(0.8, 1.25, count),
        jitter=rng.uniform(0.005, 0.03, count),
        breath=rng.uniform(0.01, 0.08, count),
        accent=rng.lognormal(0, 0.07, (count, len(PHONES), 3)),
    )


def _resonator(frequency: Floats, bandwidth: Floats) -> tuple[Floats, Floats, Floats]:
    """Coefficients of y[n] = a x[n] + b y[n-1] + c y[n-2] with gain 1 at 0 Hz (Klatt 1980, equation 2)."""
    c = -np.exp(-2 * np.pi * bandwidth / RATE)
    b = 2 * np.exp(-np.pi * bandwidth / RATE) * np.cos(2 * np.pi * np.minimum(frequency, 3900) / RATE)
    return 1 - b - c, b, c


def _filter(voice: Floats, hiss: Floats, a: Floats, b: Floats, c: Floats) -> Floats:
    """The sum of the cascade of resonators 0..3 and the parallel 4. Sources (sample, word), filters (frame, 5, word).

    All words and all resonators advance together, one sample at a time: a resonator reads what the one before it
    gave one sample ago, a delay that nobody hears, and numpy's overhead is shared by thousands of words.
    """
    out = np.empty_like(voice)
    x, y1, y2 = (np.zeros(a.shape[1:], dtype=np.float32) for _ in range(3))
    for n in range(len(voice)):
        frame = n // FRAME
        x[0], x[1:4], x[4] = voice[n], y1[:3], hiss[n]
        y1, y2 = a[frame] * x + b[frame] * y1 + c[frame] * y2, y1
        np.add(y1[3], y1[4], out=out[n])
    return out


def _words(digits: NDArray[np.intp], speakers: NDArray[np.intp], rng: np.random.Generator) -> list[Floats]:
    """Each digit as its speaker says it, without noise."""
    voices, (script, times), count = _voices(), _script(), len(digits)
    durations = times[digits] * voices.rate[speakers, None] * rng.lognormal(0, 0.15, (count, script.shape[1]))
    ends = durations.cumsum(1) * RATE / 1000 / FRAME
    frames = np.ceil(ends[:, -1]).astype(int)
    segment = (np.arange(frames.max())[None, :, None] >= ends[:, None, :]).sum(-1).clip(max=script.shape[1] - 1)
    phone = script[digits[:, None], segment]  # (word, frame)

    formants = _table("f1", "f2", "f3")[phone] * voices.accent[speakers[:, None], phone]
    formants *= voices.tract[speakers, None, None] * rng.lognormal(0, 0.04, (count, 1, 3))
    formants = uniform_filter1d(uniform_filter1d(formants, 7, axis=1), 5, axis=1)  # glides of about 60 ms
    widths = _table("damping")[phone] * np.array([60.0, 90.0, 150.0])
    frequency = np.concatenate([formants, np.full_like(formants[..., :1], 3500), _table("centre")[phone]], -1)
    bandwidth = np.concatenate([widths, np.full_like(widths[..., :1], 250), _table("spread")[phone]], -1)
    a, b, c = _resonator(*(value.transpose(1, 2, 0).astype(np.float32) for value in (frequency, bandwidth)))
    sine = np.sqrt(1 - (b[:, 4] ** 2 / (-4 * c[:, 4])).clip(max=0.99))
    a[:, 4] = 2 * (1 - np.sqrt(-c[:, 4])) * sine  # hiss has gain 1 at its peak instead

    amounts = uniform_filter1d(_table("voice", "breath", "hiss")[phone], 3, axis=1)  # 15 ms, so that bursts stay bursts
    voice, breath, hiss = np.repeat(amounts.transpose(2, 1, 0).astype(np.float32), FRAME, axis=1)
    progress = np.arange(phone.shape[1])[:, None] / frames
    pitch = voices.pitch[speakers] * rng.lognormal(0, 0.08, count) * (1.1 - rng.uniform(0, 0.35, count) * progress)
    pitch *= 1 + voices.jitter[speakers] * rng.standard_normal(pitch.shape)
    phase = np.repeat(pitch / RATE, FRAME, axis=0).cumsum(0) % 1
    opening = (phase / rng.uniform(0.5, 0.75, count)).astype(np.float32)
    pulse = np.where(opening < 1, 2 * opening - 3 * opening**2, 0)  # derivative of the glottal flow, Klatt & Klatt 1990
    noise = rng.standard_normal(pulse.shape, dtype=np.float32)
    breath = breath + voice * voices.breath[speakers].astype(np.float32) + 1e-4  # never zero: denormals are slow
    sound = _filter(voice * pulse + breath * noise, hiss * noise, a, b, c)
    return [sound[: length * FRAME, word] for word, length in enumerate(frames)]


def lines(split: str, count: int, shortest: int, longest: int) -> list[Line]:
    """`count` lines of `shortest` to `longest` digits each, for the speakers of `split`."""
    rng = _rng(split, "lines")
    sizes = rng.integers(shortest, longest + 1, count)
    speakers = rng.choice(np.array(SPEAKERS[split]), count)
    digits = np.split(rng.integers(0, len(WORDS), sizes.sum()), sizes.cumsum()[:-1])
    return [Line(tuple(spoken.tolist()), int(who)) for spoken, who in zip(digits, speakers, strict=True)]


def samples(split: str, lines: list[Line]) -> list[NDArray[np.float32]]:
    """The recording of each line, noise and all: (sample,) in [-1, 1], on the grid of 16 bit."""
    rng = _rng(split, "samples")
    digits = np.array([digit for line in lines for digit in line.digits])
    speakers = np.array([line.speaker for line in lines for _ in line.digits])
    words = iter(_words(digits, speakers, rng))
    recordings = []
    for line in lines:
        parts = [next(words)]
        for _ in line.digits[1:]:
            parts += [np.zeros(int(rng.uniform(*GAP) * RATE), dtype=np.float32), next(words)]
        recordings.append(_recorded(np.concatenate(parts), rng))
    return recordings


def _rng(split: str, use: str) -> np.random.Generator:
    return np.random.default_rng([SEED, list(SPEAKERS).index(split), ("lines", "samples").index(use)])


def _recorded(sound: Floats, rng: np.random.Generator) -> NDArray[np.float32]:
    """The sound in a noisy room, at some level, in 16 bit."""
    colour = rng.uniform(0, 0.9)  # 0 is white, 0.9 falls by 6 dB an octave above 130 Hz
    noise = lfilter([1], [1, -colour], rng.standard_normal(len(sound), dtype=np.float32))
    noise *= np.sqrt((sound**2).mean() / (noise**2).mean() / 10 ** (rng.uniform(*SNR) / 10))
    mixed = sound + noise
    peak = rng.uniform(0.3, 0.9) / np.abs(mixed).max()
    return (np.round(mixed * peak * 32767) / 32768).astype(np.float32)
