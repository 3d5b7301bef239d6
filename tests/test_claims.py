"""Claims: every verdict where the records say so, and none where they cannot."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report_records as made
from report_records import CLIP, DIGITS, GRAMMAR, GRU, LSTM, SGD, Record, RunRecord, board_from

import report
from report import __main__ as command
from report import listing, readme
from report.claims import CLAIMS, MEASURES
from report.verdicts import NOT, OPEN, OPPOSITE, SUPPORTED, Finding, findings, longest
from tasks.cards import TASKS

ROOT = Path(__file__).parents[1]
DROPOUT, L2, RELU = (("lstm", name, "adam") for name in ("dropout", "l2", "relu"))
NOISE = (0.1, -0.2, 0.3, 0.0, -0.1)
BASE = [80.0 + seed for seed in range(5)]


def runs(technique: made.Technique, scores: Iterable[float], task: str = DIGITS, **changes: Any) -> list[RunRecord]:
    """One run a score."""
    return [made.run(task, technique, seed, score, **changes) for seed, score in enumerate(scores)]


def lost(records: Iterable[RunRecord], status: str = "diverged") -> list[RunRecord]:
    """The same runs, failed."""
    return [made.failed(record, status, "loss is not finite") for record in records]


def found(records: Iterable[Record], measure: str, technique: str, task: str = "") -> Finding:
    """The one finding of a measure and technique."""
    (one,) = [
        one
        for one in findings(board_from(*records))
        if (one.measure, one.technique) == (MEASURES[measure].name, technique) and one.task.startswith(task)
    ]
    return one


def dropout(scores: Iterable[float], base: Iterable[float] = tuple(BASE)) -> Finding:
    """What the test scores say of dropout."""
    return found([*runs(LSTM, base), *runs(DROPOUT, scores)], "score", "dropout")


@pytest.mark.parametrize(
    ("gain", "spread", "said"),
    [
        (5, 1, SUPPORTED),
        (-5, 1, OPPOSITE),
        (0.05, 1, NOT),
        (1, 20, OPEN),
        (5, 0, SUPPORTED),
        (-5, 0, OPPOSITE),
        (0, 0, NOT),
    ],
)
def test_every_verdict(gain: float, spread: float, said: str) -> None:
    """A gain, a loss, one within a point, one lost in noise; without noise its sign decides, and 0 is no support."""
    one = dropout(b + gain + spread * n for b, n in zip(BASE, NOISE, strict=True))
    assert one.verdict == said
    assert one.effect == pytest.approx(gain + spread * 0.02)
    assert one.n == 5
    assert ("with every seed" in one.why) == (spread == 0)


def test_plus_supports_whichever_way_the_metric_points() -> None:
    """A lower perplexity, a longer half-life, a smaller gap and fewer updates all have a positive effect."""
    short, long = made.probes(-0.5, 0.4), made.probes(-0.25, 0.1)
    one = found([*runs(LSTM, [5, 5.1, 5.3], GRAMMAR), *runs(DROPOUT, [4, 4.2, 4.2], GRAMMAR)], "score", "dropout")
    assert (one.verdict, one.effect > 0) == (SUPPORTED, True)
    pair = [*runs(LSTM, BASE, probes=short), *runs(RELU, BASE, probes=long)]
    assert found(pair, "half-life", "relu").effect == pytest.approx(1)  # an octave
    pair = [*runs(LSTM, BASE, metrics=losses(0.4)), *runs(DROPOUT, BASE, metrics=losses(0.1))]
    assert found(pair, "gap", "dropout").effect == pytest.approx(0.3)


def losses(gap: float) -> dict[str, dict[str, float]]:
    """Losses of scored weights with such a gap."""
    return {"train": {"loss": 0.5}, "valid": {"loss": 0.5 + gap}}


def test_early_stopping_is_judged_by_the_weights_it_restores() -> None:
    """At the best evaluation a run that stops early is the run that does not: only what is scored can differ."""
    best, early = made.probes(-0.5, 0.1), ("lstm", "early-stop", "adam")
    last, kept = (
        [
            made.run(DIGITS, technique, seed, 80.0 + seed, probes=best, metrics=losses(gap + seed / 100))
            for seed in range(3)
        ]
        for technique, gap in ((LSTM, 0.4), (early, 0.1))
    )
    one = found([*last, *kept], "gap", "early-stop")
    assert (one.verdict, one.effect) == (SUPPORTED, pytest.approx(0.3))


@pytest.mark.parametrize("gaps", [(-0.1, -0.2, -0.3), (0.5, -0.5, 0.1)])
def test_no_gap_to_reduce(gaps: Sequence[float]) -> None:
    """Where the other side does not overfit for certain, less of it is no support."""
    base = [made.run(DIGITS, LSTM, seed, 80.0, metrics=losses(gap)) for seed, gap in enumerate(gaps)]
    mine = [made.run(DIGITS, DROPOUT, seed, 80.0, metrics=losses(gap - 0.1)) for seed, gap in enumerate(gaps)]
    one = found([*base, *mine], "gap", "dropout")
    assert (one.verdict, one.why.endswith("none has no gap to reduce")) == (OPEN, True)


def test_a_gradient_that_cannot_be_told_from_zero() -> None:
    """It has no half-life: it is no gradient that does not decay."""
    gone = {"gradient": {"start": {"rate": None, "half_life": None}, "end": {"rate": None, "half_life": None}}}
    pair = [*runs(LSTM, BASE, probes=made.probes(-0.5, 0)), *runs(RELU, BASE, probes=gone)]
    assert found(pair, "half-life", "relu").n == 0


def test_the_simple_network_is_its_own_ground() -> None:
    """ReLU is tried on the simple network too, and IRNN against it; both stand under their own names."""
    short, long = made.probes(-0.5, 0.4), made.probes(-0.25, 0.1)
    simple, relu, irnn = (("rnn", "none", "adam"), ("rnn", "relu", "adam"), ("irnn", "none", "adam"))
    records = [*runs(LSTM, BASE), *runs(RELU, BASE), *runs(GRU, BASE), *runs(SGD, BASE)]  # lstm/none/adam is the centre
    records += [*runs(simple, BASE, probes=short), *runs(relu, BASE, probes=long), *runs(irnn, BASE, probes=long)]
    told = listing.claims_csv([("core", findings(board_from(*records)))])
    rows = [
        row for row in csv.DictReader(io.StringIO(told)) if row["measure"] == "half-life, octaves" and row["effect"]
    ]
    assert [(row["claim"], row["technique"], row["against"], row["effect"]) for row in rows] == [
        ("relu-rnn", "relu", "none", "1"),
        ("irnn", "irnn", "rnn", "1"),
    ]


def test_half_lives_are_capped() -> None:
    """A gradient that does not decay counts as 1,000 steps, like one that takes longer."""
    for rate in (0.0, -1e-5):
        pair = [*runs(LSTM, BASE, probes=made.probes(-1 / 500, 0)), *runs(RELU, BASE, probes=made.probes(rate, 0))]
        assert found(pair, "half-life", "relu").effect == pytest.approx(1)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_pairs(count: int) -> None:
    """However large the difference, it is no verdict; the page and the command say so in a sentence."""
    one = dropout([90.0 + s * s for s in range(count)])
    assert (one.verdict, one.n) == (OPEN, count)
    assert "a verdict needs 3" in one.why
    assert not listing.decidable([one])
    assert listing.NOTHING in listing.claims_markdown("core", [one])
    assert listing.for_page([one]) is None


def test_a_gap_that_was_not_measured() -> None:
    """Without a probe there is no pair, and no verdict from nothing."""
    one = found([*runs(LSTM, BASE), *runs(DROPOUT, BASE)], "gap", "dropout")
    assert (one.verdict, one.n) == (OPEN, 0)


def test_failed_runs_take_away_but_do_not_give() -> None:
    """Survivors alone do not support; losing runs saves nobody from the opposite."""
    good, bad = runs(DROPOUT, [b + 5 for b in BASE]), runs(DROPOUT, [b - 5 for b in BASE])
    base = runs(LSTM, BASE)
    for records, said in (
        ([*base, *good[:4], *lost(good[4:])], OPEN),
        ([*base, *bad[:4], *lost(bad[4:])], OPPOSITE),
        ([*base[:4], *lost(base[4:]), *good], SUPPORTED),
        ([*base[:4], *lost(base[4:]), *bad], OPEN),
    ):
        one = found(records, "score", "dropout")
        assert (one.verdict, one.n) == (said, 4)
        assert "failed: " in one.why


def test_all_runs_failed() -> None:
    """Where all of one side diverge and none of the other, that decides the score; where both do, nothing does."""
    base, mine = runs(LSTM, BASE), runs(DROPOUT, BASE)
    assert found([*base, *lost(mine)], "score", "dropout").verdict == OPPOSITE
    assert found([*lost(base), *mine], "score", "dropout").verdict == SUPPORTED
    assert found([*lost(base), *lost(mine)], "score", "dropout").verdict == OPEN
    assert found([*base, *lost(mine, "timeout")], "score", "dropout").verdict == OPEN
    assert found([*base[:2], *lost(mine[:2])], "score", "dropout").verdict == OPEN


def test_clipping_bounds_what_would_diverge() -> None:
    """Only runs that would have failed can be saved; a crash is not an explosion."""
    plain, clipped = runs(LSTM, BASE), runs(CLIP, BASE)
    assert found([*lost(plain), *clipped], "finished", "clip").verdict == SUPPORTED
    assert found([*plain, *lost(clipped)], "finished", "clip").verdict == OPPOSITE
    assert found([*lost(plain), *lost(clipped)], "finished", "clip").verdict == NOT
    assert "nothing to bound" in found([*plain, *clipped], "finished", "clip").why
    third = [replace(record, probes={"clipped": 1 / 3}) for record in clipped]
    assert found([*lost(plain), *third], "finished", "clip").why.count("33 % of updates clipped")
    assert found([*lost(plain, "crashed"), *clipped], "finished", "clip").n == 0


def arriving(technique: made.Technique, steps: Sequence[float]) -> list[RunRecord]:
    """Runs of 100 updates that get to 90 % at such a step, and no higher; beyond 100, never."""
    return [
        made.run(DIGITS, technique, seed, 90.0, curve=[
            {"step": at, "valid": {"accuracy": 10.0 + 80.0 * min(1, at / step), "loss": 1}} for at in range(0, 101, 10)
        ])
        for seed, step in enumerate(steps)
    ]  # fmt: skip


def test_steps_to_target() -> None:
    """Adam, at 50, 60 and 40 updates, is sooner than SGD at 80, 90 and 70; seconds need a time."""
    fast, slow = arriving(LSTM, [50, 60, 40]), arriving(SGD, [80, 90, 70])
    timed = [made.timing(fast[0], 10.0), made.timing(slow[0], 5.0)]
    one = found([*fast, *slow, *timed], "steps", "adam")
    assert (one.verdict, one.effect, one.cost) == (SUPPORTED, pytest.approx(30), 2.0)
    assert found([*fast, *slow], "seconds", "adam").n == 0
    one = found([*fast, *slow, *timed], "seconds", "adam")  # 0.5 s and at most 0.5 s watched, against 0.4
    assert one.effect == pytest.approx(0.4 - (0.5 + 0.5 + 0.4) / 3)


def test_censored_steps() -> None:
    """Who never arrives counts as the clock's end; two who never arrive are not equal; a crash is no arrival."""
    fast, never = arriving(LSTM, [50, 60, 40]), arriving(SGD, [1000, 1000, 1000])
    one = found([*fast, *never], "steps", "adam")
    assert (one.verdict, one.effect, one.why) == (SUPPORTED, 50, "target not reached: 0 of 3, sgd 3 of 3")
    nadam = arriving(("lstm", "none", "nadam"), [1000, 1000, 1000])
    one = found([*fast, *never, *nadam], "steps", "nadam")
    assert (one.verdict, one.why) == (OPEN, "no run of either side reaches the target")
    late = arriving(("lstm", "none", "nadam"), [100, 1000, 1000])
    one = found([*fast, *never, *late], "steps", "nadam")
    assert (one.verdict, "cannot be shown to be equal" in one.why) == (OPEN, True)
    crashed = [replace(r, status="crashed", score=None, curve=r.curve[:2]) for r in nadam]
    assert found([*fast, *arriving(SGD, [80, 90, 70]), *crashed], "steps", "nadam").n == 0


