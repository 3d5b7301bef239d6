"""What a board says of its comparisons, and that it says so where there is little to say."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRAMMAR, GRU, LSTM, SGD, Record, board_from, cells

from bench.axes import REFERENCE
from report import evidence, findings, tables
from report.board import Board
from report.plots import PLOTS
from report.terminal import terminal

NINE = range(9)


def runs(technique: made.Technique, scores: Iterable[float], task: str = DIGITS) -> list[Record]:
    """One run a score."""
    return [made.run(task, technique, seed, score) for seed, score in enumerate(scores)]


def row(found: Board, name: str, group: int = 0) -> dict[str, object]:
    """All that is known of one technique."""
    rows = found.of(found.groups[group])
    return rows[rows["name"] == name].iloc[0].to_dict()


def left_out(found: Board) -> dict[str, str]:
    """The figures that are not drawn, each with its reason; the others are drawn, and their tables made."""
    for plot in PLOTS:
        if not plot.without(found):
            assert plot.finding(found)
            plot.draw(found)
            plot.tables(found)
    return {plot.name: plot.without(found) for plot in PLOTS if plot.without(found)}


def whole(found: Board) -> str:
    """All that the page and the terminal say in words and tables, after a look that no number in it is a NaN."""
    text = tables.markdown(found) + "".join(
        tables.markdown_table(table) + " ".join(table.notes)
        for plot in PLOTS
        if not plot.without(found)
        for _, table in plot.tables(found)
    )
    assert terminal(found, 200)
    assert "nan" not in text.replace("naive", "").lower().split()
    return text


def test_a_large_gain_with_nine_seeds_is_marked() -> None:
    """Nine gains of about 5: p is the floor, 2 / 2^9, the mark is up; what is 5 worse is marked down."""
    noise = [0.1, -0.2, 0.3, 0.0, -0.1, 0.2, -0.3, 0.15, -0.05]
    found = board_from(
        *runs(LSTM, [80 + s for s in NINE]),
        *runs(GRU, [85 + s + noise[s] for s in NINE]),
        *runs(CLIP, [75 + s - noise[s] for s in NINE]),
        *runs(SGD, [80 + s + noise[s] for s in NINE]),
    )
    assert {name: cell.split()[-1] for name, cell in cells(found, "gain").items()} == {
        **{"gru/none/adam": "▲", "lstm/clip/adam": "▼", "lstm/none/sgd": "≈"},
        "lstm/none/adam": "baseline",
    }
    assert cells(found, "p, Holm")["gru/none/adam"] == "0.0039 (≥ 0.0039)"
    assert cells(found, "gain")["gru/none/adam"] == "+5.01 ± 0.15 ▲"
    assert "1 better (▲), 1 worse (▼), 1 equivalent (≈)" in findings.reach(found, found.groups[0])
    assert "3 techniques" in findings.reach(found, found.groups[0])


def test_a_loss_falls_to_be_better() -> None:
    """The gain of a lower perplexity is positive."""
    found = board_from(*runs(LSTM, [5, 5.1, 5.3], GRAMMAR), *runs(GRU, [4, 4.2, 4.2], GRAMMAR))
    assert cells(found, "gain")["gru/none/adam"].startswith("+1.0")


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds(seeds: int) -> None:
    """No interval, no p, no mark, and a sentence that says so."""
    found = board_from(*runs(LSTM, [80.0, 81.0][:seeds]), *runs(GRU, [90.0, 92.0][:seeds]))
    assert "±" not in tables.markdown_table(tables.task_table(found, found.groups[0]))
    assert cells(found, "p, Holm") == {"lstm/none/adam": "", "gru/none/adam": ""}
    assert "No interval and no p: those need 3 seeds" in whole(found)
    assert row(found, "gru/none/adam")["mark"] == ""


def test_a_missing_pair() -> None:
    """Seeds that only one side has make no pair: the number of pairs stands beside the gain, and a remark."""
    found = board_from(*runs(LSTM, [80, 81, 83, 80]), *(made.run(DIGITS, GRU, s, 84.0 + s * s) for s in (1, 2, 3, 9)))
    assert cells(found, "gain")["gru/none/adam"].endswith("(n=3)")
    assert "1 of 4 seeds have no pair" in whole(found)


def test_no_pair_at_all() -> None:
    """Without a shared seed there is no gain, and the page says why there is no figure of gains."""
    found = board_from(*runs(LSTM, [80, 81, 83]), *(made.run(DIGITS, GRU, s, 84.0) for s in (7, 8, 9)))
    assert cells(found, "gain")["gru/none/adam"] == "no pair"
    assert left_out(found)["comparison"] == "no technique shares a finished seed with the baseline"
    assert "0 pairs: an interval needs 3" in evidence.comparison_tables(found)[0][1].lines[0].cells


def test_failed_seeds_forbid_a_mark() -> None:
    """Survivors alone prove nothing: with a failed seed on either side a technique has its p, but no mark."""
    good, better = runs(LSTM, [80 + s for s in NINE]), runs(GRU, [85 + s + s / 10 for s in NINE])
    dead = made.failed(made.run(DIGITS, GRU, 9), "diverged", "loss is not finite")
    assert row(board_from(*good, *better), "gru/none/adam")["mark"] == "▲"
    found = row(board_from(*good, *better, dead), "gru/none/adam")
    assert (found["mark"], found["why"]) == ("", "its failed seeds make no pair: no mark")
    assert found["p"] == pytest.approx(2 / 2**9)


def test_all_runs_failed() -> None:
    """Nothing is compared, and every figure that is left out says why."""
    dead = [
        made.failed(r, "diverged", "x")
        for r in [*runs(LSTM, [1] * 3), *runs(GRU, [1] * 3)]
        if isinstance(r, made.RunRecord)
    ]
    found = board_from(*dead)
    assert "no run has a score" in findings.headline(found)
    reasons = left_out(found)
    assert {"comparison", "critical-difference", "performance-profile", "time-to-target", "variance-explained"} <= set(
        reasons
    )
    assert all(reasons.values())
    whole(found)


def test_ties_everywhere() -> None:
    """Equal scores share a rank, have no interval of width 0, and no claim but that they are the same."""
    found = board_from(*(r for task in (DIGITS, GRAMMAR) for t in (LSTM, GRU, CLIP) for r in runs(t, [5.0] * 4, task)))
    assert set(cells(found, "rank").values()) == {"1"}
    assert "±" not in tables.markdown_table(tables.task_table(found, found.groups[0]))
    assert cells(found, "gain")["gru/none/adam"] == "0.00 ="
    assert left_out(found)["critical-difference"] == "all techniques tie on every task"
    assert left_out(found)["variance-explained"] == "no two runs of a task differ in their score"
    assert "the same score with every seed" in whole(found)


def test_one_task() -> None:
    """Ranks over tasks need two: the page says so, and has neither the table nor the diagram."""
    found = board_from(*runs(LSTM, [80, 81, 83]), *runs(GRU, [84, 86, 89]))
    assert left_out(found)["critical-difference"] == "ranks over tasks need two tasks, and there is one"
    assert tables.overall_tables(found) == []


@pytest.mark.parametrize("field", ["machine", "versions"])
def test_two_machines_are_not_averaged(field: str) -> None:
    """Runs of another machine, or version of torch, have a row of their own and no pair with the baseline's."""
    other = {"machine": {"label": "elsewhere"}, "versions": {"torch": "1.0"}}[field]
    base, mine = runs(LSTM, [80, 81, 83]), runs(GRU, [84, 86, 89])
    there = [replace(r, **{field: other}) for r in runs(GRU, [50, 50, 51]) if isinstance(r, made.RunRecord)]
    found = board_from(*base, *mine, *there)
    rows = found.techniques[found.techniques["architecture"] == "gru"]
    assert sorted(rows["mean"].round(1)) == [50.3, 86.3]
    assert sorted(rows["pairs"]) == [0, 3]
    assert "2 machines or versions of torch" in "".join(tables.apart(found))
    assert "the baseline ran elsewhere: no pairs" in whole(found)
    whose = [name for name in rows["name"] if "@" in name]
    assert len(whose) == 2


