"""What the suite is called, by whom and where it is: the facts of CITATION.cff, which a test holds to it."""

from __future__ import annotations

from tasks.literature import latex

NAME = "LSTM Training Bench"
TITLE = f"{NAME}: training techniques for recurrent networks, crossed, scored and timed"
AUTHORS = "The LSTM Training Bench authors"
RELEASED = "2026-11-24"
LICENCE = "MIT"
URL = "https://github.com/lstm-training-bench/lstm-training-bench"
KEYWORDS = ("LSTM", "recurrent networks", "benchmark", "vanishing gradients", "overfitting", "reproducibility")

SILENT = {"", "?", "not installed"}
"""What stands in a record in place of a version that was not known."""


def bibtex(version: str, note: str) -> str:
    """The suite's BibTeX entry; `version` as it stands in records, "" where they do not say."""
    fields = {
        "author": f"{{{AUTHORS}}}",  # in braces of their own: a body has no first name
        "title": f"{{{TITLE}}}",
        "year": RELEASED[:4],
        "url": URL,
        "note": _latex(", ".join(filter(None, (f"Version {version}" if version else "", note)))),
    }
    return "\n".join(["@misc{lstmtrainingbench,", *(f"  {name} = {{{value}}}," for name, value in fields.items()), "}"])


def _latex(text: str) -> str:
    """Any text as LaTeX sets it: `?` for signs beyond ASCII, and no @, at which some readers start an entry."""
    return latex(text.encode("ascii", "replace").decode().replace("@", "(at)"))
