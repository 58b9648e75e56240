"""What a hostile or unlucky submission is, and what it must get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Honest answers, to put an attack in front of or behind.
SOFTMAX = """
def softmax(logits):
    powers = (logits - logits.max(-1, keepdim=True).values).exp()
    return powers / powers.sum(-1, keepdim=True)
"""
ENTROPY = """
def entropy(logits):
    share = softmax(logits)
    return -(share * share.log()).sum(-1)
"""
COUNTER = """
class Counter:
    def __init__(self, start):
        self.value = start

    def add(self, n):
        self.value += n
        return self.value
"""
DESCEND = """
def descend(gradient, start, steps):
    x = start.clone()
    for _ in range(steps):
        x = x - 0.1 * gradient(x)
    return x
"""

# Code that finds the grader's own object in its process, as an attacker who has read the source of the grader would.
WORKER = """
import os, signal, struct, sys, time
def _find():
    frame = sys._getframe()
    while frame is not None:
        found = frame.f_locals.get("self")
        if type(found).__name__ == "Worker":
            return found
        frame = frame.f_back
W = _find()
"""


@dataclass(frozen=True)
class Case:
    """One notebook.

    Attributes:
        name: short, for the test's id.
        cells: exercise -> the student's cell, in an otherwise solved notebook.
        extras: further cells, as (name of the exercise before which it stands, source).
        lost: exercise -> points that it does not get; all others get full marks.
        status: exercise -> status that must stand in the record.
        says: exercise -> words that its messages must hold.
        finding: kind of a finding that must be there.
        limits: limits that differ from the course's.
        at_random: exercises whose points depend on the moment at which something strikes: they get all of them or lose
            what `lost` says.
    """

    name: str
    cells: Mapping[str, str] = field(default_factory=dict)
    extras: Sequence[tuple[str, str]] = ()
    lost: Mapping[str, float] = field(default_factory=dict)
    status: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    finding: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    at_random: Sequence[str] = ()


def fails(name: str, exercise: str, source: str, status: str, lost: float, **more: object) -> Case:
    """A notebook of which one exercise is bad, and gets a status of its own."""
    return Case(name, {exercise: source}, lost={exercise: lost}, status={exercise: status}, **more)  # type: ignore[arg-type]
