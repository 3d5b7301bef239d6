"""An agreement grammar whose entropy is known: sentences in which far words decide.

A sentence is  [bracket] subject (phrase)* verb object (and verb object)* [bracket] `.`  with two dependencies that
may span any number of words: each verb, and a reflexive object, has the number of the subject, although the phrases
in between bring nouns of either number (attractors, Linzen et al. 2016, arXiv:1611.01368); and the bracket that
closes is of the kind that opened. A trigram seldom sees either, a network has to remember both.

The grammar is a state machine in which the symbol decides the next state (unifilar, Crutchfield & Young 1989), and
every sentence begins in the same state. So the past determines the state, the next symbol's distribution given all
of the past is the state's, and the entropy is that of the states, weighted by how often each is visited.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from itertools import accumulate
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.data.text import Corpus, Symbols

END = "."
BRACKETS = {"(": ")", "[": "]", "{": "}"}
NOUNS = {"one": ("dog", "fox", "child", "witch"), "many": ("dogs", "foxes", "children", "witches")}
VERBS = {"one": ("sees", "likes", "hears", "finds"), "many": ("see", "like", "hear", "find")}
REFLEXIVES = {"one": "itself", "many": "themselves"}
PREPOSITIONS = ("near", "behind", "above")
ADJECTIVES = ("old", "small", "red")
ADVERBS = ("often", "today")
VOCABULARY = (
    END, *BRACKETS, *BRACKETS.values(), *NOUNS["one"], *NOUNS["many"], *VERBS["one"], *VERBS["many"],
    *REFLEXIVES.values(), *PREPOSITIONS, *ADJECTIVES, *ADVERBS, "and",
)  # fmt: skip

SIZES = {"train": 60_000, "valid": 8_000, "test": 16_000}
SEEDS = {"train": 1, "valid": 2, "test": 3}


class State(NamedTuple):
    """What the past has fixed."""

    place: str
    opened: str = ""
    number: str = ""


START = State("start")
Rule = dict[str, tuple[float, State]]  # word -> its probability, and the state that it leads to


def _choice(share: float, words: tuple[str, ...], state: State) -> Rule:
    """Words that share a probability as 1 : 1/2 : 1/3 ..., all leading to the same state."""
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    return {word: (share * weight / sum(weights), state) for word, weight in zip(words, weights, strict=True)}


def _nouns(share: float, state: State) -> Rule:
    return _choice(share / 2, NOUNS["one"], state) | _choice(share / 2, NOUNS["many"], state)


def _subject(share: float, state: State) -> Rule:
    rules = (_choice(share / 2, NOUNS[number], state._replace(number=number)) for number in NOUNS)
    return {word: rule for each in rules for word, rule in each.items()}


def rules(state: State) -> Rule:
    """The words that may follow in a state."""
    place, opened, number = state
    to = state._replace
    match place:
        case "start":
            opening = {bracket: (0.25, State("subject", bracket)) for bracket in BRACKETS}
            return opening | _subject(0.25, State("before verb"))
        case "subject":
            return _subject(1.0, to(place="before verb"))
        case "before verb":  # 1.5 phrases on average stand between the subject and its verb
            return _choice(0.6, PREPOSITIONS, to(place="phrase")) | _choice(0.4, VERBS[number], to(place="object"))
        case "phrase":
            return _choice(0.3, ADJECTIVES, to(place="noun")) | _nouns(0.7, to(place="before verb"))
        case "noun":
            return _nouns(1.0, to(place="before verb"))
        case "object":
            return _nouns(0.6, to(place="after object")) | {REFLEXIVES[number]: (0.4, to(place="after object"))}
        case "after object":
            more = {"and": (0.35, to(place="second verb"))}
            return more | _choice(0.25, ADVERBS, State("close", opened)) | _close(0.4, opened)
        case "second verb":
            return _choice(1.0, VERBS[number], to(place="object"))
        case "close":
            return _close(1.0, opened)
        case "stop":
            return {END: (1.0, START)}
    raise ValueError(f"no state is called {place!r}")


def _close(share: float, opened: str) -> Rule:
    """The bracket that closes a sentence, and the end of one that has none; both lead back to the start."""
    return {BRACKETS[opened]: (share, State("stop"))} if opened else {END: (share, START)}


@cache
def table() -> dict[State, Rule]:
    """Every state that can be reached, with its rules."""
    found: dict[State, Rule] = {}
    waiting = [START]
    while waiting:
        state = waiting.pop()
        if state not in found:
            found[state] = rules(state)
            waiting += [after for _, after in found[state].values()]
    return found


def sentence() -> tuple[float, float]:
    """The entropy of a sentence in nats, and its expected length; both exact.

    With h the entropy of the next symbol in each state and P the transitions that do not end a sentence, the nats
    still to come are H = h + P H, and likewise the symbols still to come are L = 1 + P L.
    """
    place = {state: index for index, state in enumerate(table())}
    step = np.zeros(len(place))
    onward = np.zeros((len(place), len(place)))
    for state, rule in table().items():
        for probability, after in rule.values():
            step[place[state]] -= probability * np.log(probability)
            if after != START:
                onward[place[state], place[after]] += probability
    left = np.eye(len(place)) - onward
    nats, length = np.linalg.solve(left, np.stack([step, np.ones_like(step)], axis=1))[place[START]]
    return float(nats), float(length)


def entropy() -> float:
    """The entropy rate in nats per symbol: exp of it is the lowest perplexity that any predictor can reach."""
    nats, length = sentence()
    return nats / length


def sample(count: int, seed: int) -> Symbols:
    """The first `count` symbols of sentence after sentence; the last sentence may be cut."""
    draw = Random(seed).random  # this sequence is the same in every version of Python
    number = {word: index for index, word in enumerate(VOCABULARY)}
    drawn = {}
    for state, rule in table().items():
        bounds = list(accumulate(probability for probability, _ in rule.values()))
        drawn[state] = (bounds[:-1], [(number[word], after) for word, (_, after) in rule.items()])
    symbols, state = [], START
    for _ in range(count):
        bounds, choices = drawn[state]
        symbol, state = choices[bisect_right(bounds, draw())]
        symbols.append(symbol)
    return np.array(symbols)


def surprisal(symbols: Symbols) -> NDArray[np.float64]:
    """Negative log probability of each symbol given all before it, in nats; infinite where the grammar forbids it."""
    state, nats = START, []
    for symbol in symbols.tolist():
        probability, state = table()[state].get(VOCABULARY[symbol], (0.0, START))
        nats.append(-np.log(probability) if probability else np.inf)
    return np.array(nats)


def corpus() -> Corpus:
    """Train, valid and test: three independent samples of one process."""
    train, valid, test = (sample(SIZES[name], SEEDS[name]) for name in ("train", "valid", "test"))
    return Corpus(VOCABULARY, VOCABULARY.index(END), train, valid, test, entropy())
