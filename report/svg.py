"""Figures as SVG: what matplotlib writes, made small, with values that show on hover.

An artist whose gid is `tips(...)` becomes elements with a `<title>`: every browser shows it, and a page may draw it
faster. Only SVG that this package has just written is parsed here, never a file of someone else's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count, groupby
from xml.etree import ElementTree as Xml

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
_MARK, _BETWEEN = "tips:", "\ue000"  # frame.clean leaves no such character in a name
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")

DEFAULTS = {"stroke-linecap: butt", "stroke-linejoin: round", "fill-opacity: 1", "stroke-opacity: 1"}

VARIABLES = {
    "#111111": "var(--ink)",
    "#262626": "var(--ink)",
    "#333333": "var(--ink)",
    "#444444": "var(--pale)",
    "#555555": "var(--pale)",
    "#777777": "var(--pale)",
    "#e4e4e4": "var(--line)",
    "#eeeeee": "var(--stripe)",
}
"""Colours of ink and paper, which follow the page into dark mode; what stands on a colour of its own does not."""
PAPER = "#ffffff"


def tips(texts: Iterable[str]) -> str:
    """The gid of an artist that says these on hover: one text for it, or one for each of its points, in order."""
    return _MARK + _BETWEEN.join(texts)


def compact(written: bytes) -> bytes:
    """The file: smaller, coordinates to a hundredth of a point, so that the last digits of another
    processor's arithmetic move nothing."""
    Xml.register_namespace("", SVG[1:-1])
    Xml.register_namespace("xlink", HREF[1:].partition("}")[0])
    root = Xml.fromstring(written)
    for part in root.findall(f"{SVG}metadata"):
        root.remove(part)
    _small(root, 2)
    return Xml.tostring(root, encoding="utf-8") + b"\n"


