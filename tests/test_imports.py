"""Knowledge flows one way; the front doors answer without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STANDARD_LIBRARY_ONLY = (
    "bench/disk.py",
    "tasks/data/series_sources.py",
    "tasks/data/language_sources.py",
    "tasks/data/speech_sources.py",
    "tasks/data/own_text.py",
    "tasks/data/folder.py",
    "tasks/options.py",
    "tasks/own.py",
    "bench/contracts/__init__.py",
    "bench/core_table.py",
    "bench/pairs.py",
    "bench/witness.py",
    "bench/spec.py",
    "bench/axes.py",
    "bench/budgets.py",
    "bench/literature.py",
    "bench/matrices.py",
    "bench/methods.py",
    "bench/names.py",
    "bench/sense.py",
    "tasks/card.py",
    "tasks/cards.py",
    "tasks/data/__init__.py",
    "tasks/data/places.py",
    "tasks/data/source.py",
    "tasks/language_cards.py",
    "tasks/memory_cards.py",
    "tasks/series_cards.py",
    "tasks/speech_cards.py",
    "tasks/literature.py",
)


def imported(path: Path, whole: bool = True) -> set[str]:
    """Top-level packages that a file imports; only those at the top of the module unless `whole`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if whole else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def test_tasks_know_nothing_of_bench_or_report() -> None:
    """A task can be used with any training loop."""
    assert {path.name for path in sources("tasks") if imported(path) & {"bench", "report"}} == set()


def test_the_report_knows_records_alone() -> None:
    """No file of the report imports torch, or any room of bench but the ones without torch."""
    assert {path.name for path in sources("report") if imported(path) & {"torch", "torchaudio"}} == set()


def test_the_training_loop_knows_no_names() -> None:
    """bench.train sees values: neither the axes nor the matrices."""
    lines = (ROOT / "bench/train.py").read_text().splitlines()
    assert not [line for line in lines if line.startswith(("from bench.axes", "from bench.matrices", "import tasks"))]


@pytest.mark.parametrize("name", STANDARD_LIBRARY_ONLY)
def test_tables_need_the_standard_library_alone(name: str) -> None:
    """What --list reads imports nothing that is slow."""
    assert imported(ROOT / name) <= set(sys.stdlib_module_names) | {"bench", "tasks"}


@pytest.mark.parametrize(
    "command",
    [
        "from bench.matrix import main; main(['--list'])",
        "from bench.matrix import main; main(['--optimizer', 'nadma'])",
        "import report",
        "import bench.execute",
    ],
)
def test_the_front_doors_do_not_load_torch(command: str) -> None:
    """--list, an error and the report answer without torch, pandas or seaborn being imported."""
    check = f"{command}; import sys; assert not {{'torch', 'pandas', 'seaborn', 'numpy'}} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_unsafe_reading() -> None:
    """No pickle, no eval, no shell string, no torch.load that trusts its file."""
    for folder in ("bench", "tasks", "report"):
        for path in sources(folder):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert not imported(path) & {"pickle", "dill", "shelve", "marshal"}, path
            for node in ast.walk(tree):
                if isinstance(node, ast.Call):
                    assert not (isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")), path
                    words = {(k.arg, getattr(k.value, "value", None)) for k in node.keywords}
                    assert not words & {("shell", True), ("weights_only", False), ("allow_pickle", True)}, path


def test_a_worker_never_loads_plots() -> None:
    """What a worker imports leaves pandas, seaborn and torch's compiler out."""
    check = (
        "import bench.run, sys; print(sorted({'pandas', 'seaborn', 'matplotlib', 'torch._dynamo'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
