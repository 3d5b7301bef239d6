"""Plug-ins: what they add, what is wrong with some, and that nothing else can name code."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from plugged import EXAMPLE, GROWING, MATRIX, ROOT, importable
from torch import Tensor, nn
from toys import Labels, network

from bench import contract, machine, matrix, rerun
from bench.axes import ARCHITECTURES, OPTIMIZERS, STABILISATIONS
from bench.cli import BAD_INPUT, FAILED, OK
from bench.clipping import Clipping
from bench.matrices import MATRICES, QUICK
from bench.matrixfile import read
from bench.network import Network
from bench.optimizers import build
from bench.owned import widened
from bench.plan import BadInput, Filters, check
from bench.plugins import LOADED, VARIABLE, load
from bench.run import weights_sha256
from bench.spec import Architecture, Optimizer, Stabilisation
from bench.store import stores
from bench.technique import TECHNIQUES, Technique
from bench.train import update
from tasks.base import Batch
from tasks.cards import TASKS

GOOD = """
from bench.methods import Method
from bench.spec import Stabilisation
STABILISATIONS = {"strong-clip": Stabilisation(clip_norm=0.01)}
METHODS = {"stabilisation": {"strong-clip": Method("The gradient is shortened a lot.")}}
"""

FAULTS = {
    "import error": ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
    "syntax": ("def", "SyntaxError: invalid syntax"),
    "leaves": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "nothing": ("x = 1", "Faulty: it offers none of TASKS, CELLS, "),
    "taken": (
        "from bench.spec import Optimizer; OPTIMIZERS = {'adam': Optimizer('sgd', 1.0), 'mine': Optimizer('sgd', 1.0)}",
        "Faulty: OPTIMIZERS: the name 'adam' is taken, choose another",
    ),
    "taken cell": (
        "from bench.cells import GRU; CELLS = {'tcn': GRU}",
        "Faulty: CELLS: the name 'tcn' is taken, choose another",
    ),
    "taken task": (
        "from tasks.cards import TASKS as T; TASKS = [(T['series/seasonal'], print)]",
        "Faulty: TASKS: the name 'series/seasonal' is taken, choose another",
    ),
    "no cell": (
        "CELLS = {'mine': dict}",
        "Faulty: CELLS: 'mine' must be a class made of bench.cells.Cell, got type",
    ),
    "no table": ("OPTIMIZERS = [1]", "Faulty: OPTIMIZERS must be a dict, got list"),
    "no value": (
        "STABILISATIONS = {'mine': {'clip_norm': 1}}",
        "Faulty: STABILISATIONS: 'mine' must be a bench.spec.Stabilisation, got dict",
    ),
    "no card": ("TASKS = [('series/mine', print)]", "Faulty: TASKS: each must be (Card, function), got ('series/mine'"),
    "bad name": (
        "from bench.spec import Stabilisation; STABILISATIONS = {'../x': Stabilisation()}",
        "Faulty: STABILISATIONS: a name has small letters, digits, '.', '_' and '-', got '../x'",
    ),
    "bad task name": (
        "from tasks import Card; TASKS = [(Card('Mine', 's', 'mse', 'lower', '', 'r'), print)]",
        "Faulty: TASKS: a name is family/task, of small letters, digits and '._+-', got 'Mine'",
    ),
    "bad value": (
        "from bench.spec import Optimizer; OPTIMIZERS = {'mine': Optimizer('sgdd', -1.0)}",
        "Faulty: OPTIMIZERS: 'mine': rule must be one of ",
    ),
    "no publication": (
        "from bench.spec import Stabilisation; from bench.methods import Method\n"
        "STABILISATIONS = {'mine': Stabilisation(l2=0.1)}\n"
        "METHODS = {'stabilisation': {'mine': Method('.', ('who',))}}",
        "Faulty: 'mine' cites 'who', which is not in PUBLICATIONS",
    ),
    "no such name": (
        "from bench.spec import Stabilisation; from bench.methods import Method\n"
        "STABILISATIONS = {'mine': Stabilisation(l2=0.1)}\nMETHODS = {'stabilisation': {'mime': Method('.')}}",
        "Faulty: METHODS: unknown stabilisation 'mime'. Did you mean 'mine'?",
    ),
}
"""What is wrong -> a module, and how the words about it begin."""


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_faulty_plugin_is_named_and_leaves_no_trace(fault: str, tmp_path: Path) -> None:
    """Its fault in a line, none of its names in any table, and the plug-in beside it is loaded."""
    source, said = FAULTS[fault]
    with importable(tmp_path, faulty=source, good=GOOD):
        before = [one.copy() for one in GROWING]
        faults = load(["faulty"], installed=False)
        assert faults["faulty"].startswith(said)
        assert faults["faulty"].count("\n") == 0
        faults.clear()
        assert [one.copy() for one in GROWING] == before
        assert list(load(["faulty", "good"], installed=False)) == ["faulty"]
        assert STABILISATIONS["strong-clip"].clip_norm == 0.01
        assert json.loads(os.environ[VARIABLE]) == ["good"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_plugin", "no module 'no_such_plugin' can be imported"),
        ("good.part", "no module 'good.part' can be imported"),
        *((path, "--plugin takes the name of a module that can be imported (mine, package.mine)")
          for path in ("good.py/..", "./good", "/etc/passwd", "a;b", "", "-m", "good:main", "x" * 99)),
    ],
)  # fmt: skip
def test_a_plugin_that_is_no_module_is_bad_input(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was asked for and is not there, or is a path: exit code 2."""
    with importable(tmp_path, good=GOOD):
        assert matrix.main([f"--plugin={name}", "--list"]) == BAD_INPUT
        assert capsys.readouterr().err.startswith(f"error: {said}")


