"""One cell a file, its equations; CELLS is the table."""

from bench.cells.base import Cell, Now, State
from bench.cells.gru import GRU
from bench.cells.lstm import LSTM, Peephole
from bench.cells.rnn import IRNN, RNN
from bench.spec import CellName

CELLS: dict[CellName, type[Cell]] = {"rnn": RNN, "irnn": IRNN, "lstm": LSTM, "peephole": Peephole, "gru": GRU}

__all__ = ["CELLS", "GRU", "IRNN", "LSTM", "RNN", "Cell", "Now", "Peephole", "State"]
