"""Every method and every dataset says what it is and what to cite."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_imports import imported

from bench import axes, literature
from bench.methods import METHODS, Method, cited, method
from tasks.cards import OURS, TASKS
from tasks.literature import PUBLICATIONS as OF_TASKS
from tasks.literature import Publication, latex

ROOT = Path(__file__).parents[1]
TABLES = {
    "architecture": axes.ARCHITECTURES,
    "stabilisation": axes.STABILISATIONS,
    "optimizer": axes.OPTIMIZERS,
}
NAMES = [(axis, name) for axis, table in TABLES.items() for name in table]
EVERYTHING = literature.PUBLICATIONS | OF_TASKS
NOTHING = {
    "none": "there is no technique",
    "linear": "least squares, older than any paper on networks",
}
REQUIRED = {
    "article": {"author", "title", "year", "journal"},
    "inproceedings": {"author", "title", "year", "booktitle"},
    "book": {"author", "title", "year", "publisher"},
    "phdthesis": {"author", "title", "year", "school"},
    "techreport": {"author", "title", "year", "institution"},
    "misc": {"author", "title", "year"},
}
OPTIONAL = {"volume", "number", "pages", "doi", "eprint", "archiveprefix", "url", "note", "howpublished"}


def parsed(entry: str) -> tuple[str, str, dict[str, str]]:
    """Kind, key and fields of one BibTeX entry of one field a line. Fails at anything that BibTeX would not read."""
    head, *lines, last = entry.split("\n")
    kind, key = re.fullmatch(r"@([a-z]+)\{([a-z]+\d{4}[a-z]*),", head).groups()  # type: ignore[union-attr]
    assert last == "}"
    fields = {}
    for line in lines:
        name, value = re.fullmatch(r"  ([a-z]+) = \{(.+)\},", line).groups()  # type: ignore[union-attr]
        assert name not in fields
        depth = 0
        for sign in value:  # BibTeX counts every brace, escaped or not
            depth += (sign == "{") - (sign == "}")
            assert depth >= 0, line
        assert depth == 0, line
        fields[name] = value
    return kind, key, fields


def years(source: str, table: str) -> Iterator[tuple[str, set[int]]]:
    """Each name of a table of axes.py and the years that its comment names, beside it or in the lines above."""
    body = re.search(rf"^{table}: .*?^}}$", source, re.DOTALL | re.MULTILINE)
    assert body
    above = ""
    for line in body.group().splitlines()[1:-1]:
        code, _, comment = line.partition("#")
        if name := re.match(r'    "([^"]+)": ', code):
            yield name.group(1), {int(year) for year in re.findall(r"\b(?:19|20)\d\d\b", above + comment)}
            above = ""
        else:
            above += comment


def test_the_tables_of_methods_have_the_names_of_the_axes() -> None:
    """In the same order, no more and no fewer."""
    assert {axis: list(table) for axis, table in METHODS.items()} == {a: list(table) for a, table in TABLES.items()}


@pytest.mark.parametrize(("axis", "name"), NAMES)
def test_each_method_is_a_sentence_with_a_source(axis: str, name: str) -> None:
    """What it is, and at least one publication but where there is none to cite."""
    found = method(axis, name)
    assert found is not None
    assert re.fullmatch(r"[A-Z][^.]{20,}\.", found.what)
    assert not re.search(r"\d", found.what), "a setting belongs to axes.py"
    assert set(found.cites) <= set(literature.PUBLICATIONS)
    assert bool(found.cites) != (name in NOTHING)


def test_no_two_methods_say_the_same() -> None:
    """A sentence tells its technique from every other."""
    said = [method(axis, name).what for axis, name in NAMES]  # type: ignore[union-attr]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("axis", TABLES)
def test_the_years_in_the_comments_are_those_of_the_publications(axis: str) -> None:
    """Each year that axes.py names beside a technique is that of a work it cites."""
    table = {"architecture": "ARCHITECTURES", "stabilisation": "STABILISATIONS", "optimizer": "OPTIMIZERS"}[axis]
    named = dict(years((ROOT / "bench/axes.py").read_text(encoding="utf-8"), table))
    assert list(named) == list(TABLES[axis])
    assert sum(map(len, named.values())) > 12
    for name, found in named.items():
        assert found <= {literature.PUBLICATIONS[key].year for key in METHODS[axis][name].cites}, name


@pytest.mark.parametrize("name", TASKS)
def test_each_task_cites_its_source(name: str) -> None:
    """Real data cite their authors; a generated task cites its method's, or this suite alone, as its card says."""
    card = TASKS[name]
    assert set(card.cites) <= set(OF_TASKS)
    assert card.cites or card.reference == OURS
    assert ("zhang2017" in card.cites) == (card.study == "shuffled")
    if card.reference != OURS:
        first = OF_TASKS[card.cites[0]]
        assert first.authors[0].split(",")[0] in card.reference


