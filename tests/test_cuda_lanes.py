"""Runs on CUDA have workers of their own; a device that is lost takes no run of the CPU with it. No GPU is needed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import on_gpu, specs, start

from bench import cli
from bench.execute import in_processes
from bench.faults import status
from bench.record import FINISHED, RunRecord
from bench.spec import RunSpec


@pytest.fixture(autouse=True)
def quick_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that load no torch: what is tested here is what becomes of them."""
    monkeypatch.setattr("bench.execute.start", start)


def runs(*seeds: int, device: str = "cuda") -> list[RunSpec]:
    return [replace(specs(1, seconds=60)[0], seed=seed, device=device) for seed in seeds]


def made(todo: list[RunSpec], gpus: list[str] | None, share: int = 1, workers: int = 1) -> dict[str, RunRecord]:
    records = list(in_processes(on_gpu, todo, None, workers, gpus=gpus, gpu_share=share))
    assert len({record.id for record in records}) == len(todo)
    return {f"{record.spec['device']}{record.spec['seed']}": record for record in records}


def test_each_gpu_has_its_workers() -> None:
    """Several GPUs are used, each worker sees one of them alone, and the records say cuda; the CPU works beside."""
    found = made(runs(*range(10, 22)) + runs(30, 31, device="cpu"), ["2", "GPU-5"], share=2)
    seen = Counter(record.reason for name, record in found.items() if name.startswith("cuda"))
    assert set(seen) == {"2", "GPU-5"}
    assert all(found[name].status == "ok" for name in found)
    assert found["cpu30"].reason not in seen


def test_one_gpu_is_shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So many runs at once on a GPU, and no more; without a list of GPUs a worker sees all."""
    monkeypatch.setenv("FAKE_MARKS", str(tmp_path))
    found = made(runs(*range(10, 30)), ["0"], share=3)
    assert max(record.score or 0 for record in found.values()) == 3
    assert made(runs(10), None)["cuda10"].reason == "all"


def test_a_lost_device_stops_its_runs_alone() -> None:
    """The run that found it gone, and those that waited for it, say device-lost and why; the CPU goes on, and no run
    of CUDA is made there instead."""
    found = made(runs(1, 10, 11, 12) + runs(1, 30, 31, device="cpu"), ["0"])
    assert {name: found[name].status for name in found} == {
        **dict.fromkeys(("cuda1", "cuda10", "cuda11", "cuda12"), "device-lost"),
        **dict.fromkeys(("cpu1", "cpu30", "cpu31"), "ok"),
    }
    assert found["cuda1"].reason == "RuntimeError: CUDA error: unspecified launch failure"
    assert found["cuda12"].reason == f"not begun: {found['cuda1'].reason}"
    assert "device-lost" not in FINISHED  # the next command makes them anew


def test_another_gpu_takes_over() -> None:
    """Where one of two GPUs is lost, the other one makes what is left."""
    found = made(runs(1, *range(10, 20)), ["0", "1"])
    assert [name for name in found if found[name].status != "ok"] == ["cuda1"]


def test_a_fault_of_the_run_is_no_loss_of_the_device() -> None:
    """Memory that ran short and an index that was wrong end that run; the next one has a fresh process."""
    found = made(runs(2, 4, 10, 11), ["0"])
    assert [found[f"cuda{seed}"].status for seed in (2, 4, 10, 11)] == ["out-of-memory", "failed", "ok", "ok"]


@pytest.mark.parametrize(
    ("text", "device", "ended"),
    [
        ("CUDA error: no CUDA-capable device is detected", "cuda", "device-lost"),
        ("CUDA error: uncorrectable ECC error encountered", "cuda", "device-lost"),
        ("No CUDA GPUs are available", "cuda", "device-lost"),
        ("Found no NVIDIA driver on your system.", "cuda", "device-lost"),
        ("The NVIDIA driver on your system is too old", "cuda", "device-lost"),
        ("Unable to determine the device handle: GPU is lost", "cuda", "device-lost"),
        ("CUDA error: out of memory", "cuda", "out-of-memory"),
        ("mat1 and mat2 shapes cannot be multiplied", "cuda", "failed"),
        ("CUDA error: unspecified launch failure", "cpu", "failed"),
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes", "cpu", "out-of-memory"),
    ],
)
def test_what_an_error_says(text: str, device: str, ended: str) -> None:
    """The words of torch, of the driver and of its tools."""
    assert status(RuntimeError(text), device) == ended


def test_gpus_are_counted_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are named as CUDA_VISIBLE_DEVICES names them here; none where there is no driver."""

    class Told:
        stdout = "2\n"

    monkeypatch.setattr("bench.cli.sys.platform", "win32")
    monkeypatch.setattr("bench.cli.subprocess.run", lambda *_, **__: Told())
    for visible, names in ((None, ("0", "1")), ("3,GPU-7", ("3", "GPU-7")), ("4,5,6", ("4", "5"))):
        cli.gpus.cache_clear()
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert cli.gpus() == names
    cli.gpus.cache_clear()
