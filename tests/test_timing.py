"""Times: pairs and what they say, what else went on, and timed configurations."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
import report_records as made
import torch
from toys import tiny

from bench import clock, gpu, pairs, timing, witness
from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.cli import BAD_INPUT, OK
from bench.pairs import Pairs, noisy, rounds, take
from bench.record import TimeRecord
from bench.store import stores
from bench.witness import Processors, Reading, between
from report import frame

NEW = ("first_ms", "others", "steal", "faults", "kernels", "cuda")
"""Fields that a time did not have when the first results were committed."""


def scripted(*seconds: float) -> Callable[[], float]:
    """A step that takes these seconds, one after another."""
    left = iter(seconds)
    return lambda: next(left)


def test_rounds_take_every_step_once_in_an_order_that_changes_and_can_be_repeated() -> None:
    """Within a round each step runs once; over rounds every order occurs; a second time the orders are the same."""

    def orders() -> list[str]:
        said: list[str] = []
        steps = [lambda name=name: said.append(name) or float(ord(name)) for name in "abc"]  # type: ignore[misc]
        assert rounds(60, *steps) == [(97.0, 98.0, 99.0)] * 60
        return ["".join(said[i : i + 3]) for i in range(0, 180, 3)]

    once = orders()
    assert set(once) == {"abc", "acb", "bac", "bca", "cab", "cba"}
    assert orders() == once


def test_what_pairs_say() -> None:
    """Medians, minima, ratios and control as computed by hand; what came before the clock started is beside them."""
    subject = scripted(9, 3, 2, 4, 6)
    found = take(subject, scripted(5, 5, 2, 2, 2), scripted(5, 5, 2, 2.02, 2.2), count=3)
    assert (found.ms, found.ms_min, found.reference_ms, found.pairs) == (4_000, 2_000, 2_000, 3)
    assert (found.ratio, found.ratio_min, found.control) == (2.0, 1.0, pytest.approx(1.01))
    assert (found.ratio_low, found.ratio_high) == (1.0, 3.0)
    assert found.first_ms == 5_000
    assert found.noisy


def test_short_steps_take_more_rounds() -> None:
    """As many as fit in the seconds asked for, by the last round of the warm-up; never fewer than asked for."""

    def taken(count: int, seconds: float) -> int:
        return take(lambda: 0.5, lambda: 0.25, lambda: 0.25, count, seconds).pairs

    assert (taken(20, 0), taken(20, 19), taken(20, 30.5)) == (20, 20, 31)


def test_the_interval_holds_the_median_and_tightens() -> None:
    """95 % of the medians of samples drawn with replacement lie in it; of equal values it is the value."""
    wide = [1 + (i % 7 - 3) / 100 for i in range(21)]
    low, high = pairs.median_interval(wide)
    assert min(wide) < low <= statistics.median(wide) <= high < max(wide)
    assert pairs.median_interval(wide) == (low, high)
    assert pairs.median_interval([1.5] * 20) == (1.5, 1.5)


@pytest.mark.parametrize(
    ("control", "ratio", "ratio_min", "found"),
    [
        (1.0, 1.2, 1.2, False),
        (1.02, 1.2, 1.2, False),
        (0.98, 1.2, 1.2, False),
        (1.0201, 1.2, 1.2, True),
        (0.9799, 1.2, 1.2, True),
        (1.0, 1.03, 1.0, False),
        (1.0, 0.97, 1.0, False),
        (1.0, 1.0301, 1.0, True),
        (1.0, 0.9699, 1.0, True),
    ],
)
def test_what_is_noisy(control: float, ratio: float, ratio_min: float, found: bool) -> None:
    """A control off by more than 2 %, or two ratios that differ by more than 3 %; the edges are quiet."""
    assert noisy(control, ratio, ratio_min) is found


def test_what_happened_between_two_readings() -> None:
    """Shares of all processor time, without this process's own; page faults a step."""
    begin = Reading(own=1.0, faults=100, processors=Processors(busy=50.0, stolen=2.0, total=200.0))
    end = Reading(own=4.0, faults=160, processors=Processors(busy=54.0, stolen=2.5, total=210.0))
    seen = between(begin, end, steps=60)
    assert (seen.others, seen.steal, seen.faults) == (0.1, 0.05, 1.0)


def test_a_system_that_does_not_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the kernel's counters, or with others than expected, the shares are unknown, never zero."""
    for text in (None, "cpu 1 2 3\n", "nonsense"):
        monkeypatch.setattr(witness, "STAT", tmp_path / "stat")
        if text is not None:
            (tmp_path / "stat").write_text(text)
        seen = between(witness.read(), witness.read(), steps=1)
        assert (seen.others, seen.steal) == (None, None)


