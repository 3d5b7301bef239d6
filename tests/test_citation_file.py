"""CITATION.cff is valid by the CFF 1.2.0 schema and agrees with the package and with what the report prints."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from bench import __version__, literature
from report import suite
from tasks.literature import PUBLICATIONS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# fmt: off
ALLOWED = {
    "abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi", "identifiers", "keywords",
    "license", "license-url", "message", "preferred-citation", "references", "repository", "repository-artifact",
    "repository-code", "title", "type", "url", "version",
}
# fmt: on
REQUIRED = {"authors", "cff-version", "message", "title"}
OF_WORK = {"type", "title", "authors", "journal", "collection-title", "volume", "issue", "start", "end", "year", "doi",
           "url"}  # fmt: skip
"""The keys used here, of those that a reference may have."""


def blocks(text: str, indent: str = "") -> dict[str, str]:
    """Each key that stands at this indent, with what belongs to it."""
    found = re.split(rf"^{indent}([a-z-]+):", text, flags=re.MULTILINE)[1:]
    keys = found[::2]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, found[1::2], strict=True))


def plain(value: str) -> str:
    """A scalar without its quotes."""
    return value.strip().strip('"')


def works() -> list[dict[str, str]]:
    """The references."""
    parts = re.split(r"^  - ", blocks(TEXT)["references"], flags=re.MULTILINE)[1:]
    return [blocks(re.sub(r"^    (?=[a-z])", "", part, flags=re.MULTILINE)) for part in parts]


def test_it_has_the_keys_that_the_schema_wants_and_no_other() -> None:
    """Schema 1.2.0 allows no key beyond its own."""
    keys = set(blocks(TEXT))
    assert keys >= REQUIRED
    assert keys <= ALLOWED
    assert "\t" not in TEXT


def test_its_values_are_of_the_types_that_the_schema_wants() -> None:
    """Version of the format, type, an ISO date, an SPDX licence, an address, a list of keywords."""
    found = blocks(TEXT)
    assert plain(found["cff-version"]) == "1.2.0"
    assert plain(found["type"]) in ("software", "dataset")
    assert date.fromisoformat(plain(found["date-released"])).year >= 2026
    assert found["date-released"].strip().startswith('"'), "YAML reads a bare date as something else than text"
    assert plain(found["license"]) == "MIT"
    assert re.fullmatch(r"https://[\w./-]+", plain(found["repository-code"]))
    assert re.findall(r"^  - (?:name): ", found["authors"], flags=re.MULTILINE)
    keywords = re.findall(r"^  - (.+)$", found["keywords"], flags=re.MULTILINE)
    assert len(set(keywords)) == len(keywords) > 2
    assert len(plain(found["message"])) > 40


def test_it_agrees_with_the_package() -> None:
    """Version, licence, authors, address and keywords are pyproject.toml's."""
    found = blocks(TEXT)
    assert plain(found["version"]) == PROJECT["version"] == __version__
    assert plain(found["license"]) == PROJECT["license"]
    assert [plain(name) for name in re.findall(r"- name: (.+)", found["authors"])] == [
        author["name"] for author in PROJECT["authors"]
    ]
    assert plain(found["repository-code"]) == PROJECT["urls"]["Repository"]
    assert re.findall(r"^  - (.+)$", found["keywords"], flags=re.MULTILINE) == PROJECT["keywords"]
    assert PROJECT["name"] == suite.NAME.lower().replace(" ", "-")


def test_the_report_says_what_it_says() -> None:
    """Title, authors, date, licence, address and keywords in report.suite are those of the file."""
    found = blocks(TEXT)
    assert (plain(found["title"]), plain(found["date-released"])) == (suite.TITLE, suite.RELEASED)
    assert (plain(found["license"]), plain(found["repository-code"])) == (suite.LICENCE, suite.URL)
    assert suite.AUTHORS in found["authors"]
    assert list(suite.KEYWORDS) == re.findall(r"^  - (.+)$", found["keywords"], flags=re.MULTILINE)


def test_the_changelog_has_the_release() -> None:
    """The version was released on the day that the file names."""
    assert f"## {__version__} - {suite.RELEASED}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_its_references_are_publications_of_the_suite() -> None:
    """Title, year, authors and link of each are those that `python -m report cite` prints."""
    known = {work.title: work for work in (literature.PUBLICATIONS | PUBLICATIONS).values()}
    assert len(works()) >= 4
    for work in works():
        assert set(work) <= OF_WORK
        assert plain(work["type"]) in ("article", "conference-paper", "data", "generic")
        same = known[plain(work["title"])]
        families = re.findall(r"family-names: (.+)", work["authors"])
        given = re.findall(r"given-names: (.+)", work["authors"])
        assert [f"{f}, {g}" for f, g in zip(families, given, strict=True)] == list(same.authors)
        assert int(work["year"]) == same.year
        assert plain(work["doi"]) == same.doi if same.doi else plain(work["url"]) == same.link
        if "start" in work:
            assert f"{work['start'].strip()}-{work['end'].strip()}" == same.pages


@pytest.mark.skipif(importlib.util.find_spec("cffconvert") is None, reason="cffconvert is not installed")
def test_it_is_valid_by_the_schema() -> None:
    """cffconvert, which has the schema, finds nothing wrong; and does with a key that is none."""
    from cffconvert import Citation

    Citation(TEXT).validate()
    with pytest.raises(Exception, match="licence"):
        Citation(f"{TEXT}\nlicence: MIT\n").validate()
