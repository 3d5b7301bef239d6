"""The Triton kernels: by Triton's interpreter and its compiler, which need no GPU, and on a GPU where there is one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.cells import CELLS, Cell
from bench.core import triton as kernels
from bench.core.eager import eager
from bench.core.recurrence import prepare
from bench.sequences import mask
from bench.spec import Stabilisation

ROOT = Path(__file__).parents[1]
NOTHING = Stabilisation()
ALL = Stabilisation(
    activation="hardtanh",
    layer_norm=True,
    recurrent_dropout=0.2,
    zoneout=0.1,
    zoneout_memory=0.3,
    weight_drop=0.3,
)

installed = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@dataclass(frozen=True)
class Case:
    """Two directions, sequences of several lengths and a start that is not zero, unless something else is said."""

    cell: str
    recipe: Stabilisation = NOTHING
    time: int = 2
    batch: int = 2
    hidden: int = 17
    directions: int = 2
    ragged: bool = True
    start: bool = True
    training: bool = True
    graded: bool = True
    on_chip: int = kernels.ON_CHIP


CASES = {
    **{name: Case(name) for name, cell in CELLS.items() if cell.kernel is not None},
    **{f"{name}-relu": Case(name, Stabilisation(activation="relu")) for name in ("rnn", "lstm", "gru")},
    **{f"{name}-leaky-relu": Case(name, Stabilisation(activation="leaky-relu")) for name in ("rnn", "lstm", "gru")},
    **{f"{name}-hardtanh": Case(name, Stabilisation(activation="hardtanh")) for name in ("rnn", "lstm", "gru")},
    **{f"{name}-everything": Case(name, ALL) for name in ("rnn", "peephole", "gru")},
    **{f"{name}-expectations": Case(name, ALL, training=False) for name in ("rnn", "lstm", "gru")},
    "lstm-layer-norm": Case("lstm", Stabilisation(layer_norm=True)),
    "lstm-zoneout": Case("lstm", Stabilisation(zoneout=0.2, zoneout_memory=0.4)),
    "gru-dropout": Case("gru", Stabilisation(recurrent_dropout=0.3), directions=1, ragged=False),
    "lstm-batch-norm": Case("lstm", Stabilisation(batch_norm="input"), directions=1, ragged=False),
    "lstm-no-gradients": Case("lstm", Stabilisation(layer_norm=True), graded=False),
    "lstm-one": Case("lstm", time=1, batch=1, hidden=1, ragged=False, start=False),
    "gru-one": Case("gru", time=1, batch=1, hidden=1, directions=1),
    "lstm-long": Case("lstm", time=7, batch=3, hidden=3, directions=1, ragged=False),
    "gru-wide": Case("gru", hidden=33, start=False),
    **{f"{name}-streamed": Case(name, ALL, hidden=33, on_chip=2**11) for name in ("rnn", "peephole", "gru")},
    "lstm-streamed": Case("lstm", hidden=33, on_chip=2**13, directions=1, ragged=False),
}
"""`streamed` are made to read W again at each step, as layers do that are too wide for a GPU's registers."""


IMPORTED = "Triton is imported with the back end"


def built(case: Case) -> list[Cell]:
    torch.manual_seed(0)
    cells = [
        CELLS[case.cell](7, case.hidden, case.recipe, case.time).train(case.training) for _ in range(case.directions)
    ]
    for name, weight in (pair for cell in cells for pair in cell.named_parameters()):
        if "norm" in name or "peepholes" in name:  # their first values hide what is done with them
            torch.nn.init.normal_(weight, 0.7, 0.3)
    return cells


