"""LSTM Training Bench: training techniques for recurrent networks, crossed, scored and timed."""

__version__ = "0.1.0"

PROTOCOL = "1"
"""Version of the measuring rules (docs/protocol.md). A change that moves results raises it, and so every run's id."""
