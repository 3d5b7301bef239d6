"""Tuning is the same for every technique, sees validation alone, and loses nothing."""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from nearby import work_here
from toys import tiny

from bench import run as room
from bench import tune
from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.matrices import MATRICES
from bench.matrix import main
from bench.record import decode, encode
from bench.spaces import DIMENSIONS, RATE, STRENGTHS, Range, chosen, settled, space
from bench.spec import Stabilisation, changed
from bench.store import Store

SPACES = [(o, s) for o in OPTIMIZERS.values() for s in STABILISATIONS.values()]


def test_a_range_is_even_in_its_scale() -> None:
    """Ends belong to it; the middle is the mean, or the geometric mean."""
    assert [Range(0.01, 1).at(u) for u in (0, 0.5, 1)] == pytest.approx([0.01, 0.1, 1])
    assert [Range(0, 5, "linear").at(u) for u in (0, 0.5, 1)] == pytest.approx([0, 2.5, 5])


def test_every_strength_is_a_field_and_valid_all_over_its_range() -> None:
    """What tuning may draw, a recipe takes; and every technique's space fits the points."""
    for name, range_ in STRENGTHS.items():
        for unit in (0.0, 0.3, 1.0):
            assert Stabilisation(**{name: range_.at(unit)}).problems() == []
    for optimizer, recipe in SPACES:
        ranges = space(optimizer, recipe)
        assert next(iter(ranges)) == "lr"
        assert len(ranges) == 1 + len([n for n in changed(recipe) if n in STRENGTHS]) + bool(optimizer.decay)
        assert len(ranges) <= DIMENSIONS
        assert replace(optimizer, lr=ranges["lr"].at(1.0)).problems() == []


def test_the_table_is_inside_its_space() -> None:
    """Each strength and each rate of the tables could have been drawn."""
    for optimizer, recipe in SPACES:
        values = changed(recipe) | {"lr": optimizer.lr, "rule_decay": optimizer.decay}
        for name, range_ in space(optimizer, recipe).items():
            assert range_.low <= values[name] <= range_.high, name


def test_trial_k_has_the_same_relative_rate_for_every_technique() -> None:
    """Equal trials are comparable: the first coordinate is the rate's, whatever else is tuned."""
    specs = [
        tiny(),
        tiny(stabilisation=STABILISATIONS["zoneout"]),
        tiny(architecture=ARCHITECTURES["gru"], optimizer=OPTIMIZERS["sgd"]),
    ]
    found: dict[str, list[float]] = {}
    for trial in tune.trials(specs, 5):
        found.setdefault(trial.of, []).append(trial.values["lr"])
    relative = [
        [rate / low for rate in rates]
        for rates, low in zip(found.values(), (0.01 / RATE, 0.01 / RATE, 1.0 / RATE), strict=True)
    ]
    assert relative[0] == pytest.approx(relative[1], rel=1e-3)
    logs = [[math.log(r) / math.log(900) for r in rates] for rates in relative[:1]]
    assert max(logs[0]) - min(logs[0]) > 0.5


def test_more_trials_add_to_those_that_are_there() -> None:
    """The first points are a prefix of any longer sequence."""
    assert tune.points(12)[:5] == tune.points(5)
    some, more = ([t.id for t in tune.trials([tiny()], n)] for n in (4, 9))
    assert more[:4] == some
    assert len(set(more)) == 9


def test_no_score_has_a_seed_of_a_trial() -> None:
    """Seeds of matrices end below 2**31, those of trials begin there."""
    assert min(trial.spec.seed for trial in tune.trials([tiny()], 3)) >= 2**31
    for matrix in MATRICES.values():
        assert max(matrix.seeds) < 2**31


class Sealed:
    """A test split that nobody may look at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"a trial touched test.{name}")


def test_a_trial_never_evaluates_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a test split that raises at any touch a trial ends ok, and its curve has no test point."""
    task, print_ = room.loaded("series/mackey-glass", None)
    blind = copy.copy(task)
    blind.test = Sealed()
    monkeypatch.setattr(room, "loaded", lambda *_: (blind, print_))
    monkeypatch.setattr(room.guards, "check", lambda *_: [])  # guards hash every split, and score none
    (trial,) = tune.trials([tiny()], 1)
    record = room.trial_one(trial)
    assert record.status == "ok", record.reason
    assert all("test" not in point for point in record.curve)
    assert record.valid == record.curve[-1]["valid"]["loss"]
    assert room.run_one(tiny()).status == "failed"
    assert decode(encode(record))["kind"] == "trial"


