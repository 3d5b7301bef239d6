"""Published scores, shown beside ours without a rank: each had its own protocol. Standard library only."""

from __future__ import annotations

_ZHOU = "Zhou et al. 2021"  # Informer, arXiv:2012.07436, table 2 as corrected in the authors' repository
_LSTMA = {
    "etth1": {24: 0.650, 48: 0.702, 168: 1.212, 336: 1.424, 720: 1.960},
    "ettm1": {24: 0.621, 48: 1.392, 96: 1.339},
}

PUBLISHED: dict[str, dict[str, float]] = {
    # README of aniruddhapal211316/spoken_digit_recognition; random 80/10/10, not the official split: compare loosely
    "speech/fsdd": {"BiLSTM on MFCC, random split (A. Pal)": 97.33},
    # abstract of arXiv:1808.08929
    "speech/commands-v1/20": {"attention over BiLSTM (de Andrade et al. 2018)": 94.1},
    "speech/commands-v2/20": {"attention over BiLSTM (de Andrade et al. 2018)": 94.5},
    "speech/an4": {"Transformer, CTC and attention, no LM (ESPnet)": 7.6},  # egs2/an4/asr1/README.md of espnet/espnet
    # abstract of arXiv:1805.03294
    "speech/librispeech/960/clean": {"LSTM attention on subwords, with an LM (Zeyer et al. 2018)": 3.82},
    "language/wikitext2": {"AWD-LSTM (Merity et al. 2018)": 65.6},
    "language/ptb": {"AWD-LSTM (Merity et al. 2018)": 58.8},
    # arXiv:1803.08240, An Analysis of Neural Language Modeling at Multiple Scales
    "language/ptb-char": {"AWD-LSTM (Merity et al. 2018)": 1.175},
    "language/enwik8": {"AWD-LSTM (Merity et al. 2018)": 1.232},
    "language/wikitext103": {"QRNN (Merity et al. 2018)": 33.0},
    # arXiv:1603.09025, table 3
    "language/text8": {"LSTM (Cooijmans et al. 2017)": 1.43, "LSTM with batch norm (Cooijmans et al. 2017)": 1.36},
    **{
        f"series/{name}/{horizon}": {f"LSTM with attention ({_ZHOU})": mse}
        for name, table in _LSTMA.items()
        for horizon, mse in table.items()
    },
}
"""task -> {where from: score in the task's primary metric, on test}."""
PUBLISHED |= {
    f"series/etth1-univariate/{horizon}": {f"LSTM with attention ({_ZHOU})": mse}
    for horizon, mse in {24: 0.114, 48: 0.193, 168: 0.236, 336: 0.590, 720: 0.683}.items()
}
PUBLISHED["series/etth1-univariate/24"] |= {f"DeepAR ({_ZHOU})": 0.107, f"ARIMA ({_ZHOU})": 0.108}
PUBLISHED["series/etth1/24"] |= {f"Informer ({_ZHOU})": 0.577, f"LSTnet ({_ZHOU})": 1.293}
PUBLISHED |= {
    f"series/m4/{frequency}": {"Smyl, winner of M4 (esrnn_torch)": owa}  # README of kdgutier/esrnn_torch, "M4 OWA"
    for frequency, owa in {"yearly": 0.778, "quarterly": 0.847, "monthly": 0.836}.items()
}

TOO_GOOD: dict[str, float] = {
    "language/warandpeace": 1.0,  # bits a character; far larger models on far more text stay above
    "language/ptb": 15.0,  # below what language models trained on the web reach
    **dict.fromkeys(("language/ptb-char", "language/text8", "language/enwik8"), 0.8),  # best published: about 0.9
    "language/wikitext103": 8.0,
    "language/wikitext2": 20.0,  # about half of what the best trained on this text alone reach
    **{f"series/etth1/{horizon}": 0.2 for horizon in (24, 48, 96, 168, 336, 720)},  # best published at 24: about 0.3
}
"""task -> a score that nothing known reaches: one beyond it is an alarm, not a record."""
