"""What needs a GPU; skipped without one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toys import Labels, Symbols, network, tiny

from bench import clock, probes
from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.run import run_one
from bench.timing import time_one

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@gpu
@pytest.mark.parametrize("name", list(ARCHITECTURES))
@pytest.mark.parametrize("recipe", ["none", "relu", "batch-norm", "recurrent-bn"])
def test_cuda_agrees_with_cpu(name: str, recipe: str) -> None:
    """One seed gives the same outputs and gradients on both devices, to rounding."""
    task = Symbols() if ARCHITECTURES[name].bidirectional is False else Labels()
    batch = next(task.train.ordered(8))
    outs, gradients = [], []
    for device in ("cpu", "cuda"):
        model = network(task, ARCHITECTURES[name], STABILISATIONS[recipe]).to(device)
        out, _ = model(batch.to(device))
        task.loss(out, batch.to(device)).backward()
        outs.append(out.detach().cpu())
        gradients.append([weight.grad.cpu() for weight in model.parameters() if weight.grad is not None])
    torch.testing.assert_close(outs[0], outs[1], rtol=1e-3, atol=1e-4)
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=1e-4)


@gpu
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_run_on_cuda_is_a_record(name: str) -> None:
    """Every optimizer trains on CUDA; the record names the GPU and has an id of its own."""
    spec = tiny(optimizer=OPTIMIZERS[name])
    record = run_one(replace(spec, device="cuda"))
    assert record.status == "ok"
    assert record.machine["gpu"] == torch.cuda.get_device_name()
    assert record.id != spec.id


@gpu
def test_a_run_on_cuda_repeats_itself() -> None:
    """The same spec twice on one GPU: identical weights."""
    spec = replace(tiny(stabilisation=STABILISATIONS["dropout"]), device="cuda")
    assert run_one(spec).weights == run_one(spec).weights


@gpu
def test_times_on_cuda() -> None:
    """A configuration is timed on the GPU, against nn.LSTM there."""
    record = time_one(replace(tiny(), device="cuda"), None, 3)
    assert record.device == "cuda"
    assert record.ms > 0


@gpu
def test_probes_on_cuda() -> None:
    """Gradient norms are those of the CPU."""
    task = Labels()
    model = network(task)
    batch = next(task.train.ordered(4))
    here = probes.gradient_norms(model, task, batch)
    assert probes.gradient_norms(model.to("cuda"), task, batch) == pytest.approx(here, rel=1e-2)


def test_the_clock_waits_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a CUDA time is read the device is synchronised; the CPU's clock asks nothing."""
    calls: list[str] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append("wait"))
    clock.now("cpu")
    assert calls == []
    watch = clock.Stopwatch("cuda")
    watch.go()
    watch.halt()
    assert calls == ["wait", "wait"]
    assert watch.seconds > 0


def test_a_missing_device_is_no_silent_cpu_run() -> None:
    """A CUDA spec on a machine without CUDA fails as such; no record claims cuda for a CPU run."""
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    record = run_one(replace(tiny(), device="cuda"))
    assert record.status == "failed"
    assert record.score is None