def rows(spec: Any, losses: list[float | None]) -> list[dict[str, Any]]:
    """Records of trials with these validation losses."""
    made = tune.trials([spec], len(losses))
    status = ["ok" if loss is not None else "diverged" for loss in losses]
    records = [
        replace(tune.lost(trial, how, ""), valid=loss) for trial, how, loss in zip(made, status, losses, strict=True)
    ]
    return [asdict(record) for record in records]


def test_the_lowest_validation_loss_chooses() -> None:
    """The run has the values of the best trial, and its record says how they were chosen."""
    spec = tiny(stabilisation=STABILISATIONS["dropout"])
    ((run, about),) = tune.tuned([spec], rows(spec, [0.5, 0.2, None, 0.3]), 4)
    best = tune.trials([spec], 4)[1].values
    assert (run.optimizer.lr, run.stabilisation.dropout, run.tuned) == (best["lr"], best["dropout"], 4)
    assert (about["trials"], about["failed"], about["trial"], about["chosen"]) == (4, 1, 1, best)
    assert set(about["space"]) == {"lr", "dropout"}
    assert run.seed == spec.seed
    assert run.id != settled(spec, best).id  # a tuned row is no untuned one, whatever its values


def test_runs_wait_for_all_their_trials() -> None:
    """A technique with a missing trial has nothing to run yet."""
    spec = tiny()
    assert tune.tuned([spec], rows(spec, [0.5, 0.2, 0.3])[:2], 3) == []
    assert len(list(tune.missing([spec], rows(spec, [0.5, 0.2, 0.3])[:2], 3))) == 1


def test_where_every_trial_failed_the_tables_values_stand() -> None:
    """And the record says so."""
    spec = tiny()
    ((run, about),) = tune.tuned([spec], rows(spec, [None, None]), 2)
    assert run.optimizer == spec.optimizer
    assert about["failed"] == 2
    assert "the values are the tables'" in about["note"]


def test_values_are_put_where_they_belong() -> None:
    """The rate and a rule's own decay into the rule, strengths into the recipe."""
    spec = tiny(optimizer=OPTIMIZERS["adamw"], stabilisation=STABILISATIONS["zoneout"])
    ranges = space(spec.optimizer, spec.stabilisation)
    assert list(ranges) == ["lr", "zoneout", "zoneout_memory", "rule_decay"]
    run = settled(spec, chosen(ranges, (0.5,) * DIMENSIONS))
    assert run.optimizer.decay == pytest.approx(0.01)
    assert run.stabilisation.zoneout == pytest.approx((0.01 * 0.5) ** 0.5, rel=1e-3)
    assert run.optimizer.lr == pytest.approx(spec.optimizer.lr, rel=1e-3)


MINE = """
name = "mine"
base = "quick"
seeds = [0, 1]
tune = 3

[budget]
steps = 4
evaluate = 2
curve = 32
parameters = 1500

[[block]]
tasks = ["series/seasonal"]
architectures = ["lstm"]
stabilisations = ["none", "dropout"]
optimizers = ["adam"]
"""


def test_a_tuned_matrix_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials first, then scores at their values; the same command finds everything done; --tune 0 turns it off."""
    work_here(monkeypatch)
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    words = ["--matrix", str(path), "--results", str(tmp_path / "r"), "--no-timing", "--no-report", "--workers", "2"]
    assert main([*words, "--dry-run"]) == 0
    assert "6 trials to make before them" in capsys.readouterr().out
    assert main(words) == 0
    (file,) = (tmp_path / "r/mine").glob("*.jsonl")
    found = Store(file).rows()
    trials, runs = ([row for row in found if row["kind"] == kind] for kind in ("trial", "run"))
    assert (len(trials), len(runs)) == (6, 4)
    for run in runs:
        mine = [t for t in trials if t["names"] == run["names"]]
        best = min(mine, key=lambda t: t["valid"])
        assert run["tuning"]["chosen"] == best["values"]
        assert run["spec"]["optimizer"]["lr"] == best["values"]["lr"]
        assert run["spec"]["tuned"] == 3
    before = file.read_bytes()
    assert main(words) == 0
    assert file.read_bytes() == before
    capsys.readouterr()
    assert main([*words, "--tune", "0"]) == 0
    assert "not tuned: every technique runs at the tables' values" in capsys.readouterr().out
    assert len([row for row in Store(file).rows() if row["kind"] == "run"]) == 8


def test_standard_and_full_tune_and_quick_does_not() -> None:
    """Presets that a claim may rest on give every technique the same trials."""
    assert MATRICES["standard"].tune == MATRICES["full"].tune == MATRICES["library"].tune >= 8
    assert MATRICES["quick"].tune == 0


def test_a_senseless_number_of_trials_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what may be given."""
    assert main(["--tune", "-1"]) == 2
    assert "--tune must be in [0, 10000], got -1" in capsys.readouterr().err
