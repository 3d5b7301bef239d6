"""The C++ kernels do no more work than they did: instructions a step, counted by valgrind, against those kept."""

from __future__ import annotations

import json

import pytest
from speed import instructions

RENEW = "python tests/speed/instructions.py --renew"
MOST = 1.03
"""A change of a kernel that costs more is a decision; what compilers of one version do differently is far below."""

KEPT: dict[str, int] = json.loads(instructions.KEPT.read_text())["instructions"]


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    """Instructions a step of each kernel, counted now."""
    if (why := instructions.obstacle()) is not None:
        pytest.skip(why)
    known, here = json.loads(instructions.KEPT.read_text())["toolchain"], instructions.toolchain()
    if here != known:
        pytest.skip(f"the counts that were kept are of another compiler ({known}; here {here})")
    return instructions.counted()


@pytest.mark.parametrize("kernel", KEPT)
def test_no_kernel_takes_more_instructions(
    kernel: str, counted: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """At most 3 % more than what was kept; where it is as much less, a word that the gate can be tightened."""
    change = f"{kernel} takes {counted[kernel]:,} instructions a step, {counted[kernel] / KEPT[kernel] - 1:+.1%}"
    assert counted[kernel] <= MOST * KEPT[kernel], f"{change}; if that is what you want, {RENEW}"
    if MOST * counted[kernel] < KEPT[kernel]:
        with capsys.disabled():
            print(f"{change}: tighten the gate with {RENEW}")


def test_every_kernel_has_a_count(counted: dict[str, int]) -> None:
    """A kernel that joins the driver joins the file too."""
    assert set(counted) == set(KEPT), f"renew the counts with {RENEW}"