class Sheet:
    """What the figures of one page share: names, and style rules, a class for each set of properties."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._ids = count()

    def id(self) -> str:
        """A name that no other part of any figure has."""
        return f"y{next(self._ids)}"

    def name(self, style: str) -> str:
        """The class of a style."""
        return self._classes.setdefault(style, f"z{len(self._classes)}")

    def css(self) -> str:
        """The rules, in the order in which they were asked for."""
        return "\n".join(f".{name} {{ {style} }}" for style, name in self._classes.items())


def inline(written: bytes, label: str, sheet: Sheet) -> str:
    """The figure as a part of a page: ids of its own, styles in the page's sheet, ink and paper of the page.

    `label` is what a screen reader says in place of the picture.
    """
    root = Xml.fromstring(written)
    for part in (*root.findall(f"{SVG}metadata"), *root.findall(f"{SVG}defs")):
        if part.tag.endswith("metadata") or part.find(f"{SVG}style") is not None:
            root.remove(part)
    background = next(iter(root.iter(f"{SVG}path")), None)
    if background is not None:
        background.set("style", "fill: none")
    _small(root, 1)
    _own_ids(root, sheet)
    for element in root.iter():
        if "d" in element.attrib:
            element.set("d", _relative(element.attrib["d"]))
        style = element.attrib.pop("style", None)
        if style:
            element.set("class", sheet.name(_themed(style, element.tag == f"{SVG}text")))
    root.attrib.pop("version", None)
    for side in ("width", "height"):  # a point is four thirds of a pixel
        root.set(side, f"{float(root.attrib[side].removesuffix('pt')) * 4 / 3:.0f}")
    root.set("role", "img")
    root.set("aria-label", label)
    for element in root.iter():  # HTML knows no namespaces
        element.tag = element.tag.removeprefix(SVG)
        if HREF in element.attrib:
            element.set("href", element.attrib.pop(HREF))
    return Xml.tostring(root, encoding="unicode").replace(" />", "/>")


def _small(root: Xml.Element, digits: int) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            _tidy(child, digits)
            _titled(child)
    _defined_once(root)
    _flatten(root)
    _clip_together(root)
    _flatten(root)
    for element in root.iter():
        if element.tag not in (f"{SVG}text", f"{SVG}title", f"{SVG}style"):
            element.text = None
        element.tail = None


def _tidy(element: Xml.Element, digits: int) -> None:
    """Fewer digits, no properties at their defaults, no turn by nothing."""
    for key, value in element.attrib.items():
        if key == "d":
            element.set(key, " ".join(_NUMBER.sub(lambda found: _rounded(found, digits), value).split()))
        elif key in ("x", "y", "width", "height", "transform", "viewBox"):
            element.set(key, _NUMBER.sub(lambda found: _rounded(found, digits), value))
        elif key == "style":
            kept = [part for part in value.split("; ") if part not in DEFAULTS]
            element.set(key, _NUMBER.sub(lambda found: _rounded(found, 3), "; ".join(kept)))
    if element.attrib.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]


def _rounded(found: re.Match[str], digits: int) -> str:
    text = f"{float(found[0]):.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


_TENTHS = re.compile(r"[MLz]|-?[\d.]+")


def _relative(path: str) -> str:
    """A path of straight lines with each point relative to the one before, in tenths that add up exactly: half the
    length. Other paths as they are."""
    if set(path) - set("MLz -.0123456789"):
        return path
    found, here, start, numbers = [], (0, 0), (0, 0), list[int]()
    for token in _TENTHS.findall(path):
        if token in "MLz":
            found.append(token.lower())
            here = start if token == "z" else here  # a path that is closed goes on from where it began
            continue
        numbers.append(round(float(token) * 10))
        if len(numbers) == 2:
            x, y = numbers
            found += [_tenths(x - here[0]), _tenths(y - here[1])]
            start = (x, y) if found[-3] == "m" else start
            here, numbers = (x, y), []
    return re.sub(r"(?<=[mlz]) | (?=[mlz-])", "", " ".join(_joined(found)))


def _joined(tokens: Iterable[str]) -> Iterator[str]:
    """Without an l after an l or an m, where it goes without saying."""
    command = ""
    for token in tokens:
        if token in ("m", "l", "z"):
            if token == "l" and command in ("m", "l"):
                continue
            command = token
        yield token


def _tenths(value: int) -> str:
    text = f"{abs(value) / 10:.1f}".removesuffix(".0").removeprefix("0") or "0"
    return f"-{text}" if value < 0 else text


def _titled(element: Xml.Element) -> None:
    """Put the texts of a gid where they show: on the group, or on each of its points."""
    name = element.attrib.get("id", "")
    if not name.startswith(_MARK):
        return
    del element.attrib["id"]
    texts = name.removeprefix(_MARK).split(_BETWEEN)
    points = list(_points(element))
    if len(texts) == 1 or len(points) != len(texts):
        points = [element]
    for point, text in zip(points, texts, strict=False):
        title = Xml.Element(f"{SVG}title")
        title.text = text
        point.insert(0, title)


def _points(element: Xml.Element) -> Iterator[Xml.Element]:
    """What is drawn, and not only defined."""
    for part in element:
        if part.tag in (f"{SVG}use", f"{SVG}path"):
            yield part
        elif part.tag != f"{SVG}defs":
            yield from _points(part)


def _flatten(parent: Xml.Element) -> None:
    """Take out groups that say nothing."""
    children: list[Xml.Element] = []
    for child in list(parent):
        _flatten(child)
        if child.tag == f"{SVG}g":
            child.attrib.pop("id", None)
            if not child.attrib and child.find(f"{SVG}title") is None:
                children += list(child)
                continue
        children.append(child)
    for child in list(parent):
        parent.remove(child)
    parent.extend(children)


def _defined_once(root: Xml.Element) -> None:
    """One definition of each marker: matplotlib writes one for every collection of points."""
    first: dict[tuple[str, str], str] = {}
    names: dict[str, str] = {}
    for defs in root.iter(f"{SVG}defs"):
        for part in [part for part in defs if part.tag == f"{SVG}path" and "id" in part.attrib]:
            name = part.attrib["id"]
            names[name] = first.setdefault((part.attrib.get("d", ""), part.attrib.get("style", "")), name)
            if names[name] != name:
                defs.remove(part)
    for element in root.iter():
        target = element.attrib.get(HREF, "").removeprefix("#")
        if target in names:
            element.set(HREF, f"#{names[target]}")
    for parent in list(root.iter()):
        for defs in parent.findall(f"{SVG}defs"):
            if not len(defs):
                parent.remove(defs)


def _clip_together(parent: Xml.Element) -> None:
    """What is clipped alike, one after the other, as one group: it is said once, not with every line."""
    for child in parent:
        if child.tag == f"{SVG}g":
            _clip_together(child)
    drawn = [child for child in parent if child.tag not in (f"{SVG}title", f"{SVG}defs")]
    clips = {child.get("clip-path") for child in drawn}
    if parent.tag == f"{SVG}g" and len(clips) == 1 and clips != {None} and "clip-path" not in parent.attrib:
        parent.set("clip-path", clips.pop() or "")
        for child in drawn:
            del child.attrib["clip-path"]
        return
    runs = [(clip, list(run)) for clip, run in groupby(list(parent), key=lambda child: child.get("clip-path"))]
    for clip, run in runs:
        if clip and len(run) > 1:
            group = Xml.Element(f"{SVG}g", {"clip-path": clip})
            parent.insert(list(parent).index(run[0]), group)
            for child in run:
                del child.attrib["clip-path"]
                parent.remove(child)
                group.append(child)


def _own_ids(root: Xml.Element, sheet: Sheet) -> None:
    """Short ids that no other figure of the page has."""
    names = {element.attrib["id"]: sheet.id() for element in _named(root)}
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, names[value])
            elif key == HREF and value.startswith("#"):  # else a picture in place: the bar of a heatmap's colours
                element.set(key, f"#{names[value.removeprefix('#')]}")
            else:
                element.set(key, _REFERENCE.sub(lambda found: f"url(#{names[found[1]]})", value))


def _named(root: Xml.Element) -> Iterator[Xml.Element]:
    seen = set()
    for element in root.iter():
        if "id" in element.attrib and element.attrib["id"] not in seen:
            seen.add(element.attrib["id"])
            yield element


def _themed(style: str, text: bool) -> str:
    """A style with the page's ink and paper in place of black and white."""
    for colour, variable in VARIABLES.items():
        style = style.replace(colour, variable)
    if not text:
        style = style.replace(f"fill: {PAPER}", "fill: var(--back)")
    return style.replace("font-family: 'DejaVu Sans'", "font-family: var(--figure)")