def solving(technique: made.Technique, lengths: Sequence[int], seed: int) -> list[RunRecord]:
    """Runs at T = 50, 100 and 200 that solve some."""
    tasks = {length: f"memory/adding/{length}" for length in (50, 100, 200)}
    return [made.run(task, technique, seed, (TASKS[task].solved or 0) * (0.5 if length in lengths else 2))
            for length, task in tasks.items()]  # fmt: skip


def memory(ours: Sequence[Sequence[int]], theirs: Sequence[Sequence[int]]) -> list[RunRecord]:
    """What each seed solves."""
    sides = ((RELU, ours), (LSTM, theirs))
    return [
        run for technique, side in sides for seed, solved in enumerate(side) for run in solving(technique, solved, seed)
    ]


def test_longest_by_hand() -> None:
    """The longest T with every shorter one; half of the shortest where that is not solved, whatever the order."""
    assert longest([(50, True), (100, True), (200, False)]) == 100
    assert longest([(200, True), (50, True), (100, False)]) == 50
    assert longest([(100, True), (50, False)]) == 25
    one = found(memory([[50, 100, 200], [50, 100], [50, 100, 200]], [[50], [50, 200], []]), "longest", "relu")
    assert one.effect == pytest.approx((2 + 1 + 3) / 3)  # octaves: 200 over 50, 100 over 50, 200 over 25
    assert (one.task, one.n, one.verdict) == ("memory/adding", 3, OPEN)
    one = found(memory([[50, 100]] * 3, [[50]] * 3), "longest", "relu")
    assert (one.verdict, one.effect) == (SUPPORTED, 1)


