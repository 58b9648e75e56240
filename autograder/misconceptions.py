"""Naming the likely misconception behind an answer that failed, where the failure has a pattern that only it makes.

The author of a suite opts in: a wrong answer of `misconceptions_NAME.py` with ``tells="the maximum is …"`` in its
header lends its sentence to feedback ("This often happens when the maximum is …"). It is said when exactly the tests in
the answer's `rejected_by` failed, when one of them says its `says` (as in `course validate`), and when no other
sentence fits as well. `course validate` holds that the answer itself is told its sentence, and no other named
mistake of the exercise is.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.record import TestResult

HEADER = "# %% "


@dataclass(frozen=True)
class Pattern:
    """How one misconception shows itself.

    Attributes:
        exercise: its name. tests: these have failed, and no others. says: is in what one of them tells.
        tells: ends the sentence "This often happens when …".
    """

    exercise: str
    tests: tuple[str, ...]
    says: str
    tells: str

    def fits(self, failed: Iterable[TestResult]) -> bool:
        found = [(test.name.split("[")[0], f"{test.title} {test.message} {test.hint}".lower()) for test in failed]
        return {name for name, _ in found} == set(self.tests) and any(self.says.lower() in text for _, text in found)


def read_patterns(path: Path) -> list[Pattern]:
    """The misconceptions of a file that have something to tell; without jupytext, since every run reads them."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith(HEADER) or " tells=" not in line:
            continue
        keys = dict(part.split("=", 1) for part in shlex.split(line.removeprefix(HEADER)) if "=" in part)
        tests = tuple(keys.get("rejected_by", "").split())
        found.append(Pattern(keys.get("wrong", ""), tests, keys.get("says", ""), keys["tells"]))
    return found


def likely(patterns: Sequence[Pattern], exercise: str, tests: Iterable[TestResult]) -> str:
    """The sentence of the one misconception that fits; empty where none does, or several that say different things."""
    failed = [test for test in tests if test.status != "passed"]
    if any(test.status != "failed" and test.status != "error" for test in failed):
        return ""
    told = {pattern.tells for pattern in patterns if pattern.exercise == exercise and pattern.fits(failed)}
    return f"This often happens when {told.pop()}." if len(told) == 1 else ""
