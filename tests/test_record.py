"""Records survive: checksums, cut lines, one writer, the newest line wins, nothing finished is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toys import tiny

from bench import record
from bench.record import NaiveRecord, decode, encode, unfinished
from bench.store import Busy, Store, stores


def one(seed: int = 0, status: str = "ok") -> record.RunRecord:
    return unfinished(tiny(seed=seed), status, "because" if status != "ok" else None)


def filled(path: Path, count: int = 3) -> Store:
    store = Store(path)
    with store:
        for seed in range(count):
            store.append(one(seed))
    return store


def test_a_record_reads_back_as_it_was() -> None:
    """encode and decode are inverse, and the line is one line."""
    line = encode(one())
    assert "\n" not in line
    assert decode(line)["id"] == one().id
    assert decode(line)["spec"] == one().spec


def test_every_changed_byte_is_found() -> None:
    """Each byte of a line flipped, and each length it could be cut to, is an error, never another record."""
    line = encode(NaiveRecord("1", {"name": "series/seasonal"}, {"last value": 1.25}))
    for i in range(len(line)):
        flipped = line[:i] + chr(ord(line[i]) ^ 1) + line[i + 1 :]
        with pytest.raises(ValueError, match="."):
            decode(flipped)
        with pytest.raises(ValueError, match="."):
            decode(line[:i])


def test_no_nan_is_ever_written() -> None:
    """JSON has none: a record that holds one is refused, not written as something else."""
    with pytest.raises(ValueError, match="JSON"):
        encode(NaiveRecord("1", {}, {"x": float("nan")}))


def test_a_record_names_no_machine(tmp_path: Path) -> None:
    """No host name, user, home or working folder stands in a line."""
    import getpass
    import platform

    line = encode(one())
    for private in (platform.node(), str(Path.home()), str(Path.cwd()), f'"{getpass.getuser()}"'):
        assert private not in line


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "schema", "empty json"])
def test_damage_is_set_aside_and_the_rest_is_kept(tmp_path: Path, damage: str) -> None:
    """A damaged line moves to .damaged with a warning, its run counts as not done, the others stay."""
    path = tmp_path / "m.jsonl"
    filled(path)
    lines = path.read_text().splitlines()
    bad = {
        "cut": lines[2][: len(lines[2]) // 2],
        "flip": lines[2].replace('"status":"ok"', '"status":"OK"'),
        "text": "not a record",
        "schema": lines[2].replace('"schema":1', '"schema":99'),
        "empty json": "[]",
    }[damage]
    path.write_text("\n".join([*lines[:2], bad]) + ("" if damage == "cut" else "\n"))
    store = Store(path)
    assert set(store.done()) == {one(0).id, one(1).id}  # reading alone already leaves it out
    with store:
        store.append(one(2))
    assert len(store.warnings) == 1
    assert "line 3" in store.warnings[0]
    assert path.with_suffix(".jsonl.damaged").read_text().strip() == bad
    assert set(Store(path).done()) == {one(s).id for s in range(3)}


def test_one_writer(tmp_path: Path) -> None:
    """A second writer is refused with words; a reader is not."""
    path = tmp_path / "m.jsonl"
    with Store(path) as store:
        store.append(one())
        with pytest.raises(Busy, match="another run is writing"), Store(path):
            pass
        assert len(Store(path).rows()) == 1
    with Store(path):
        pass


def test_appending_needs_the_lock(tmp_path: Path) -> None:
    """A record can only be written inside `with store`."""
    with pytest.raises(RuntimeError, match="with store"):
        Store(tmp_path / "m.jsonl").append(one())


def test_the_newest_line_of_an_id_wins(tmp_path: Path) -> None:
    """A run done again replaces its older record without touching it."""
    path = tmp_path / "m.jsonl"
    with Store(path) as store:
        store.append(one(0, "crashed"))
        store.append(one(0, "ok"))
    assert Store(path).done() == {one(0).id: "ok"}
    assert len(path.read_text().splitlines()) == 2


def test_skipped_runs_are_looked_at_again(tmp_path: Path) -> None:
    """A skipped run is not finished: its reason may be gone. A failed one is: failures are results."""
    path = tmp_path / "m.jsonl"
    with Store(path) as store:
        for seed, status in enumerate(("skipped", "failed", "timeout", "diverged")):
            store.append(one(seed, status))
    assert set(Store(path).done().values()) == {"failed", "timeout", "diverged"}


def test_stores_of_a_folder(tmp_path: Path) -> None:
    """Every results file is found by matrix, sorted."""
    for name in ("b", "a"):
        filled(tmp_path / name / "m.jsonl", 1)
    assert [store.path.parent.name for store in stores(tmp_path)] == ["a", "b"]
    assert [store.path.parent.name for store in stores(tmp_path, "b")] == ["b"]


def test_an_enormous_line_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the size limit is damage."""
    monkeypatch.setattr(record, "MAX_LINE", 10)
    with pytest.raises(ValueError, match="line of"):
        decode(json.dumps({"a": "b" * 20}))