def test_others_run_beside_a_faulty_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command does its work and ends in 1; what a plug-in prints is on stderr, so that --json stays JSON."""
    with importable(tmp_path, talks="print('hello')\n" + GOOD, faulty="import nowhere_at_all"):
        assert matrix.main(["--plugin", "faulty", "--plugin", "talks", "--list", "--json"]) == FAILED
        shown = capsys.readouterr()
        found = json.loads(shown.out)
        assert found["stabilisations"]["strong-clip"] == "clip_norm=0.01"
        assert found["plug-ins"] == {"talks": f"1 stabilisations; {machine.PLUGGED['plugin talks']}"}
        assert shown.err.splitlines() == [
            "hello",
            "warning: plug-in 'faulty' not loaded: ModuleNotFoundError: No module named 'nowhere_at_all' "
            "(its names are unknown)",
        ]


def test_installed_plugins_are_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Entry points of our group are, unless --no-plugins leaves them out."""
    about = tmp_path / "good-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: good\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[lstm_training_bench]\nanything = good\n")
    (about / "top_level.txt").write_text("good\n")
    with importable(tmp_path, good=GOOD):
        assert matrix.main(["--list", "--no-plugins"]) == OK
        assert "plug-ins: none" in capsys.readouterr().out
        assert matrix.main(["--list"]) == OK
        assert "  good                         1 stabilisations; 1.2-" in capsys.readouterr().out


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[None]:
    """The plug-in of docs/plugins.md."""
    with importable(tmp_path, mine=EXAMPLE):
        assert load(["mine"], installed=False) == {}
        yield


@pytest.mark.usefixtures("mine")
def test_names_of_plugins_are_known_while_they_are_loaded(tmp_path: Path) -> None:
    """Values may hold them, with a hint across ours and theirs; each is in its table and says what it is."""
    assert Architecture("ugrnn").problems() == Stabilisation(own="centred").problems() == []
    (said,) = Architecture("ugrn").problems()
    assert said.endswith("ugrnn, got 'ugrn'; did you mean 'ugrnn'?")
    assert Optimizer("sign", 0.1).problems()[0].endswith("got 'sign'; did you mean 'signs'?")
    assert {"series/walk"} <= set(TASKS)
    assert "ugrnn" in ARCHITECTURES
    assert "signs" in OPTIMIZERS
    assert LOADED.names["stabilisation"] == {"centred"}


