"""The page in a browser: sorting, filters, hover, links, print, small and dark screens, and what axe says of it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import hostile
import pytest
import report_records as made
from test_injection import BLANK, Unpainted

import report
from report import drawing, ink

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync"]  # fmt: skip
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page over two matrices, one of which has hostile names and one figure: test_injection looks at all of these."""
    folder = tmp_path_factory.mktemp("browser")
    made.write(folder / "results", made.matrix(12, 3))
    words = {name: hostile.WORDS[name] for name in ("script", "ends", "attribute", "svg", "template", "joint")}
    made.write(folder / "results", hostile.techniques(words), "other")
    draw = drawing._draw

    def wanted(board: int, plot: int) -> bool:
        return drawing._boards[board].frames.matrix == "core" or plot == 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "_draw", lambda job: draw(job) if wanted(*job) else {"svg": BLANK, "png": b""})
        patch.setattr(drawing, "cores", lambda: 1)  # to start another process takes longer than it saves
        patch.setattr(ink, "FigureCanvasAgg", Unpainted)
        return report.build(folder / "results", folder / "out", None)[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium: LSTM_BENCH_CHROMIUM, or the first on the path."""
    binary = os.environ.get("LSTM_BENCH_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if binary is None:
        pytest.skip(f"no Chromium: set LSTM_BENCH_CHROMIUM, or put {' or '.join(BROWSERS)} on the path")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=binary, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, built: Path) -> Iterator[Open]:
    """Opens the page at an anchor; at the end it has said nothing, asked for nothing else and opened nothing."""
    contexts, heard = [], []

    def opened(anchor: str = "", width: int = 1200, **settings: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, **settings)
        contexts.append(context)
        found = context.new_page()
        found.set_default_timeout(10_000)
        found.on("console", lambda said: heard.append(f"console: {said.text}"))
        found.on("pageerror", lambda error: heard.append(f"error: {error}"))
        found.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        found.on("request", lambda asked: heard.append(asked.url) if foreign(asked.url, built) else None)
        found.goto(f"{built.as_uri()}{anchor}")
        return found

    yield opened
    for context in contexts:
        context.close()
    assert not heard


def foreign(address: str, page: Path) -> bool:
    """Whether an address is neither the page nor data inside it."""
    return not address.startswith("data:") and address.partition("#")[0] != page.as_uri()


def test_opens_quietly(open_page: Open) -> None:
    """One matrix is shown, its tools are there, a policy forbids all else, and no name has become an element."""
    page = open_page()
    assert [chapter.is_visible() for chapter in page.locator("article").all()] == [True, False]
    assert page.locator("#core .tools").is_visible()
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy.startswith("default-src 'none';")
    assert page.evaluate(
        "[document.scripts.length, document.querySelectorAll('img, iframe, a[href*=\":\"]').length]"
    ) == [
        1,
        0,
    ]
    assert page.evaluate("document.title") == "Results - LSTM Training Bench"


def test_policy_stops_other_scripts(browser: Any, built: Path) -> None:
    """A script that got into the page all the same would not run."""
    page = browser.new_page()
    page.goto(built.as_uri())
    ran = page.evaluate(
        """() => { const script = document.createElement("script"); script.textContent = "window.ran = 1";
        document.body.append(script); return window.ran ?? "no"; }"""
    )
    page.close()
    assert ran == "no"


def test_works_without_scripts(open_page: Open) -> None:
    """Without JavaScript every matrix and table stands there, and no tool that would do nothing."""
    page = open_page(java_script_enabled=False)
    assert all(chapter.is_visible() for chapter in page.locator("article").all())
    assert page.locator("#core-leaderboard table").count() == 4
    assert not any(tool.is_visible() for tool in page.locator(".tools, .copy, #tip").all())


SORTED = {
    "": ["", "-", "~1.2", "≥ 412 (2/3)", "∞", "-0.5 ± 0.1", "+12.9 ± 3.1 ▲", "3e-05", "not reached"],
    "ascending": ["-0.5 ± 0.1", "3e-05", "~1.2", "+12.9 ± 3.1 ▲", "≥ 412 (2/3)", "∞", "", "-", "not reached"],
    "descending": ["∞", "≥ 412 (2/3)", "+12.9 ± 3.1 ▲", "~1.2", "3e-05", "-0.5 ± 0.1", "", "-", "not reached"],
}
COLUMN = """([table, head]) => {
  const place = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === head);
  return [...table.tBodies[0].rows].filter((row) => !row.querySelector("[colspan]")).map((row) => row.cells[place]);
}"""


def column(table: Any, head: str) -> list[str]:
    """The texts of a column, in the rows of techniques."""
    return table.evaluate(f"(table, head) => ({COLUMN})([table, head]).map((cell) => cell.textContent)", head)


def test_numbers_sort_as_numbers(open_page: Open) -> None:
    """By click: up, down and back; bounds and marks do not count, infinity is most, what has no value stays last."""
    page = open_page()
    table = page.locator("#core-task-1 table")
    table.evaluate(
        f"(table, texts) => ({COLUMN})([table, 'gap']).forEach((cell, i) => (cell.textContent = texts[i] ?? ''))",
        SORTED[""],
    )
    before, head = column(table, "gap"), table.locator("th").filter(has_text=re.compile("^gap$"))
    for way in ("ascending", "descending", ""):
        head.get_by_role("button").click()
        assert (head.get_attribute("aria-sort") or "") == way
        found = column(table, "gap")
        assert sorted(found) == sorted(before)
        assert list(filter(None, found)) == list(filter(None, SORTED[way]))
        if way:
            values = [text for text in SORTED[way] if re.search("[0-9∞]", text)]
            assert found[: len(values)] == values
            assert page.locator("#said").inner_text() == f"sorted by gap, {way}"
    assert column(table, "gap") == before
    assert page.locator("#said").inner_text() == "in the order of rank"


def test_keyboard_sorts(open_page: Open) -> None:
    """Tab reaches the heads, Enter and Space sort; words sort as words; one head at a time is sorted."""
    page = open_page()
    table = page.locator("#core .group table").first
    page.locator("#core .find").focus()
    for _ in range(3):  # the table's own box, rank, architecture
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "architecture"
    before = column(table, "architecture")
    page.keyboard.press("Enter")
    assert column(table, "architecture") == sorted(before)
    page.keyboard.press("Space")
    assert column(table, "architecture") == sorted(before, reverse=True)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert table.locator("th[aria-sort]").all_inner_texts() == ["stabilisation"]


def test_filters(open_page: Open) -> None:
    """A task shows its table alone; words leave the rows that have all of them; how many is said."""
    page = open_page()
    board = page.locator("#core-leaderboard")
    names = board.locator(".task option").all_inner_texts()
    assert names[:2] == ["all", "over all tasks"]
    board.locator(".task").select_option(label=names[3])
    assert [group.is_visible() for group in board.locator(".group").all()] == [False, False, True, False]
    board.locator(".find").fill("lstm CLIP")
    shown = [row.inner_text() for row in board.locator("tbody tr").all() if row.is_visible()]
    assert shown
    assert all("lstm" in text and "clip" in text for text in shown)
    assert board.locator(".count").inner_text() == f"{len(shown)} rows"
    board.locator(".find").fill("")
    board.locator(".task").select_option("")
    assert all(row.is_visible() for row in board.locator("tbody tr").all())
    assert board.locator(".count").inner_text() == ""


MARKS = """(figure) => [...figure.querySelectorAll("title")].map((title) => {
  const box = title.parentElement.getBoundingClientRect();
  return [title.textContent, box.x + box.width / 2, box.y + box.height / 2];
})"""
"""What the marks of a figure say, and their middles."""


@pytest.mark.parametrize("name", ["heatmap", "gradient-half-life", "comparison", "score-against-time"])
def test_values_show_on_hover(name: str, open_page: Open) -> None:
    """The pointer on a mark shows what it says, at once; Escape and leaving the figure hide it."""
    page = open_page()
    figure, tip = page.locator(f"#core-{name} figure"), page.locator("#tip")
    figure.scroll_into_view_if_needed()
    marks = figure.evaluate(MARKS)
    top = [mark for mark in marks if mark[2] < 780]
    assert top
    texts = {text for text, _, _ in marks}
    for text, x, y in top[:12]:
        page.mouse.move(x, y)
        assert tip.is_visible()
        assert tip.inner_text() == text or tip.inner_text() in texts  # another mark may lie on it
        box = tip.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1200
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.mouse.move(*top[0][1:])
    assert tip.is_visible()
    page.mouse.move(2, 2)
    assert not tip.is_visible()


def test_values_show_on_touch(open_page: Open) -> None:
    """A tap on a mark shows what it says, and it stays for the reader; a tap elsewhere in the figure hides it."""
    page = open_page(width=400, has_touch=True, is_mobile=True)
    figure = page.locator("#core-heatmap figure")
    figure.scroll_into_view_if_needed()
    text, x, y = next(mark for mark in figure.evaluate(MARKS) if 0 < mark[1] < 400 and 0 < mark[2] < 780)
    page.touchscreen.tap(x, y)
    page.wait_for_timeout(300)
    assert page.locator("#tip").is_visible()
    assert page.locator("#tip").inner_text() == text


def test_technique_has_an_anchor(open_page: Open) -> None:
    """A technique in a table leads to what it is and where it is described; the way back works."""
    page = open_page("#core")
    page.locator("#core-task-1 td a", has_text=re.compile("^clip$")).first.click()
    assert page.url.endswith("#stabilisation-clip")
    entry = page.locator("#stabilisation-clip")
    assert entry.evaluate("entry => entry.matches(':target') && entry.getBoundingClientRect().top < innerHeight")
    assert "Pascanu" in page.locator("#stabilisation-clip + dd").inner_text()
    page.go_back()
    assert page.url.endswith("#core")
    assert page.locator("#core").is_visible()


@pytest.mark.parametrize("start", ["", "#core"])
def test_tabs(start: str, open_page: Open) -> None:
    """A tab shows its matrix and says so; the way back shows the one before."""
    page = open_page(start)

    def shown() -> tuple[list[str], list[str]]:
        chapters = [one.get_attribute("id") for one in page.locator("article").all() if one.is_visible()]
        return chapters, page.locator("nav.tabs [aria-current=true], nav.tabs [aria-current=page]").all_inner_texts()

    assert shown() == (["core"], ["core"])
    page.locator("nav.tabs").get_by_text("other").click()
    assert shown() == (["other"], ["other"])
    page.go_back()
    page.wait_for_timeout(100)
    assert shown() == (["core"], ["core"])


def test_link_into_a_hidden_matrix(open_page: Open) -> None:
    """An address of a section opens the matrix that has it, and scrolls there."""
    page = open_page("#other-section-2")
    assert [chapter.is_visible() for chapter in page.locator("article").all()] == [False, True]
    assert page.locator("#other-section-2").evaluate("part => Math.abs(part.getBoundingClientRect().top) < 100")


def test_row_has_its_signature_and_records(open_page: Open, built: Path) -> None:
    """The hash of a row opens its signature, with links to the files its records are in."""
    page = open_page()
    details = page.locator("#core-task-1 details.sig").first
    assert not details.locator("code").is_visible()
    details.locator("summary").click()
    text = details.locator("code").inner_text()
    assert text.endswith(f"rec:{details.locator('summary').inner_text()}")
    assert re.match(r"accuracy [\d.]+ ± [\d.]+ % \(n=3\) \| lstm-training-bench", text)
    addresses = [link.get_attribute("href") for link in details.locator("a").all()]
    assert addresses
    assert all((built.parent / unquote(address)).is_file() for address in addresses)


SMALL = """() => {
  const found = new Set();
  for (const text of walk(document.body)) {
    const box = text.parentElement;
    if (!text.data.trim() || !box.checkVisibility() || box.closest("title, script, style, .hidden, .skip")) continue;
    const scale = box instanceof SVGElement ? Math.abs(box.ownerSVGElement.getScreenCTM().a) : 1;
    const size = parseFloat(getComputedStyle(box).fontSize) * scale;
    if (size < 9.95) found.add(`${size.toFixed(1)} ${text.data.trim().slice(0, 30)}`);
  }
  return [...found];
  function* walk(node) { for (const child of node.childNodes) child.nodeType === 3 ? yield child : yield* walk(child); }
}"""


@pytest.mark.parametrize("anchor", ["#core", "#other"])
def test_narrow_screen(anchor: str, open_page: Open) -> None:
    """On a phone nothing but tables and figures scrolls sideways, each in its own box, and no letter is tiny."""
    page = open_page(anchor, width=360, is_mobile=True, has_touch=True)
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    out = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((part) => part.checkVisibility()
        && !part.closest(".scroll > *, .hidden, .skip") && part.getBoundingClientRect().right > innerWidth + 1)
        .map((part) => part.outerHTML.slice(0, 80))"""
    )
    assert out == []
    assert page.evaluate(SMALL) == []


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const part = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const found = [];
  for (const text of document.querySelectorAll("article:not([hidden]) svg text")) {
    text.scrollIntoView({ block: "center", inline: "center" });
    const box = text.getBoundingClientRect();
    const below = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2)
      .filter((part) => part.tagName === "path" || part.tagName === "rect").map((part) => getComputedStyle(part))
      .find((style) => style.fill !== "none" && Number(style.fillOpacity) === 1);
    const back = light(below ? below.fill : getComputedStyle(document.body).backgroundColor);
    const ink = light(getComputedStyle(text).fill);
    const ratio = (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(1)} ${text.textContent} in ${text.closest("[id^=core-]").id}`);
  }
  return found;
}"""
"""Texts of figures that stand out too little from what is below them (WCAG 2.2, 1.4.3)."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_of_figures_stands_out(scheme: str, open_page: Open) -> None:
    """Every word in a figure has a contrast of 4.5 to what it stands on, on a light page and on a dark one."""
    page = open_page(color_scheme=scheme)
    red = page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert red > 200 if scheme == "light" else red < 50
    assert page.evaluate(CONTRAST) == []


def test_prints(open_page: Open) -> None:
    """On paper there are no tools, and there is more than one page."""
    page = open_page(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert not any(part.is_visible() for part in page.locator("nav, .tools, .copy, .skip").all())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    paper = page.pdf()
    assert len(re.findall(rb"/Type */Page\b", paper)) > 3


def test_command_can_be_copied(open_page: Open) -> None:
    """The button puts the command on the clipboard, or selects it where the browser refuses."""
    page = open_page("#core-reproduce", permissions=["clipboard-read", "clipboard-write"])
    line = page.locator("#core .command").first
    line.locator("button").click()
    page.wait_for_function("document.getElementById('said').textContent")
    copied = line.locator("button").inner_text() == "copied"
    found = page.evaluate("navigator.clipboard.readText()" if copied else "String(getSelection())")
    assert found == line.locator("code").inner_text()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 360)])
def test_axe_finds_nothing_serious(scheme: str, width: int, open_page: Open) -> None:
    """axe-core knows no serious or critical fault, with every detail open."""
    axe = os.environ.get("LSTM_BENCH_AXE")
    if not axe:
        pytest.skip("no axe-core: set LSTM_BENCH_AXE to axe.min.js of the npm package")
    page = open_page(color_scheme=scheme, width=width)
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    page.evaluate(Path(axe).read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] }).then((said) => said.violations)")
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["help"], [node["html"][:120] for node in one["nodes"][:3]]) for one in serious] == []
