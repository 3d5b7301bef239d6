"""One cell a file, its equations; CELLS is the table."""

from bench.cells.base import Cell, State
from bench.cells.gru import GRU
from bench.cells.lstm import LSTM
from bench.cells.rnn import RNN
from bench.spec import CellName

CELLS: dict[CellName, type[Cell]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}

__all__ = ["CELLS", "GRU", "LSTM", "RNN", "Cell", "State"]