def test_names_of_plugins_are_unknown_without_them() -> None:
    """A value that names what no plug-in has is refused."""
    assert Stabilisation(own="centred").problems() == ["own must be one of those of a plug-in, got 'centred'"]
    assert Architecture("ugrnn").problems()


@pytest.mark.usefixtures("mine")
def test_presets_do_not_grow() -> None:
    """No preset holds a plug-in's name; one that a filter asks for is a row of another matrix."""
    names = {"series/walk", "ugrnn", "signs", "centred"}
    assert not [row for one in MATRICES.values() for row in one.rows() if names & set(vars(row).values())]
    assert widened(QUICK, Filters(), []) is QUICK
    filters = Filters(("series/walk",), ("ugrnn", "lstm"), ("none", "clip+centred"), ("adam",))
    wide = widened(QUICK, filters, [])
    check(wide, filters)
    kept = {tuple(vars(row).values()) for row in wide.rows() if filters.keeps(row)}
    assert wide.name == "quick-own"
    assert kept == {
        ("series/walk", "lstm", "none", "adam"),
        ("series/walk", "ugrnn", "none", "adam"),
        ("series/walk", "lstm", "clip+centred", "adam"),
    }


def test_no_matrix_file_names_code(tmp_path: Path) -> None:
    """Neither as a key nor as a name."""
    for line in ('plugin = "os"', 'plugins = ["os"]'):
        path = tmp_path / "m.toml"
        path.write_text(line + MATRIX)
        with pytest.raises(BadInput, match="unknown key 'plugin"):
            read(path)


def test_a_run_with_plugins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Workers load them; stdout is JSON whatever they print; records name them; without them no rerun."""
    (tmp_path / "m.toml").write_text(MATRIX)
    words = ["--matrix", str(tmp_path / "m.toml"), "--results", str(tmp_path / "r"), "--workers", "1"]
    again = ["--results", str(tmp_path / "r")]
    with importable(
        tmp_path, mine="print('loud')\n" + EXAMPLE.replace("keep = gate", "print('louder')\n        keep = gate")
    ):
        assert matrix.main([*words, "--plugin", "mine", "--no-timing", "--no-report", "--json"]) == OK
        assert [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        (store,) = stores(tmp_path / "r")
        runs = [row for row in store.rows() if row["kind"] == "run"]
        assert {row["status"] for row in runs} == {"ok"}
        assert len({row["weights"] for row in runs}) == len(runs) == 4
        assert {row["versions"]["plugin mine"] for row in runs} == {machine.PLUGGED["plugin mine"]}
        cell = next(row for row in runs if row["names"]["architecture"] == "ugrnn")
        assert rerun.main([cell["id"], *again]) == OK
        assert "IDENTICAL" in capsys.readouterr().out
    assert rerun.main([cell["id"], *again]) == BAD_INPUT
    assert "made with plug-ins that are not loaded here: --plugin mine" in capsys.readouterr().err


def test_other_code_is_another_version(tmp_path: Path) -> None:
    """A plug-in is its version and the checksum of its source: of every file of a package."""
    found = []
    for number, extra in enumerate(("", "__version__ = '1.2'", "x = 1")):
        with importable(tmp_path, **{f"good{number}": GOOD + extra}):
            assert load([f"good{number}"], installed=False) == {}
            found.append(machine.versions()[f"plugin good{number}"])
        assert f"plugin good{number}" not in machine.versions()
    assert len(set(found)) == 3
    assert [one.partition("-")[0] for one in found] == ["0", "1.2", "0"]
    package = tmp_path / "packed"
    package.mkdir()
    for text in ("y = 1", "y = 2"):
        (package / "other.py").write_text(text)
        with importable(package, __init__=GOOD), importable(tmp_path, packed=""):
            (tmp_path / "packed.py").unlink()
            load(["packed"], installed=False)
            found.append(machine.versions()["plugin packed"])
    assert len(set(found)) == 5


class Recorded(Technique):
    """Writes down when it is asked, and does a little at every place."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.register_buffer("updates", torch.zeros(()))

    def built(self, model: Network) -> None:
        model.head.bias.normal_()
        self.told.append("built")

    def batch(self, batch: Batch) -> Batch:
        self.told.append("batch")
        return replace(batch, x=batch.x + torch.randn_like(batch.x))

    def loss(self, loss: Tensor, model: Network, out: Tensor, batch: Batch) -> Tensor:
        self.told.append("loss")
        return loss + out.square().mean()

    def gradients(self, weights: list[nn.Parameter], step: int) -> None:
        self.told.append(f"gradients {step}")
        for weight in weights:
            weight.grad = torch.full_like(weight, 100.0)

    def after(self, model: Network, step: int) -> None:
        self.told.append(f"after {step}")
        self.updates += 1


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TECHNIQUES, "recorded", Recorded)


