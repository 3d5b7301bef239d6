"""YESNO: one man says ken (yes) or lo (no), in Hebrew, eight times in each of sixty recordings (openslr.org/1).

Layout `waves_yesno/{0|1}_..._{0|1}.wav`: 60 files, 8 kHz, mono, 16 bit; the name says what is said, 1 for yes.

**Split** after Kaldi's recipe (egs/yesno/s5/local/create_yesno_waves_test_train.pl): of the names in order, the first
half is for training and the rest is test; its listing counts two files of text, so these are 31 and 29. It has no
validation recordings: of the 31 every sixth is set aside, 5, which leaves 26. Train and test share the speaker.

**Published**: 0 % word error (232 words in test), by Kaldi's monophone system. The task is a first check, not a test of
strength.
"""

from __future__ import annotations

import re
from pathlib import Path

from tasks.data import SOURCES, DamagedData
from tasks.data.layout import folder, some
from tasks.data.prepared import Clip

RATE = 8_000
LABELS = ("no", "yes")
NAME = re.compile(r"[01](_[01]){7}\.wav")


def recordings(data: Path | None) -> tuple[list[Clip], dict[str, list[int]], list[list[int]]]:
    """The recordings, which of them each split has, and what is said in each: 0 or 1, eight times."""
    # torchaudio's YESNO names no path but with the sound, which it cannot read without torchcodec
    root = folder(SOURCES["yesno"], data, ("waves_yesno", "yesno/waves_yesno"))
    paths = sorted(path for path in root.glob("*.wav") if not path.name.startswith("."))
    strange = [path.name for path in paths if not NAME.fullmatch(path.name)]
    if strange:
        raise DamagedData(f"waves_yesno: {some(strange)}: expected names like 0_1_0_1_1_1_0_0.wav; fetch it again")
    clips = [Clip(path, f"waves_yesno/{path.name}") for path in paths]
    first = len(paths) // 2 + 1
    parts = {
        "train": [number for number in range(first) if number % 6 != 5],
        "valid": [number for number in range(first) if number % 6 == 5],
        "test": list(range(first, len(paths))),
    }
    if not all(parts.values()):
        raise DamagedData(f"waves_yesno: {len(paths)} recordings; the archive has 60: fetch it again")
    return clips, parts, [[int(word) for word in path.stem.split("_")] for path in paths]
