"""The cards of language modelling. Standard library only."""

from __future__ import annotations

from tasks.card import OURS, Card

MERITY = "Merity et al. 2016, Pointer Sentinel Mixture Models, arXiv:1609.07843"
KARPATHY = "Tolstoy, War and Peace, Project Gutenberg; task after Karpathy, Johnson & Fei-Fei 2015, arXiv:1506.02078"
MARCUS = "Marcus et al. 1993, Computational Linguistics 19:313; text prepared by Mikolov et al. 2010"
MAHONEY = "Mahoney 2009, Large Text Compression Benchmark; split of Mikolov et al. 2012"
CHAR_RNN = "Karpathy 2015, char-rnn, data/tinyshakespeare; split of nanoGPT, its validation part halved"
TOLSTOY = ("tolstoy1869", "karpathy2015")


def _language(name: str, summary: str, metric: str, unit: str, reference: str, data: str | None, *cites: str) -> Card:
    return Card(f"language/{name}", summary, metric, "lower", unit, reference, causal=True, dataset=data, cites=cites)


CARDS: tuple[Card, ...] = (
    _language("grammar", "agreement grammar of known entropy", "perplexity", "", OURS, None, "linzen2016"),
    _language("warandpeace", "characters of War and Peace", "bpc", "bit", KARPATHY, "warandpeace", *TOLSTOY),
    _language("wikitext2", "words of WikiText-2", "perplexity", "", MERITY, "wikitext2", "merity2016"),
    _language("ptb", "words of Penn Treebank", "perplexity", "", MARCUS, "ptb", "marcus1993", "mikolov2010"),
    _language("ptb-char", "characters of Penn Treebank", "bpc", "bit", MARCUS, "ptb", "marcus1993", "mikolov2012a"),
    _language("wikitext103", "words of WikiText-103", "perplexity", "", MERITY, "wikitext103", "merity2016"),
    _language("text8", "letters of text8", "bpc", "bit", MAHONEY, "text8", "mahoney2009", "mikolov2012a"),
    _language("enwik8", "bytes of enwik8", "bpc", "bit", MAHONEY, "enwik8", "mahoney2009"),
    _language("shakespeare", "characters of Tiny Shakespeare", "bpc", "bit", CHAR_RNN, "shakespeare", "karpathy2015a"),
)
