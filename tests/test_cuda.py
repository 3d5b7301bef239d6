"""What needs a GPU; skipped without one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from layers import NOISES, NORMS, Case, agree, outcome, ready
from toys import Labels, Symbols, network, tiny

from bench import clock, probes
from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.cells import CELLS
from bench.core import LOOPS, scan
from bench.run import run_one
from bench.spec import CellName
from bench.timing import time_one

NOISY = ["recurrent-dropout", "zoneout", "weight-drop"]

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@gpu
@pytest.mark.parametrize("name", list(ARCHITECTURES))
@pytest.mark.parametrize("recipe", ["none", "relu", "batch-norm", "recurrent-bn", "layer-norm", *NOISY])
def test_cuda_agrees_with_cpu(name: str, recipe: str) -> None:
    """One seed gives the same outputs and gradients on both devices, to rounding."""
    task = Symbols() if ARCHITECTURES[name].bidirectional is False else Labels()
    batch = next(task.train.ordered(8))
    outs, gradients = [], []
    for device in ("cpu", "cuda"):
        model = network(task, ARCHITECTURES[name], STABILISATIONS[recipe]).to(device)
        torch.manual_seed(0)  # of the noise: both devices drop the same units
        out, _ = model(batch.to(device))
        task.loss(out, batch.to(device)).backward()
        outs.append(out.detach().cpu())
        gradients.append([weight.grad.cpu() for weight in model.parameters() if weight.grad is not None])
    torch.testing.assert_close(outs[0], outs[1], rtol=1e-3, atol=1e-4)
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=1e-4)


@gpu
@pytest.mark.parametrize("backend", [*LOOPS, "graph"])
@pytest.mark.parametrize("name", list(CELLS))
@pytest.mark.parametrize("norm", list(NORMS))
@pytest.mark.parametrize("noise", list(NOISES))
def test_back_end_on_cuda_agrees_with_eager(backend: Any, name: CellName, norm: str, noise: str) -> None:
    """Outputs, last states and all gradients, pass after pass with other inputs, ragged or not: graphs are replayed."""
    for ragged in (False, True):
        case = Case(name, NORMS[norm] + NOISES[noise], 2, ragged, dtype=torch.float64, device="cuda")
        if backend == "triton":
            case = replace(case, dtype=torch.float32)
        mine, theirs = case.cells(), case.cells()
        ready(backend, mine)
        for scale in (1, 2, -1):
            agree(outcome(backend, case, mine, scale * case.x()), outcome("eager", case, theirs, scale * case.x()))


@gpu
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_graphs_without_gradients_and_with(name: CellName) -> None:
    """A graph captured in inference mode, and one for training, agree with each other and with fn."""
    case = Case(name, NORMS["layer"] + NOISES["noisy"], 2, device="cuda", training=False)
    cells, x = case.cells(), case.x()
    with torch.inference_mode():
        first = [scan(cells, x, case.state(), None, "graph")[0] for _ in range(2)]
    trained = scan(cells, x, case.state(), None, "graph")[0]
    trained.sum().backward()
    expected = scan(cells, x, case.state(), None, "fn")[0]
    for y in (*first, trained):
        torch.testing.assert_close(y, expected)


@gpu
@pytest.mark.parametrize("recipe", ["none", *NOISY])
def test_a_run_on_graphs_is_one_on_fn(recipe: str) -> None:
    """Training on captured graphs, evaluation between, ends where training on fn ends."""
    spec = replace(tiny(stabilisation=STABILISATIONS[recipe]), device="cuda")
    captured, plain = (run_one(replace(spec, backend=backend)) for backend in ("graph", "fn"))
    assert captured.backend == "graph"
    assert captured.score == pytest.approx(plain.score, rel=1e-3)


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
    """A CUDA spec on a machine without CUDA is one of a device that is lost; no record claims cuda for a CPU run."""
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    record = run_one(replace(tiny(), device="cuda"))
    assert record.status == "device-lost"
    assert record.score is None