def results(case: Case, specification: bool, device: str) -> list[torch.Tensor]:
    """Outputs, last states and all gradients, by the kernels or by autograd in float64."""
    cells = [cell.to(device, torch.float64 if specification else torch.float32) for cell in built(case)]
    weight = cells[0].weight("weight_hh")

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(weight)

    generator = torch.Generator().manual_seed(1)
    x = drawn(case.time, case.batch, 7).requires_grad_()
    start = [drawn(case.batch, case.hidden).requires_grad_() for _ in range(cells[0].states)] if case.start else []
    lengths = torch.randint(1, case.time + 1, (case.batch,), generator=generator) if case.ragged else None
    torch.manual_seed(2)  # the masks
    with torch.set_grad_enabled(case.graded):
        if specification:
            y, last = eager(cells, x, tuple(start) or None, lengths)
        else:
            assert kernels.obstacle(cells, x.device) is None
            y, ends = kernels.loop(prepare(cells, x, tuple(start) or None, lengths))
            last = tuple(end[0] for end in ends)
    assert bool(y.isfinite().all())  # in the padding too: another layer reads it
    if (valid := mask(x, lengths)) is not None:
        y = torch.where(valid.unsqueeze(2), y, 0.0)
    loss = sum((part * drawn(*part.shape)).sum() for part in (y, *last))
    parameters = [weight for cell in cells for weight in cell.parameters()]
    gradients = torch.autograd.grad(loss, [x, *start, *parameters]) if case.graded else ()
    return [part.detach().cpu() for part in (y, *last, *gradients)]


def error(case: Case, device: str = "cpu") -> float:
    """The largest difference of a tensor from its specification, against the specification's norm."""
    pairs = zip(results(case, False, device), results(case, True, device), strict=True)
    return max(float((mine - exact).norm() / exact.norm().clamp_min(1e-3)) for mine, exact in pairs)


def main() -> None:
    """Errors by case, as JSON, and whether Triton was there before: for the process that runs under the interpreter."""
    found = {IMPORTED: float("triton" in sys.modules)}
    for name, case in CASES.items():
        kernels.ON_CHIP = case.on_chip
        found[name] = error(case)
    print(json.dumps(found))


