"""The named choices, as data. Adding one is a line here; the tests find it by themselves.

Standard library only: `bench.matrix --list` reads these tables without torch. Matrices stand in matrices.py.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import get_args

from bench.spec import Architecture, Optimizer, Reference, Stabilisation

ARCHITECTURES: dict[str, Architecture] = {
    "rnn": Architecture(cell="rnn"),  # Elman 1990: the network that forgets
    "irnn": Architecture(cell="irnn"),  # Le, Jaitly & Hinton 2015: ReLU from the identity
    "indrnn": Architecture(cell="indrnn"),  # Li et al. 2018: units that see their own past alone
    "lstm": Architecture(cell="lstm"),  # Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000
    "peephole": Architecture(cell="peephole"),  # Gers & Schmidhuber 2000
    "cifg": Architecture(cell="cifg"),  # Greff et al. 2017: coupled input and forget gates
    "projection": Architecture(cell="projection"),  # Sak, Senior & Beaufays 2014: a state a quarter of the memory
    "slstm": Architecture(cell="slstm"),  # Beck et al. 2024 (xLSTM): an exponential input gate
    "gru": Architecture(cell="gru"),  # Cho et al. 2014
    "mingru": Architecture(cell="mingru"),  # Feng et al. 2024: gates of the input alone
    "minlstm": Architecture(cell="minlstm"),
    "stacked-2": Architecture(depth=2),  # Graves, Mohamed & Hinton 2013
    "stacked-3": Architecture(depth=3),
    "stacked-4": Architecture(depth=4),
    "residual-2": Architecture(depth=2, residual=True),  # Kim, El-Khamy & Lee 2017; cf. Srivastava et al. 2015
    "residual-4": Architecture(depth=4, residual=True),
    "bilstm": Architecture(bidirectional=True),  # Schuster & Paliwal 1997
    "attention": Architecture(attention=True),  # Bahdanau et al. 2015, scored as Luong et al. 2015
    "transformer": Architecture(cell="transformer", depth=2),  # Vaswani et al. 2017: a reference, as the next two are
    "tcn": Architecture(cell="tcn"),  # Bai, Kolter & Koltun 2018
    "linear": Architecture(cell="linear"),  # a linear map of the past
}

REFERENCE = frozenset(name for name, value in ARCHITECTURES.items() if value.cell in get_args(Reference))
"""Models without a recurrence: something to compare with, outside the ranking."""

STABILISATIONS: dict[str, Stabilisation] = {
    "none": Stabilisation(),
    "clip": Stabilisation(clip_norm=0.25),  # Pascanu, Mikolov & Bengio 2013; 0.25 as Merity et al. 2018
    "clip-value": Stabilisation(clip_value=0.05),  # Mikolov 2012 clips sums at 15; our losses are means
    "agc": Stabilisation(agc=0.01),  # Brock et al. 2021, a unit's gradient against its weights
    "autoclip": Stabilisation(autoclip=10),  # Seetharaman et al. 2020: the 10th percentile of all norms so far
    "gradient-noise": Stabilisation(gradient_noise=0.01),  # Neelakantan et al. 2015, the smallest of their three eta
    "batch-norm": Stabilisation(batch_norm="input"),  # Laurent et al. 2015: input-to-hidden, over batch and time
    "recurrent-bn": Stabilisation(batch_norm="recurrent"),  # Cooijmans et al. 2016: statistics for each time step
    "layer-norm": Stabilisation(layer_norm=True),  # Ba, Kiros & Hinton 2016
    "weight-norm": Stabilisation(weight_norm=True),  # Salimans & Kingma 2016
    "orthogonal": Stabilisation(initial="orthogonal"),  # Saxe, McClelland & Ganguli 2014
    "identity": Stabilisation(initial="identity"),  # Le, Jaitly & Hinton 2015
    "forget-1": Stabilisation(forget_bias=1.0),  # Gers et al. 2000; Jozefowicz, Zaremba & Sutskever 2015
    "chrono": Stabilisation(chrono=True),  # Tallec & Ollivier 2018
    # Williams & Peng 1990. 35 is usual for language, where the window is cut already; 16 cuts every embedded task.
    "bptt": Stabilisation(bptt=16),
    "relu": Stabilisation(activation="relu"),  # Le, Jaitly & Hinton 2015 argue for it with identity weights
    "leaky-relu": Stabilisation(activation="leaky-relu"),  # Maas, Hannun & Ng 2013; slope 0.01
    "hardtanh": Stabilisation(activation="hardtanh"),  # Gulcehre et al. 2016, noisy activation functions
    "dropout": Stabilisation(dropout=0.3),  # Zaremba, Sutskever & Vinyals 2014: between layers only
    "variational": Stabilisation(dropout=0.3, dropout_kind="variational"),  # Gal & Ghahramani 2016: one mask a sequence
    "recurrent-dropout": Stabilisation(recurrent_dropout=0.25),  # Semeniuta, Severyn & Barth 2016, their 0.25
    "zoneout": Stabilisation(zoneout=0.05, zoneout_memory=0.5),  # Krueger et al. 2017, their LSTM of characters
    "weight-drop": Stabilisation(weight_drop=0.5),  # Merity, Keskar & Socher 2018, theirs on Penn Treebank
    "embedding-dropout": Stabilisation(embedding_dropout=0.1),  # Gal & Ghahramani 2016; 0.1 as Merity et al. 2018
    "tied": Stabilisation(tied=True),  # Inan, Khosravi & Socher 2017; Press & Wolf 2017
    "weight-noise": Stabilisation(weight_noise=0.075),  # Graves, Mohamed & Hinton 2013, theirs on TIMIT
    "ar-tar": Stabilisation(activation_penalty=2.0, temporal_penalty=1.0),  # Merity, McCann & Socher 2017
    "label-smoothing": Stabilisation(label_smoothing=0.1),  # Szegedy et al. 2016
    "spec-augment": Stabilisation(spec_augment=True),  # Park et al. 2019; the policy stands in bench.augment
    "jitter": Stabilisation(jitter=0.03),  # Um et al. 2017, on standardised values
    "scaling": Stabilisation(scaling=0.1),  # Um et al. 2017
    "decoupled-decay": Stabilisation(decay=0.01),  # Loshchilov & Hutter 2019, under any rule
    "l2": Stabilisation(l2=1e-4),  # Krogh & Hertz 1991, coupled: part of the gradient
    "ema": Stabilisation(ema=0.99),  # Polyak & Juditsky 1992; 0.999 is usual, and longer than our shortest runs
    "swa": Stabilisation(swa=0.75),  # Izmailov et al. 2018: the last quarter of the updates
    "early-stop": Stabilisation(patience=3),  # Prechelt 1998
}

# One learning rate a rule, the best of a half-decade grid by validation loss over the embedded tasks of `quick`, on
# seeds that no matrix uses: the lowest sum of ranks over speech/digits, language/grammar and series/mackey-glass, the
# smaller of two alike. Adadelta and Prodigy, which claim to need none, keep their papers' 1. A matrix's budget scales
# them all alike (Budget.rate). That is not tuning.
OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer("sgd", lr=1.0),  # Robbins & Monro 1951
    "momentum": Optimizer("sgd", lr=0.3, momentum=0.9),  # Polyak 1964; Sutskever et al. 2013
    "nesterov": Optimizer("nesterov", lr=0.3, momentum=0.9),  # Nesterov 1983; Sutskever et al. 2013
    # Merity, Keskar & Socher 2018, their n = 5: averages once validation has stopped improving
    "nt-asgd": Optimizer("sgd", lr=1.0, nonmono=5),
    "adagrad": Optimizer("adagrad", lr=0.1),  # Duchi, Hazan & Singer 2011
    "adadelta": Optimizer("adadelta", lr=1.0),  # Zeiler 2012
    "rmsprop": Optimizer("rmsprop", lr=0.01),  # Tieleman & Hinton 2012, smoothing 0.9 as there (torch: 0.99)
    "adam": Optimizer("adam", lr=0.01),  # Kingma & Ba 2015
    "amsgrad": Optimizer("amsgrad", lr=0.01),  # Reddi, Kale & Kumar 2018
    "nadam": Optimizer("nadam", lr=0.01),  # Dozat 2016
    "radam": Optimizer("radam", lr=0.03),  # Liu et al. 2020
    "adamw": Optimizer("adamw", lr=0.01, decay=0.01),  # Loshchilov & Hutter 2019
    "adafactor": Optimizer("adafactor", lr=0.1),  # Shazeer & Stern 2018: relative to the size of the weights
    "muon": Optimizer("muon", lr=0.03),  # Jordan et al. 2024: hidden matrices only, AdamW for the rest
    "lion": Optimizer("lion", lr=0.003),  # Chen et al. 2023: below Adam's, every step being as long as the rate
    "schedule-free": Optimizer("schedule-free", lr=0.03),  # Defazio et al. 2024
    "prodigy": Optimizer("prodigy", lr=1.0),  # Mishchenko & Defazio 2024: a factor on the rate that it estimates
    "soap": Optimizer("soap", lr=0.03),  # Vyas et al. 2024
    "adam-step": Optimizer("adam", lr=0.03, schedule="step"),  # the schedules: bench.schedules
    "adam-plateau": Optimizer("adam", lr=0.01, schedule="plateau"),
    "adam-cosine": Optimizer("adam", lr=0.03, schedule="cosine", warmup=0.05),
    "adam-one-cycle": Optimizer("adam", lr=0.03, schedule="one-cycle"),
}

BASELINE = ("lstm", "none", "adam")
"""What every difference in the report is taken against."""


def stabilisation(name: str, table: dict[str, Stabilisation] = STABILISATIONS) -> Stabilisation:
    """The recipe called `name`; parts joined by `+` are combined. Raises KeyError, or ValueError where parts clash."""
    return reduce(add, (table[part] for part in name.split("+")))
