"""What a page of many records costs: `pytest tests/speed/test_page.py --benchmark-enable -s` prints a table.

LSTM_BENCH_PAGE_RECORDS is how many records are made up (10,000); the committed results stand beside them. Where there
is Chromium, the page is opened too: first paint, and a click on a header until the rows stand in their new order.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import report_records as made
from pytest_benchmark.fixture import BenchmarkFixture

from bench.record import encode
from tasks.cards import TASKS

ROOT = Path(__file__).parents[2]
RECORDS = int(os.environ.get("LSTM_BENCH_PAGE_RECORDS", "10000"))
SEEDS, KINDS = 5, 27  # seeds of each technique, tasks
PROGRAM = """
import resource, sys, time
from pathlib import Path
start = time.perf_counter()
import report
report.build(Path(sys.argv[1]), Path(sys.argv[2]), None)
peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(time.perf_counter() - start, *peaks)
"""
"""In a process of its own: ru_maxrss is the most that a process ever had."""


def lines(count: int) -> Iterator[str]:
    """About `count` records: runs with curves of 9 points and probes as real ones have, naive answers and times."""
    cards = list(TASKS.values())[:KINDS]
    techniques = made.star(max(2, round(count / len(cards) / SEEDS)))
    for card in cards:
        dice = random.Random(card.name)
        task = made.task_of(card.name, metric=card.metric, better=card.better, unit=card.unit)
        yield encode(made.NaiveRecord(f"naive {card.name}", task, {"last value": 1.5}))
        for technique in techniques:
            skill, rate = dice.uniform(0.8, 1.2), dice.uniform(-0.3, 0.01)
            for seed in range(SEEDS):
                score = skill * dice.uniform(0.97, 1.03)
                curve = made.curve(score, card.metric, card.better, dice, 9)
                run = made.run(card.name, technique, seed, score, task=task, curve=curve,
                               probes=made.probes(rate, 0.2, 24))  # fmt: skip
                yield encode(run if dice.random() > 0.02 else made.failed(run, "diverged", "loss is not finite"))
            yield encode(made.timing(run, 4 + dice.random()))


@pytest.fixture(scope="module", params=["committed", "made up"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """A name, the results and the folder for their report."""
    folder = tmp_path_factory.mktemp("page")
    if request.param == "committed":
        return request.param, ROOT / "results", folder / "out"
    path = folder / "results" / "many" / "machine.jsonl"
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines(RECORDS))
    return request.param, folder / "results", folder / "out"


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Lines that are printed when all is measured."""
    found: list[str] = []
    yield found
    print("", *found, sep="\n")


def test_build(benchmark: BenchmarkFixture, place: tuple[str, Path, Path], table: list[str]) -> None:
    """Seconds, and MiB of the process and of the largest of those that draw."""
    name, results, out = place
    command = [sys.executable, "-c", PROGRAM, str(results), str(out)]

    def build() -> list[float]:
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        return [float(word) for word in done.stdout.split()]

    seconds, mine, child = benchmark.pedantic(build, rounds=1)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    records = sum(len(path.read_bytes().splitlines()) for path in results.glob("*/*.jsonl"))
    size = (out / "index.html").stat().st_size / 1e6
    benchmark.extra_info.update(seconds=seconds, mib=mine / unit, child_mib=child / unit, megabytes=size)
    table.append(f"{name}: {records:,} records, {seconds:.1f} s, {mine / unit:.0f} MiB and {child / unit:.0f} MiB in "
                 f"the largest child, page {size:.2f} MB")  # fmt: skip


SORT = """async () => {
  const shown = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const table = [...document.querySelectorAll("article:not([hidden]) table.sortable")]
    .reduce((most, one) => (one.rows.length > most.rows.length ? one : most));
  const start = performance.now();
  table.tHead.querySelectorAll("button")[4].click();
  await shown();
  return [table.tBodies[0].rows.length, performance.now() - start];
}"""
FILTER = """async () => {
  const find = document.querySelector("article:not([hidden]) .find"), start = performance.now();
  find.value = "clip";
  find.dispatchEvent(new Event("input"));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - start;
}"""
PAINT = "performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)"


def test_browse(benchmark: BenchmarkFixture, place: tuple[str, Path, Path], table: list[str]) -> None:
    """Milliseconds until the first paint, until the longest table is sorted, and until its rows are filtered."""
    playwright = pytest.importorskip("playwright.sync_api")
    name, _, out = place
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    binary = os.environ.get("LSTM_BENCH_CHROMIUM") or next(filter(None, found), None)
    if not binary or not (out / "index.html").exists():
        pytest.skip("no Chromium, or no page")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=binary, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()

        def visit() -> tuple[float, float, list[float], float]:
            page.goto((out / "index.html").as_uri())
            page.wait_for_function(f"{PAINT}.length")
            loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
            return page.evaluate(PAINT)[0], loaded, page.evaluate(SORT), page.evaluate(FILTER)

        paint, loaded, (rows, sort), narrowed = benchmark.pedantic(visit, rounds=1, warmup_rounds=1)
        browser.close()
    benchmark.extra_info.update(paint_ms=paint, load_ms=loaded, sort_ms=sort, filter_ms=narrowed)
    table.append(f"{name}: first paint {paint:.0f} ms, loaded {loaded:.0f} ms, {rows} rows sorted in {sort:.0f} ms, "
                 f"filtered in {narrowed:.0f} ms")  # fmt: skip
