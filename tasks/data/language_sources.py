"""Where texts come from. Standard library only."""

from __future__ import annotations

from tasks.data.source import Download, Source

_WIKI = "https://raw.githubusercontent.com/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/word_language_model/data/wikitext-2"
_TOLSTOY = (
    "https://raw.githubusercontent.com/timbmg/RNNLM/e26dff5d8f4b5d07ee459f192ee2131923d7584f/data/warandpeace.txt"
)
_TOLSTOY_SHA256 = "bf5b273d9246268f96663c43c00a1055ae2e42c2262be32f7e43b48dd123451a"
_WIKITEXT2 = {
    "train": ("9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f", 10_797_148),
    "valid": ("f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8", 1_121_681),
    "test": ("d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0", 1_256_449),
}

SOURCES: tuple[Source, ...] = (
    Source(
        "warandpeace",
        "War and Peace, translated by Louise and Aylmer Maude",
        "public domain text with the Project Gutenberg terms",
        "Tolstoy, Project Gutenberg",
        ("warandpeace/warandpeace.txt",),
        size=3_293_492,
        files={"warandpeace/warandpeace.txt": _TOLSTOY_SHA256},
        downloads=(Download(_TOLSTOY, _TOLSTOY_SHA256, 3_293_492, "warandpeace/warandpeace.txt"),),
    ),
    Source(
        "wikitext2",
        "WikiText-2",
        "CC BY-SA 3.0",
        "Merity et al. 2016, arXiv:1609.07843",
        tuple(f"wikitext-2/wiki.{split}.tokens" for split in _WIKITEXT2),
        size=13_175_278,
        files={f"wikitext-2/wiki.{split}.tokens": sha256 for split, (sha256, _) in _WIKITEXT2.items()},
        downloads=tuple(
            Download(f"{_WIKI}/{split}.txt", sha256, size, f"wikitext-2/wiki.{split}.tokens")
            for split, (sha256, size) in _WIKITEXT2.items()
        ),
    ),
)
