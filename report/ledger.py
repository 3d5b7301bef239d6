"""Published against ours: each row computed from committed records, a row that misses with what we make of it.

A row reads the runs of one group (report.groups) and one machine: those of which most of its techniques' runs are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from report.comparison import SEEDS, paired, shared
from report.frame import GROUP, chosen, load
from report.groups import AXES, Triple
from report.stats import shown, signed, t_interval
from report.verdicts import one_setting
from tasks.cards import TASKS, without_memory
from tasks.published import PUBLISHED

REACHED, MISSED, NONE, FEW = "reached", "missed", "no records", "too few runs"


@dataclass(frozen=True)
class Outcome:
    """What the records say of a row."""

    ours: str
    n: int  # runs, or pairs of them
    holds: bool | None  # None where there are too few records to say


@dataclass(frozen=True)
class Row:
    """One published number or ordering, and how ours is computed."""

    what: str
    published: str
    source: str
    matrix: str
    decide: Callable[[pd.DataFrame], Outcome]
    rule: str  # when it counts as reached
    miss: str = ""  # our best explanation, shown where it misses


@dataclass(frozen=True)
class Entry:
    """A row with its outcome."""

    row: Row
    outcome: Outcome

    @property
    def verdict(self) -> str:
        if self.outcome.holds is None:
            return FEW if self.outcome.n else NONE
        return REACHED if self.outcome.holds else MISSED


Scores = dict[Hashable, float]  # by seed


def scores(runs: pd.DataFrame, task: str, *techniques: Triple) -> list[Scores]:
    """The scores of each technique, all of one group and machine; a run that ended without one counts as the worst."""
    known = runs[(runs["task"] == task) & (runs["device"] == "cpu")]
    found: list[list[Scores]] = []
    for _, here in sorted(known.groupby([*GROUP, "origin"]), key=lambda part: part[0]):
        found.append([_by_seed(here, technique) for technique in techniques])
    most = max(found, key=lambda sides: min(map(len, sides)), default=None)
    return most or [{} for _ in techniques]


def _by_seed(runs: pd.DataFrame, technique: Triple) -> Scores:
    mine = runs
    for axis, name in zip(AXES, technique, strict=True):
        mine = mine[mine[axis] == name]
    return {
        run.seed: float(run.score) if run.status == "ok" and not math.isnan(run.score) else _worst(run.task)
        for run in one_setting(mine).itertuples()
    }


def _worst(task: str) -> float:
    return math.inf if TASKS[task].better == "lower" else -math.inf


def _mean(values: Sequence[float]) -> str:
    if not all(map(math.isfinite, values)):
        return f"{sum(map(math.isfinite, values))} of {len(values)} finished"
    mean, half = t_interval(values)
    return shown(mean) + ("" if math.isnan(half) else f" ± {shown(half, 2)}")


def _few(n: int) -> Outcome:
    return Outcome("", n, None)


def _values(runs: pd.DataFrame, task: str, technique: Triple) -> list[float]:
    return list(scores(runs, task, technique)[0].values())


def within(task: str, technique: Triple, bound: float) -> Callable[[pd.DataFrame], Outcome]:
    """The mean over seeds is at least as good as `bound`."""

    def decide(runs: pd.DataFrame) -> Outcome:
        found = _values(runs, task, technique)
        if len(found) < SEEDS:
            return _few(len(found))
        mean = sum(found) / len(found)
        return Outcome(_mean(found), len(found), mean <= bound if TASKS[task].better == "lower" else mean >= bound)

    return decide


def solved(task: str, technique: Triple, expected: bool) -> Callable[[pd.DataFrame], Outcome]:
    """Most seeds solve the task, or most do not, as its paper says."""

    def decide(runs: pd.DataFrame) -> Outcome:
        found, limit = _values(runs, task, technique), TASKS[task].solved
        if len(found) < SEEDS or limit is None:
            return _few(len(found))
        count = sum(score < limit for score in found)
        holds = 2 * count > len(found) if expected else 2 * count < len(found)
        return Outcome(f"{count} of {len(found)} seeds solve it ({_mean(found)})", len(found), holds)

    return decide


def ordered(tasks: Sequence[str], better: Triple, worse: Triple) -> Callable[[pd.DataFrame], Outcome]:
    """On some task the interval of the paired difference is above zero, and on none it is below.

    Where runs failed there is no interval: all of one side and none of the other is a difference, less is not.
    """

    def decide(runs: pd.DataFrame) -> Outcome:
        told, signs, most = [], [], 0
        for task in tasks:
            ours, theirs = shared(*scores(runs, task, better, worse))
            most = max(most, len(ours))
            if len(ours) < SEEDS:
                continue
            if all(map(math.isfinite, ours + theirs)):
                found = paired(ours, theirs, TASKS[task].better)
                half = 0.0 if math.isnan(found.half) else found.half
                signs.append((found.gain > half) - (found.gain < -half))
                told.append(f"{task}: {signed(found.gain)}" + (f" ± {shown(half, 2)}" if half else ""))
            else:
                first, second = (sum(map(math.isfinite, side)) for side in (ours, theirs))
                signs.append((first - second) // len(ours) if abs(first - second) == len(ours) else 0)
                told.append(f"{task}: {first} against {second} of {len(ours)} finished")
        if not signs:
            apart = not most and any(all(_alone(runs, task, better, worse)) for task in tasks)
            return Outcome("never both on one machine" if apart else "", most, None)
        return Outcome("; ".join(told), most, max(signs) > 0 and min(signs) >= 0)

    return decide


def _alone(runs: pd.DataFrame, task: str, *techniques: Triple) -> list[Scores]:
    """The scores of each technique by itself, wherever it ran."""
    return [scores(runs, task, technique)[0] for technique in techniques]


def near(task: str, technique: Triple, value: float, share: float) -> Callable[[pd.DataFrame], Outcome]:
    """The mean over seeds is within `share` of a value known by arithmetic."""

    def decide(runs: pd.DataFrame) -> Outcome:
        found = _values(runs, task, technique)
        if len(found) < SEEDS:
            return _few(len(found))
        mean = sum(found) / len(found)
        return Outcome(_mean(found), len(found), abs(mean - value) <= share * value)

    return decide


_ZHOU = "Zhou et al. 2021, arXiv:2012.07436, table 2 as corrected in the authors' repository"
_PLAIN = ("lstm", "clip+early-stop", "adam")


def _informer() -> list[Row]:
    found = []
    for name, words in (("etth1", "multivariate"), ("etth1-univariate", "univariate")):
        for horizon in (24, 48, 168):
            task = f"series/{name}/{horizon}"
            value = PUBLISHED[task]["LSTM with attention (Zhou et al. 2021)"]
            found.append(
                Row(
                    f"ETTh1 {words}, {horizon} steps, MSE",
                    f"LSTM with attention {value:.3f}",
                    _ZHOU,
                    "ledger",
                    within(task, _PLAIN, value),
                    "our LSTM at most the published one: a weak model, so an upper bound",
                )
            )
    for name, words, model in (("etth1", "multivariate", "LSTnet"), ("etth1-univariate", "univariate", "DeepAR")):
        task = f"series/{name}/24"
        value = PUBLISHED[task][f"{model} (Zhou et al. 2021)"]
        decide = within(task, _PLAIN, value)
        rule = f"our LSTM at most {model} as they report it"
        found.append(Row(f"ETTh1 {words}, 24 steps, MSE", f"{model} {value:.3f}", _ZHOU, "ledger", decide, rule))
    return found


_KARPATHY = "Karpathy, Johnson & Fei-Fei 2015, arXiv:1506.02078"
_FSDD = ("bilstm", "clip", "adam")
_BASE, _BN, _ZONE = (("lstm", recipe, "adam") for recipe in ("none", "recurrent-bn", "zoneout"))
_LANGUAGE = ("language/warandpeace", "language/wikitext2")
_HELD = tuple(f"speech/fsdd-speakers/{name}" for name in ("george", "jackson", "lucas", "nicolas", "theo", "yweweler"))


def _speakers(runs: pd.DataFrame) -> Outcome:
    """The mean over the six speakers held out, each a task of its own, and our mean on the split that shares them."""
    found = [_values(runs, task, _FSDD) for task in ("speech/fsdd", *_HELD)]
    if min(map(len, found)) < SEEDS:
        return _few(sum(map(len, found[1:])))
    official, *means = (sum(one) / len(one) for one in found)
    mean = sum(means) / len(means)
    ours = f"{shown(mean)}, from {shown(min(means))} to {shown(max(means))} by speaker; official {shown(official)}"
    return Outcome(ours, sum(map(len, found[1:])), min(means) > 100 / 10 and mean < official)


LEDGER: tuple[Row, ...] = (
    *_informer(),
    Row(
        "FSDD, official split, accuracy %",
        "97.33 (BiLSTM on MFCC, random split)",
        "README of A. Pal's repository",
        "ledger",
        within("speech/fsdd", _FSDD, 97.33),
        "at least the published accuracy; no number has the same split",
    ),
    Row(
        "FSDD, a speaker held out, accuracy %",
        "none; published splits share their speakers",
        "dataset card",
        "ledger",
        _speakers,
        "above chance for every speaker and, on average, below ours on the split that shares speakers",
    ),
    Row(
        "Adding problem, T = 150: LSTM",
        "solves",
        "Le, Jaitly & Hinton 2015, arXiv:1504.00941",
        "ledger",
        solved("memory/adding/150", ("lstm", "clip-1", "adam"), True),
        "most seeds below a tenth of the baseline's error",
    ),
    Row(
        "Adding problem, T = 150: IRNN",
        "solves",
        "Le, Jaitly & Hinton 2015, arXiv:1504.00941",
        "ledger",
        solved("memory/adding/150", ("irnn", "clip-1", "adam-slow"), True),
        "most seeds below a tenth of the baseline's error",
    ),
    Row(
        "Adding problem, T = 150: tanh RNN",
        "does not solve",
        "Le, Jaitly & Hinton 2015, arXiv:1504.00941",
        "ledger",
        solved("memory/adding/150", ("rnn", "clip-1", "adam-low"), False),
        "most seeds stay above it",
    ),
    Row(
        "Copy memory, T = 100: LSTM, nats a step",
        f"stays at 10 ln 8 / 120 = {without_memory('memory/copy/100'):.4f}",
        "Arjovsky, Shah & Bengio 2016, arXiv:1511.06464",
        "ledger",
        near("memory/copy/100", ("lstm", "clip-1", "rmsprop-middle"), without_memory("memory/copy/100"), 0.02),
        "within 2 % of the baseline without memory",
    ),
    Row(
        "Copy memory, T = 100: chrono initialisation",
        "better than the default",
        "Tallec & Ollivier 2018, arXiv:1804.11188",
        "ledger",
        ordered(
            ("memory/copy/100",), ("lstm", "clip-1+chrono", "rmsprop-middle"), ("lstm", "clip-1", "rmsprop-middle")
        ),
        "the interval of the paired difference is above zero",
    ),
    Row(
        "Adding problem, T = 500: chrono initialisation",
        "better than the default",
        "Tallec & Ollivier 2018, arXiv:1804.11188",
        "ledger",
        ordered(("memory/adding/500",), ("lstm", "clip-1+chrono", "adam-middle"), ("lstm", "clip-1", "adam-middle")),
        "the interval of the paired difference is above zero",
    ),
    Row(
        "Characters of War and Peace, bits",
        f"{1.077 / math.log(2):.3f} (1.077 nats, the best of their networks)",
        _KARPATHY,
        "plain",
        within("language/warandpeace", ("lstm", "clip", "adam"), 1.077 / math.log(2)),
        "at most theirs",
        "one layer of 360,000 parameters and 6,000 updates; theirs is the best of many cells, depths and sizes",
    ),
    Row(
        "Characters of War and Peace: LSTM against tanh RNN (ordering, reduced scale)",
        "LSTM better",
        _KARPATHY,
        "small",
        ordered(("language/warandpeace",), _BASE, ("rnn", "none", "adam")),
        "the interval of the paired difference is above zero",
        "600 updates of a small network at one rate: the simple network learns as much so early",
    ),
    Row(
        "Recurrent batch norm against LSTM (ordering, reduced scale)",
        "better: 1.32 against 1.38 bits, characters of Penn Treebank",
        "Cooijmans et al. 2016, arXiv:1603.09025",
        "small",
        ordered(_LANGUAGE, _BN, _BASE),
        "language: above zero on some task and below on none",
        "at this scale, another data set and no tuning",
    ),
    Row(
        "Zoneout against LSTM (ordering, reduced scale)",
        "better: 1.27 bits, characters of Penn Treebank",
        "Krueger et al. 2017, arXiv:1606.01305",
        "small",
        ordered(_LANGUAGE, _ZONE, _BASE),
        "language: above zero on some task and below on none",
        "600 updates of a small network do not overfit, so noise costs and has nothing to mend; the paper trains 1,000 "
        "units for many epochs",
    ),
)


def entries(results: Path) -> list[Entry]:
    """Every row with what the records below `results` say of it."""
    known = chosen(results, None)
    runs = {name: load(results, name).runs for name in {row.matrix for row in LEDGER} if name in known}
    return [Entry(row, row.decide(runs[row.matrix]) if row.matrix in runs else _few(0)) for row in LEDGER]
