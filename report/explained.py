"""What explains the scores of each task: effects.py over the records."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from bench.axes import REFERENCE
from report.effects import Effect, effects
from report.groups import AXES, Group


def explained(group: Group, members: pd.DataFrame) -> list[Effect]:
    """Shares of the variance of the ranks of a group's runs, on the baseline's machine; none where all tie.

    Of ranks, for one exploded run would be all the variance there is, and a failed run has no score but a rank: the
    last (Conover & Iman 1981). Reference models stand outside.
    """
    here = members[(members["origin"] == group.home) & ~members["architecture"].isin(REFERENCE)]
    ranks = _ranked(here["score"], group.better)
    if len(ranks) < 2 or ranks.min() == ranks.max():
        return []
    return effects(ranks.tolist(), {axis: here[axis].to_list() for axis in AXES}, {"seed": here["seed"].to_list()})


def _ranked(scores: pd.Series, better: str) -> np.ndarray:
    values: Any = scores if better == "lower" else -scores
    return values.fillna(math.inf).rank(method="average").to_numpy()
