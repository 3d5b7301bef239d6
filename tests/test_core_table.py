"""The table of the core: what is measured, what is kept, what is shown, and README's block of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
import report_records as made
import torch

from bench import core_steps, core_table, core_timing, timing, worker
from bench.cli import BAD_INPUT, FAILED, OK, STORAGE
from bench.core import NoBackend
from bench.core_table import CPU, CUDA, ROWS, WORKLOADS, Place, Row, Stack, Torch, Update, Workload
from bench.core_timing import Absent, Outcome
from bench.execute import pool
from bench.machine import label
from bench.pairs import Pairs
from bench.record import CoreRecord, decode, encode
from bench.store import Store, stores
from report import BadInput, frame, readme, speed

ROOT = Path(__file__).parents[1]

SMALL = Workload(time=5, batch=3, inputs=4, hidden=6, layers=2, bidirectional=True)


def record(place: Place, ratio: float, noise: bool = False, **changes: Any) -> CoreRecord:
    """What a measurement of this cell could have left."""
    found = Pairs(10.0, 9.0, 10.0, ratio, ratio, ratio, ratio, 1.0, 20, noise, 1.0, 0.1, 0.0, 0.0, 0.0)
    machine = {"cpu": "test", "cores": 2, "simd": "avx2", "label": "test"}
    made_of = CoreRecord(
        "/".join(map(str, place.key)), place.row.name, place.workload, asdict(place.shape), place.threads,
        place.row.device, "cpp", "nn.LSTM", asdict(found), "avx2", {}, machine, {"torch": "2.0"}, "c0de",
    )  # fmt: skip
    return replace(made_of, **changes)


def stored(results: Path, records: Iterable[CoreRecord], machine: str = "some") -> None:
    """The records in a file of the core."""
    with Store(results / core_table.FOLDER / f"{machine}.jsonl") as store:
        for each in records:
            store.append(each)


def faked(ratio: float = 1.0) -> Callable[[Iterable[Place], int], Iterator[tuple[Place, Outcome]]]:
    """In place of workers: every cell has this ratio."""
    return lambda todo, _: ((place, record(place, ratio)) for place in todo)


def row(name: str, device: str = "cpu") -> Row:
    (found,) = [row for row in ROWS if (row.name, row.device) == (name, device)]
    return found


def test_a_measurement_comes_back_as_it_was() -> None:
    """A line decodes to the record that was encoded."""
    line = encode(record(Place(ROWS[0], "ts", WORKLOADS["ts"], 1), 1.01, cuda={"sm_mhz": None}))
    back = decode(line)
    assert back["measured"]["ratio"] == 1.01
    assert encode(CoreRecord(**{key: value for key, value in back.items() if key != "schema"})) == line


def test_the_table_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row on every workload with every number of threads, optimizers on lm-word alone: measured, kept, shown."""
    monkeypatch.setattr("bench.machine.cores", lambda: 2)
    todo = core_timing.chosen([], [], [], None, cuda=False)
    rows = [row for row in CPU if row.only is None]
    wanted = {("cpu", row.name, name, threads) for row in rows for name in WORKLOADS for threads in (1, 2)}
    wanted |= {("cpu", name, "lm-word", threads) for name in ("RMSprop", "Nadam") for threads in (1, 2)}
    assert {place.key for place in todo} == wanted
    assert len(todo) == len(wanted)
    with Store(tmp_path / "core" / "some.jsonl") as store:
        found = core_timing.fill(todo, store, 20, as_json=False, ask=faked(0.3))
        assert len(store.rows()) == len(todo)
    lines = core_timing.table(todo, found).splitlines()[: len(CPU) + 1]
    assert lines[0].split("  ")[-1] == "speech 2t"
    assert [line.split("  ")[0] for line in lines[1:]] == [row.name for row in CPU]
    assert {line.split("  ")[0]: line.count("0.30") for line in lines[1:]} == {
        row.name: 8 if row.only is None else 2 for row in CPU
    }


def test_cuda_rows_where_there_is_a_device() -> None:
    """They are added on one thread, and nowhere else."""
    todo = core_timing.chosen([], [], [1], None, cuda=True)
    mine = [place.key for place in todo if place.row.device == "cuda"]
    assert mine == [("cuda", row.name, name, 1) for row in CUDA for name in WORKLOADS]
    assert all(row.over == Torch() for row in CUDA)


def test_company_is_mentioned() -> None:
    """The median share of others over the cells that know it; none where nothing is known."""
    place = Place(ROWS[0], "ts", WORKLOADS["ts"], 1)
    shares = (0.0, 0.4, 0.6, None)
    cells = [record(place, 1.0, measured={"others": share}) for share in shares]
    assert core_timing.busy([*cells, Absent("no")]) == 0.4
    assert core_timing.busy([cells[-1], Absent("no")]) == 0


