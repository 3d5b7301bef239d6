"""Where recordings come from. Standard library only.

Pins were read, not measured: sha256 in torchaudio's datasets (_CHECKSUMS of speechcommands.py and librispeech.py),
sizes and the same sha256 in tensorflow_datasets/url_checksums of tensorflow/datasets; the size of Speech Commands 1 is
what public logs of its download say. Of YESNO and AN4 no size with a checksum was found, so a person gets them.
"""

from __future__ import annotations

from tasks.data.source import Download, Source

_FSDD = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
_COMMANDS = "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.0"
_OPENSLR = "https://www.openslr.org/resources"
_MIRRORS = ("us.openslr.org", "openslr.trmal.net", "openslr.elda.org")
"""Where openslr.org sends a download to."""

_LIBRISPEECH = {  # subset -> bytes and sha256 of its archive, and its recordings
    "dev-clean": (337_926_286, "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3", 2_703),
    "dev-other": (314_305_928, "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365", 2_864),
    "test-clean": (346_663_984, "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23", 2_620),
    "test-other": (328_757_843, "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29", 2_939),
    "train-clean-100": (6_387_309_499, "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2", 28_539),
    "train-clean-360": (23_049_477_885, "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf", 104_014),
    "train-other-500": (30_593_501_606, "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2", 148_688),
}


def _commands(version: int, size: int, sha256: str, recordings: int) -> Source:
    root = f"SpeechCommands/speech_commands_v0.0{version}"
    wavs = recordings * 32_044  # a second of 16 bit at 16 kHz, and a header
    return Source(
        f"speech-commands-v{version}",
        f"Google Speech Commands, version {version}",
        "CC BY 4.0",
        "Warden 2018, arXiv:1804.03209",
        (f"{root}/validation_list.txt", f"{root}/testing_list.txt"),
        size=wavs,
        downloads=(
            Download(
                f"{_COMMANDS}{version}.tar.gz", sha256, size, root, "tar",
                unpacked=wavs + 100_000_000, members=recordings + 100,
            ),
        ),
    )  # fmt: skip


def _librispeech(hours: str, kind: str) -> Source:
    train = {"100": 1, "460": 2, "960": 3}[hours]
    names = (*("train-clean-100", "train-clean-360", "train-other-500")[:train], f"dev-{kind}", f"test-{kind}")
    return Source(
        f"librispeech-{hours}-{kind}",
        f"LibriSpeech, {hours} hours, dev and test {kind}",
        "CC BY 4.0",
        "Panayotov et al. 2015, doi:10.1109/ICASSP.2015.7178964",
        tuple(f"LibriSpeech/{name}" for name in names),
        size=sum(_LIBRISPEECH[name][0] for name in names),  # FLAC: an archive is hardly smaller than what it holds
        downloads=tuple(_subset(name) for name in names),
    )


def _subset(name: str) -> Download:
    size, sha256, recordings = _LIBRISPEECH[name]
    folder = f"LibriSpeech/{name}"
    return Download(
        f"{_OPENSLR}/12/{name}.tar.gz", sha256, size, folder, "tar", strip=folder,
        unpacked=size + size // 5, members=recordings + recordings // 5, hosts=_MIRRORS,
    )  # fmt: skip


SOURCES: tuple[Source, ...] = (
    Source(
        "fsdd",
        "Free Spoken Digit Dataset",
        "CC BY-SA 4.0",
        "Jackson et al. 2018, doi:10.5281/zenodo.1342401",
        ("fsdd/recordings",),  # 3,000 small files: tasks.data.fsdd compares the checksum of their checksums
        size=21_128_848,
        by_hand="git clone https://github.com/Jakobovski/free-spoken-digit-dataset {data}/fsdd"
        f" && git -C {{data}}/fsdd checkout {_FSDD}",
    ),
    _commands(1, 1_489_096_277, "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d", 64_727),
    _commands(2, 2_428_923_189, "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58", 105_829),
    Source(
        "yesno",
        "YESNO: sixty strings of eight words",
        "none stated",
        "openslr.org/1",
        ("waves_yesno",),
        size=5_600_000,
        by_hand=f"mkdir -p {{data}} && curl -L {_OPENSLR}/1/waves_yesno.tar.gz | tar xz -C {{data}}",
    ),
    Source(
        "an4",
        "AN4: census data, spelled and spoken",
        "none stated",
        "Acero 1993",
        ("an4/etc", "an4/wav"),
        size=64_000_000,
        by_hand="mkdir -p {data}"
        " && curl -L https://dldata-public.s3.us-east-2.amazonaws.com/an4_sphere.tar.gz | tar xz -C {data}",
    ),
    *(_librispeech(hours, kind) for hours in ("100", "460", "960") for kind in ("clean", "other")),
)
