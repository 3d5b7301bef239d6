"""`python -m report crate`: a folder of results as an RO-Crate 1.1, whole, true and the same each time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from report_records import GRAMMAR, LSTM, failed, matrix, run, write

from report import suite
from report.__main__ import main
from report.crate import CONTEXT, LICENCES, METADATA, text
from report.deposit import read
from tasks.cards import TASKS
from tasks.data import SOURCES

ROOT = Path(__file__).parents[1]
COMMITTED = ROOT / "results"

Entity = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of two matrices, one of them with a run that never had its task."""
    results = tmp_path / "results"
    write(results, matrix(4), "mine")
    write(results, [run(GRAMMAR, LSTM), failed(run(GRAMMAR, LSTM, 1), "timeout", "long", task={})], "other one")
    (results / "README.md").write_text("# Results\n")
    return results


def described(folder: Path) -> dict[str, Entity]:
    """Each entity of a crate by its @id; no two share one."""
    whole = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    assert whole["@context"] == CONTEXT
    found = {entity["@id"]: entity for entity in whole["@graph"]}
    assert len(found) == len(whole["@graph"])
    return found


def made(folder: Path) -> dict[str, Entity]:
    assert main(["crate", str(folder)]) == 0
    return described(folder)


def references(value: object) -> Iterator[str]:
    """Every @id inside a property."""
    if isinstance(value, dict):
        assert set(value) == {"@id"}
        yield value["@id"]
    elif isinstance(value, list):
        assert len(value) != 1, "RO-Crate wants one value without a list"
        for item in value:
            yield from references(item)


def listed(value: Any) -> list[str]:
    return list(references(value))


def test_the_root_has_what_the_specification_requires(folder: Path) -> None:
    """Descriptor and root with type, name, description, ISO date and licence."""
    found = made(folder)
    about = found[METADATA]
    assert (about["@type"], about["about"], about["conformsTo"]) == (
        "CreativeWork",
        {"@id": "./"},
        {"@id": "https://w3id.org/ro/crate/1.1"},
    )
    root = found["./"]
    assert root["@type"] == "Dataset"
    assert date.fromisoformat(root["datePublished"]) == date.fromisoformat(suite.RELEASED)
    assert root["license"] == {"@id": LICENCES["MIT"]}
    assert found[root["author"]["@id"]]["name"] == suite.AUTHORS
    assert suite.NAME in root["name"]
    assert "matrices mine, other one; 3 tasks" in root["description"]
    assert "1 kind of machine" in root["description"]


@pytest.mark.parametrize("where", ["made", "committed"])
def test_every_reference_leads_to_an_entity_that_is_used(folder: Path, where: str) -> None:
    """Nothing is named that is not described, and nothing described that nobody names; each has a type and a name."""
    found = made(folder) if where == "made" else described(COMMITTED)
    named = {one for entity in found.values() for key, value in entity.items() for one in references(value)}
    assert named - set(found) == {"https://w3id.org/ro/crate/1.1"}
    assert set(found) - named == {METADATA}
    assert all(entity["@type"] for entity in found.values())
    assert [one for one, entity in found.items() if not entity.get("name")] == [METADATA]


def test_every_file_is_listed_with_its_checksum(folder: Path) -> None:
    """Path, size, sha256, format and number of records; the description itself is not among the data."""
    found = made(folder)
    files = {"README.md": "README.md", "mine/machine.jsonl": "mine/machine.jsonl",
             "other%20one/machine.jsonl": "other one/machine.jsonl"}  # fmt: skip
    assert listed(found["./"]["hasPart"]) == list(files)
    for address, path in files.items():
        entity, data = found[address], (folder / path).read_bytes()
        assert entity["@type"] == "File"
        assert entity["contentSize"] == str(len(data))
        assert entity["sha256"] == hashlib.sha256(data).hexdigest()
    assert found["mine/machine.jsonl"]["encodingFormat"] == "application/jsonl"
    assert found["README.md"]["encodingFormat"] == "text/markdown"
    kinds = [json.loads(line)["kind"] for line in (folder / "mine/machine.jsonl").read_text().splitlines()]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
    assert found["mine/machine.jsonl"]["description"] == f"One JSON record a line: {counts}."


