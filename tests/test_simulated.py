"""Records with known truth: what intervals cover, how often a mark is wrong, and what moves no number."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import report_records as made
from report_records import CLIP, GRU, LSTM, SGD, board_from

from report import comparison
from report.board import Board
from report.frame import frames
from report.groups import AXES, groups_of
from report.versus import versus

REPETITIONS = 200
"""So many give coverage with a standard error of 0.7 to 1 %, by how it differs between them."""
TRUTH = {GRU: 0.0, CLIP: 0.8, SGD: -0.5, ("lstm", "l2", "adam"): 0.0, ("lstm", "dropout", "adam"): 0.0}


def simulated(
    seeds: int, truth: dict[made.Technique, float] = TRUTH, repetitions: int = REPETITIONS
) -> list[made.Record]:
    """Runs whose scores are the truth, what a seed does to all techniques, and what it does to each alone."""
    dice = np.random.default_rng(seeds)
    found: list[made.Record] = []
    for repetition in range(repetitions):
        name = f"simulated/{repetition}"
        task = {"name": name, "version": "1", "fingerprint": "f", "metric": "score", "better": "higher", "unit": ""}
        shared = dice.normal(scale=2.0, size=seeds)
        for technique, gain in {LSTM: 0.0, **truth}.items():
            for seed, score in enumerate(50 + gain + shared + dice.normal(size=seeds)):
                found.append(made.run(name, technique, seed, float(score), task=task))
    return found


@pytest.fixture(scope="module", params=[3, 5, 9])
def compared(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Every technique beside the baseline in 200 repetitions with so many seeds, each a task of its own."""
    runs = frames("simulated", made.plain(simulated(request.param))).runs
    runs["triple"] = list(zip(*(runs[axis] for axis in AXES), strict=True))
    rows = [{"group": group.label, **row} for group, part in groups_of(runs) for row in versus(group, part, LSTM)]
    table = pd.DataFrame(rows).merge(runs[["configuration", "triple"]].drop_duplicates(), on="configuration")
    table = table[table["family"] != ""]
    return table.assign(truth=table["triple"].map(TRUTH))


def test_intervals_cover_what_they_say(compared: pd.DataFrame) -> None:
    """Between 93 and 97 % of the 95 % intervals of the gain hold the true gain."""
    inside = (compared["gain"] - compared["truth"]).abs() <= compared["half"]
    assert len(compared) == REPETITIONS * len(TRUTH)
    assert 0.93 <= inside.mean() <= 0.97


def test_wrong_marks_are_rare(compared: pd.DataFrame) -> None:
    """In at most 5 % of the families is a technique without a difference marked better or worse."""
    wrong = compared["mark"].isin(["▲", "▼"]) & (compared["truth"] == 0)
    assert wrong.groupby([compared["group"], compared["family"]]).any().mean() <= 0.05


def test_few_seeds_mark_nothing_and_say_so(compared: pd.DataFrame) -> None:
    """With three and five seeds p cannot be below 0.05, so nothing is marked; with nine, real differences are."""
    seeds = int(compared["pairs"].max())
    marked = compared["mark"].isin(["▲", "▼"])
    assert bool((compared["adjusted"] >= compared["least"]).all())
    assert compared["floor"].unique().tolist() == [comparison.least_p(seeds)]
    assert marked.any() == (seeds == 9)
    if seeds == 9:
        assert marked[compared["truth"] == 0.8].mean() > 2 * marked[compared["truth"] == 0].mean()


@pytest.mark.parametrize("seeds", [3, 5, 9])
@pytest.mark.parametrize("size", [1, 7, 30])
def test_family_wise_error_of_any_family(seeds: int, size: int) -> None:
    """However many techniques without a difference are tried, one is marked in at most 5 % of families (give or take
    two standard errors of 200 repetitions); equivalence is claimed as rarely of techniques that differ by the margin.
    """
    dice = np.random.default_rng(seeds * 100 + size)
    noise = dice.normal(size=(REPETITIONS, size + 1, seeds))
    gains = noise[:, 1:] - noise[:, :1]
    allowed = 0.05 + 2 * math.sqrt(0.05 * 0.95 / REPETITIONS)
    marked = [min(comparison.holm([comparison.sign_flip(row) for row in family])) <= 0.05 for family in gains]
    assert np.mean(marked) <= allowed
    zeros = [0.0] * seeds
    equal = [
        min(
            comparison.holm([comparison.tost(comparison.paired(list(row + 2), zeros, "higher"), 2.0) for row in family])
        )
        <= 0.05
        for family in gains
    ]
    assert np.mean(equal) <= allowed


