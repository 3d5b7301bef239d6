"""What everything in our tables keeps, and what a plug-in has to: a file each for tasks, cells, rules, choices.

A check is a function whose first docstring line is the fact it holds. It returns None, or why it asks nothing here;
where the fact does not hold it raises Broken. Our own tests call the same functions.
"""

from __future__ import annotations


class Broken(AssertionError):
    """A contract is not kept: what was found, and what was expected."""


def hold(kept: object, otherwise: str) -> None:
    """Raise Broken with these words unless `kept`."""
    if not kept:
        raise Broken(otherwise)