def test_the_kernels_counters_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """user nice system idle iowait irq softirq steal; guest time stands in user already."""
    (tmp_path / "stat").write_text("cpu  100 20 30 400 50 6 7 80 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
    monkeypatch.setattr(witness, "STAT", tmp_path / "stat")
    monkeypatch.setattr("os.sysconf", lambda _: 100)
    assert witness.read().processors == Processors(pytest.approx(1.63), 0.8, pytest.approx(6.93))


def test_a_step_on_cuda_is_timed_between_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device is idle, then event, step, event; milliseconds are read once the second event is there."""
    said: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            said.append("event")

        def synchronize(self) -> None:
            said.append("wait")

        def elapsed_time(self, _: Event) -> float:
            return 250.0

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: said.append("idle"))
    assert clock.seconds(lambda: said.append("step"), "cuda") == 0.25
    assert said == ["idle", "event", "step", "event", "wait"]


def test_what_a_cuda_time_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device, its clocks, None where torch cannot ask for them, and the class of cuDNN's algorithm."""

    class Known:
        name, clock_rate, memory_clock_rate = "a GPU", 1_980_000, 2_619_000

    def absent() -> int:
        raise ModuleNotFoundError("pynvml")

    monkeypatch.setattr(torch.cuda, "get_device_properties", Known)
    monkeypatch.setattr(torch.cuda, "clock_rate", absent)
    found = gpu.about(hidden=64)
    assert (found["gpu"], found["sm_mhz"], found["sm_mhz_max"], found["memory_mhz_max"]) == ("a GPU", None, 1980, 2619)
    algorithms = [gpu.lstm_algorithm(hidden) for hidden in (128, 129, 192, 193)]
    assert algorithms[0] != algorithms[1] == algorithms[2] != algorithms[3] == "standard"


def test_timing_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """python -m bench.timing keeps one time a configuration, paired with nn.LSTM, and does none twice."""
    words = ["--results", str(tmp_path), "--task", "series/seasonal", "--optimizer", "adam", "--device", "cpu"]
    words += ["--stabilisation", "none", "--architecture", "lstm", "--architecture", "gru", "--rounds", "3"]
    assert timing.main(words) == OK
    (store,) = stores(tmp_path)
    rows = store.rows()
    assert len(rows) == 2
    for row in rows:
        assert row["pairs"] == 3
        assert row["ms_min"] <= row["ms"]
        assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
        assert row["reference_ms"] > 0
        assert row["machine"]["threads"] == 1
        assert {"heap_kept", "flush_denormal", "capability"} <= set(row["machine"])
        assert (row["kernels"] is not None) == (row["backend"] == "cpp")
    capsys.readouterr()
    assert timing.main(words) == OK
    assert capsys.readouterr().out == ""
    assert timing.main(["--rounds", "0"]) == BAD_INPUT


def test_the_reference_is_plain_lstm() -> None:
    """A configuration is paired with torch's LSTM of its own depth and directions, no stabilisation, Adam."""
    for name, architecture in ARCHITECTURES.items():
        spec = tiny(architecture=architecture, stabilisation=STABILISATIONS["relu"], optimizer=OPTIMIZERS["nadam"])
        other = timing.reference(spec)
        assert (other.architecture.cell, other.architecture.attention) == ("lstm", False), name
        assert other.architecture.depth == architecture.depth
        assert other.architecture.bidirectional == architecture.bidirectional
        assert other.stabilisation == STABILISATIONS["none"]
        assert other.optimizer == OPTIMIZERS["adam"]
        assert timing.stepper(other, None, width=4)[1] == "fused"


def test_a_recipe_that_diverges_can_be_timed() -> None:
    """A time is one of arithmetic: a learning rate under which the loss is soon not finite makes no difference."""
    wild = tiny(
        stabilisation=STABILISATIONS["relu"], optimizer=replace(OPTIMIZERS["momentum"], lr=10.0, momentum=0.999)
    )
    step, _, _ = timing.stepper(wild, None)
    assert all(step() > 0 for _ in range(40))


def test_the_back_end_asked_for_is_timed() -> None:
    """A run's back end is its time's."""
    assert timing.stepper(tiny(backend="eager"), None)[1] == "eager"


def test_times_hold_what_pairs_say() -> None:
    """Every number of the pairs is a field of a time, under the same name."""
    assert {field.name for field in fields(Pairs)} <= {field.name for field in fields(TimeRecord)}


def test_older_times_are_still_read() -> None:
    """A line without the newer fields is read by the report as one with them."""
    run = made.run(made.DIGITS, made.LSTM)
    new = asdict(made.timing(run, 5.0, noisy=True))
    old = {key: value for key, value in new.items() if key not in NEW}
    assert len(old) == len(new) - len(NEW)
    found = [frame.frames("some", [asdict(run), time]).times for time in (old, new)]
    assert len(found[0]) == 1
    assert found[0].equals(found[1])