def test_longest_beyond_what_was_run() -> None:
    """Where all solve everything or nothing there is nothing to see; a seed without some T does not count."""
    assert "too easy" in found(memory([[50, 100, 200]] * 3, [[50, 100, 200]] * 3), "longest", "relu").why
    assert "too hard" in found(memory([[]] * 3, [[]] * 3), "longest", "relu").why
    assert found(memory([[50]] * 3, [[50]] * 3), "longest", "relu").verdict == NOT
    short = [run for run in memory([[50]] * 4, [[]] * 4) if not (run.name.endswith("s3") and "/200/" in run.name)]
    assert found(short, "longest", "relu").n == 3


def test_machines_are_never_mixed() -> None:
    """Runs of the technique elsewhere make no pair; of two machines, the one with more shared seeds counts."""
    other = {"label": "another machine", "cpu": "test", "threads": 1}
    here = [*runs(LSTM, BASE), *runs(DROPOUT, [b + 5 for b in BASE[:3]])]
    there = [replace(r, machine=other) for r in [*runs(LSTM, [10.0] * 5), *runs(DROPOUT, [1.0 + s for s in range(5)])]]
    assert found([*here, *there[5:]], "score", "dropout").effect == pytest.approx(5)
    both = found([*here, *there], "score", "dropout")
    assert (both.effect, both.n) == (pytest.approx(-7), 5)
    assert findings(board_from(*here[:5], *there[5:])) == []