def test_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters keep what they name."""
    monkeypatch.setattr("bench.machine.cores", lambda: 2)
    (one,) = core_timing.chosen(["Nadam"], ["lm-word"], [2], 20, cuda=False)
    assert one.key == ("cpu", "Nadam", "lm-word", 2)
    assert {place.threads for place in core_timing.chosen(["GRU"], [], [], None, cuda=False)} == {1, 2}
    monkeypatch.setattr("bench.machine.cores", lambda: 1)
    assert {place.threads for place in core_timing.chosen(["GRU"], [], [], None, cuda=False)} == {1}


def test_every_mistake_at_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line each, exit code 2, nothing measured; few pairs are refused, and so are options of the other kind."""
    monkeypatch.setattr("bench.cli.cuda_present", lambda: False)
    words = ["--core", "--row", "zonout", "--workload", "lm-wrd", "--threads", "0", "--rounds", "19"]
    assert timing.main(words) == BAD_INPUT
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 4
    for part in (
        "Did you mean 'zoneout'",
        "Did you mean 'lm-word'",
        "--threads must be in",
        "--rounds must be in [20,",
    ):
        assert part in said
    for words, part in (
        (["--core", "--row", "Nadam", "--workload", "ts"], "Nadam: no such cell on ts"),
        (["--core", "--task", "series", "--seeds", "1"], "not --task, --seeds"),
        (["--workload", "ts"], "--workload: only with --core"),
    ):
        assert timing.main(words) == BAD_INPUT
        assert part in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "workload", "ratio", "shown"),
    [
        ("LSTM", "ts", 1.05, "1.05"),
        ("LSTM", "ts", 1.051, "1.05!"),
        ("fn LSTM", "ts", 2.4, "2.40"),
        ("fn LSTM", "lm-char", 1.51, "1.51!"),
        ("nn.GRU", "ts", 3.0, "3.00"),
        ("A/A control", "ts", 0.98, "0.98"),
        ("A/A control", "ts", 0.979, "0.98!"),
        ("A/A control", "ts", 1.021, "1.02!"),
        ("GRU", "ts", 0.2, "0.20"),
    ],
)
def test_missed_goals_are_marked(name: str, workload: str, ratio: float, shown: str) -> None:
    """A ratio above its goal has a mark, a control also one below; a row without a goal never; noise one of its own."""
    assert core_table.shown(row(name), workload, ratio, noisy=False) == shown
    assert core_table.shown(row(name), workload, ratio, noisy=True) == f"~{shown}"


def test_goals_read_well() -> None:
    """The common one, and workloads that differ."""
    found = {row.name: core_table.goal(row) for row in CPU}
    assert (found["LSTM"], found["nn.GRU"], found["A/A control"]) == ("≤ 1.05", "", "1 ± 0.02")
    assert (found["fn LSTM"], found["Nadam"]) == ("≤ 1.5, ts ≤ 2.4", "≤ 1.2")
    assert core_table.goal(CUDA[0]) == "≤ 1.3, not lm-word"


def test_what_cannot_run_is_said_where_its_number_would_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A back end that is not there leaves a reason in its cells, no record and no error; a failure is exit code 1."""
    monkeypatch.setattr("bench.cli.cuda_present", lambda: False)
    words = [
        "--core",
        "--results",
        str(tmp_path),
        "--row",
        "LSTM",
        "--row",
        "GRU",
        "--workload",
        "ts",
        "--threads",
        "1",
    ]
    for failed, code in ((False, OK), (True, FAILED)):
        absent = Absent("back end cpp: no compiler", failed)
        monkeypatch.setattr(core_timing, "in_workers", lambda todo, _, absent=absent: ((p, absent) for p in todo))
        assert timing.main(words) == code
        out = capsys.readouterr().out
        assert out.count("(1)") == 3
        assert "(1) back end cpp: no compiler" in out
    assert timing.main([*words, "--json"]) == FAILED
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["absent"] for line in lines] == ["back end cpp: no compiler"] * 2
    assert stores(tmp_path) == []


def test_a_back_end_that_cannot_run_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its obstacle is the outcome of the measurement."""

    def refuse(*_: object) -> str:
        raise NoBackend("back end cpp: not here")

    monkeypatch.setattr(core_steps, "choose", refuse)
    assert core_timing.measure(Place(ROWS[0], "small", SMALL, 1), 20, 0) == Absent("back end cpp: not here")


