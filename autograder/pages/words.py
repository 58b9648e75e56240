"""What each status is called, and what a good teaching assistant would say about it."""

from __future__ import annotations

from typing import Literal

from autograder.record import Status

Tone = Literal["good", "part", "bad", "none", "wait"]

# status: (what it is called, how it is coloured, its mark in one character)
STATUSES: dict[Status, tuple[str, Tone, str]] = {
    "passed": ("full marks", "good", "✓"),
    "partial": ("partly there", "part", "◐"),
    "failed": ("not yet", "bad", "✗"),
    "error": ("raised an error", "bad", "!"),
    "timeout": ("took too long", "bad", "t"),
    "memory": ("needed too much memory", "bad", "m"),
    "crashed": ("ended the process", "bad", "c"),
    "forbidden": ("ruled-out call", "bad", "f"),
    "not_done": ("not started", "none", "·"),
    "missing": ("not handed in", "none", "–"),
    "manual": ("read by a person", "wait", "?"),
    "grader_error": ("our fault", "wait", "#"),
}

ADVICE: dict[Status, str] = {
    "error": (
        "Your cell stopped with an error, so the tests had nothing to look at. Run the cell and its check in "
        "your notebook: the same error appears there, with the line."
    ),
    "timeout": (
        "Look for a loop whose condition never becomes false, or for a Python loop over samples where one "
        "tensor operation does the work."
    ),
    "memory": (
        "Look for a list that keeps growing, or for a product of two large axes that is stored where only its "
        "sum is needed."
    ),
    "crashed": (
        "The Python process ended while your code ran. Look for `exit()`, for recursion without an end, or "
        "for an index out of range in compiled code."
    ),
    "forbidden": (
        "The point of this exercise is to build what that call does. Take it out and write the steps "
        "yourself; the docstring and the hints in the notebook say which."
    ),
    "not_done": ("A first attempt that is partly right earns part of the points."),
    "missing": (
        "The cell was not in the file that you handed in. Download the notebook again if it is gone, and "
        "paste your work into the cell that belongs to this exercise."
    ),
    "manual": ("A person reads this answer; its points are added then."),
    "grader_error": (
        "A test of ours did not work. This is not your mistake and costs you nothing; your instructor sees it."
    ),
}


def label(status: Status) -> str:
    return STATUSES[status][0]


def tone(status: Status) -> Tone:
    return STATUSES[status][1]


def mark(status: Status) -> str:
    return STATUSES[status][2]
