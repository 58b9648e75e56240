"""Notebook sources: what a header means, and one clear line for each mistake."""

from __future__ import annotations

import pytest
from compiler_course import LINES_SOURCE

from autograder.compiler.source import parse_source
from autograder.compiler.syllabus import syllabus
from autograder.errors import CourseError

EXERCISE = '# %% exercise="f" points=2 minutes=5 difficulty=1 lecture="L02.06"\nfrom course_lib.lines import f\n'
CHECK = '# %% check="f"\nassert f\n'


def test_every_kind_of_cell_is_read():
    cells = parse_source(LINES_SOURCE, "lines.py")
    assert [cell.kind for cell in cells] == (
        [
            "prose",
            "setup",
            "demo",
            "quiz",
            "exercise",
            "check",
            "hints",
            "exercise",
            "check",
            "predict",
            "answer",
            "scheme",
            "experiment",
            "widget",
            "prose",
        ]
    )
    slope = cells[4]
    assert (slope.name, slope.points, slope.minutes, slope.difficulty) == ("slope", 4.0, 10, 2)
    assert (slope.lecture, slope.forbids, slope.seconds) == (("L02.02",), ("numpy.polyfit",), 30.0)
    assert slope.where == "lines.py, cell 5 (line 19)"


def test_a_title_in_the_header_is_kept():
    text = EXERCISE.replace("# %% ", "# %% A stable softmax ") + CHECK
    cells = parse_source(text, "a.py")
    assert cells[0].title == "A stable softmax"
    assert cells[1].title == "f"


def test_magics_live_and_comments_stay_comments():
    text = "# %%\n# %matplotlib inline\n# !ls\n# larger?\n# ls\n# # %time is a magic\n%pip --version\nx = 1\n"
    text += "# %%\n%%time\ny\n"
    first, second = parse_source(text, "a.py")
    assert first.source == "%matplotlib inline\n!ls\n# larger?\n# ls\n# %time is a magic\n%pip --version\nx = 1"
    assert second.source == "%%time\ny"


def test_windows_line_ends_and_a_byte_order_mark_change_nothing():
    changed = "\ufeff" + LINES_SOURCE.replace("\n", "\r\n")
    assert parse_source(changed, "lines.py") == parse_source(LINES_SOURCE, "lines.py")


MISTAKES = {
    "nothing": ("", "a.py: found no cell"),
    "text before the first cell": ("x = 1\n# %%\ny\n", "a.py, line 1: text stands before the first cell header"),
    "unknown key": (EXERCISE.replace("minutes", "minuts") + CHECK, "unknown key 'minuts'; did you mean 'minutes'?"),
    "unreadable header": ("# %% exercise=f points=2\nx\n", 'write key="value"'),
    "two kinds": ('# %% exercise="f" check="f" points=1\nx\n', "this one is exercise and check"),
    "missing points": (EXERCISE.replace("points=2 ", "") + CHECK, "exercise='f' has no points"),
    "negative points": (
        EXERCISE.replace("points=2", "points=-2") + CHECK,
        "points must be a positive number, found -2",
    ),
    "points as text": (
        EXERCISE.replace("points=2", 'points="2"') + CHECK,
        "points must be a positive number, found '2'",
    ),
    "missing minutes": (EXERCISE.replace("minutes=5 ", "") + CHECK, "has no minutes"),
    "difficulty too high": (
        EXERCISE.replace("difficulty=1", "difficulty=9") + CHECK,
        "whole number from 1 to 5, found 9",
    ),
    "bad lecture": (EXERCISE.replace("L02.06", "L2.6") + CHECK, "lecture id 'L2.6' is not in"),
    "unknown lecture": (EXERCISE.replace("L02.06", "L02.99") + CHECK, "lecture id 'L02.99' is not in"),
    "bad forbids": (EXERCISE.replace("points", 'forbids="torch..x" points') + CHECK, "forbids names 'torch..x'"),
    "bad name": (EXERCISE.replace('"f"', '"f-g"') + CHECK, "exercise='f-g': a name has letters"),
    "no check": (EXERCISE, "a.py, cell 1 (line 1): exercise='f' has no check"),
    "no exercise": (CHECK, "a.py, cell 1 (line 1): check='f' has no exercise"),
    "check above": (CHECK + EXERCISE, "check='f' stands above its exercise"),
    "check of another name": (EXERCISE + CHECK.replace("assert f", 'with check("g"): pass'), "opens check('g')"),
    "check with points": (EXERCISE + CHECK.replace('"f"', '"f" points=2'), "check='f' has no key 'points'"),
    "two exercises of a name": (EXERCISE + CHECK + EXERCISE, "exercise='f' is used twice; first in cell 1 (line 1)"),
    "quiz named as an exercise": (EXERCISE + CHECK + '# %% quiz="f" points=1\nx = 1\n', "the exercise in cell 1"),
    "exercise in prose": (EXERCISE.replace("# %%", "# %% [markdown]") + CHECK, "must be a code cell"),
    "hints in code": (EXERCISE + CHECK + '# %% hints="f"\nx\n', "must be a markdown cell"),
    "hints for nothing": ('# %% [markdown] hints="g"\n# x\n', "hints='g' belong to no exercise"),
    "answer without a scheme": (
        '# %% [markdown] answer="a" points=1\n# q\n# ---\n# a\n',
        "answer='a' has no mark scheme",
    ),
    "scheme without an answer": ('# %% [markdown] scheme="a"\n# q\n', "scheme='a' has no written question"),
    "empty cell": ("# %%\n\n# %%\nx\n", "cell 1 (line 1): the cell is empty"),
    "empty exercise": (EXERCISE.splitlines()[0] + "\n" + CHECK, "exercise='f' is empty"),
    "points on a demonstration": ("# %% points=3\nx\n", "'points' belongs to an exercise"),
    "raw cell": ("# %% [raw]\n# x\n", "a raw cell"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_that_names_file_and_cell(text, message):
    with pytest.raises(CourseError) as caught:
        parse_source(text, "a.py")
    told = str(caught.value)
    assert message in told
    assert told.startswith("a.py")
    assert "\n" not in told


def test_the_syllabus_has_every_row_once():
    rows = syllabus()
    assert len(rows) == 400
    assert rows["L02.06"].topic == "T1"
    topics = [row.topic for row in rows.values()]
    assert {topic: topics.count(topic) for topic in sorted(set(topics), key=lambda t: int(t[1:]))} == {
        "T1": 47, "T2": 45, "T3": 54, "T4": 30, "T5": 27, "T6": 23, "T7": 11, "T8": 30, "T9": 23,
        "T10": 72, "T11": 20, "T12": 18,
    }  # fmt: skip