def test_the_core_from_start_to_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One tiny workload in a real worker: records with all that a claim needs; measured again, the newest count."""
    monkeypatch.setattr("bench.cli.cuda_present", lambda: False)
    monkeypatch.setattr(core_table, "WORKLOADS", {"small": SMALL})
    monkeypatch.setattr(core_timing, "SECONDS", 0.0)
    words = ["--core", "--results", str(tmp_path), "--threads", "1", "--row", "A/A control"]
    assert timing.main([*words, "--row", "nn.GRU"]) == OK
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:4]]
    assert lines[0] == ["step", "of", "over", "goal", "small", "1t"]
    assert [line[:2] for line in lines[1:]] == [["nn.GRU", "nn.LSTM"], ["A/A", "control"]]
    (store,) = stores(tmp_path, "core")
    assert store.path.name == f"{label()}.jsonl"
    rows = store.rows()
    assert [(each["row"], each["workload"], each["threads"]) for each in rows] == [
        ("nn.GRU", "small", 1),
        ("A/A control", "small", 1),
    ]
    for each in rows:
        assert each["machine"]["threads"] == 1
        assert {"heap_kept", "flush_denormal", "deterministic", "cpu"} <= set(each["machine"])
        assert each["shape"] == asdict(SMALL)
        assert set(each["measured"]) == {field.name for field in fields(Pairs)}
        assert each["measured"]["pairs"] == core_table.MIN_PAIRS
        assert each["kernels"] is None
    assert timing.main([*words, "--json", "--rounds", "25"]) == OK
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["row"], line["goal"], line["measured"]["pairs"]) == ("A/A control", None, 25)
    assert [each["measured"]["pairs"] for each in store.rows()] == [20, 25]


def test_a_process_of_two_threads() -> None:
    """A cell's process has the threads of the cell, from before torch started, and keeps its heap as every worker."""
    with pool(1, threads=2) as workshop:
        found = workshop.schedule(worker.settings).result()
        assert workshop.schedule(os.getenv, args=["OMP_NUM_THREADS"]).result() == "2"
    assert found["threads"] == 2
    assert isinstance(found["heap_kept"], bool)


