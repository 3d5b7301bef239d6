"""What each name of axes.py is, in a sentence, and what to cite for it. Standard library only.

Settings stand in axes.py alone, so no sentence names one.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.literature import PUBLICATIONS
from tasks.cards import TASKS
from tasks.literature import PUBLICATIONS as OF_TASKS
from tasks.literature import Publication


@dataclass(frozen=True)
class Method:
    """A technique as a reader of the report meets it."""

    what: str
    cites: tuple[str, ...] = ()  # keys of bench.literature.PUBLICATIONS, in the order they are printed


def _m(what: str, *cites: str) -> Method:
    return Method(what, cites)


# fmt: off
ARCHITECTURES: dict[str, Method] = {
    "rnn": _m("The simple recurrent network: the next state is tanh of a linear map of input and state.", "elman1990"),
    "irnn": _m("A simple recurrent network of ReLU units whose recurrent matrix begins as the identity.", "le2015"),
    "indrnn": _m("A recurrent network of ReLU units, each of which sees its own past alone.", "li2018"),
    "lstm": _m("Long short-term memory: gates decide what a cell writes, keeps and shows.",
               "hochreiter1997", "gers2000forget"),
    "peephole": _m("An LSTM whose gates also see the cell's memory.", "gers2000peephole"),
    "cifg": _m("An LSTM with coupled gates: it writes exactly what it forgets.", "greff2017"),
    "projection": _m("An LSTM whose state is a projection of its output, narrower than its memory.", "sak2014"),
    "slstm": _m("An LSTM with an exponential input gate and a normalised memory, the sLSTM of xLSTM.", "beck2024"),
    "gru": _m("The gated recurrent unit: two gates and one state, without a separate memory.", "cho2014"),
    "mingru": _m("A GRU whose gate and candidate read the input alone, never the state.", "feng2024"),
    "minlstm": _m("An LSTM whose gates and candidate read the input alone, never the state.", "feng2024"),
    "stacked-2": _m("Two layers of LSTM, each reading the states of the one below.", "graves2013"),
    "stacked-3": _m("Three layers of LSTM, each reading the states of the one below.", "graves2013"),
    "stacked-4": _m("Four layers of LSTM, each reading the states of the one below.", "graves2013"),
    "residual-2": _m("Two layers of LSTM, where a layer's input is added to its output.", "kim2017", "srivastava2015"),
    "residual-4": _m("Four layers of LSTM, where a layer's input is added to its output.", "kim2017", "srivastava2015"),
    "bilstm": _m("Two LSTMs, one reading the sequence forwards and one backwards, their states joined.",
                 "schuster1997"),
    "attention": _m("An LSTM whose answer also looks back at all states, weighted by how well each fits.",
                    "bahdanau2015", "luong2015"),
    "transformer": _m("A causal Transformer, without a recurrence: self-attention over all steps so far.",
                      "vaswani2017", "xiong2020"),
    "tcn": _m("A temporal convolutional network, without a recurrence: dilated causal convolutions.", "bai2018"),
    "linear": _m("A linear map of the inputs so far, without a recurrence and without any nonlinearity."),
}

STABILISATIONS: dict[str, Method] = {
    "none": _m("The bare network: nothing is done against vanishing or exploding gradients or overfitting."),
    "clip": _m("The whole gradient is shortened to a fixed norm where it is longer.", "pascanu2013", "merity2018"),
    "clip-value": _m("Each element of the gradient is cut off at a fixed size.", "mikolov2012"),
    "agc": _m("Each unit's gradient is kept below a share of the norm of its weights.", "brock2021"),
    "autoclip": _m("The whole gradient is shortened to a percentile of all its norms so far.", "seetharaman2020"),
    "gradient-noise": _m("Gaussian noise that dies away over training is added to every gradient.", "neelakantan2015"),
    "batch-norm": _m("The inputs' part of the gates is normalised over batch and time.", "laurent2015"),
    "recurrent-bn": _m("Inputs' part, state's part and memory are each normalised over the batch, with statistics for "
                       "each time step.", "cooijmans2016"),
    "layer-norm": _m("What enters the gates, and an LSTM's memory on its way out, is normalised over the units.",
                     "ba2016"),
    "weight-norm": _m("Each row of the weight matrices is trained as a direction and a length.", "salimans2016"),
    "orthogonal": _m("Recurrent matrices begin orthogonal, so that they neither stretch nor shrink a state.",
                     "saxe2014"),
    "identity": _m("Recurrent matrices begin as the identity.", "le2015"),
    "forget-1": _m("The forget gate begins open, by its bias.", "gers2000forget", "jozefowicz2015"),
    "chrono": _m("Forget and input biases begin so that the units remember over all spans up to the task's length.",
                 "tallec2018"),
    "bptt": _m("Back-propagation through time is truncated: the gradient is cut after a fixed number of steps.",
               "williams1990"),
    "relu": _m("ReLU takes the place of tanh in the cell.", "le2015"),
    "leaky-relu": _m("Leaky ReLU, with a small slope below zero, takes the place of tanh in the cell.", "maas2013"),
    "hardtanh": _m("A piecewise linear tanh takes the place of the smooth one in the cell.", "gulcehre2016"),
    "dropout": _m("Units are dropped between layers, anew at each step, and never in the recurrence.", "zaremba2014"),
    "variational": _m("Units are dropped between layers, the same ones at all steps of a sequence.", "gal2016"),
    "recurrent-dropout": _m("Some units write no new candidate into their memory at a step.", "semeniuta2016"),
    "zoneout": _m("Some units keep their value of the step before.", "krueger2017"),
    "weight-drop": _m("Elements of the recurrent matrix are dropped, the same ones for a whole batch.",
                      "merity2018", "wan2013"),
    "embedding-dropout": _m("Symbols lose their whole embedding for one batch.", "gal2016", "merity2018"),
    "tied": _m("The output layer shares its matrix with the embedding.", "inan2017", "press2017"),
    "weight-noise": _m("Gaussian noise is added to every weight for one batch.", "graves2013", "graves2011"),
    "ar-tar": _m("Large states, and large changes from one step to the next, are penalised.", "merity2017"),
    "label-smoothing": _m("A small share of the target is spread over all classes.", "szegedy2016"),
    "spec-augment": _m("Bands of frequencies and spans of time of a training spectrogram are masked.", "park2019"),
    "jitter": _m("Gaussian noise is added to the values of a training series.", "um2017"),
    "scaling": _m("Each variate of a training window is multiplied by a random factor near one.", "um2017"),
    "decoupled-decay": _m("Weights shrink a little at each update, beside the gradient.", "loshchilov2019"),
    "l2": _m("The squared norm of the weight matrices is penalised, as part of the gradient.", "krogh1991"),
    "ema": _m("An exponential average of the weights over training is scored, instead of the last ones.",
              "polyak1992"),
    "swa": _m("The plain average of the weights of the last updates is scored, instead of the last ones.",
              "izmailov2018"),
    "early-stop": _m("Training ends when the validation loss has stopped improving.", "prechelt1998"),
}

OPTIMIZERS: dict[str, Method] = {
    "sgd": _m("Stochastic gradient descent: a step against the gradient of one batch.", "robbins1951"),
    "momentum": _m("Gradient descent along a running sum of past gradients.", "polyak1964", "sutskever2013"),
    "nesterov": _m("Momentum whose gradient is taken where the momentum is about to lead.",
                   "nesterov1983", "sutskever2013"),
    "nt-asgd": _m("Gradient descent that averages its weights once validation has stopped improving.", "merity2018"),
    "adagrad": _m("Each weight's rate falls with the sum of its squared gradients so far.", "duchi2011"),
    "adadelta": _m("Steps in proportion to recent steps over recent gradients, without a rate to choose.",
                   "zeiler2012"),
    "rmsprop": _m("Each gradient is divided by the root of a running mean of its squares.", "tieleman2012"),
    "adam": _m("Running mean of the gradient over the root of that of its squares, both corrected for their start.",
               "kingma2015"),
    "amsgrad": _m("Adam whose divisor never falls.", "reddi2018"),
    "nadam": _m("Adam with Nesterov's momentum.", "dozat2016"),
    "radam": _m("Adam that holds its steps back early, while the mean of squares rests on few gradients.", "liu2020"),
    "adamw": _m("Adam with decoupled decay of the weights.", "loshchilov2019"),
    "adafactor": _m("Squared gradients are kept as row and column sums, and steps are relative to the size of the "
                    "weights.", "shazeer2018"),
    "muon": _m("Momentum made orthogonal for the matrices of hidden layers, AdamW for all other weights.",
               "jordan2024", "liu2025"),
    "lion": _m("The sign of a mix of momentum and gradient: every weight moves by the same amount.", "chen2023"),
    "schedule-free": _m("AdamW whose average of weights takes the place of a schedule.", "defazio2024"),
    "prodigy": _m("Adam that estimates its learning rate from how far the weights have come.", "mishchenko2024"),
    "soap": _m("Adam in the axes of Shampoo's preconditioner.", "vyas2024"),
    "adam-step": _m("Adam whose rate falls to a fraction at fixed points of training.", "kingma2015", "he2016"),
    "adam-plateau": _m("Adam whose rate falls after each evaluation that is not the best so far.",
                       "kingma2015", "bourlard1994"),
    "adam-cosine": _m("Adam whose rate rises over a short warm-up and then falls along a cosine.",
                      "kingma2015", "loshchilov2017", "goyal2017"),
    "adam-one-cycle": _m("Adam whose rate rises from a small value and then falls to a smaller one, once.",
                         "kingma2015", "smith2018"),
}
# fmt: on

METHODS: dict[str, dict[str, Method]] = {
    "architecture": ARCHITECTURES,
    "stabilisation": STABILISATIONS,
    "optimizer": OPTIMIZERS,
}
"""axis -> name -> method; the names are those of axes.py."""


def method(axis: str, name: str) -> Method | None:
    """The method of this name; parts joined by `+` are one method. None for a name that a matrix file made up.

    Raises KeyError for an axis that is none of METHODS.
    """
    table = METHODS[axis]
    if name in table or axis != "stabilisation":
        return table.get(name)
    parts = [table[part] for part in name.split("+") if part in table]
    if len(parts) <= name.count("+"):
        return None
    keys = dict.fromkeys(key for part in parts for key in part.cites)
    return Method(" ".join(part.what for part in parts), tuple(keys))


def cited(architecture: str, stabilisation: str, optimizer: str, task: str) -> dict[str, Publication]:
    """What a row rests on, beside this suite: its methods' publications and then its task's, each once, by key.

    A name that is in no table adds nothing.
    """
    row = {"architecture": architecture, "stabilisation": stabilisation, "optimizer": optimizer}
    methods = [method(axis, name) for axis, name in row.items()]
    found = {key: PUBLICATIONS[key] for known in methods if known for key in known.cites}
    return found | ({key: OF_TASKS[key] for key in TASKS[task].cites} if task in TASKS else {})
