"""Numbers that hidden tests compare with a bound, written down while somebody calibrates (`course calibrate`).

Grading does not collect anything: `note` then costs one look at a variable.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """One number that a hidden test found."""

    test: str
    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the number keeps within its bounds."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


_found: list[Measurement] | None = None


def collecting() -> bool:
    """Whether anybody wants to know."""
    return _found is not None


def note(what: str, value: float, at_least: float | None = None, at_most: float | None = None) -> None:
    """Write down a number, where somebody collects, under the name of the test that is running."""
    if _found is None:
        return
    frame = inspect.currentframe()
    while frame is not None and not frame.f_code.co_name.startswith("test_"):
        frame = frame.f_back
    _found.append(Measurement(frame.f_code.co_name if frame else "", what, float(value), at_least, at_most))


@contextlib.contextmanager
def collect() -> Iterator[list[Measurement]]:
    """Collect what is noted inside the block."""
    global _found
    before, _found = _found, []
    try:
        yield _found
    finally:
        _found = before
