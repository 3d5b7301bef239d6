"""Two sets of results: what is the same, what moved, what is apart, and what is never compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRAMMAR, GRU, LSTM, SGD

from bench.record import RunRecord
from bench.spec import digest
from report import BadInput, diff
from report import __main__ as command
from report.moved import ALONE, APART, FAILED, MOVED, SAME, SHARED, Diff
from report.moved import diff as compare
from report.stats import t_interval


def seeds(name: str, technique: made.Technique, scores: list[float], **changes: Any) -> list[RunRecord]:
    """A run for each score, each with weights of its own."""
    return [
        made.run(name, technique, i, score, **{"weights": digest({"score": score, "seed": i}), **changes})
        for i, score in enumerate(scores)
    ]


def compared(tmp: Path, old: list[RunRecord], new: list[RunRecord]) -> Diff:
    """The records of both sides, written and read."""
    for side, records in (("old", old), ("new", new)):
        made.write(tmp / side, records)
    return compare(*diff.read(tmp / "old", tmp / "new"))


OLD = [70.0, 72.0, 71.0]


def test_a_copy_is_the_same(tmp_path: Path) -> None:
    """Folders of results, folders of one matrix under another name, and files: every row is the same."""
    records = made.matrix(6, 2, [DIGITS, GRAMMAR], timed=False)
    for side in ("old", "new"):
        made.write(tmp_path / side, records)
    made.write(tmp_path / "new", records, "renamed")
    for old, new in [("old", "new"), ("old/core", "new/renamed"), ("old/core/machine.jsonl", "new/core")]:
        found = compare(*diff.read(tmp_path / old, tmp_path / new))
        assert len(found.pairs) == 12
        assert {pair.verdict for pair in found.pairs} == {SAME}
        assert diff.summary(found) == "Of 12 rows in both: 12 same."
        assert found.environment == ""


@pytest.mark.parametrize(
    ("new", "verdict"),
    [
        (OLD, SAME),
        (OLD[:2], SHARED),
        ([75.0, 76.5, 76.0], APART),
        ([70.5, 71.0, 72.5], MOVED),
        ([75.0, 77.0], MOVED),  # two pairs have no interval
    ],
)
def test_verdicts(tmp_path: Path, new: list[float], verdict: str) -> None:
    """Paired by seed: apart where three pairs leave 0 outside their interval, else moved."""
    found = compared(tmp_path, seeds(DIGITS, LSTM, OLD), seeds(DIGITS, LSTM, new))
    assert [pair.verdict for pair in found.pairs] == [verdict]


def test_the_change_is_the_paired_difference(tmp_path: Path) -> None:
    """The mean of the differences seed by seed, with its own interval; lower is better turns the sign."""
    new = [75.0, 76.5, 76.0]
    gain, half = t_interval([b - a for a, b in zip(OLD, new, strict=True)])
    (pair,) = compared(tmp_path, seeds(DIGITS, LSTM, OLD), seeds(DIGITS, LSTM, new)).pairs
    assert (pair.pairs.gain, pair.pairs.half) == (gain, half)
    assert pair.change("higher") == gain > 0
    worse = compared(tmp_path, seeds(GRAMMAR, LSTM, OLD), seeds(GRAMMAR, LSTM, new))
    assert worse.pairs[0].pairs.gain == -gain
    assert diff.summary(worse) == "Of 1 row in both: 1 apart (0 better, 1 worse)."


def test_equal_scores_of_other_weights_are_not_the_same(tmp_path: Path) -> None:
    """The weights decide, where both sides tell them; without them, the scores."""
    old = seeds(DIGITS, LSTM, OLD)
    for weights, verdict in [("other", MOVED), (None, SAME)]:
        found = compared(tmp_path, old, [replace(record, weights=weights) for record in old])
        assert [pair.verdict for pair in found.pairs] == [verdict]


def test_other_settings_are_not_paired(tmp_path: Path) -> None:
    """One name with other values has other ids: both means stand there, no pair does."""
    new = [
        replace(r, id=f"{i}" * 16, configuration="c" * 16)
        for i, r in enumerate(seeds(DIGITS, LSTM, [80.0, 81.0, 82.0]))
    ]
    (pair,) = compared(tmp_path, seeds(DIGITS, LSTM, OLD), new).pairs
    assert (pair.verdict, pair.pairs.n, pair.change("higher")) == (ALONE, 0, 10.0)


def test_another_version_of_torch_is_compared_and_named(tmp_path: Path) -> None:
    """The environment stands in one line; rows of several machines meet the row of their own."""
    newer = {"versions": {"torch": "2.15.0"}, "code": "beef" * 16}
    there = {"machine": {"label": "elsewhere"}}
    for side, changes in (("old", {}), ("new", newer)):
        far = made.write(tmp_path / side, seeds(DIGITS, LSTM, [60.0, 61.0, 62.0], **changes, **there))
        far.rename(far.with_name("elsewhere.jsonl"))
        made.write(tmp_path / side, seeds(DIGITS, LSTM, [71.0, 73.0, 72.5] if changes else OLD, **changes))
    found = compare(*diff.read(tmp_path / "old", tmp_path / "new"))
    assert "torch 2.14.1 → 2.15.0" in found.environment
    assert "code c0dec0dec0d… → beefbeefbee…" in found.environment
    assert "machine" not in found.environment
    assert sorted(pair.verdict for pair in found.pairs) == [APART, SAME]


def test_rows_of_one_side(tmp_path: Path) -> None:
    """A technique that only one side has is named, not compared; ranks move with it."""
    old = [*seeds(DIGITS, LSTM, OLD), *seeds(DIGITS, CLIP, [80.0] * 3)]
    new = [*seeds(DIGITS, LSTM, OLD), *seeds(DIGITS, GRU, [60.0] * 3)]
    found = compared(tmp_path, old, new)
    assert (found.groups[0].gone, found.groups[0].added) == (("lstm/clip/adam",), ("gru/none/adam",))
    assert diff.summary(found) == "Of 1 row in both: 1 same; 1 row only in old; 1 row only in new."
    assert "| 2 → 1 | same |" in diff.markdown(found)
    assert "only in old: lstm/clip/adam" in diff.terminal(found, 80)


def test_a_task_of_another_version_is_never_compared(tmp_path: Path) -> None:
    """Version, data, protocol and budget that differ are said in words, old before new."""
    old = seeds(DIGITS, LSTM, OLD)
    task = {**old[0].task, "version": "2", "fingerprint": "feedfeed"}
    new = [replace(r, task=task, spec={**r.spec, "protocol": "2", "budget": {"steps": 7}}) for r in old]
    found = compared(tmp_path, [*old, *seeds(GRAMMAR, LSTM, [3.0])], new)
    said = "\n".join(found.apart)
    assert not found.pairs
    assert f"core, {DIGITS}: not compared, for they differ: task version 1 → 2; data " in said
    assert "→ feedfeed; budget parameters=20000, steps=1000 → steps=7; protocol 1 → 2." in said
    assert f"core, {GRAMMAR} (synthetic): only in old." in said
    assert diff.terminal(found, 80).startswith("No row can be compared.")


def test_a_changed_ending_is_told(tmp_path: Path) -> None:
    """ok → diverged, with the seed and the reason; a row without a score on one side has a verdict of its own."""
    old, new = seeds(DIGITS, LSTM, OLD), seeds(DIGITS, LSTM, OLD)
    new[1] = made.failed(new[1], "diverged", "loss is not finite", step=3)
    lost = [made.failed(record, "timeout", "longer than 60 s") for record in seeds(DIGITS, SGD, OLD)]
    skip = made.failed(made.run(DIGITS, GRU), "skipped", "no such device")
    found = compared(tmp_path, [*old, *seeds(DIGITS, SGD, OLD), skip], [*new, *lost, made.run(DIGITS, GRU)])
    text = diff.terminal(found, 100)
    assert "lstm/none/adam, seed 1: ok → diverged (loss is not finite)" in text
    assert {pair.new.name: pair.verdict for pair in found.pairs} == {"lstm/none/adam": MOVED, "lstm/none/sgd": FAILED}
    assert "; 4 runs ended otherwise;" in diff.summary(found)
    assert f"core, {DIGITS}: 1 run skipped in old, finished in new." in found.apart


def test_terminal_shows_what_moved_and_markdown_every_row(tmp_path: Path) -> None:
    """No line is wider than the terminal; rows that are the same are counted there."""
    old = [*seeds(DIGITS, LSTM, OLD), *seeds(DIGITS, GRU, OLD)]
    found = compared(tmp_path, old, [*seeds(DIGITS, LSTM, [75.0, 76.5, 76.0]), *seeds(DIGITS, GRU, OLD)])
    for width in (60, 100):
        text = diff.terminal(found, width)
        assert max(map(len, text.splitlines())) <= width
        assert "gru" not in text
        assert "1 row the same" in text
    assert "| gru/none/adam | 71.00 ± 2.5 (3) | 71.00 ± 2.5 (3) | 0.00 | 0.00 | 3 |" in diff.markdown(found)


def test_hostile_names_are_inert(tmp_path: Path) -> None:
    """A name is text in a terminal and in Markdown."""
    bad = ("[red]a[/]\x1b[31m", "<script>|x", "`$(id)`")
    found = compared(tmp_path, seeds(DIGITS, bad, OLD), seeds(DIGITS, bad, [75.0, 76.5, 76.0]))
    assert "[red]a[/]\ufffd[31m/<script>|x/`$(id)`" in diff.terminal(found, 200)
    assert "<script>" not in diff.markdown(found)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 with the sentence first; 2 and a line for each mistake."""
    for side in ("old", "new"):
        made.write(tmp_path / side, seeds(DIGITS, LSTM, OLD))
    made.write(tmp_path / "other", seeds(GRAMMAR, LSTM, OLD))
    made.write(tmp_path / "elsewhere", seeds(DIGITS, LSTM, OLD), "small")
    made.write(tmp_path / "naive", [made.NaiveRecord("n", made.task_of(DIGITS), {"guess": 1.0})])
    (tmp_path / "empty").mkdir()

    def ends(old: str, new: str, *more: str) -> tuple[int, str]:
        code = command.main(["diff", str(tmp_path / old), str(tmp_path / new), *more])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    assert ends("old", "new")[1].startswith("Of 1 row in both: 1 same.\nThe environment is the same.\n")
    assert ends("old", "new", "--markdown")[0] == 0
    code, text = ends("nowhere", "empty")
    assert (code, text.count("error: ")) == (2, 2)
    assert "no folder or file" in text
    assert "no .jsonl file of records below" in text
    assert ends("old", "other") == (2, f"error: no records in common: old has {DIGITS}; new has {GRAMMAR}\n")
    assert "no matrix in common:" in ends("old", "elsewhere")[1]
    assert ends("old", "naive")[1].startswith("error: no runs in ")


def test_no_task_in_common_is_bad_input(tmp_path: Path) -> None:
    """There is nothing to say of two sets that share no task."""
    with pytest.raises(BadInput, match="no records in common"):
        compared(tmp_path, seeds(DIGITS, LSTM, OLD), seeds(GRAMMAR, LSTM, OLD))