@pytest.fixture(scope="module")
def errors() -> dict[str, float]:
    """Of all cases under the interpreter, which is chosen before Triton is imported: in a process of its own."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if "only 0-dimensional arrays" in done.stderr:
        pytest.skip("numpy 2.4 does not let Triton 3.6 interpret a loop")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@installed
@pytest.mark.parametrize("name", list(CASES))
def test_interpreted_kernels_agree_with_eager(name: str, errors: dict[str, float]) -> None:
    """Outputs, last states and every gradient are within 1e-5 of autograd through the cells' own steps in float64."""
    assert errors[name] <= 1e-5


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """By name, the kernels of what is run in a test: compiled for an H100, never launched."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    def kind(value: Any) -> str:
        if isinstance(value, torch.Tensor):
            return {torch.float32: "*fp32", torch.bool: "*i1", torch.int32: "*i32"}[value.dtype]
        return {int: "i32", float: "fp32"}.get(type(value), "constexpr")

    def compile(kernel: Any, grid: tuple[int, int], warps: int, arguments: dict[str, Any]) -> None:
        fixed = {kernel.arg_names[place] for place in kernel.constexprs}
        signature = {name: "constexpr" if name in fixed else kind(arguments[name]) for name in kernel.arg_names}
        constants = {name: arguments[name] for name, kind in signature.items() if kind == "constexpr"}
        aligned = {
            (place,): [["tt.divisibility", 16]] for place, kind in enumerate(signature.values()) if kind[0] == "*"
        }
        source = ASTSource(kernel, signature, constants, aligned)
        options = {"num_warps": warps, "maxnreg": kernels.registers(warps)}
        found[kernel.__name__] = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)

    found: dict[str, Any] = {}
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernels, "run", compile)
    return found


def launched(case: Case) -> None:
    """A pass forward and back that computes nothing, but would launch what there is to launch."""
    cells = built(case)
    lengths = torch.full((case.batch,), case.time) if case.ragged else None
    y, _ = kernels.loop(prepare(cells, torch.zeros(case.time, case.batch, 7), None, lengths))
    y.sum().backward()


COMPILED = [
    *(Case(name, hidden=64, directions=1, ragged=False) for name in ("rnn", "lstm", "gru")),
    *(Case(name, ALL, hidden=33) for name in ("rnn", "peephole", "gru")),
    Case("peephole", ALL, training=False),
    *(Case(name, Stabilisation(activation="leaky-relu"), hidden=200) for name in ("lstm", "gru")),
]


@installed
@pytest.mark.parametrize("case", COMPILED, ids=lambda case: f"{case.cell}-{case.hidden}")
def test_kernels_compile_for_a_gpu(case: Case, compiled: dict[str, Any]) -> None:
    """Triton's compiler takes both kernels to machine code, and they fit into a program's shared memory."""
    launched(case)
    assert set(compiled) == {"forward", "backward"}
    assert all(kernel.asm["cubin"] and kernel.metadata.shared <= 48 * 1024 for kernel in compiled.values())


@installed
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_weights_stay_in_registers(cell: str, compiled: dict[str, Any], tmp_path: Path) -> None:
    """With 64 units nothing is put into local memory: W is read once."""
    from triton import knobs

    launched(Case(cell, hidden=64, directions=1, ragged=False))
    for name, kernel in compiled.items():
        (tmp_path / name).write_text(kernel.asm["ptx"])
        command = [knobs.nvidia.ptxas.path, "-v", "--gpu-name=sm_90a", tmp_path / name, "-o", tmp_path / "out"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        assert re.findall(r"(\d+) bytes spill", said) == ["0", "0"], said


@installed
def test_threads_wait_for_what_others_wrote(compiled: dict[str, Any]) -> None:
    """Where W is too wide for registers the vector goes through memory, and there is a barrier before it is read: which
    an interpreter, that has no threads, would not miss."""
    launched(Case("lstm", hidden=200, directions=1, ragged=False))
    assert all(re.search(r"\bbar(rier)?\.sync", kernel.asm["ptx"]) for kernel in compiled.values())


@installed
def test_triton_is_imported_where_it_runs(errors: dict[str, float]) -> None:
    """Who has no GPU loads the back end without Triton."""
    assert errors[IMPORTED] == 0


def test_says_what_it_does_not_compute() -> None:
    """Each refusal names its reason, before Triton is asked for anything."""
    cuda = torch.device("cuda")
    if find_spec("triton") is None:
        assert kernels.obstacle([CELLS["lstm"](2, 3)], cuda) == "Triton is not installed"
        return
    assert kernels.obstacle([CELLS["lstm"](2, 3)], torch.device("cpu")) == "runs on CUDA only"
    wide, double = CELLS["rnn"](2, kernels.WIDEST + 1), CELLS["gru"](2, 3).double()
    batchwise = CELLS["lstm"](2, 3, Stabilisation(batch_norm="recurrent"))
    for cell, word in ((wide, "256 units"), (double, "float32"), (batchwise, "all rows of a batch")):
        assert word in str(kernels.obstacle([cell], cuda))


WIDE = {
    f"{name}-{hidden}": Case(name, time=50, batch=33, hidden=hidden)
    for name in ("rnn", "lstm", "gru")
    for hidden in (64, 128, 200)
}


@installed
@gpu
@pytest.mark.parametrize("name", [*CASES, *WIDE])
def test_cuda_kernels_agree_with_eager(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU too outputs, last states and every gradient are within 1e-5."""
    case = (CASES | WIDE)[name]
    monkeypatch.setattr(kernels, "ON_CHIP", case.on_chip)
    assert error(case, "cuda") <= 1e-5


@installed
@gpu
def test_cuda_kernels_repeat_themselves() -> None:
    """Twice the same is the same to the last bit."""
    case = Case("peephole", ALL, time=50, batch=33, hidden=64)
    pairs = zip(results(case, False, "cuda"), results(case, False, "cuda"), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


if __name__ == "__main__":
    main()
