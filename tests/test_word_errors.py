"""Word error rate: that of jiwer, over the corpus, cheap where there is nothing to align."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torchaudio.functional import edit_distance

from tasks.base import Batch
from tasks.cards import TASKS
from tasks.recognition import Connected, _Counted
from tasks.recordings import Recordings


def words_of(rng: random.Random, most: int) -> str:
    return " ".join(rng.choice(["a", "b", "cc", "dé"]) for _ in range(rng.randint(0, most)))


def spelled(labels: tuple[str, ...]) -> Connected:
    empty = torch.zeros(0, dtype=torch.int64)
    nothing = Recordings(np.zeros((0, 1), np.float16), empty, empty, np.zeros((0, 16), np.uint8), empty, empty,
                         torch.zeros(1), torch.ones(1), ())  # fmt: skip
    return Connected(TASKS["speech/an4"], nothing, nothing, nothing, labels=labels, spelled=True)


def outputs(texts: list[str], labels: tuple[str, ...]) -> torch.Tensor:
    """Outputs from which greedy decoding reads these texts: a blank before every sign."""
    out = torch.zeros(len(texts), 2 * max(map(len, texts)) + 1, len(labels) + 1)
    out[..., 0] = 20
    for row, text in enumerate(texts):
        for place, sign in enumerate(text):
            out[row, 2 * place + 1, 0] = 0
            out[row, 2 * place + 1, 1 + labels.index(sign)] = 20
    return out


def test_word_error_rate_is_that_of_jiwer() -> None:
    """Over the corpus, in words that characters spell; an empty reference counts what is answered to it."""
    jiwer = pytest.importorskip("jiwer")
    rng, labels = random.Random(0), tuple(" abcdé")
    task = spelled(labels)
    for _ in range(50):
        said, answers = ([words_of(rng, 6) for _ in range(5)] + ["a b"] for _ in range(2))
        y = torch.nn.utils.rnn.pad_sequence([torch.tensor([1 + labels.index(s) for s in x] or [0]) for x in said], True)
        out = outputs(answers, labels)
        lengths = torch.full((6,), out.shape[1])
        batch = Batch(torch.zeros(6, out.shape[1], 1), y, lengths, torch.tensor([len(text) for text in said]))
        measured = jiwer.process_words(said, answers)
        errors = measured.substitutions + measured.deletions + measured.insertions
        tally = task.tally(out, batch)
        assert (tally["edits"], tally["words"]) == (errors, sum(len(text.split()) for text in said))
        assert task.metrics(tally)["wer"] == pytest.approx(100 * jiwer.wer(said, answers))


def test_errors_of_a_constant_answer_need_no_alignment() -> None:
    """Counting gives the edit distance to any reference, however long either is."""
    rng = random.Random(1)
    references = [tuple(rng.choice("abc") for _ in range(rng.randint(0, 7))) for _ in range(60)]
    for word in "abcd":
        counted = _Counted(word, references)
        for times in range(9):
            errors = sum(edit_distance([word] * times, one) for one in references)
            assert counted.wer(times) == pytest.approx(100 * errors / sum(map(len, references)))
