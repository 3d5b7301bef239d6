"""Which runs: crosses and stars, filters, reasons, and every mistake in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.axes import ARCHITECTURES, BASELINE, OPTIMIZERS, STABILISATIONS, stabilisation
from bench.matrices import CORE, MATRICES, QUICK
from bench.names import unknown
from bench.plan import BadInput, Filters, check, plan
from bench.spec import Block, Budget, Matrix, Names, Optimizer, RunSpec, Stabilisation, changed
from tasks.cards import TASKS

AXES = ("architecture", "stabilisation", "optimizer")


def mistakes(matrix: Matrix = QUICK, **filters: tuple[object, ...]) -> list[str]:
    with pytest.raises(BadInput) as caught:
        check(matrix, Filters(**filters))
    return caught.value.mistakes


@pytest.mark.parametrize("name", list(MATRICES))
def test_presets_are_without_mistakes(name: str) -> None:
    """Every preset passes its own checks, and each of its tasks has a budget."""
    check(MATRICES[name])
    assert plan(MATRICES[name], Filters(seeds=MATRICES[name].seeds[:1]), ["cpu"]).runs


def test_quick_holds_what_it_promises() -> None:
    """Three families, every textbook technique, a real cross, two seeds, embedded data only."""
    rows = QUICK.rows()
    assert {names.task.split("/")[0] for names in rows} == {"speech", "language", "series"}
    assert [{getattr(names, axis) for names in rows} for axis in AXES] == [set(names) for names in CORE]
    assert all(TASKS[names.task].synthetic for names in rows)
    assert len(QUICK.seeds) >= 2
    crossed = [names for names in rows if BASELINE[0] != names.architecture and BASELINE[1] != names.stabilisation]
    assert any(names.optimizer != BASELINE[2] for names in crossed)


@pytest.mark.parametrize("name", ["library", "standard", "full"])
def test_every_technique_is_run(name: str) -> None:
    """Each name of the tables stands in these presets."""
    rows = MATRICES[name].rows()
    tables = (ARCHITECTURES, STABILISATIONS, OPTIMIZERS)
    assert [{getattr(names, axis) for names in rows} for axis in AXES] == [set(table) for table in tables]


def test_a_cross_and_a_star() -> None:
    """A cross has every combination; a star changes one thing at a time round its first names."""
    block = Block(("t",), ("a", "b"), ("x", "y"), ("o", "p"))
    assert len(block.crossed()) == 8
    star = replace(block, star=True).crossed()
    assert star == [
        Names("t", "a", "x", "o"), Names("t", "b", "x", "o"), Names("t", "a", "y", "o"), Names("t", "a", "x", "p"),
    ]  # fmt: skip


def test_a_union_holds_each_row_once() -> None:
    """Blocks that overlap make no run twice."""
    specs = plan(QUICK, Filters(), ["cpu"]).runs
    assert len({spec.id for spec in specs}) == len(specs)


def test_filters_narrow_and_seeds_replace() -> None:
    """A task filter takes a family or a name; seeds are the reader's own."""
    kept = plan(QUICK, Filters(task=("series",), architecture=("gru",), optimizer=("nadam",), seeds=(7,)), ["cpu"]).runs
    assert {spec.names.architecture for spec in kept} == {"gru"}
    assert {spec.seed for spec in kept} == {7}
    assert all(spec.names.task.startswith("series/") for spec in kept)


def test_senseless_pairs_are_skipped_with_a_reason() -> None:
    """A bidirectional network on a causal task is a row with its reason, never a gap."""
    todo = plan(QUICK, Filters(task=("language",), architecture=("bilstm",)), ["cpu"])
    assert not todo.runs
    assert {reason for _, reason in todo.skipped} == {"a bidirectional network would see the symbols it has to predict"}


def test_each_device_is_a_run_of_its_own() -> None:
    """CPU and CUDA runs of one configuration have different ids."""
    both = plan(QUICK, Filters(task=("series/seasonal",)), ["cpu", "cuda"]).runs
    one = plan(QUICK, Filters(task=("series/seasonal",)), ["cpu"]).runs
    assert len(both) == 2 * len(one) == 2 * len({spec.id for spec in one})
    assert len({spec.id for spec in both}) == len(both)


def base() -> RunSpec:
    return plan(QUICK, Filters(task=("series/seasonal",)), ["cpu"]).runs[0]


def test_an_id_is_of_values_not_of_names() -> None:
    """Another name is the same run; another number is another run; a timeout is no part of it."""
    spec = base()
    assert replace(spec, names=replace(spec.names, stabilisation="mine")).id == spec.id
    assert replace(spec, seed=9).id != spec.id
    assert replace(spec, task_version="2").id != spec.id
    assert replace(spec, optimizer=replace(spec.optimizer, lr=0.123)).id != spec.id
    assert replace(spec, budget=replace(spec.budget, seconds=9)).id == spec.id
    assert replace(spec, seed=9).configuration_id == spec.configuration_id


def test_a_field_at_its_default_is_no_part_of_an_id() -> None:
    """A field that a later version adds with a default that does nothing keeps every earlier id."""
    assert changed(Stabilisation()) == {}
    assert changed(Stabilisation(clip_norm=1.0)) == {"clip_norm": 1.0}
    assert set(changed(Optimizer("sgd", 0.1))) == {"rule", "lr"}


