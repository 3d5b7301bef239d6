"""An instruction set that was asked for: a run of its own, every library at it; refused where it cannot be had."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from toys import tiny

from bench import cli, isa, matrix, timing
from bench.execute import in_processes, run_one
from bench.matrices import QUICK
from bench.matrixfile import read
from bench.plan import BadInput, Filters, plan
from bench.record import RunRecord
from bench.spec import Isa
from report.frame import frames

MINE = """
[[block]]
tasks = ["series/mackey-glass"]
architectures = ["lstm"]
stabilisations = ["none"]
optimizers = ["adam"]
"""

ONE = Filters(("series/mackey-glass",), ("lstm",), ("none",), ("adam",), (0,))

needs_avx2 = pytest.mark.skipif(isa.lacking("avx2") is not None, reason=str(isa.lacking("avx2")))


def made(level: Isa) -> list[RunRecord]:
    """Tiny runs by the kernels and by ATen alone, in a worker that is pinned to a level."""
    specs = [tiny(isa=level, backend=backend) for backend in ("auto", "fused", "eager")]
    runs = in_processes(run_one, specs, None, 1, level=level)
    return sorted(runs, key=lambda record: record.name)


@pytest.fixture(scope="module")
def pinned() -> list[RunRecord]:
    return made("avx2")


@pytest.fixture(scope="module")
def native() -> list[RunRecord]:
    return made("native")


def test_an_instruction_set_that_was_asked_for_is_another_run() -> None:
    """Its name and its ids show it; without one both are what they were before there was one to ask for."""
    spec = tiny()
    asked = replace(spec, isa="avx2")
    assert asked.name.endswith("/cpu+avx2/s0")
    assert replace(asked, backend="fn").name.endswith("/cpu+fn+avx2/s0")
    assert asked.values() == spec.values() | {"isa": "avx2"}
    assert "isa" not in spec.values()
    assert asked.id != spec.id
    assert asked.configuration_id != spec.configuration_id
    (planned,) = plan(replace(QUICK, isa="avx2"), ONE, ["cpu"]).runs
    assert planned.isa == "avx2"


def test_a_matrix_file_names_an_instruction_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key of the file, checked like the option, which stands above it."""
    mine = tmp_path / "mine.toml"
    mine.write_text(f'isa = "avx2"\n{MINE}')
    assert read(mine).isa == "avx2"
    mine.write_text(f"isa = 2\n{MINE}")
    with pytest.raises(BadInput, match="isa must be the name of an instruction set, got 2"):
        read(mine)
    mine.write_text(f'isa = "avx3"\n{MINE}')
    assert matrix.main(["--matrix", str(mine), "--list"]) == cli.BAD_INPUT
    assert "unknown instruction set 'avx3'. Did you mean 'avx2'" in capsys.readouterr().err
    assert matrix.main(["--matrix", str(mine), "--isa", "avx2", "--list"]) == cli.OK