def test_the_same_run_skipped_elsewhere_is_one_run() -> None:
    """A run that one machine skipped and another finished counts once, as finished."""
    done = made.run(DIGITS, LSTM, 0, 80.0)
    found = board_from(replace(made.failed(done, "skipped", "no"), machine={"label": "elsewhere"}), done)
    assert len(found.frames.runs) == 1
    assert len(found.frames.skipped) == 0


def test_tuned_and_untuned_are_two_tables() -> None:
    """Runs whose settings trials chose stand apart from those of the tables, and the page says which is which."""
    plain = runs(LSTM, [80, 81, 83])
    tuned = [
        replace(r, id=f"t{i}", configuration="tuned", spec={**r.spec, "tuned": 8})
        for i, r in enumerate(plain)
        if isinstance(r, made.RunRecord)
    ]
    found = board_from(*plain, *tuned)
    assert [group.apart for group in found.groups] == ["not tuned", "tuned by 8 trials"]
    assert found.techniques["seeds"].tolist() == [3, 3]


def test_reference_models_have_no_rank() -> None:
    """A reference model stands in its place without a rank, and the ranks of the others are as if it were not there."""
    name = min(REFERENCE)
    records = [
        r for task in (DIGITS, GRAMMAR) for t, s in ((LSTM, 4), (GRU, 5)) for r in runs(t, [s, s + 0.5, s], task)
    ]
    more = [r for task in (DIGITS, GRAMMAR) for r in runs((name, "none", "adam"), [4.4, 4.6, 4.8], task)]
    before, after = board_from(*records), board_from(*records, *more)
    reference = f"{name}/none/adam"
    for group in (0, 1):
        ranks = cells(after, "rank", group)
        assert ranks.pop(reference) == ""
        assert ranks == cells(before, "rank", group)
        assert list(cells(after, "rank", group)).index(reference) == 1
    of = after.overall.set_index("name")
    assert math.isnan(of.loc[reference, "rank"])
    assert of.loc[before.overall["name"], "mean_rank"].to_list() == before.overall["mean_rank"].to_list()