def test_equivalence_is_found_where_it_is() -> None:
    """Techniques a twentieth of the margin apart are told equivalent; those at the margin are not."""
    records = simulated(9, {GRU: 0.0, CLIP: 1.0}, 40)
    small = [replace(r, score=50 + (r.score - 50) / 20) for r in records if isinstance(r, made.RunRecord) and r.score]
    rows = board_from(*small).techniques
    rows = rows[rows["family"] != ""]
    assert (rows.loc[rows["triple"] == GRU, "mark"] == "≈").mean() > 0.9


# what moves no number

NUMBERS = ["mean", "interval", "pairs", "gain", "half", "effect", "p", "adjusted", "floor", "least", "margin",
           "equivalent", "mark", "needed", "to_target", "reached", "median_step", "key"]  # fmt: skip


def numbers(found: Board) -> dict[tuple[str, str], list[object]]:
    """Every number of every technique, by task and name."""
    rows = found.techniques.set_index(["group", "name"])[NUMBERS]
    return {key: [str(value) for value in row] for key, row in zip(rows.index, rows.to_numpy().tolist(), strict=True)}


def over_tasks(found: Board) -> dict[tuple[str, str], tuple[object, ...]]:
    """Mean rank, profile score, interquartile gain and chance of every technique within its axis."""
    return {
        (each.axis, name): values
        for each in found.families
        for name, *values in zip(each.names, each.ranks.ranks if each.ranks else each.names, each.scores, each.gains,
                                 each.chances, strict=True)
    }  # fmt: skip


def test_order_moves_nothing() -> None:
    """The same records in another order give the same numbers."""
    records = made.matrix(9, 3, timed=False)
    one, other = board_from(*records), board_from(*records[::-1])
    assert numbers(one) == numbers(other)
    assert over_tasks(one) == over_tasks(other)


def test_names_move_nothing() -> None:
    """A technique under another name, first or last in the alphabet, has the same numbers, and so have the others."""
    records = made.matrix(9, 3, timed=False)
    for new in ("aaa", "zzz"):
        renamed = [
            replace(r, names={**r.names, "architecture": new})
            if isinstance(r, made.RunRecord) and r.names["architecture"] == "gru"
            else r
            for r in records
        ]
        moved = {(group, name.replace(new, "gru")): row for (group, name), row in numbers(board_from(*renamed)).items()}
        assert moved == numbers(board_from(*records))


def test_an_unrelated_technique_moves_nothing() -> None:
    """A technique of another axis, or a reference model, changes no number of the others, adjusted p among them."""
    records = made.matrix(9, 3, timed=False)
    before = board_from(*records)
    for technique in (("lstm", "none", "zzz"), ("transformer", "none", "adam"), ("lstm", "zz", "zz")):
        more = [made.run(task, technique, s, 60.0 + s) for task in made.TASKS for s in range(3)]
        after = board_from(*records, *more)
        axis = {"zzz": "optimizer"}.get(technique[2], "")
        same = {
            row
            for row, family in zip(before.techniques["name"], before.techniques["family"], strict=True)
            if family != axis
        }
        assert {k: v for k, v in numbers(after).items() if k[1] in same} == {
            k: v for k, v in numbers(before).items() if k[1] in same
        }
        assert {k: v for k, v in over_tasks(after).items() if k[0] != axis} == {
            k: v for k, v in over_tasks(before).items() if k[0] != axis
        }


def test_a_technique_of_the_same_axis_moves_adjusted_p_alone() -> None:
    """What a new member of the family moves is what Holm is for: adjusted p, their floor, marks and the advice."""
    records = made.matrix(9, 3, timed=False)
    more = [made.run(task, ("lstm", "none", "zzz"), s, 60.0 + s) for task in made.TASKS for s in range(3)]
    free = [
        place for place, name in enumerate(NUMBERS) if name not in ("adjusted", "least", "equivalent", "needed", "mark")
    ]
    before, after = numbers(board_from(*records)), numbers(board_from(*records, *more))
    assert all([before[key][i] for i in free] == [after[key][i] for i in free] for key in before)