def test_no_publication_is_unused_or_kept_twice() -> None:
    """Every entry is cited, and a key means one work wherever it stands."""
    of_methods = {key for table in METHODS.values() for found in table.values() for key in found.cites}
    of_tasks = {key for card in TASKS.values() for key in card.cites}
    assert of_methods == set(literature.PUBLICATIONS)
    assert of_tasks == set(OF_TASKS)
    assert all(OF_TASKS[key] is literature.PUBLICATIONS[key] for key in of_tasks & of_methods)
    assert len({work.title.lower() for work in EVERYTHING.values()}) == len(EVERYTHING)


@pytest.mark.parametrize("key", EVERYTHING)
def test_each_publication_is_an_entry_that_bibtex_reads(key: str) -> None:
    """ASCII, balanced, with the fields its kind needs and no other."""
    work = EVERYTHING[key]
    entry = work.bibtex(key)
    assert entry.isascii()
    kind, found, fields = parsed(entry)
    assert (kind, found) == (work.kind, key)
    assert REQUIRED[kind] <= set(fields) <= REQUIRED[kind] | OPTIONAL
    assert fields["author"].count(" and ") == len(work.authors) - 1
    for name, value in fields.items():
        if name not in ("doi", "url", "eprint"):
            assert not re.search(r"(?<!\\)[&%#_]", value), name
    if "pages" in fields:
        assert re.fullmatch(r"\d+--\d+", fields["pages"])
        first, last = map(int, work.pages.split("-"))
        assert first < last


@pytest.mark.parametrize("key", EVERYTHING)
def test_each_publication_is_well_formed(key: str) -> None:
    """Key, authors, year, DOI and arXiv number have the shape of what they are."""
    work = EVERYTHING[key]
    surname = latex(work.authors[0].split(",")[0])
    assert re.fullmatch(rf"{surname.lower().replace(' ', '')}{work.year}[a-z]*", key)
    assert all(re.fullmatch(r"[^,]+, [^,]+", author) for author in work.authors)
    assert len(set(work.authors)) == len(work.authors)
    assert not work.doi or re.fullmatch(r"10\.\d{4,9}/\S+", work.doi)
    if work.arxiv:
        assert re.fullmatch(r"\d{4}\.\d{4,5}", work.arxiv)
        # a paper is never in print more than a few months before it is on arXiv, nor many years after
        assert -1 <= work.year - (2000 + int(work.arxiv[:2])) <= 4
    assert not work.url or re.fullmatch(r"https://\S+", work.url)
    assert work.kind == "misc" or work.where
    assert work.link or work.kind != "misc" or work.where


def test_a_number_names_one_work() -> None:
    """No DOI and no arXiv number is given to two works."""
    for numbers in ([w.doi for w in EVERYTHING.values() if w.doi], [w.arxiv for w in EVERYTHING.values() if w.arxiv]):
        assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("key", "short", "link"),
    [
        ("zeiler2012", "Zeiler 2012", "https://arxiv.org/abs/1212.5701"),
        ("hochreiter1997", "Hochreiter & Schmidhuber 1997", "https://doi.org/10.1162/neco.1997.9.8.1735"),
        ("zhou2021", "Zhou et al. 2021", "https://doi.org/10.1609/aaai.v35i12.17325"),
        ("jordan2024", "Jordan et al. 2024", "https://kellerjordan.github.io/posts/muon/"),
        ("tieleman2012", "Tieleman & Hinton 2012", ""),
    ],
)
def test_short_forms_and_links(key: str, short: str, link: str) -> None:
    """One author, two, or the first of many; DOI before arXiv before an address."""
    assert (EVERYTHING[key].short, EVERYTHING[key].link) == (short, link)


