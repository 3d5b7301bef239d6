"""What a second run of a record says: the same bits, the same score as far as seeds tell, or another one; and what
is recorded to differ. Plain values in, words out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Any, Literal

from bench.untrusted import mapping

Word = Literal["IDENTICAL", "WITHIN TOLERANCE", "DIFFERENT"]
Row = Mapping[str, Any]

SEEDS = 3
"""The fewest seeds whose standard deviation is taken for a tolerance."""

MARGIN = 0.01
"""The tolerance where there are fewer seeds, as a share of the recorded score."""

FACTS = {
    "threads": "threads",
    "isa": "pinned instruction set",
    "simd": "the processor's instruction set",
    "capability": "ATen's instruction set",
    "mkl": "MKL's instruction set",
    "onednn": "oneDNN's instruction set",
    "kernels": "the kernels' instruction set",
    "label": "machine",
    "cpu": "processor",
    "gpu": "GPU",
    "flush_denormal": "denormals flushed",
    "deterministic": "deterministic algorithms",
}
"""What of a record's machine decides bits, and what people call it."""


@dataclass(frozen=True)
class Verdict:
    """What is said of two records of one run."""

    word: Word
    text: str  # how much, of what
    differs: tuple[str, ...]  # `torch 2.14.1 -> 2.15.0`; empty where nothing recorded differs


def verdict(old: Row, new: Row, siblings: Sequence[float]) -> Verdict:
    """The word for `new`, a second run of `old`; `siblings` are the recorded scores of its configuration, one a seed.

    IDENTICAL is equal weights and an equal score. A run that ended without a score is compared by where it ended and,
    where they are recorded, by its weights there.
    """
    differs = tuple(differences(old, new))
    if (ends := _end(old)) != _end(new):
        return Verdict("DIFFERENT", f"{_end(new)} against {ends}", differs)
    same = bool(old.get("weights")) and old["weights"] == new.get("weights")
    if old["status"] != "ok":
        other = bool(old.get("weights")) and not same
        return Verdict("WITHIN TOLERANCE" if other else "IDENTICAL", ends + ", by other weights" * other, differs)
    metric = f"{mapping(old.get('task')).get('metric') or 'score'}"
    was, now = float(old["score"]), float(new["score"])  # a run that ended ok has one
    if same and was == now:
        return Verdict("IDENTICAL", f"weights sha256 {old['weights'][:16]}, {metric} {now:.6g}", differs)
    limit, of_what = tolerance(was, siblings)
    gap = abs(now - was)
    word: Word = "WITHIN TOLERANCE" if gap <= limit else "DIFFERENT"
    sizes = f"{gap:.2g} of {limit:.2g}" if gap <= limit else f"{gap:.2g}, more than {limit:.2g}"
    return Verdict(word, f"{metric} {now:.6g} against {was:.6g}: {sizes}, {of_what}", differs)


def tolerance(score: float, siblings: Sequence[float]) -> tuple[float, str]:
    """How far a score may be from the recorded one, and what that is."""
    if len(siblings) >= SEEDS:
        return stdev(siblings), f"the standard deviation over {len(siblings)} seeds"
    return MARGIN * abs(score), f"{MARGIN:.0%} of the record's, for want of {SEEDS} seeds"


def differences(old: Row, new: Row) -> Iterator[str]:
    """What two records say differently of how they were made. What the older one does not say is not compared."""
    before, after = (mapping(row.get("machine")) for row in (old, new))
    pairs: list[tuple[str, Any, Any]] = [(called, before.get(key), after.get(key)) for key, called in FACTS.items()]
    libraries, today = (mapping(row.get("versions")) for row in (old, new))
    pairs += [(name, libraries[name], today.get(name)) for name in sorted(libraries)]
    was, now = (mapping(row.get("task")).get("fingerprint") for row in (old, new))
    pairs += [("data fingerprint", was, now), ("back end", old.get("backend"), new.get("backend"))]
    pairs += [("code", old.get("code"), new.get("code"))]
    yield from (f"{called} {was} -> {now}" for called, was, now in pairs if was is not None and was != now)
    # a record that names neither was made where nothing was pinned, or where there were no kernels to speak of
    if "isa" not in before and after.get("isa", "native") != "native":
        yield f"pinned instruction set native -> {after['isa']}"
    if "kernels" in before and before["kernels"] is None and after.get("kernels") is not None:
        yield f"the kernels' instruction set none -> {after['kernels']}"


def _end(row: Row) -> str:
    """How a run ended, as text."""
    return str(row["status"]) if row.get("step") is None else f"{row['status']} at step {row['step']}"
