"""The named choices, as data. Adding one is a line here; the tests find it by themselves.

Standard library only: `bench.matrix --list` reads these tables without torch. Matrices stand in matrices.py.
"""

from __future__ import annotations

from functools import reduce
from operator import add

from bench.spec import Architecture, Optimizer, Stabilisation

ARCHITECTURES: dict[str, Architecture] = {
    "rnn": Architecture(cell="rnn"),  # Elman 1990: the network that forgets
    "irnn": Architecture(cell="irnn"),  # Le, Jaitly & Hinton 2015: ReLU from the identity
    "lstm": Architecture(cell="lstm"),  # Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000
    "peephole": Architecture(cell="peephole"),  # Gers & Schmidhuber 2000
    "gru": Architecture(cell="gru"),  # Cho et al. 2014
    "stacked-2": Architecture(depth=2),  # Graves, Mohamed & Hinton 2013
    "stacked-3": Architecture(depth=3),
    "stacked-4": Architecture(depth=4),
    "bilstm": Architecture(bidirectional=True),  # Schuster & Paliwal 1997
    "attention": Architecture(attention=True),  # Bahdanau et al. 2015, scored as Luong et al. 2015
}

STABILISATIONS: dict[str, Stabilisation] = {
    "none": Stabilisation(),
    "clip": Stabilisation(clip_norm=0.25),  # Pascanu, Mikolov & Bengio 2013; 0.25 as Merity et al. 2018
    "clip-value": Stabilisation(clip_value=0.05),  # Mikolov 2012 clips sums at 15; our losses are means
    "batch-norm": Stabilisation(batch_norm="input"),  # Laurent et al. 2015: input-to-hidden, over batch and time
    "recurrent-bn": Stabilisation(batch_norm="recurrent"),  # Cooijmans et al. 2016: statistics for each time step
    "layer-norm": Stabilisation(layer_norm=True),  # Ba, Kiros & Hinton 2016
    "relu": Stabilisation(activation="relu"),  # Le, Jaitly & Hinton 2015 argue for it with identity weights
    "leaky-relu": Stabilisation(activation="leaky-relu"),  # Maas, Hannun & Ng 2013; slope 0.01
    "hardtanh": Stabilisation(activation="hardtanh"),  # Gulcehre et al. 2016, noisy activation functions
    "dropout": Stabilisation(dropout=0.3),  # Zaremba, Sutskever & Vinyals 2014: between layers only
    "variational": Stabilisation(dropout=0.3, dropout_kind="variational"),  # Gal & Ghahramani 2016: one mask a sequence
    "recurrent-dropout": Stabilisation(recurrent_dropout=0.25),  # Semeniuta, Severyn & Barth 2016, their 0.25
    "zoneout": Stabilisation(zoneout=0.05, zoneout_memory=0.5),  # Krueger et al. 2017, their LSTM of characters
    "weight-drop": Stabilisation(weight_drop=0.5),  # Merity, Keskar & Socher 2018, theirs on Penn Treebank
    "l2": Stabilisation(l2=1e-4),  # Krogh & Hertz 1991, coupled: part of the gradient
    "early-stop": Stabilisation(patience=3),  # Prechelt 1998
}

# One learning rate a rule, the best of a half-decade grid by validation loss over the embedded tasks of `quick`, on
# seeds that no matrix uses. A matrix's budget scales them all alike (Budget.rate). That is not tuning.
OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer("sgd", lr=1.0),  # Robbins & Monro 1951
    "momentum": Optimizer("sgd", lr=0.3, momentum=0.9),  # Polyak 1964; Sutskever et al. 2013
    "adagrad": Optimizer("adagrad", lr=0.1),  # Duchi, Hazan & Singer 2011
    "rmsprop": Optimizer("rmsprop", lr=0.01),  # Tieleman & Hinton 2012, smoothing 0.9 as there (torch: 0.99)
    "adam": Optimizer("adam", lr=0.01),  # Kingma & Ba 2015
    "nadam": Optimizer("nadam", lr=0.01),  # Dozat 2016
    "adamw": Optimizer("adamw", lr=0.01, decay=0.01),  # Loshchilov & Hutter 2019
}

BASELINE = ("lstm", "none", "adam")
"""What every difference in the report is taken against."""


def stabilisation(name: str, table: dict[str, Stabilisation] = STABILISATIONS) -> Stabilisation:
    """The recipe called `name`; parts joined by `+` are combined. Raises KeyError, or ValueError where parts clash."""
    return reduce(add, (table[part] for part in name.split("+")))