def test_bibtex_of_a_work_with_everything() -> None:
    """Signs escaped, accents as commands, capitals of a title kept, the first letter left to the style."""
    work = Publication(
        "article", ("Šimić, Żoë", "van Åbo, Ł."), "A & b of LSTMs: 50 % {x}_1", 2001, "J # K", "3", "4", "5-67",
        "10.1234/a_b", "2001.01234", "https://example.org/a_b", "n ~ ^ \\",
    )  # fmt: skip
    assert work.bibtex("k2001").split("\n") == [
        "@article{k2001,",
        r"""  author = {{\v{S}}imi{\'c}, {\.Z}o{\"e} and van {\r{A}}bo, {\L}.},""",
        r"  title = {A \& b of {LSTMs:} 50 \% \textbraceleft{}x\textbraceright{}\_1},",
        "  year = {2001},",
        r"  journal = {J \# K},",
        "  volume = {3},",
        "  number = {4},",
        "  pages = {5--67},",
        "  doi = {10.1234/a_b},",
        "  eprint = {2001.01234},",
        "  archiveprefix = {arXiv},",
        "  url = {https://example.org/a_b},",
        r"  note = {n \textasciitilde{} \textasciicircum{} \textbackslash{}},",
        "}",
    ]


def test_a_sign_without_latex_is_named() -> None:
    """Better an error here than a hole in someone's bibliography."""
    with pytest.raises(ValueError, match="no LaTeX for '東' in '東京'"):
        latex("東京")


def test_joined_stabilisations_are_one_method() -> None:
    """Both sentences, and each publication once."""
    both = method("stabilisation", "clip+weight-drop")
    clip, drop = METHODS["stabilisation"]["clip"], METHODS["stabilisation"]["weight-drop"]
    assert both == Method(f"{clip.what} {drop.what}", ("pascanu2013", "merity2018", "wan2013"))


@pytest.mark.parametrize(
    ("axis", "name"),
    [
        ("stabilisation", "my-own"),
        ("stabilisation", "clip+my-own"),
        ("stabilisation", "clip+"),
        ("stabilisation", ""),
        ("architecture", "lstm+gru"),
        ("optimizer", "adam-0.1"),
    ],
)
def test_a_name_of_a_matrix_file_is_no_method(axis: str, name: str) -> None:
    """What a reader calls a recipe of theirs says nothing of what it is."""
    assert method(axis, name) is None


def test_an_unknown_axis_is_an_error() -> None:
    """An axis is ours to know."""
    with pytest.raises(KeyError):
        method("optimiser", "adam")


def test_what_a_row_cites() -> None:
    """In the order of its name and then its task, each work once."""
    assert list(cited("lstm", "clip+dropout", "nt-asgd", "memory/copy/50")) == [
        "hochreiter1997",
        "gers2000forget",
        "pascanu2013",
        "merity2018",
        "zaremba2014",
        "arjovsky2016",
    ]
    assert cited("lstm", "none", "adam", "speech/fsdd")["jackson2018"] is OF_TASKS["jackson2018"]


def test_a_row_of_names_of_its_own_cites_what_is_known() -> None:
    """Unknown parts, and a task that is no more, are passed over."""
    assert list(cited("my-net", "none", "adam", "toy/labels")) == ["kingma2015"]
    assert cited("my-net", "mine", "mine", "toy/labels") == {}


@pytest.mark.parametrize("name", ["tasks/literature.py", "bench/literature.py", "bench/methods.py"])
def test_literature_needs_the_standard_library_alone(name: str) -> None:
    """The report prints it without torch."""
    assert imported(ROOT / name) <= set(sys.stdlib_module_names) | {"bench", "tasks"}