def test_two_writers_of_the_core(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second command on the same results is told to wait."""
    with Store(tmp_path / core_table.FOLDER / f"{label()}.jsonl"):
        assert timing.main(["--core", "--results", str(tmp_path)]) == STORAGE
    assert "another run is writing" in capsys.readouterr().err


@pytest.mark.parametrize("row", [row for row in ROWS if isinstance(row.subject, Stack)], ids=lambda row: f"{row.name}")
def test_a_step_is_forward_and_backward_of_the_whole_stack(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both layers, both directions: every weight has a gradient after a step, and nothing of the step before."""
    models: list[core_steps.Layers] = []

    class Seen(core_steps.Layers):
        def __init__(self, subject: Stack, shape: Workload) -> None:
            super().__init__(subject, shape)
            models.append(self)

    monkeypatch.setattr(core_steps, "Layers", Seen)
    assert isinstance(row.subject, Stack)
    step, name = core_steps.step(replace(row.subject, backend="eager"), SMALL, "cpu")
    assert name == "eager"
    assert step() > 0
    (model,) = models
    assert (len(model.layers), len(model.cells)) == (2, 2)
    found = []
    for _ in range(2):
        torch.manual_seed(1)
        step()
        found.append([weight.grad for weight in model.parameters() if weight.grad is not None])
    assert len(found[0]) == len(list(model.parameters()))
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_an_update_is_that_of_the_word_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """4.65 million parameters in 11 tensors; the reference is torch's fused Adam."""
    seen: list[list[torch.Tensor]] = []

    def build(optimizer: object, weights: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        seen.append(list(weights))
        return torch.optim.Adam(weights, fused=True)

    _, name = core_steps.step(Update("adam"), WORKLOADS["lm-word"], "cpu")
    assert name == "fused"
    monkeypatch.setattr(core_steps, "build", build)
    core_steps.step(Update("nadam"), WORKLOADS["lm-word"], "cpu")
    assert (len(seen[0]), sum(weight.numel() for weight in seen[0])) == (11, 4_653_200)
    assert all(row.over == Update("adam") for row in CPU if isinstance(row.subject, Update))


def test_the_command_does_not_load_torch() -> None:
    """A mistake is answered before torch, and so is the parent of the workers."""
    check = (
        "from bench import core_timing; from bench.timing import main; main(['--core', '--row', 'x'])\n"
        "import sys; assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def core_records(ratio: float = 1.0) -> list[CoreRecord]:
    """One cell of every row, on both numbers of threads."""
    return [record(place, ratio, noise=place.row.name == "GRU") for place in core_table.places(CPU)]


def test_the_readme_block_is_the_records(tmp_path: Path) -> None:
    """The same bytes whatever the order of lines; the newest line of a cell counts; nothing outside changes."""
    text = "# Title\n\n<!-- speed:begin -->\nold | | <!-- leaderboard: no -->\n<!-- speed:end -->\n\nend\n"
    page = tmp_path / "README.md"
    page.write_text(text)
    older, newer = core_records(9.0), core_records(0.3)
    stored(tmp_path / "a", [*older, *newer])
    stored(tmp_path / "b", [*reversed(older), *reversed(newer)])
    assert readme.update(page, tmp_path / "a") == ["speed"]
    once = page.read_bytes()
    block = speed.markdown(tmp_path / "a")
    assert once.decode() == f"# Title\n\n<!-- speed:begin -->\n{block}<!-- speed:end -->\n\nend\n"
    assert readme.update(page, tmp_path / "b") == ["speed"]
    assert page.read_bytes() == once
    assert "9.00" not in block
    head = "| step of | over | goal | " + " | ".join(f"{name} {n}t" for name in WORKLOADS for n in (1, 2)) + " |"
    assert head in block.splitlines()
    assert "| LSTM | nn.LSTM | ≤ 1.05 |" + " 0.30 |" * 8 in block.splitlines()
    assert "| GRU | nn.LSTM | ≤ 0.85 |" + r" \~0.30 |" * 8 in block.splitlines()
    assert "| A/A control | nn.LSTM | 1 ± 0.02 |" + " 0.30! |" * 8 in block.splitlines()
    assert "test, 2 cores, avx2, torch 2.0:" in block


def test_both_kinds_of_blocks(tmp_path: Path) -> None:
    """A leaderboard and the core's table stand in one README, each with what is its own."""
    made.write(tmp_path / "results", made.matrix(3, 2), matrix="toy")
    stored(tmp_path / "results", core_records())
    page = tmp_path / "README.md"
    page.write_text(
        "<!-- leaderboard:begin toy -->\n<!-- leaderboard:end -->\n-\n<!-- speed:begin -->\n<!-- speed:end -->\n"
    )
    assert readme.update(page, tmp_path / "results") == ["toy", "speed"]
    first, _, second = page.read_text().partition("\n-\n")
    assert "speech/digits" in first
    assert "step of" not in first
    assert "step of" in second
    assert "speech/digits" not in second


@pytest.mark.parametrize(
    "text", ["<!-- speed:begin -->\n", "<!-- speed:begin -->\n<!-- leaderboard:end -->\n", "<!-- speed:begin --> x"]
)
def test_a_block_that_is_not_closed(tmp_path: Path, text: str) -> None:
    """Refused, and README stays as it was."""
    stored(tmp_path, core_records())
    page = tmp_path / "README.md"
    page.write_text(text)
    with pytest.raises(BadInput, match="a block must be"):
        readme.update(page, tmp_path)
    assert page.read_text() == text


def test_a_block_without_records(tmp_path: Path) -> None:
    """Says what to run."""
    (tmp_path / "README.md").write_text("<!-- speed:begin -->\n<!-- speed:end -->\n")
    with pytest.raises(BadInput, match=r"python -m bench\.timing --core"):
        readme.update(tmp_path / "README.md", tmp_path)


def test_measurements_of_the_core_are_no_matrix(tmp_path: Path) -> None:
    """The report lists no matrix for them; a matrix with their folder's name has its page, and they their table."""
    made.write(tmp_path, made.matrix(3, 2), matrix="toy")
    stored(tmp_path, core_records())
    assert frame.names(tmp_path) == ["toy"]
    with pytest.raises(BadInput, match="toy"):
        frame.chosen(tmp_path, ["core"])
    made.write(tmp_path, made.matrix(3, 2), matrix="core")
    assert frame.names(tmp_path) == ["core", "toy"]
    assert "LayerNorm-LSTM" in speed.markdown(tmp_path)
    assert len(frame.load(tmp_path, "core").runs) == len(frame.load(tmp_path, "toy").runs)


def test_what_the_table_does_not_know_is_left_out(tmp_path: Path) -> None:
    """Rows of another version and values that are no numbers; a damaged line is reported, not shown."""
    place = Place(row("LSTM"), "ts", WORKLOADS["ts"], 1)
    stored(
        tmp_path,
        [
            record(place, 1.0),
            record(place, 7.0, id="a", row="GPT"),
            record(place, 7.0, id="b", workload="lm-char", measured={"ratio": "7.0"}),
            record(place, 7.0, id="c", workload="<b>", row="GRU", machine={"cpu": "| <i>"}),
        ],
    )
    text = speed.markdown(tmp_path)
    assert "GPT" not in text
    assert "lm-char" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert "| LSTM | nn.LSTM | ≤ 1.05 | 1.00 |" in text
