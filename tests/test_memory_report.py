"""Longest T and the study of overfitting, on made-up records whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
import report_records as made
from matplotlib.collections import PathCollection
from report_records import CLIP, DIGITS, GRU, LSTM, Record, Technique, board_from

from report import ink, memory
from report.plots import PLOTS
from tasks.cards import TASKS, without_memory

LENGTHS = (50, 100, 200)


def kept(technique: Technique, seed: int, *solved: int, kind: str = "adding", lengths: Iterable[int] = LENGTHS) -> Any:
    """A seed's runs over all lengths, of which it solved some."""
    for steps in lengths:
        task = f"memory/{kind}/{steps}"
        score = without_memory(task) * (0.01 if steps in solved else 1.1)
        yield made.run(task, technique, seed, score)


def memories() -> list[Record]:
    """lstm reaches 100 with most seeds; gru 200 but for a hole at 100 with one seed; clip none."""
    return [
        *kept(LSTM, 0, 50, 100),
        *kept(LSTM, 1, 50, 100),
        *kept(LSTM, 2, 50),
        *kept(GRU, 0, 50, 100, 200),
        *kept(GRU, 1, 50, 100, 200),
        *kept(GRU, 2, 50, 200),
        *(record for seed in range(3) for record in kept(CLIP, seed)),
    ]


def by_seed(records: list[Record]) -> dict[str, list[tuple[float, bool]]]:
    """Longest T and whether there is none, of each technique, seed by seed."""
    found: dict[str, list[tuple[float, bool]]] = {}
    for row in memory.reaches(memory.remembered(board_from(*records))[0]).sort_values("seed").itertuples():
        found.setdefault(row.name, []).append((row.longest, row.none))
    return found


def test_the_longest_t_needs_every_shorter_one() -> None:
    """A seed that solves 50 and 200 but not 100 reaches 50; one that solves nothing is half of the shortest, none."""
    assert by_seed(memories()) == {
        "lstm/none/adam": [(100, False), (100, False), (50, False)],
        "gru/none/adam": [(200, False), (200, False), (50, False)],
        "lstm/clip/adam": [(25, True)] * 3,
    }


def test_a_failed_run_solves_nothing() -> None:
    """One that diverged at 100 ends at 50, though it solved 200."""
    records: list[Record] = [
        made.failed(run, "diverged", "loss is not finite") if run.spec["task"].endswith("/100") else run
        for run in kept(LSTM, 0, *LENGTHS)
    ]
    assert by_seed(records) == {"lstm/none/adam": [(50, False)]}


def test_who_reaches_farthest_is_said() -> None:
    """By the median over seeds, problem by problem; and where nobody solves the shortest."""
    copy = [record for seed in range(2) for record in kept(LSTM, seed, kind="copy")]
    said = memory.reached(board_from(*memories(), *copy))
    assert (
        "memory/adding (synthetic): gru up to T = 200, the median over seeds; 2 of 3 techniques solve a T at all"
        in said
    )
    assert "memory/copy (synthetic): none of 1 technique solves the shortest T" in said


def test_who_keeps_anything_is_said() -> None:
    """At T = 200 gru alone is well below 1/6; a little below is not."""
    said = memory.forgotten(board_from(*memories()))
    assert said == "memory/adding (synthetic): over T = 200, 1 of 3 techniques end well below the 0.167 of no memory."
    near = [made.run("memory/adding/200", LSTM, seed, 0.16) for seed in range(3)]
    assert "0 of 1 technique" in memory.forgotten(board_from(*near))


def test_every_seed_is_a_point() -> None:
    """Of three techniques with three seeds nine points, at T or at none."""
    with ink.theme():
        (ax,) = memory.reach(board_from(*memories())).axes
    spots = [
        point for dots in ax.collections for point in dots.get_offsets().tolist() if isinstance(dots, PathCollection)
    ]
    assert sorted(x for x, _ in spots) == [25, 25, 25, 50, 50, 100, 100, 200, 200]
    assert len({tuple(spot) for spot in spots}) == 9
    assert [text.get_text() for text in ax.get_xticklabels()] == ["none", "50", "100", "200"]


def test_the_line_without_memory_is_the_cards() -> None:
    """Dotted at the score of no memory, dashed at that from which a task counts as solved, length by length."""
    copy = [record for seed in range(2) for record in kept(LSTM, seed, 50, kind="copy")]
    with ink.theme():
        (ax,) = memory.lengths(board_from(*copy)).axes
    lines = {line.get_linestyle(): list(line.get_ydata()) for line in ax.lines}
    assert lines[":"] == pytest.approx([10 * math.log(8) / (steps + 20) for steps in LENGTHS])
    assert lines["--"] == pytest.approx([TASKS[f"memory/copy/{steps}"].solved for steps in LENGTHS])