def curve(*values: float) -> list[dict[str, object]]:
    """A learning curve with an evaluation each hundred updates."""
    return [{"step": 100 * i, "valid": {"accuracy": v, "loss": 1.0}} for i, v in enumerate(values)]


def test_times_to_target() -> None:
    """Who never gets there counts until the baseline's training ends, who is cut off until last seen; with brackets."""
    base = [made.run(DIGITS, LSTM, s, 70.0, curve=curve(10, 50, 70)) for s in range(3)]
    fast = [made.run(DIGITS, GRU, s, 70.0, curve=curve(10, 130, 130)) for s in range(2)]
    never = made.failed(made.run(DIGITS, GRU, 2), "diverged", "x", step=7)
    cut = replace(made.failed(made.run(DIGITS, CLIP, 0), "timeout", "x"), curve=curve(10, 20))
    found = board_from(*base, *fast, never, cut)
    assert (found.groups[0].target, found.groups[0].horizon) == (70, 200)
    gru = row(found, "gru/none/adam")
    assert (gru["reached"], gru["watched"], gru["to_target"], gru["median_step"]) == (2, 3, (50 + 50 + 200) / 3, 50)
    ((_, table),) = evidence.target_tables(found)
    assert [line.cells[:5] for line in table.lines] == [
        ("gru", "2 of 3", "≥ 100", "50", "0 and 100"),
        ("lstm/none/adam", "3 of 3", "200", "200", "100 and 200"),
        ("clip", "0 of 1", "not reached", "", ""),
    ]
    arrivals = found.arrivals.set_index("name")
    assert arrivals.loc["lstm/clip/adam", "time"] == 100
    assert not arrivals.loc["lstm/clip/adam", "reached"]
    left_out(found)


def test_explained_by_hand() -> None:
    """In a star no interaction can be seen, and the page says so; a cross shows it."""
    star = [*runs(LSTM, [1, 2, 3]), *runs(GRU, [4, 5, 6]), *runs(CLIP, [7, 8, 9])]
    found = board_from(*star)
    assert "no interaction of two can be seen" in findings.explained(found)
    assert evidence.effect_tables(found)[0][1].lines[0].cells[4] == "·"
    cross = board_from(*star, *runs(("gru", "clip", "adam"), [10, 11, 12]))
    (shares,) = cross.explained.values()
    terms = {effect.term: effect.share for effect in shares}
    assert terms["architecture",] == pytest.approx(27 / 143)
    assert terms["stabilisation",] == pytest.approx(108 / 143)
    assert terms["architecture", "stabilisation"] == pytest.approx(0, abs=1e-9)
    assert "no interaction" not in findings.explained(cross)


def test_numbers_over_tasks_by_hand() -> None:
    """Two tasks, three optimizers: ranks, gains and chances of a family."""
    spoken = [*runs(LSTM, [50, 50, 50]), *runs(SGD, [55, 55, 49])]
    found = board_from(*spoken, *runs(LSTM, [4, 4, 4], GRAMMAR), *runs(SGD, [2, 2, 2], GRAMMAR))
    (family,) = found.families
    assert family.axis == "optimizer"
    assert family.ranks is not None
    assert family.ranks.ranks == (1.0, 2.0)
    assert family.gains == (pytest.approx((10 + 10 + 50 + 50) / 4), 0.0)
    assert family.chances == (pytest.approx((2 / 3 + 1) / 2), 0.5)
