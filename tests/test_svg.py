"""Figures made small: nothing that is drawn or said is lost, and two figures on one page stay two."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from xml.etree import ElementTree as Xml

import pytest
from matplotlib.figure import Figure

from report import ink, svg

NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?")
Point = tuple[Decimal, Decimal]


def points(path: str) -> list[tuple[str, Point]]:
    """Where the pen moves to (m), draws to (l) and comes back to (z), absolute; by the rules of SVG, not by ours."""
    found: list[tuple[str, Point]] = []
    here = start = (Decimal(0), Decimal(0))
    for command, rest in re.findall(r"([MmLlz])([^MmLlz]*)", path):
        if command == "z":
            here = start
            found.append(("z", here))
            continue
        numbers = [Decimal(number) for number in NUMBER.findall(rest)]
        assert len(numbers) % 2 == 0
        assert numbers, "a command without a point"
        kind = command.lower()
        for x, y in zip(numbers[::2], numbers[1::2], strict=True):
            here = (here[0] + x, here[1] + y) if command.islower() else (x, y)
            start = here if kind == "m" else start
            found.append((kind, here))
            kind = "l"  # further points of an m are lines
    return found


def random_path(dice: random.Random) -> str:
    """Several subpaths as matplotlib writes them, once their numbers have one digit; some closed, some a move alone."""

    def number() -> str:
        return f"{dice.choice((0, 1, 1, 1)) * dice.randint(-3000, 3000) / 10:.1f}".removesuffix(".0")

    parts = []
    for _ in range(dice.randint(1, 5)):
        parts.append(f"M {number()} {number()}")
        parts += [f"L {number()} {number()}" for _ in range(dice.randint(0, 6))]
        parts += ["z"] * dice.randint(0, 1)
        parts += [f"L {number()} {number()}"] * (parts[-1] == "z" and dice.random() < 0.2)
    return " ".join(parts)


def test_a_relative_path_has_the_same_points() -> None:
    """Tenths add up exactly: no point of a path, closed or of several parts, is moved at all; all in all it is
    shorter."""
    paths = [random_path(random.Random(seed)) for seed in range(500)]
    short = [svg._relative(path) for path in paths]
    assert [points(path) for path in short] == [points(path) for path in paths]
    assert sum(map(len, short)) < 0.9 * sum(map(len, paths))


def test_a_relative_path_by_hand() -> None:
    """Each point from the one before; after z from where the part began."""
    assert svg._relative("M 10 10 L 10.5 9 L 12 9 z M 11 11 L 11 12") == "m10 10 .5-1 1.5 0zm1 1 0 1"
    assert svg._relative("M 1 1 C 2 2 3 3 4 4") == "M 1 1 C 2 2 3 3 4 4"


def mixed(scatter: int = 3) -> Figure:
    """Lines that are clipped and not, in turn, points, bars, a dashed line, text on colour and beside it."""
    with ink.theme():
        figure = Figure(figsize=(4, 6), layout="constrained")
        above, below = figure.subplots(2, 1)
        for place in range(6):
            (line,) = above.plot(
                [0, 1, 2], [place, place / 2, 5 - place], clip_on=place % 3 != 2, color=ink.INKS[place]
            )
            ink.tip(line, f"line {place} <&>")
        above.plot([0, 2], [1, 1], color=ink.BASE, linestyle=":")
        above.text(0.5, 2, "on <colour>", color=ink.ON_COLOUR)
        above.text(1.5, 2, "white", color="white")
        above.text(0.5, 3, "beside & it", color="#444444")
        for row in range(2):
            shades = [ink.INKS[place % 3] for place in range(scatter)]
            dots = below.scatter(range(scatter), [row] * scatter, c=shades, s=30, marker="s")
            ink.tip(dots, *(f"row {row}, {place}" for place in range(scatter)))
        bars = below.bar([0, 1], [2, 3], color="white", edgecolor="#333333")
        for bar in bars:
            ink.tip(bar, f"bar {bar.get_height():g}")
        below.set_title("Title")
    return figure


def written(figure: Figure) -> bytes:
    """What matplotlib writes of it."""
    with ink.theme():
        return ink.files(figure)["svg"]


@cache
def example(scatter: int) -> bytes:
    """What it writes of the figure above."""
    return written(mixed(scatter))


def plain(tag: str) -> str:
    """A tag without its namespace."""
    return tag.rpartition("}")[2]


def rounded(text: str) -> str:
    """Numbers to a hundredth, white space aside."""
    return " ".join(re.sub(r"-?\d+\.\d+", lambda n: f"{round(float(n[0]), 2) + 0:g}", text).split())


def drawn(root: Xml.Element) -> list[tuple[str, ...]]:
    """Everything that is drawn, in order: its shape, where, its look, and what it is clipped by."""
    ids = {element.attrib["id"]: element for element in root.iter() if "id" in element.attrib}

    def shape(element: Xml.Element) -> str:
        target = element.attrib.get(svg.HREF, "").removeprefix("#")
        place = f"{element.attrib.get('x', '')} {element.attrib.get('y', '')}"
        return rounded(f"{ids[target].attrib['d'] if target in ids else element.attrib.get('d', '')} @ {place}")

    def look(element: Xml.Element) -> str:
        kept = [part for part in element.attrib.get("style", "").split("; ") if part not in svg.DEFAULTS]
        return rounded("; ".join(sorted(kept)))

    def walk(parent: Xml.Element, clip: str) -> Iterator[tuple[str, ...]]:
        for child in parent:
            if plain(child.tag) in ("defs", "metadata", "title"):
                continue
            inner = clip
            if "clip-path" in child.attrib:
                (rect,) = ids[child.attrib["clip-path"][5:-1]]
                inner = rounded(" ".join(rect.attrib[side] for side in ("x", "y", "width", "height")))
            if plain(child.tag) in ("path", "use", "text", "rect"):
                yield plain(child.tag), shape(child), look(child), inner, (child.text or "").strip()
            yield from walk(child, inner)

    return list(walk(root, ""))


def texts(root: Xml.Element, tag: str) -> list[str]:
    """What the elements of a tag say, in order."""
    return [element.text or "" for element in root.iter() if plain(element.tag) == tag]


@pytest.mark.parametrize("count", [3, 60])
def test_a_small_file_draws_the_same(count: int) -> None:
    """Shapes, looks, clips and texts, in the order of drawing, are those that matplotlib wrote; with few points it
    writes paths, with many it writes uses."""
    raw = example(count)
    small = svg.compact(raw)
    before, after = Xml.fromstring(raw), Xml.fromstring(small)
    assert drawn(after) == drawn(before)
    assert {"path", "text"} <= {one[0] for one in drawn(after)}
    assert texts(before, "text") == texts(after, "text")
    assert {"on <colour>", "beside & it", "Title"} <= set(texts(after, "text"))
    assert len(small) < 0.8 * len(raw)
    assert b"metadata" in raw
    assert b"metadata" not in small


@pytest.mark.parametrize("count", [2, 9, 60])
def test_what_is_said_on_hover(count: int) -> None:
    """One title on a line, one on each of a scatter's points, each the first thing in what it speaks of."""
    root = Xml.fromstring(svg.compact(example(count)))
    dots = [f"row {row}, {place}" for row in range(2) for place in range(count)]
    bars = ["bar 2", "bar 3"]
    assert sorted(texts(root, "title")) == sorted([*(f"line {place} <&>" for place in range(6)), *dots, *bars])
    owners = {title.text: element for element in root.iter() for title in element if plain(title.tag) == "title"}
    assert len({id(owners[text]) for text in dots}) == 2 * count
    assert {plain(owners[text].tag) for text in dots} == {"path" if count < 9 else "use"}
    assert {plain(owners[f"line {place} <&>"].tag) for place in range(6)} <= {"g"}
    assert all(plain(owner[0].tag) == "title" for owner in owners.values())
    assert not any(text.startswith(svg._MARK) for element in root.iter() for text in element.attrib.values())


