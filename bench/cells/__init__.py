"""One family of cells a file, their equations; CELLS is the table."""

from bench.cells.base import Cell, Now, State
from bench.cells.gru import GRU
from bench.cells.lstm import LSTM, Coupled, Peephole, Projection
from bench.cells.minimal import MinGRU, MinLSTM
from bench.cells.rnn import IRNN, RNN, IndRNN
from bench.cells.slstm import SLSTM

CELLS: dict[str, type[Cell]] = {
    "rnn": RNN,
    "irnn": IRNN,
    "indrnn": IndRNN,
    "lstm": LSTM,
    "peephole": Peephole,
    "cifg": Coupled,
    "projection": Projection,
    "slstm": SLSTM,
    "gru": GRU,
    "mingru": MinGRU,
    "minlstm": MinLSTM,
}
"""The cells, those of plug-ins after ours; the other names of CellName are models without a recurrence
(bench.reference)."""

__all__ = [
    "CELLS",
    "GRU",
    "IRNN",
    "LSTM",
    "RNN",
    "SLSTM",
    "Cell",
    "Coupled",
    "IndRNN",
    "MinGRU",
    "MinLSTM",
    "Now",
    "Peephole",
    "Projection",
    "State",
]