def test_each_file_was_made_by_the_suite(folder: Path) -> None:
    """A CreateAction a file links suite and libraries to it."""
    found = made(folder)
    actions = [entity for entity in found.values() if entity["@type"] == "CreateAction"]
    assert sorted(action["result"]["@id"] for action in actions) == ["mine/machine.jsonl", "other%20one/machine.jsonl"]
    for action in actions:
        assert listed(action["instrument"]) == ["#suite", "#software-torch@2.14.1"]
    assert listed(found["./"]["mentions"]) == [action["@id"] for action in actions]
    assert found["#suite"]["@type"] == found["#software-torch@2.14.1"]["@type"] == "SoftwareApplication"
    assert found["#software-torch@2.14.1"]["version"] == "2.14.1"


def test_each_dataset_has_its_licence_and_reference() -> None:
    """Real data of the committed results have the licence that tasks.data states, and a work to cite."""
    found = described(COMMITTED)
    tasks = {entity["name"] for one, entity in found.items() if one.startswith("#task-")}
    datasets = {TASKS[name].dataset for name in tasks} - {None}
    assert len(datasets) >= 4
    for name in datasets:
        entity = found[f"#data-{name}"]
        licence = entity["license"]
        assert (found[licence["@id"]]["name"] if isinstance(licence, dict) else licence) == SOURCES[str(name)].licence
        assert found[entity["citation"]["@id"]]["url"].startswith("https://")
    for one in (one for one in found if one.startswith("#task-")):
        card = TASKS[found[one]["name"]]
        assert found[one].get("isBasedOn") == ({"@id": f"#data-{card.dataset}"} if card.dataset else None)
        assert listed(found[one].get("citation")) == [f"#{key}" for key in card.cites]


def test_the_same_folder_gives_the_same_bytes(folder: Path) -> None:
    """A second time, and in another place, nothing changes; the place is not named."""
    made(folder)
    first = (folder / METADATA).read_bytes()
    made(folder)
    assert (folder / METADATA).read_bytes() == first
    moved = folder.rename(folder.with_name("elsewhere"))
    made(moved)
    assert (moved / METADATA).read_bytes() == first
    assert str(moved.parent).encode() not in first


def test_the_committed_description_is_that_of_the_committed_results() -> None:
    """`python -m report crate` after any change of results/."""
    committed = (COMMITTED / METADATA).read_text(encoding="utf-8")
    assert committed == text(COMMITTED, list(read(COMMITTED)))


def test_an_empty_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file, or one without a record, is bad input in words; nothing is written."""
    assert main(["crate", str(tmp_path / "none")]) == 2
    assert main(["--results", str(tmp_path), "crate"]) == 2
    assert capsys.readouterr().err.count("error: no records below") == 2
    write(tmp_path, [], "mine")
    assert main(["crate", str(tmp_path)]) == 2
    assert "no readable record in" in capsys.readouterr().err
    assert not list(tmp_path.rglob(METADATA))


@pytest.mark.parametrize("name", ["../../x", "a b#c?d", "\x1b[31m\u202e", "<b>&'\"", "\ud800", "x" * 5000])
def test_hostile_names_are_inert(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A task, library or machine of any name leaves the crate whole, in ASCII, without a reference out of it."""
    record = replace(run(GRAMMAR, LSTM), versions={name: name}, machine={"label": name})
    write(tmp_path, [replace(record, task={**record.task, "name": name, "version": name, "fingerprint": name})], "m")
    found = made(tmp_path)
    assert capsys.readouterr().out.removesuffix("\n").isprintable()
    assert (tmp_path / METADATA).read_bytes().isascii()
    named = {one for entity in found.values() for value in entity.values() for one in references(value)}
    assert named - set(found) == {"https://w3id.org/ro/crate/1.1"}
    assert all(len(one) < 2000 and not set(one) & set(" <>\"'\x1b") for one in found)
    assert all(sign.isprintable() for entity in found.values() for sign in str(entity.get("name", "")))
