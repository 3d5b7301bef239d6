"""The cards of speech recognition. Standard library only."""

from __future__ import annotations

from typing import Literal

from tasks.card import Card, ours

JACKSON = "Jackson et al. 2018, Free Spoken Digit Dataset, doi:10.5281/zenodo.1342401"
WARDEN = "Warden 2018, Speech Commands, arXiv:1804.03209"
YESNO = "YESNO, openslr.org/1; split of Kaldi (Povey et al. 2011)"
AN4 = "Acero 1993; AN4, Carnegie Mellon University 1991"
LIBRISPEECH = "Panayotov et al. 2015, LibriSpeech, doi:10.1109/ICASSP.2015.7178964"

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
"""Of the Free Spoken Digit Dataset."""


def _fsdd(name: str, summary: str, metric: str, *more: str) -> Card:
    """`more`: what is cited beside the recordings."""
    better: Literal["lower", "higher"] = "higher" if metric == "accuracy" else "lower"
    return Card(f"speech/{name}", summary, metric, better, "%", JACKSON, dataset="fsdd", cites=("jackson2018", *more))


def _commands(version: int, kind: str, what: str) -> Card:
    cites = ("warden2018", "coimbradeandrade2018") if kind == "20" else ("warden2018",)
    return Card(
        f"speech/commands-v{version}/{kind}", f"Speech Commands {version}, {what}", "accuracy", "higher", "%",
        WARDEN, dataset=f"speech-commands-v{version}", cites=cites,
    )  # fmt: skip


def _strings(name: str, summary: str, reference: str, dataset: str, *cites: str) -> Card:
    """Recordings of several words, scored in word errors."""
    return Card(
        f"speech/{name}", summary, "wer", "lower", "%", reference, dataset=dataset, cites=(*cites, "graves2006")
    )


CARDS: tuple[Card, ...] = (
    ours("speech/digits", "ten spoken digits from a formant synthesiser", "accuracy", "higher", "%", "klatt1980"),
    ours("speech/connected", "strings of synthetic digits, CTC", "wer", "lower", "%", "klatt1980", "graves2006"),
    _fsdd("fsdd", "real spoken digits, official split", "accuracy"),
    *(_fsdd(f"fsdd-speakers/{name}", f"real spoken digits, {name} left out", "accuracy") for name in SPEAKERS),
    _fsdd("fsdd-connected", "strings of 3-7 real digits, CTC", "wer", "graves2006"),
    *(
        _commands(version, kind, what)
        for version, every in ((1, "30"), (2, "35"))
        for kind, what in ((every, "every word"), ("20", "twenty words or another"), ("12", "ten, another or none"))
    ),
    _strings("yesno", "eight times yes or no in Hebrew, CTC", YESNO, "yesno", "povey2011"),
    _strings("an4", "census data by characters, CTC", AN4, "an4", "acero1993"),
    *(
        _strings(
            f"librispeech/{hours}/{kind}", f"audiobooks, {hours} hours, test-{kind}, CTC on characters", LIBRISPEECH,
            f"librispeech-{hours}-{kind}", "panayotov2015",
        )
        for hours in ("100", "460", "960")
        for kind in ("clean", "other")
    ),
)  # fmt: skip