def test_a_back_end_that_was_asked_for_is_another_run() -> None:
    """Its name and its ids show it; with the automatic choice both are what they were before there was one to make."""
    spec = base()
    asked = replace(spec, backend="fn")
    assert asked.configuration == f"{spec.configuration}+fn"
    assert asked.name.endswith("/cpu+fn/s0")
    assert asked.id != spec.id
    assert asked.configuration_id != spec.configuration_id
    assert asked.values() == spec.values() | {"backend": "fn"}
    assert "backend" not in spec.values()
    (made,) = plan(
        replace(QUICK, backend="fn"),
        Filters((spec.names.task,), ("lstm",), ("none",), ("adam",), (0,)),
        ["cpu"],
    ).runs
    assert made.backend == "fn"


def test_an_unknown_back_end() -> None:
    """Refused with what there is, like any other name."""
    (found,) = mistakes(replace(QUICK, backend="fnn"))
    assert found.startswith("unknown back end 'fnn'. Did you mean 'fn'? Known: auto, fused, cpp, fn")


def test_every_named_choice_is_another_value() -> None:
    """No two names of a table mean the same thing."""
    for table in (ARCHITECTURES, STABILISATIONS, OPTIMIZERS):
        assert len(set(table.values())) == len(table)


def test_recipes_combine() -> None:
    """`clip+dropout` has both; two settings of one thing are refused."""
    assert stabilisation("clip+dropout") == replace(STABILISATIONS["clip"], dropout=0.3)
    with pytest.raises(ValueError, match="activation"):
        stabilisation("relu+hardtanh")
    assert stabilisation("clip+none") == STABILISATIONS["clip"]


def test_unknown_names_come_with_suggestions_all_at_once() -> None:
    """Each mistake has its line, a suggestion and the list of what exists."""
    found = mistakes(optimizer=("nadm",), task=("speach",), architecture=("lstn",), stabilisation=("clip+dropot",))
    assert len(found) == 4
    assert "unknown optimizer 'nadm'. Did you mean 'nadam' or 'adam'? Known: sgd," in "\n".join(found)
    assert "Did you mean 'lstm'" in "\n".join(found)
    assert "'dropout'" in "\n".join(found)


def test_an_empty_filter_names_what_is_near() -> None:
    """A filter that keeps nothing says which wider one keeps something."""
    (found,) = mistakes(task=("speech/connected",), architecture=("rnn",))
    assert "keeps none of the" in found
    assert "nearest: --task speech/connected --architecture with one of lstm, bilstm, gru (6 configurations)" in found


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True, allow_subnormal=False), st.text(max_size=5),
    st.just([1]),
)  # fmt: skip


@given(lr=VALUES, momentum=VALUES, dropout=VALUES, clip=VALUES, steps=VALUES, seed=VALUES)
def test_values_out_of_range_are_refused_in_words(
    lr: object, momentum: object, dropout: object, clip: object, steps: object, seed: object
) -> None:
    """Whatever stands in a field, the answer is a list of mistakes, never a traceback and never a run."""
    matrix = replace(
        QUICK,
        optimizers={"mine": Optimizer("sgd", lr, momentum)},
        stabilisations={"mine": Stabilisation(clip_norm=clip, dropout=dropout)},
        budgets={**QUICK.budgets, "series/seasonal": replace(QUICK.budgets["series/seasonal"], steps=steps)},
        seeds=(seed,),
    )
    fine = {
        "lr": _in(lr, 0, 10, True),
        "momentum": _in(momentum, 0, 0.999),
        "dropout": _in(dropout, 0, 0.95),
        "clip": clip is None or _in(clip, 0, 1e6, True),
        "steps": isinstance(steps, int) and not isinstance(steps, bool) and 30 <= steps <= 100_000_000,
        "seed": isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**31,
    }
    if all(fine.values()):
        check(matrix)
    else:
        assert len(mistakes(matrix)) >= list(fine.values()).count(False)


def _in(value: object, low: float, high: float, above: bool = False) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    return number and low <= value <= high and not (above and value == low)


def test_a_budget_is_found_under_the_name_above() -> None:
    """`speech/fsdd-speakers/theo` runs under the budget of `speech/fsdd-speakers`."""
    from bench.plan import budget

    assert (
        budget(MATRICES["standard"], "speech/fsdd-speakers/theo")
        is MATRICES["standard"].budgets["speech/fsdd-speakers"]
    )
    assert budget(QUICK, "speech/fsdd") is None


def test_budgets_scale_every_learning_rate_alike() -> None:
    """The rate of a budget multiplies the rule's learning rate, whatever the rule."""
    matrix = replace(
        QUICK, budgets={name: replace(value, rate=0.5) for name, value in QUICK.budgets.items()}
    )  # fmt: skip
    for spec in plan(matrix, Filters(task=("series/mackey-glass",)), ["cpu"]).runs:
        assert spec.optimizer.lr == OPTIMIZERS[spec.names.optimizer].lr * 0.5


def test_budget_problems() -> None:
    """An evaluation interval longer than the run is refused: nothing would be selected."""
    assert Budget(1000, 8, 10, 20, 5, 5).problems() == ["evaluate must be at most steps (10), got 20"]


def test_unknown_without_anything_near() -> None:
    """No suggestion is made up."""
    assert "Did you mean" not in unknown("task", "zzz", ["adam"])
