"""On a cluster every run ends in one record, whatever becomes of its worker, its node or its node's data."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from toys import tiny

from bench import cluster_nodes, machine
from bench.execute import in_processes, run_one
from bench.plan import BadInput
from bench.record import RunRecord, encode, unfinished
from bench.shelf import Shelf
from bench.spec import RunSpec
from bench.store import Busy, Store
from report.flat import proof

ray = pytest.importorskip("ray", reason="Ray is an extra: pip install 'lstm-training-bench[ray]'")
from ray.cluster_utils import Cluster  # noqa: E402

from bench.cluster import on_ray  # noqa: E402

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the folder of tests is no package of workers
SMALL: dict[str, Any] = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
ONE, OTHER = "series/mackey-glass", "series/seasonal"
KILL, ONCE, HANG, RAISE = 3, 4, 5, 8


class Bare(cluster_nodes.Worker):
    """A worker for runs that need no torch, whose import would be most of these tests' time."""

    def ready(self, threads: int) -> None:
        pass


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """Two nodes on this machine, and a connection to them: one core, and two with what is taken for a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("LSTM_BENCH_WORD", "passed on")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0, **SMALL})
        made.second = made.add_node(num_cpus=2, num_gpus=1, **SMALL)
        patch.setenv("RAY_ADDRESS", made.address)
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture(scope="module")
def bare() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster_nodes, "Worker", Bare)
        yield


def specs(count: int, seconds: float = 60, task: str = ONE, device: str = "cpu") -> list[RunSpec]:
    spec = tiny(task, device=device)
    return [replace(spec, seed=seed, budget=replace(spec.budget, seconds=seconds)) for seed in range(count)]


def where() -> str:
    return ray.get_runtime_context().get_node_id()


def fake(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that does to its worker what its seed says."""
    assert data is not None
    if spec.seed == KILL or (spec.seed == ONCE and not (data / "once").exists()):
        (data / "once").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if spec.seed == HANG:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if spec.seed == RAISE:
        raise KeyError("nobody expected this")
    told = [os.environ[name] for name in ("OMP_NUM_THREADS", "LSTM_BENCH_WORD", "MKL_CBWR")]
    return replace(unfinished(spec, "ok", " ".join(told)), score=float(spec.seed))


def test_a_run_is_what_it_is_here(nodes: Any) -> None:
    """The same weights and score, from a worker that was made ready as any is. (Before `bare`, which lasts.)"""
    (spec,) = specs(1)
    (record,) = on_ray(run_one, [spec], None, 1)
    (local,) = in_processes(run_one, [spec], None, 1)
    assert (record.status, record.reason) == ("ok", None)
    assert proof(asdict(record)) == proof(asdict(local))
    assert record.machine == local.machine


Ended = tuple[list[RunRecord], list[str]]