def test_two_devices_are_two_problems() -> None:
    """Seeds of one device say nothing of the other."""
    cuda = [made.run(f"memory/adding/{steps}", LSTM, 0, 0.001, device="cuda") for steps in LENGTHS]
    runs, problems = memory.remembered(board_from(*kept(LSTM, 0), *cuda))
    assert list(problems) == ["memory/adding (synthetic) [cpu]", "memory/adding (synthetic) [cuda]"]
    assert sorted(memory.reaches(runs)["longest"]) == [25, 200]


GAPS = {"": 0.2, "/10%": 1.0, "/30%": 0.6, "/shuffled": 3.0}


def study(technique: Technique, share: float, rise: float = 0.0) -> Iterable[Record]:
    """Runs on each amount of data; validation loss falls to 1 and rises again."""
    for amount, gap in GAPS.items():
        curve = [
            {"step": step, "valid": {"loss": loss}} for step, loss in ((0, 2.0), (50, 1.0), (100, 1.0 + rise * gap))
        ]
        for seed in range(3):
            probes = made.probes(-0.1, share * gap)
            yield made.run(DIGITS + amount, technique, seed, 80.0, probes=probes, curve=curve)


def test_overfitting_by_amount_of_data() -> None:
    """One problem of four amounts; gaps and the cost of going on are those of the records."""
    found = board_from(*study(LSTM, 1.0, rise=0.5), *study(CLIP, 0.5))
    runs, problems = memory.studied(found)
    assert list(problems) == ["speech/digits (synthetic)"]
    of = runs[runs["name"] == "lstm/none/adam"].groupby("amount")[["gap", "late"]].mean()
    assert of["gap"].to_dict() == pytest.approx({"10%": 1.0, "30%": 0.6, "100%": 0.2, "shuffled": 3.0})
    assert of["late"].to_dict() == pytest.approx({"10%": 0.5, "30%": 0.3, "100%": 0.1, "shuffled": 1.5})
    assert runs.loc[runs["name"] == "lstm/clip/adam", "late"].max() == 0
    assert memory.less_data(found) == (
        "The gap is larger than on the whole task with a tenth of the data in 2 of 2 rows and with shuffled labels in "
        "2 of 2 rows (technique and task, medians over seeds)."
    )
    assert memory.going_on(found) == (
        "The last validation loss is above the best in 4 of 8 rows (technique, task and data, medians over seeds); the "
        "most, 1.50, with lstm/none/adam on speech/digits (synthetic), shuffled."
    )


def test_no_line_leads_to_shuffled_labels() -> None:
    """They are no further amount of data: lines end at all of it."""
    with ink.theme():
        (ax,) = memory.gaps(board_from(*study(LSTM, 1.0))).axes
    lines = [list(line.get_ydata()) for line in ax.lines if line.get_color() == ink.BASE and len(line.get_xdata()) == 3]
    assert lines == [pytest.approx([1.0, 0.6, 0.2])]


def test_the_task_without_a_study_is_no_part_of_it() -> None:
    """All of the data counts beside less of it alone; a matrix without a study has a reason and no figure."""
    plain = board_from(made.run(DIGITS, LSTM, probes=made.probes(-0.1, 0.2)))
    assert memory.studied(plain)[0].empty
    reasons = {plot.name: plot.without(plain) for plot in PLOTS}
    assert (
        reasons["gap-against-data"]
        == reasons["best-against-last"]
        == "no task was run with less data or shuffled labels"
    )
    assert reasons["longest-t"] == reasons["score-against-t"] == "no memory task was run"


def test_records_that_lack_what_is_drawn_have_a_reason() -> None:
    """No gap, no curve, no score: said, not drawn."""
    bare = board_from(made.run(DIGITS + "/10%", LSTM))
    assert memory.no_study(bare) == "no run of the study of overfitting holds a gap"
    assert memory.no_late(bare) == "no run of the study of overfitting holds a learning curve"
    lost = board_from(made.failed(made.run("memory/adding/50", LSTM), "diverged", "loss is not finite"))
    assert memory.no_lengths(lost) == "no run of a memory task ended with a score"
    with ink.theme():
        ink.files(memory.reach(lost))


@pytest.mark.parametrize("name", ["longest-t", "score-against-t", "gap-against-data", "best-against-last"])
def test_every_figure_is_drawn_with_a_finding(name: str) -> None:
    """On records of both studies, ten techniques, one of them failed with every seed."""
    records: list[Record] = [*memories(), *study(LSTM, 1.0, 0.2), *study(GRU, 0.7)]
    records += [record for place in made.star(8) for record in kept(place, 5, 50)]
    records += [made.failed(run, "timeout", "too long") for run in kept(("rnn", "none", "adam"), 0)]
    found, (plot,) = board_from(*records), (plot for plot in PLOTS if plot.name == name)
    assert plot.without(found) == ""
    assert plot.finding(found).endswith(".")
    with ink.theme():
        assert ink.files(plot.draw(found))["svg"]
