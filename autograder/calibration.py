"""What the numbers are that hidden tests compare with a bound: the solution and mistakes, over many grading seeds.

A bound is chosen well below the worst run of the solution and above the best run of a mistake; here both are measured,
through the same sandbox and judge that grade.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from autograder.curriculum import Notebook
from autograder.errors import CourseError
from autograder.grading import Examiner
from autograder.judge import measurements
from autograder.judge.seeds import SeedSource
from autograder.validation import read_examples, solved_submission

SOLUTION = "solution"


@dataclass
class Distribution:
    """One number of one hidden test, for one answer, over the seeds."""

    exercise: str
    answer: str
    test: str
    what: str
    bound: str
    values: list[float] = field(default_factory=list)
    held: int = 0  # seeds on which the bound held

    def quantile(self, share: float) -> float:
        """Linear between order statistics; share 0 is the minimum and 1 the maximum."""
        ordered = sorted(self.values)
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (place - low) * (ordered[high] - ordered[low])


@dataclass
class Calibration:
    """What was measured so far."""

    distributions: dict[tuple[str, str, str, str], Distribution] = field(default_factory=dict)
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)  # (exercise, answer) -> of each seed
    passed: dict[tuple[str, str], int] = field(default_factory=dict)  # seeds on which it got full marks

    def median_seconds(self, exercise: str, answer: str) -> float:
        """The median duration of judging one answer."""
        return statistics.median(self.seconds[exercise, answer])


def calibrate(
    examiner: Examiner, notebook: Notebook, exercise: str, seeds: int, wrong: bool = False
) -> Iterator[tuple[str, Calibration]]:
    """Grade answers to one exercise on many seeds; yields (what has just been graded, everything so far).

    Args:
        examiner: with the suite of this notebook.
        seeds: how many.
        wrong: also every misconception of the exercise.

    Raises:
        CourseError: there is no such exercise.
    """
    manifest = examiner.manifests[notebook.name]
    names = [c.name for c in manifest.cells if c.kind in ("exercise", "quiz")]
    if exercise not in names:
        raise CourseError(f"{notebook.name} has no exercise {exercise!r}; it has {', '.join(names)}")
    answers = {SOLUTION: solved_submission(manifest)}
    if wrong:
        for example in read_examples(notebook.misconceptions):
            if example.exercise == exercise and example.wrong:
                answers[example.name] = solved_submission(manifest, **{exercise: example.source})
    result = Calibration()
    for answer, submission in answers.items():
        for number in range(seeds):
            examiner.seeds = SeedSource(f"calibration {number}".encode())
            started = time.perf_counter()
            with measurements.collect() as found:
                entry = examiner.grade_one(notebook, submission, exercise, f"calibration-{number}")
            result.seconds.setdefault((exercise, answer), []).append(time.perf_counter() - started)
            result.passed[exercise, answer] = result.passed.get((exercise, answer), 0) + (entry.status == "passed")
            for one in found:
                _add(result, exercise, answer, one)
            yield f"{exercise}/{answer}, seed {number}", result


def _add(result: Calibration, exercise: str, answer: str, one: measurements.Measurement) -> None:
    bound = (
        f"≥ {one.at_least:g}" if one.at_least is not None else f"≤ {one.at_most:g}" if one.at_most is not None else ""
    )
    key = (exercise, answer, one.test, one.what)
    kept = result.distributions.setdefault(key, Distribution(exercise, answer, one.test, one.what, bound))
    kept.values.append(one.value)
    kept.held += one.holds