def test_other_budgets_are_other_findings() -> None:
    """The same technique at another budget has a verdict of its own."""

    def spec(record: RunRecord) -> dict[str, object]:
        return {**record.spec, "budget": {"steps": 7}}

    small = [*runs(LSTM, BASE), *runs(DROPOUT, [b + 5 for b in BASE])]
    large = [replace(r, id=r.id + "x", configuration=r.configuration + "x", spec=spec(r)) for r in
             [*runs(LSTM, BASE), *runs(DROPOUT, [b - 5 for b in BASE])]]  # fmt: skip
    said = [one.verdict for one in findings(board_from(*small, *large)) if one.measure == "test score"]
    assert sorted(said) == [OPPOSITE, SUPPORTED]


def test_what_changes_nothing() -> None:
    """Order, and techniques that no claim speaks of, under whatever name."""
    records: list[Record] = [
        *runs(LSTM, BASE, probes=made.probes(-0.5, 0.4), metrics=losses(0.4)),
        *runs(DROPOUT, [b + 2 + n for b, n in zip(BASE, NOISE, strict=True)], metrics=losses(0.3)),
        *runs(L2, [b - n for b, n in zip(BASE, NOISE, strict=True)], probes=made.probes(-0.5, 0.5)),
        *runs(SGD, BASE),
    ]
    plain = listing.claims_csv([("core", findings(board_from(*records)))])
    assert plain.count("\n") > 5
    for name in ("zoneout", "aaa", "zzz"):
        more = [*records, *runs(("lstm", name, "adam"), [1.0, 99.0, 50.0])]
        assert listing.claims_csv([("core", findings(board_from(*reversed(more))))]) == plain


def test_below_naive_is_said() -> None:
    """A task on which the plain network loses to a naive answer is marked, for it is a hard one."""
    deep = ("stacked-2", "none", "adam")
    naive = made.NaiveRecord("n", made.task_of(DIGITS), {"nearest mean": 83.0})
    pair = [*runs(LSTM, BASE), *runs(deep, [b + 5 for b in BASE])]
    assert found([*pair, naive], "score", "stacked-2").why.endswith("; below naive without it")
    assert "below naive" not in found(pair, "score", "stacked-2").why


