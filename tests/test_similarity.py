"""The similarity report finds copies, renamed ones too, and leaves the release and common answers alone."""

from __future__ import annotations

from autograder.compiler.manifest import Manifest, ManifestCell
from autograder.pages.similar import marked
from autograder.record import ExerciseResult, NotebookResult, Record
from autograder.similarity import compare, fingerprints

RELEASED = '''def descend(gradient, start, steps):
    """Go downhill, step by step, and give the point that is reached after all of the steps."""
    raise NotImplementedError("descend is not done yet: replace this line with your code.")
'''
HEAD = RELEASED.split("    raise")[0]
ODD = (
    HEAD
    + """    history = [start.clone()]  # my own way of it
    while len(history) <= steps:
        here = history[-1]
        slope = gradient(here).reshape(here.shape)
        history.append(here - 0.1 * slope + 0.0 * here.abs().sum())
    return torch.stack(history)[-1]
"""
)
RENAMED = ODD.replace("history", "path").replace("slope", "g").replace("here", "x").replace("  # my own way of it", "")
PLAIN = HEAD + "    x = start\n    for _ in range(steps):\n        x = x - 0.1 * gradient(x)\n    return x\n"
OTHERS = [
    HEAD
    + """    if steps == 0:
        return start
    return descend(gradient, start - 0.1 * gradient(start), steps - 1)
""",
    HEAD
    + """    from functools import reduce
    return reduce(lambda x, _: x - gradient(x) / 10, range(steps), start)
""",
    HEAD
    + """    x = start.detach()
    k = 0
    while k < steps:
        x = torch.sub(x, gradient(x), alpha=0.1)
        k += 1
    return x
""",
]
MANIFEST = Manifest(
    "01_mini",
    "mini",
    "r",
    [ManifestCell("exercise-descend", "exercise", "descend", "code", RELEASED, PLAIN, ["descend"], 2.0)],
)


def record(student: str, source: str) -> Record:
    entry = ExerciseResult("descend", "exercise", "descend", 2.0, 2.0, "passed", source=source)
    notebook = NotebookResult("mini", "Mini", "graded", 2.0, 2.0, exercises=[entry])
    return Record(student, "01_mini", 2.0, 2.0, notebooks=[notebook])


def pairs(*sources: str) -> list[tuple[str, str]]:
    records = [record(f"student {i}", source) for i, source in enumerate(sources)]
    return [(p.left, p.right) for p in compare(records, {"mini": MANIFEST})]


def test_a_renamed_copy_comes_first() -> None:
    assert pairs(ODD, *OTHERS, RENAMED)[0] == ("student 0", "student 4")


def test_independent_answers_and_the_released_text_are_no_pair() -> None:
    assert pairs(*OTHERS, RELEASED) == []


def test_what_many_wrote_says_nothing() -> None:
    assert pairs(*[PLAIN] * 6, *OTHERS) == []


def test_a_cell_that_is_not_python_has_fingerprints_all_the_same() -> None:
    assert fingerprints("def broken(:\n  'never closed\n" * 5)


def test_shared_lines_are_marked_and_everything_is_escaped() -> None:
    left, right = marked("x = 1\n<script>alert(1)</script>", "x = 1\ny = 2")
    assert "<mark>x = 1</mark>" in left
    assert "<mark>x = 1</mark>" in right
    assert "<script>" not in left
