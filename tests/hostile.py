"""Names that try to be markup, code, formulas or terminal codes, and records that carry one in every field of text."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import report_records as made
from report_records import CLIP, GRU, LSTM, SGD, Record

from bench.record import RunRecord, TrialRecord

WORDS = {
    "script": "<script>alert(1)</script>",
    "ends": "</title></style></script></svg></table><b>b",
    "attribute": '" onmouseover="alert(1)" x=\'><img src=x onerror=alert(1)>',
    "address": "javascript:alert(1)",
    "svg": "<svg onload=alert(1)><foreignObject/></svg>",
    "entity": "&lt;i&gt;&#60;script&#62;&quot; onload=1",
    "template": "{{7*7}}{% raw %}{# x #}",
    "latex": "\\input{/etc/passwd}%_&#$^~}\\end{tabular}",
    "formula": '=HYPERLINK("http://evil.example","x")',
    "plus": "+1+cmd|' /C calc'!A0",
    "at": "@SUM(1+1)",
    "tab": "\t=1+1",
    "terminal": "\x1b[31mred\x1b]8;;http://evil.example\x07link\x1b]0;title\x07\x9b2J",
    "bidi": "\u202eevil\u2066\u200f\u2028",
    "formulas": "$\\frac{1}{$",
    "lines": "a\x00b\r\n\n# head\n\n| x | y |",
    "long": "W" * 300,
    "markdown": "[x](http://evil.example)![y](http://evil.example)<http://evil.example>`*_~www.evil.example",
    "rich": "[red]x[/red][/]:smile:",
    "half": "\ud800\udcff",
    "joint": "tips:a\u241eb\ue000c",  # what stands between two texts that show on hover
}
"""What each tries to be, and its text."""

TAME = {name: f"w{place:02}" for place, name in enumerate(WORDS)}
"""As many names that try nothing."""


def matrix(words: dict[str, str]) -> list[Record]:
    """A task for each word: runs of each end, naive answers, trials and times that say it wherever there is text."""
    return [record for place, word in enumerate(words.values()) for record in _task(place, word)]


def _task(place: int, word: str) -> list[Record]:
    score = 50.0 + place
    ours = [_said(made.run(word, (word, word, word), s, score + s, probes=_probes(word)), word) for s in range(3)]
    base = [_said(made.run(word, LSTM, seed, 40.0 + seed), word) for seed in range(3)]
    other = [_said(made.run(word, ("lstm", "dropout", "adam"), seed, 42.0 + seed), word) for seed in range(3)]
    ended = [
        made.failed(_said(made.run(word, GRU), word), "crashed", f"Traceback:\n{word}"),
        made.failed(_said(made.run(word, CLIP), word), word, word),
        made.failed(_said(made.run(word, SGD), word), "skipped", word),
    ]
    naive = made.NaiveRecord(f"{word} naive", {**ours[0].task, word: word}, {word: 45.0}, {word: word})
    timed = [replace(made.timing(run, 4.0 + place), backend=word, kernels=word) for run in (ours[0], base[0])]
    return [*ours, *base, *other, *ended, naive, *timed, _trial(ours[0], word)]


def _said(run: RunRecord, word: str) -> RunRecord:
    """The same run with the word in every field that holds text, where it may be a key or a value."""
    spec: dict[str, Any] = {
        **run.spec,
        **{axis: {word: word, "rule": word} for axis in ("architecture", "stabilisation", "optimizer")},
        **{"budget": {word: word}, "protocol": word, "task_version": word, "backend": word, "isa": word, word: word},
    }
    return replace(
        run,
        name=word,
        names={**run.names, word: word},
        spec=spec,
        backend=word,
        weights=word,
        code=word,
        certificate={"idle": [word], "too_good": word, word: word},
        metrics={split: {"loss": 0.5, word: 1.0} for split in ("train", "valid", word)},
        curve=[{"step": step, "valid": {word: 1.0, "loss": 1.0}, word: {word: word}} for step in (50, 100)],
        tuning={word: word},
        cost={word: 1.0, "seconds": 2.0},
        task={**run.task, "version": word, "fingerprint": word, "metric": word, "unit": word, word: word},
        machine={**dict.fromkeys(("label", "cpu", "kernels", "simd", word), word), "threads": 1},
        versions=dict.fromkeys(("torch", "lstm-training-bench", word), word),
    )


def _probes(word: str) -> dict[str, Any]:
    return {**made.probes(-0.1, 0.2, 5), word: {word: word}}


def _trial(run: RunRecord, word: str) -> TrialRecord:
    return TrialRecord(
        **{"id": f"{word} trial", "name": word, "configuration": run.configuration, "names": run.names},
        **{"spec": run.spec, "index": 0, "values": {word: 0.1, "lr": 0.01}, "status": "ok", "valid": 0.5, "score": 9.0},
        **{"task": run.task, "machine": run.machine, "versions": run.versions, "code": word},
    )  # type: ignore[arg-type]


def techniques(words: dict[str, str]) -> list[Record]:
    """Two tasks with techniques of these names, with curves, probes, failures and times: something for every figure."""
    found: list[Record] = []
    for word in list(words.values())[:2]:
        dice = random.Random(0)
        task = {**made.task_of(word), "metric": word, "unit": word}
        for place, name in enumerate(["lstm", *words.values()]):
            for seed in range(2):
                score = 2.0 + dice.random()
                run = made.run(
                    word, (name, "none", "adam"), seed, score, task=task, probes=made.probes(-0.1 - place / 50, 0.2, 20)
                )
                run = replace(run, curve=made.curve(score, word, "lower", dice))
                found.append(made.failed(run, "crashed", name) if place % 7 == 6 and seed == 1 else run)
            found.append(made.timing(run, 4.0 + place))
    return found