def test_the_rules_are_written_down() -> None:
    """Every sentence with its techniques, what it is compared with and its numbers stands in docs/claims.md."""
    text = (ROOT / "docs/claims.md").read_text(encoding="utf-8")
    for claim in CLAIMS:
        measures = "; ".join(MEASURES[name].name for name in claim.measures)
        sentence = f"{claim.sentence}, on {claim.on}" if claim.on else claim.sentence
        assert f"| {sentence} | {', '.join(claim.techniques)} | {claim.other} | {measures} |" in text
    assert {measure.name for measure in MEASURES.values()} <= set(re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE))
    assert {SUPPORTED, OPPOSITE, NOT, OPEN} <= set(re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two matrices: one that decides a claim, one that cannot."""
    folder = tmp_path_factory.mktemp("results")
    made.write(folder, [*runs(LSTM, BASE), *runs(DROPOUT, [b + 5 for b in BASE])])
    made.write(folder, runs(LSTM, BASE), "lonely")
    return folder


def test_the_command(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints counts and rows, writes both files, and takes its folders before or after its name."""
    for words in (["--results", str(results), "claims"], ["claims", "--results", str(results)]):
        assert command.main([*words, "--out", str(tmp_path), "--matrix", "core"]) == 0
        screen = " ".join(capsys.readouterr().out.split())
        assert "dropout vs none, test score: 1 supported" in screen
        assert "+5.00" in screen
        assert "no evidence that there is nothing" in screen
    assert command.main(["claims", "--results", str(results), "--out", str(tmp_path), "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert "# Claims\n\n" + printed == (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert f"## Claims on lonely\n\n{listing.NOTHING}" in printed
    (row,) = [
        row
        for row in csv.DictReader(io.StringIO((tmp_path / "claims.csv").read_text(encoding="utf-8")))
        if row["measure"] == "test score"
    ]
    assert (row["matrix"], row["verdict"], row["effect"], row["pairs"]) == ("core", SUPPORTED, "5", "5")


def test_a_wrong_name(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown matrix ends with 2 and a suggestion; nothing is written."""
    out = tmp_path / "out"
    assert command.main(["claims", "--results", str(results), "--out", str(out), "--matrix", "cor"]) == 2
    assert capsys.readouterr().err == "error: unknown matrix 'cor'. Did you mean 'core'? Known: core, lonely\n"
    assert not out.exists()


@pytest.mark.parametrize("name", ["claims", "ledger"])
def test_help_answers_at_once(name: str) -> None:
    """--help of a command loads neither pandas nor torch; the command itself neither torch nor plots."""
    code = (
        "import sys, report.__main__\n"
        f"try: report.__main__.main([{name!r}, '--help'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "assert not {'pandas', 'torch', 'numpy', 'rich'} & set(sys.modules)\n"
        "import report.listing\n"
        "assert not {'torch', 'matplotlib', 'seaborn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_the_page(results: Path, tmp_path: Path) -> None:
    """Claims are a section of each chapter; where none can be decided the page says so."""
    report.build(results, tmp_path, None)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "dropout vs none" in page.split('<section id="core-claims">')[1].split("</section>")[0]
    lonely = page.split('<article id="lonely"')[1].split("</article>")[0]
    assert '"lonely-claims"' not in lonely
    assert f"No section “Claims”: {listing.NOTHING}" in lonely
    assert {"claims.md", "claims.csv", "ledger.md", "ledger.csv"} <= {path.name for path in tmp_path.iterdir()}


def test_the_readme_block(results: Path, tmp_path: Path) -> None:
    """The summary stands between the marks; a block without a matrix, or ended as another, changes nothing."""
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- claims:begin core -->\nold\n<!-- claims:end -->\nb\n", encoding="utf-8")
    assert readme.update(page, results) == ["claims core"]
    text = page.read_text(encoding="utf-8")
    assert "| dropout vs none | test score | 1 |" in text
    assert "Task by task" not in text
    assert readme.update(page, results) == ["claims core"]
    assert page.read_text(encoding="utf-8") == text
    for wrong in ("<!-- claims:begin -->\n<!-- claims:end -->", "<!-- claims:begin core -->\n<!-- leaderboard:end -->"):
        page.write_text(wrong, encoding="utf-8")
        with pytest.raises(report.BadInput, match="a block must be"):
            readme.update(page, results)