@pytest.mark.parametrize(
    ("simd", "level", "words"),
    [
        (
            "avx2",
            "avx512",
            "instruction set avx512 was asked for, and this processor has avx2 at most (avx2); try --isa",
        ),
        ("asimd", "avx2", "instruction set avx2 was asked for, and this processor has generic at most (asimd); try"),
    ],
)
def test_a_level_beyond_the_processor(
    simd: str, level: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused in one line before anything runs, by every command."""
    monkeypatch.setattr(isa, "facts", lambda: {"simd": simd})
    for command in (matrix.main, timing.main):
        assert command(["--isa", level]) == cli.BAD_INPUT
        (said,) = capsys.readouterr().err.splitlines()
        assert said.startswith(f"error: {words}")


def test_levels_that_a_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own, all below, and none above."""
    having = {"avx512f": 4, "avx2": 3, "asimd": 2, "other": 2}
    for simd, count in having.items():
        monkeypatch.setattr(isa, "facts", lambda simd=simd: {"simd": simd})
        levels: tuple[Isa, ...] = ("native", "generic", "avx2", "avx512")
        assert [level for level in levels if isa.lacking(level) is None] == list(levels[:count])


def test_only_the_processor_is_pinned(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """CUDA by name is refused; where there is a device, an instruction set brings the CPU alone."""
    monkeypatch.setattr("bench.cli.cuda_present", lambda: True)
    for words in (["--device", "cuda"], ["--backend", "triton"]):
        assert matrix.main(["--isa", "generic", *words]) == cli.BAD_INPUT
        assert "pins runs on the CPU alone" in capsys.readouterr().err
    monkeypatch.setattr("bench.cli.kernels", lambda *_: None)
    assert {spec.device for spec in cli.planned(replace(QUICK, isa="generic"), ONE, None).runs} == {"cpu"}


def test_the_core_takes_no_instruction_set(capsys: pytest.CaptureFixture[str]) -> None:
    """Its table is of what each library likes."""
    assert timing.main(["--core", "--isa", "generic"]) == cli.BAD_INPUT
    assert "not --isa" in capsys.readouterr().err


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A level holds within its block, and what a person had set is back afterwards."""
    monkeypatch.setenv("LSTM_BENCH_ISA", "generic")
    monkeypatch.delenv("MKL_CBWR", raising=False)
    assert isa.level() == "native"
    with isa.pinned("avx512"):
        assert isa.level() == "avx512"
    assert os.environ["LSTM_BENCH_ISA"] == "generic"
    assert "MKL_CBWR" not in os.environ
    with isa.pinned("native"):
        assert os.environ["LSTM_BENCH_ISA"] == "generic"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"capability": "AVX512"}, "capability is AVX512"),
        ({"mkl": "auto", "kernels": "avx512"}, "mkl is auto, kernels"),
    ],
)
def test_a_library_that_does_not_follow(found: dict[str, Any], words: str) -> None:
    """No run is recorded under a level at which one of its libraries did not stand."""
    stands = {"isa": "avx2", "capability": "AVX2", "mkl": "COMPATIBLE", "kernels": "avx2"}
    isa.check("avx2", stands)
    isa.check("avx2", stands | {"mkl": None, "kernels": None})  # there is no MKL, there are no kernels
    isa.check("native", found)
    with pytest.raises(isa.NotPinned, match=f"avx2 was asked for, but {words}"):
        isa.check("avx2", stands | found)


def test_a_process_that_was_not_pinned() -> None:
    """It makes no run of the level, and says so."""
    from bench.run import run_one

    record = run_one(tiny(isa="avx2"))
    assert record.status == "skipped"
    assert str(record.reason).startswith("instruction set avx2 was asked for, but isa is native")


@needs_avx2
def test_every_library_stands_at_the_level(pinned: list[RunRecord]) -> None:
    """As each of them says itself, in the record."""
    assert [record.status for record in pinned] == ["ok"] * 3
    for record in pinned:
        stands = {key: record.machine[key] for key in ("isa", "capability", "onednn")}
        assert stands == {"isa": "avx2", "capability": "AVX2", "onednn": "AVX2"}
        assert record.machine["mkl"] in ("COMPATIBLE", None)
        assert record.machine["kernels"] in ("avx2", None)
        assert record.spec["isa"] == "avx2"


@needs_avx2
def test_the_same_bits_at_the_same_level(pinned: list[RunRecord]) -> None:
    """Two workers, one after the other: through the kernels and through ATen alone."""
    again = made("avx2")
    assert [record.weights for record in again] == [record.weights for record in pinned]


@needs_avx2
def test_a_level_reaches_the_arithmetic(pinned: list[RunRecord], native: list[RunRecord]) -> None:
    """Where a library stood elsewhere without it, the bits are others; where all stood there, they are the same."""
    for asked, free in zip(pinned, native, strict=True):
        keys = ("capability", "mkl", "kernels")
        same = [asked.machine[key] for key in keys] == [free.machine[key] for key in keys]
        assert free.machine["isa"] == "native"
        assert asked.score == pytest.approx(free.score, rel=1e-3)
        if asked.backend == "fused":  # ATen's matrix products are MKL's
            assert (asked.weights == free.weights) == same


@needs_avx2
def test_a_report_keeps_levels_apart(pinned: list[RunRecord], native: list[RunRecord]) -> None:
    """A pinned run is never averaged with one of another level."""
    runs = frames("m", [asdict(record) for record in (*pinned, *native)]).runs
    assert sorted(runs["asked"]) == ["auto", "auto avx2", "eager", "eager avx2", "fused", "fused avx2"]
