"""Feedback names a misconception only where exactly its pattern is met, and where no other fits as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.curriculum import load_curriculum
from autograder.misconceptions import Pattern, likely, read_patterns
from autograder.record import Status, TestResult
from autograder.validation import read_examples

A = Pattern("f", ("test_a", "test_b"), "nan", "a is forgotten")
B = Pattern("f", ("test_b",), "", "b is doubled")
SAME = Pattern("f", ("test_b",), "wrong", "b is doubled")
OTHER = Pattern("f", ("test_b",), "wrong", "b is halved")
ELSEWHERE = Pattern("g", ("test_b",), "", "g is meant")


def made(status: Status = "failed", **messages: str) -> list[TestResult]:
    """Three tests of one exercise: those that are named have failed, with this message."""
    names = ("test_a", "test_b", "test_c")
    return [
        TestResult(f"{n}[1-x]", "A title.", status if n in messages else "passed", 0.0, 1.0, messages.get(n, ""))
        for n in names
    ]


@pytest.mark.parametrize(
    ("patterns", "results", "told"),
    [
        ([A, B], made(test_a="is NaN in 3", test_b="wrong"), "a is forgotten"),
        ([A, B], made(test_a="is wrong", test_b="wrong"), ""),  # says something else
        ([A, B], made(test_b="wrong"), "b is doubled"),
        ([A, B], made(test_a="nan", test_b="wrong", test_c="wrong"), ""),  # one more has failed
        ([A, B], made(test_c="nan"), ""),
        ([A, B], made(), ""),
        ([B, SAME], made(test_b="wrong"), "b is doubled"),
        ([B, OTHER], made(test_b="wrong"), ""),  # two that say different things
        ([ELSEWHERE], made(test_b="wrong"), ""),
        ([B], made("timeout", test_b="stopped"), ""),
        ([], made(test_b="wrong"), ""),
    ],
)
def test_only_a_pattern_of_its_own_is_told(patterns: list[Pattern], results: list[TestResult], told: str) -> None:
    assert likely(patterns, "f", results) == (f"This often happens when {told}." if told else "")


def test_patterns_are_read_as_the_examples_are() -> None:
    """The quick reading of the headers finds what jupytext finds."""
    some = 0
    for notebook in load_curriculum().notebooks():
        examples = [e for e in read_examples(notebook.misconceptions) if e.tells]
        patterns = read_patterns(notebook.misconceptions)
        assert patterns == [Pattern(e.exercise, e.rejected_by, e.says, e.tells) for e in examples]
        assert all(e.wrong for e in examples)
        for pattern in patterns:
            assert not pattern.tells.endswith(".")
            assert "forbidden" not in pattern.tests
        some += len(patterns)
    assert some > 10


def test_a_notebook_without_misconceptions_has_none_to_tell(tmp_path: Path) -> None:
    assert read_patterns(tmp_path / "misconceptions_none.py") == []
