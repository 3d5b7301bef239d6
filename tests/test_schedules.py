"""Each schedule equals its closed form, and torch's own where torch has it."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn

from bench.axes import OPTIMIZERS
from bench.schedules import PLATEAU, Schedule, build, factor
from bench.spec import Optimizer

STEPS = 40


def rates(rule: Optimizer, steps: int = STEPS) -> list[float]:
    """The rate of each of the updates, over the rule's own."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=rule.lr)
    schedule = build(rule, optimizer, steps)
    found = []
    for step in range(1, steps + 1):
        if schedule is not None:
            schedule.before(step)
        found.append(optimizer.param_groups[0]["lr"] / rule.lr)
    return found


def torchs(
    make: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler], steps: int = STEPS
) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch asks for a step of the optimizer in between
        schedule, found = make(optimizer), []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            schedule.step()
    return found


def test_a_constant_rate_has_no_schedule() -> None:
    """Nothing touches the rate of a rule that asks for nothing."""
    assert rates(OPTIMIZERS["adam"]) == [1.0] * STEPS
    assert build(OPTIMIZERS["adam"], torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0), STEPS) is None


def test_step_is_torchs_multi_step() -> None:
    """A tenth after half and after three quarters of the updates."""
    reference = torchs(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [STEPS // 2, STEPS * 3 // 4], 0.1))
    assert rates(OPTIMIZERS["adam-step"]) == pytest.approx(reference)


def test_cosine_is_torchs_after_its_warm_up() -> None:
    """Two updates of 40 rise in equal parts; then torch's cosine over the other 38."""
    found = rates(OPTIMIZERS["adam-cosine"])
    assert found[:2] == pytest.approx([0.5, 1.0])
    reference = torchs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS - 2))
    assert found[2:] == pytest.approx(reference[: STEPS - 2])
    assert found[-1] < 0.01


def test_one_cycle_is_torchs() -> None:
    """Up for three tenths, then down to nearly nothing."""
    found = rates(OPTIMIZERS["adam-one-cycle"], 400)
    reference = torchs(lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 1.0, 401, cycle_momentum=False), 400)
    assert found == pytest.approx(reference, abs=0.02)  # torch's peak stands between two updates
    assert found[0] == pytest.approx(1 / 25)
    assert max(found) == 1.0 == found[120]
    assert factor("one-cycle", 1.0) == pytest.approx(1e-4 / 25)


def test_plateau_reduces_after_each_evaluation_that_is_not_the_best() -> None:
    """A quarter each time, and never up again."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=2.0)
    schedule = Schedule(OPTIMIZERS["adam-plateau"], optimizer, STEPS)
    seen = []
    for step, loss in enumerate((3.0, 2.0, 2.5, 1.0, 1.0), 1):
        schedule.before(step)
        seen.append(optimizer.param_groups[0]["lr"])
        schedule.observe(loss)
    schedule.before(6)
    assert [*seen, optimizer.param_groups[0]["lr"]] == pytest.approx(
        [2, 2, 2, 2 * PLATEAU, 2 * PLATEAU, 2 * PLATEAU**2]
    )


def test_every_group_keeps_its_own_rate() -> None:
    """A rule with two groups of weights scales both alike."""
    optimizer = torch.optim.SGD(
        [{"params": [nn.Parameter(torch.ones(1))], "lr": 0.5}, {"params": [nn.Parameter(torch.ones(1))]}], lr=2.0
    )
    schedule = build(OPTIMIZERS["adam-step"], optimizer, STEPS)
    assert schedule is not None
    schedule.before(STEPS)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.005, 0.02])
