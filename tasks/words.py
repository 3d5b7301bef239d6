"""Words for numbers. Standard library only."""

from __future__ import annotations


def size(count: float) -> str:
    """`512 B`, `21.1 MB`, `6.39 GB`: bytes in powers of a thousand."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1_000
    return f"{count:.3g} GB"