@pytest.mark.usefixtures("recorded")
def test_a_technique_is_asked_at_five_places() -> None:
    """In their order; its gradients are clipped like any other's; what it remembers is part of the model's state."""
    task, recipe = Labels(), Stabilisation(own="recorded", clip_norm=1.0)
    model = network(task, recipe=recipe)
    optimizer = build(OPTIMIZERS["sgd"], model.parameters())
    batch = next(task.train.ordered(8))
    clipped, _ = update(model, task, recipe, optimizer, batch, None, Clipping(recipe), 7)
    assert isinstance(model.own, Recorded)
    assert model.own.told == ["built", "batch", "loss", "gradients 7", "after 7"]
    assert clipped
    assert sum(float(w.grad.square().sum()) for w in model.parameters() if w.grad is not None) < 1.01
    assert model.state_dict()["own.updates"] == 1


@pytest.mark.usefixtures("recorded")
def test_what_a_technique_builds_depends_on_the_seed_alone() -> None:
    """Its random numbers at the start are the seed's, and nobody else's are moved."""
    biases = []
    for noise, seed in ((1, 0), (2, 0), (2, 1)):
        states = []
        for own in ("recorded", None):
            torch.manual_seed(noise)
            model = network(Labels(), recipe=Stabilisation(own=own), seed=seed)
            states.append(torch.get_rng_state())
            if own is not None:
                biases.append(model.head.bias)
        assert torch.equal(*states)
    assert torch.equal(biases[0], biases[1])
    assert not torch.equal(biases[1], biases[2])


def test_without_a_technique_nothing_is_done() -> None:
    """The technique of every other run adds no weight, no random number and no operation."""
    model, task = network(Labels()), Labels()
    batch, loss = next(task.train.ordered(4)), torch.ones(())
    assert not list(model.own.state_dict())
    assert model.own.batch(batch) is batch
    assert model.own.loss(loss, model, loss, batch) is loss
    before = weights_sha256(model)
    model.own.built(model), model.own.gradients([], 1), model.own.after(model, 1)
    assert weights_sha256(model) == before


@pytest.mark.usefixtures("mine")
def test_the_commands_of_the_document_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/plugins.md: the matrix on one plug-in's cell, its contract and a rerun."""
    text = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
    typed = re.findall(r"^python -m bench\.(\w+) (.*?)(?: +#.*)?$", text, re.MULTILINE)
    assert [command for command, _ in typed] == ["contract", "matrix", "rerun"]
    for command, words in typed:
        {"contract": contract, "matrix": matrix, "rerun": rerun}[command].options(shlex.split(words))
    assert matrix.main([*shlex.split(typed[1][1]), "--list"]) == OK
    tasks = {row.task for row in QUICK.rows()}
    assert f"matrix quick-own: {2 * len(tasks)} configurations x 2 seeds" in capsys.readouterr().out


def test_two_techniques_of_plugins_do_not_combine() -> None:
    """Neither could be said to have run; with ours one does."""
    with pytest.raises(ValueError, match="both set own"):
        Stabilisation(own="a") + Stabilisation(own="b")
    assert (Stabilisation(own="a") + Stabilisation(l2=0.1)).own == "a"
