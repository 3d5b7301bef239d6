"""The cards of language modelling. Standard library only."""

from __future__ import annotations

from tasks.card import OURS, Card

MERITY = "Merity et al. 2016, Pointer Sentinel Mixture Models, arXiv:1609.07843"
KARPATHY = "Tolstoy, War and Peace, Project Gutenberg; task after Karpathy, Johnson & Fei-Fei 2015, arXiv:1506.02078"
TOLSTOY = ("tolstoy1869", "karpathy2015")


def _language(name: str, summary: str, metric: str, unit: str, reference: str, data: str | None, *cites: str) -> Card:
    return Card(f"language/{name}", summary, metric, "lower", unit, reference, causal=True, dataset=data, cites=cites)


CARDS: tuple[Card, ...] = (
    _language("grammar", "agreement grammar of known entropy", "perplexity", "", OURS, None, "linzen2016"),
    _language("warandpeace", "characters of War and Peace", "bpc", "bit", KARPATHY, "warandpeace", *TOLSTOY),
    _language("wikitext2", "words of WikiText-2", "perplexity", "", MERITY, "wikitext2", "merity2016"),
)