def test_points_are_told_in_their_order() -> None:
    """A text goes to the point it was given for: from left to right here."""
    with ink.theme():
        figure = Figure(figsize=(3, 2))
        dots = figure.subplots().scatter(range(20), [0] * 20)
    ink.tip(dots, *(str(place) for place in range(20)))
    root = Xml.fromstring(svg.compact(written(figure)))
    found = [(float(use.attrib["x"]), use[0].text) for use in root.iter(f"{svg.SVG}use") if len(use)]
    assert [text for _, text in sorted(found)] == [str(place) for place in range(20)]


def test_a_marker_is_defined_once() -> None:
    """Two collections of points of one shape and look share the definition that the first brought."""
    with ink.theme():
        figure = Figure(figsize=(3, 2))
        ax = figure.subplots()
        for height in range(4):
            ax.scatter(range(20), [height] * 20, c=["#0072b2", "#d55e00"] * 10, s=30)
    raw = written(figure)

    def markers(text: bytes) -> int:
        root = Xml.fromstring(text)
        shapes = {path.attrib["id"]: path.attrib["d"] for path in root.iter(f"{svg.SVG}path") if "id" in path.attrib}
        used = [shapes[use.attrib[svg.HREF][1:]] for use in root.iter(f"{svg.SVG}use")]
        return list(shapes.values()).count(max(used, key=used.count))

    assert markers(raw) == 4
    assert markers(svg.compact(raw)) == 1