@pytest.fixture(scope="module")
def ended(nodes: Any, bare: None, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Ten runs of which four go wrong, one of them the first time only; and the names that were begun."""
    begun: list[str] = []
    made = on_ray(
        fake, specs(10, 5), tmp_path_factory.mktemp("marks"), 2, lambda spec: begun.append(spec.name), level="avx2"
    )
    return list(made), begun


def test_every_run_has_one_record(ended: Ended) -> None:
    """Ten runs, ten records, none twice; those that were innocent are ok, and so is the one that died once."""
    found, begun = ended
    assert sorted(record.spec["seed"] for record in found) == list(range(10))
    assert {record.spec["seed"] for record in found if record.status == "ok"} == {*range(10)} - {KILL, HANG, RAISE}
    assert all(record.score == record.spec["seed"] for record in found if record.status == "ok")
    assert sorted(begun) == sorted(record.name for record in found)


@pytest.mark.parametrize(
    ("seed", "status", "words"),
    [
        (KILL, "crashed", "its worker died, twice"),
        (HANG, "timeout", "longer than 5 s"),
        (RAISE, "failed", "KeyError: 'nobody expected this'"),
    ],
)
def test_faults_are_named(ended: Ended, seed: int, status: str, words: str) -> None:
    """A run that kills its workers, one that hangs, one that raises; each of the kind of machine it ran on."""
    (record,) = [record for record in ended[0] if record.spec["seed"] == seed]
    assert (record.status, record.reason) == (status, words)
    assert record.machine == machine.about()


def test_workers_have_their_environment(ended: Ended) -> None:
    """One thread, the level that was asked for, and this suite's own variables."""
    assert {record.reason for record in ended[0] if record.status == "ok"} == {"1 passed on COMPATIBLE"}


def side_by_side(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that says what Ray has given to its worker, and waits until three are at work."""
    assert data is not None
    (data / str(os.getpid())).touch()
    while len(list(data.iterdir())) < 3:
        time.sleep(0.02)
    gpus = ray.get_runtime_context().get_assigned_resources().get("GPU", 0)
    return unfinished(spec, "ok", f"{gpus} {os.environ.get('CUDA_VISIBLE_DEVICES')}")


def test_runs_on_cuda_share_a_gpu_beside_those_on_the_cpu(nodes: Any, bare: None, tmp_path: Path) -> None:
    """Two halves of the one GPU and the core of the other node, at the same time."""
    jobs = [*specs(4), *specs(4, device="cuda")]
    found = [(record.spec["device"], record.reason) for record in on_ray(side_by_side, jobs, tmp_path, None, share=2)]
    assert Counter(device for device, _ in found) == {"cpu": 4, "cuda": 4}
    assert {reason for device, reason in found if device == "cuda"} == {"0.5 0"}
    assert {reason for device, reason in found if device == "cpu"} == {"0 None"}


def with_data(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run on data of which one node has another version."""
    assert data is not None
    task = {"name": spec.names.task, "version": "1", "fingerprint": "a" if where() == data.name else "b"}
    time.sleep(0.05)
    return replace(unfinished(spec, "ok", where()), task=task)


def row(task: str, fingerprint: str) -> dict[str, Any]:
    """What a record that is there already says of its task's data."""
    about = {"name": task, "version": "1", "fingerprint": fingerprint}
    return {"kind": "run", "task": about, "spec": {"device": "cpu"}, "machine": {"label": machine.label()}}


def test_a_node_with_other_data_makes_no_runs_of_them(nodes: Any, bare: None, tmp_path: Path) -> None:
    """They are made where the data are those of earlier records; where no node has these, they are skipped, with both
    fingerprints and the node's number, and no host."""
    odd, said = nodes.head_node.node_id, list[str]()
    jobs, rows = [*specs(9), *specs(3, task=OTHER)], [row(ONE, "b"), row(OTHER, "c")]
    found = list(on_ray(with_data, jobs, tmp_path / odd, None, rows=rows, say=said.append))
    assert Counter((record.names["task"], record.status) for record in found) == {(ONE, "ok"): 9, (OTHER, "skipped"): 3}
    assert {record.reason == odd for record in found if record.status == "ok"} == {False}
    assert any(text.startswith(f"data of {ONE} on node ") for text in said)
    assert any(" are a, those of earlier records are b; its runs are made elsewhere" in text for text in said)
    for record in found:
        if record.status == "skipped":
            assert record.reason is not None
            assert record.reason.startswith(f"data of {OTHER} on node ")
            assert record.reason.endswith(
                (" are a, those of earlier records are c", " are b, those of earlier records are c")
            )
            assert not any(node["NodeManagerAddress"] in record.reason for node in ray.nodes())


def test_a_node_with_other_code_is_left_out(nodes: Any, bare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none has the code of the driver, one line a node says what differs."""
    monkeypatch.setattr(machine, "code", lambda: "0123456789abcdef")
    said: list[str] = []
    with pytest.raises(BadInput) as refused:
        list(on_ray(fake, specs(4), None, None, say=said.append))
    first, *others = refused.value.mistakes
    assert first == "no node of the cluster can be used"
    assert len(others) == len(said) == 2
    assert all("code of bench and tasks" in line and "here 0123456789abcdef" in line for line in others)


STAYS = 4


def short(spec: RunSpec, data: Path | None) -> RunRecord:
    """A run that leaves a mark of where it was begun, and from some seed on does not end on one of the nodes."""
    assert data is not None
    (data / f"{spec.seed} {where()}").touch()
    time.sleep(60 if where() == data.name and spec.seed >= STAYS else 0.1)
    return unfinished(spec, "ok", where())


def test_a_lost_node_loses_no_run(nodes: Any, bare: None, tmp_path: Path) -> None:
    """One of two nodes is killed in the middle of twenty runs: all end once, on the node that is left."""
    lost, found = nodes.second.node_id, list[RunRecord]()
    (marks := tmp_path / lost).mkdir()
    for record in on_ray(short, specs(20), marks, None):
        found.append(record)
        at_work = [path for path in marks.glob(f"* {lost}") if int(path.name.split()[0]) >= STAYS]
        if nodes.second and at_work:
            nodes.remove_node(nodes.second, allow_graceful=False)
            nodes.second = None
    assert nodes.second is None, "the second node never had a run"
    assert Counter(record.status for record in found) == {"ok": 20}
    assert sorted(record.spec["seed"] for record in found) == list(range(20))
    assert len(list(marks.iterdir())) > 20, "no run was begun twice"


def slow(spec: RunSpec, data: Path | None) -> RunRecord:
    assert data is not None
    (data / str(os.getpid())).touch()
    time.sleep(600)
    return unfinished(spec, "ok")


def test_closing_the_iterator_leaves_no_worker_behind(nodes: Any, bare: None, tmp_path: Path) -> None:
    """Ctrl-C closes the iterator: the workers end, whatever they are at."""

    def interrupt(*_: object) -> None:
        if any(tmp_path.iterdir()):
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            next(on_ray(slow, specs(3), tmp_path, None))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    until = time.monotonic() + 10
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_each_record_goes_into_the_file_of_its_machine(tmp_path: Path) -> None:
    """Two kinds of machine, two files; whoever reads sees both, and nobody else may write to either."""
    one, two, three = (unfinished(spec, "ok") for spec in specs(3))
    other = replace(two, machine={**two.machine, "label": "other-kind"})
    skipped = replace(three, status="skipped", reason="no data", machine=other.machine)
    own = tmp_path / "mine" / f"{machine.label()}.jsonl"
    with Shelf(own) as shelf:
        for record in (one, other, three, skipped):
            shelf.append(record)
        with pytest.raises(Busy), Store(own.with_name("other-kind.jsonl")):
            pass
    assert own.read_text().splitlines() == [encode(one), encode(three)]
    assert own.with_name("other-kind.jsonl").read_text().splitlines() == [encode(other), encode(skipped)]
    assert Shelf(own).done() == {one.id: "ok", two.id: "ok", three.id: "ok"}
    with Shelf(own), pytest.raises(Busy), Store(own.with_name("other-kind.jsonl")):
        pass
