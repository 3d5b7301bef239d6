"""Whatever call of the disk fails, a results file holds whole lines: the old ones, or the new one too."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import failing_disk
import killable
import pytest
from failing_disk import Disk, PowerCut
from killable import outcome, store
from toys import tiny

from bench import cli
from bench.record import RunRecord, encode, unfinished
from bench.store import Store


def one(seed: int = 0, status: str = "ok") -> RunRecord:
    return replace(unfinished(tiny(seed=seed), status), curve=[{"step": 0, "valid": {"loss": 0.1 + seed}}])


def begin(path: Path) -> None:
    """A results file as a killed runner leaves it: a whole record and half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(encode(one(0)) + "\n" + encode(one(1))[:100])


def work(path: Path, acknowledged: list[str]) -> None:
    """Open the store, which mends it, and put three records away."""
    with Store(path) as opened:
        for seed in (1, 2, 3):
            opened.append(one(seed))
            acknowledged.append(one(seed).id)


def attempted(path: Path, acknowledged: list[str]) -> OSError | PowerCut | None:
    """What work() was stopped by."""
    try:
        work(path, acknowledged)
    except (OSError, PowerCut) as failure:
        return failure
    return None


def consistent(path: Path, acknowledged: list[str]) -> None:
    """The file holds what was there, everything that was acknowledged, and nothing that was never written."""
    ids = [row["id"] for row in Store(path).rows()]
    assert set(ids) >= {one(0).id, *acknowledged}
    assert set(ids) <= {one(seed).id for seed in range(4)}
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("kind", "error"), [*zip(get_args(failing_disk.Kind), [errno.ENOSPC, errno.EIO] * 2, strict=True)]
)
def test_whichever_call_fails_nothing_is_torn(kind: failing_disk.Kind, error: int, tmp_path: Path) -> None:
    """The 1st, 2nd, 3rd ... call of the disk fails until none does: the error names a file, what was acknowledged is
    there, the next writer finds whole lines or mends, and ends with everything."""
    everything = {one(seed).id for seed in range(4)}
    for nth in range(1, 200):
        path = tmp_path / str(nth) / "m.jsonl"
        begin(path)
        acknowledged: list[str] = []
        disk = Disk(tmp_path / str(nth), nth, kind, error)
        with disk.spun():
            failure = attempted(path, acknowledged)
        assert (failure is not None) == disk.failed
        if isinstance(failure, OSError):
            assert str(failure.filename).startswith(str(path.parent))
            assert os.strerror(error) in str(failure)
        consistent(path, acknowledged)
        with Store(path) as again:
            for seed in range(1, 4):
                if one(seed).id not in {row["id"] for row in again.rows()}:
                    again.append(one(seed))
        assert [number for number, _, row in Store(path).lines() if isinstance(row, ValueError)] == []
        assert {row["id"] for row in Store(path).rows()} == everything
        assert not path.with_name("m.jsonl.tmp").exists()
        if not disk.failed:
            print(f"{kind}: {nth - 1} calls")
            assert nth > 12  # all of them were tried: the lock, mending in two files, three records
            return
    raise AssertionError("the disk never stopped failing")


def test_half_a_line_never_meets_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes half a line and does not even let it be taken back: readers see the whole lines alone, and the
    same store's next record stands on a line of its own."""
    path = tmp_path / "m.jsonl"
    with Store(path) as opened:
        opened.append(one(0))
        whole = path.read_bytes()
        line = encode(one(1)).encode() + b"\n"
        disk = Disk(tmp_path, 2, "short")  # the append opens, writes, and cuts off what it wrote
        with disk.spun(), pytest.raises(OSError, match=r"No space left on device: .*m\.jsonl"):
            opened.append(one(1))
        assert path.read_bytes() == whole + line[: len(line) // 2]
        assert [row["id"] for row in Store(path).rows()] == [one(0).id]
        opened.append(one(2))
        assert path.read_bytes() == whole + encode(one(2)).encode() + b"\n"
    assert path.with_suffix(".jsonl.damaged").read_bytes() == line[: len(line) // 2] + b"\n"


def test_a_disk_that_takes_little_at_a_time_gets_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short writes are gone on with: the file is the same."""
    path, real = tmp_path / "m.jsonl", os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:7]))
    with Store(path) as opened:
        opened.append(one(0))
    assert path.read_text() == encode(one(0)) + "\n"


def test_ctrl_c_after_the_last_byte_keeps_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt between write and fsync leaves a whole line where it is; one inside a line takes the half back."""
    path, real = tmp_path / "m.jsonl", os.write

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with Store(path) as opened:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", interrupted)
            with pytest.raises(KeyboardInterrupt):
                opened.append(one(0))
        assert set(opened.done()) == {one(0).id}
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda file, data: interrupted(real(file, data[:50])))
            with pytest.raises(KeyboardInterrupt):
                opened.append(one(1))
        assert path.read_text() == encode(one(0)) + "\n"


# --- the front door


@pytest.fixture
def front(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Path], tuple[int, str, int]]:
    """The killable matrix in this process, without workers: exit code, stderr, and how many runs were made."""
    made: list[str] = []

    def here(run: Any, specs: Any, data: Any, **_: Any) -> Iterator[RunRecord]:
        for spec in specs:
            made.append(spec.id)
            yield replace(unfinished(spec, "ok"), score=float(spec.seed))

    for target, value in (
        ("bench.executors.chosen", lambda *_: here),
        ("bench.execute.naive_rows", killable.no_rows),
        ("bench.cli.kernels", lambda *_: None),
    ):
        monkeypatch.setattr(target, value)

    def run(results: Path) -> tuple[int, str, int]:
        made.clear()
        code = killable.matrix.main(killable.command(results))
        return code, capsys.readouterr().err, len(made)

    return run


@pytest.mark.parametrize("kind", ["once", "short"])
def test_the_front_door_says_so_and_stops(kind: failing_disk.Kind, front: Any, tmp_path: Path) -> None:
    """Whichever call fails: exit code 3 and one line with the file, no run after it, every run before it kept; the same
    command ends the matrix."""
    for nth in [*range(1, 10), 31, 32, 33]:
        results = tmp_path / str(nth)
        disk = Disk(results, nth, kind)
        with disk.spun():
            code, said, made = front(results)
        assert disk.failed
        call = disk.calls[nth - 1]
        if kind == "once" and call == "unlink":  # of a checkpoint that is not needed any more: no reason to stop
            assert (code, said) == (cli.OK, "")
            continue
        assert (code, said.count("\n")) == (cli.STORAGE, 1)
        assert re.search(r"error: cannot write to .*No space left on device: '.*'", said)
        kept = len(store(results).rows())
        # a whole line that fsync says is not safe, and that cannot be taken back either, stays
        assert kept == (made if call == "fsync" and kind != "once" else max(0, made - 1))
        code, said, made = front(results)
        assert (code, made) == (cli.OK, killable.RUNS - kept)
        assert len(outcome(results)) == killable.RUNS


@pytest.mark.parametrize("error", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_refused_before_the_first_run(
    error: int, front: Any, tmp_path: Path
) -> None:
    """Exit code 3 with words, and nothing has run: of a file that is there as of one that is not."""
    for results in (tmp_path / "new", tmp_path / "old"):
        if results.name == "old":
            begin(store(results).path)
        with Disk(results, 1, "for good", error).spun():
            code, said, made = front(results)
        assert (code, made) == (cli.STORAGE, 0)
        assert os.strerror(error) in said