def page() -> tuple[list[Xml.Element], list[str], svg.Sheet]:
    """Two figures of one page."""
    sheet = svg.Sheet()
    parts = [svg.inline(example(count), f"<figure> of {count}", sheet) for count in (3, 60)]
    return [Xml.fromstring(part) for part in parts], parts, sheet


def test_ids_are_a_pages_own() -> None:
    """No id stands twice on a page, and whatever a figure refers to is in that figure."""
    roots, parts, _ = page()
    own = [[element.attrib["id"] for element in root.iter() if "id" in element.attrib] for root in roots]
    assert len(set(own[0] + own[1])) == len(own[0] + own[1]) > 0
    for part, ids in zip(parts, own, strict=True):
        asked = re.findall(r"url\(#([^)]+)\)", part) + re.findall(r'href="#([^"]+)"', part)
        assert asked
        assert set(asked) <= set(ids)


def test_a_figure_in_a_page_has_no_style_and_no_prefix() -> None:
    """The page's policy allows no style attribute, HTML knows no namespaces; classes are those of the sheet."""
    roots, parts, sheet = page()
    rules = sheet.css()
    for root, part in zip(roots, parts, strict=True):
        assert not any("style" in element.attrib for element in root.iter())
        assert re.findall(r"</?\w+:|xlink|xmlns", part) == []
        assert {element.attrib["class"] for element in root.iter() if "class" in element.attrib} <= set(
            re.findall(r"^\.(z\d+) \{", rules, re.MULTILINE)
        )
    assert [root.attrib["aria-label"] for root in roots] == ["<figure> of 3", "<figure> of 60"]
    assert texts(roots[1], "title") == texts(Xml.fromstring(svg.compact(example(60))), "title")


def test_ink_follows_the_page_and_text_on_colour_does_not() -> None:
    """Black lines, grey words, white bars and the grid are the page's; dark text on a colour stays dark."""
    (root, _), _, sheet = page()
    styles = dict(re.findall(r"^\.(z\d+) \{ (.*) \}$", sheet.css(), re.MULTILINE))
    says = {element.text: styles[element.attrib["class"]] for element in root.iter("text")}
    assert "var(" not in says["on <colour>"].replace("var(--figure)", "")
    assert "fill: #ffffff" in says["white"]
    assert "var(--pale)" in says["beside & it"]
    everything = "; ".join(styles.values())
    assert {"stroke: var(--ink)", "stroke: var(--line)", "fill: var(--back)"} <= set(everything.split("; "))
    for colour in svg.VARIABLES:
        assert colour not in everything
    assert "#0072b2" in everything
