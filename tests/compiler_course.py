"""A small course in a folder of its own: two assignments, a library, hidden tests. For the tests of the compiler."""

from __future__ import annotations

from pathlib import Path

from autograder.curriculum import Curriculum, load_curriculum

COURSE_TOML = """
[course]
name = "Lines and curves"
term = "test"
timezone = "Europe/Berlin"
repository = "https://github.com/someone/course"
[policy]
slip_days = 5
weights = { homework = 100 }
[grading]
isolation = "process"

[[assignment]]
name = "01_lines"
title = "Lines"
due = 2027-02-05T23:59:00
[[assignment.notebook]]
name = "lines"
title = "Lines"
lectures = ["L01", "L02"]
topics = ["T1"]

[[assignment]]
name = "02_curves"
title = "Curves"
files = ["points.csv"]
[[assignment.notebook]]
name = "curves"
title = "Curves"
lectures = ["L03"]
"""

LINES = '''"""Straight lines."""

import math
from dataclasses import dataclass


def slope(x: list[float], y: list[float]) -> float:
    """Give the slope of the least-squares line.

    >>> slope([0.0, 1.0], [1.0, 3.0])
    2.0

    Source: lecture 2. L02.02.
    """
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)  # centred sums lose fewer digits
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))
    return covariance / sum((a - mean_x) ** 2 for a in x)


def length(x: float, y: float) -> float:
    """Give the length of a vector. L02.12."""
    return math.sqrt(x * x + y * y)


@dataclass
class Line:
    """A straight line. L01.03."""

    gradient: float  # rise over run
    offset: float = 0.0

    def __post_init__(self) -> None:  ### GIVEN
        self.gradient = float(self.gradient)

    def at(self, x: float) -> float:
        """Give the height at x."""
        return self.gradient * x + self.offset

    @property
    def root(self) -> float:
        """Give the x at which the height is 0."""
        # a horizontal line has none
        return -self.offset / self.gradient
        # and that is all
'''

CURVES = '''"""Curves, which build on lines."""

from course_lib.lines import Line


def tangent(f, x: float, step: float = 1e-6) -> Line:
    """Give the tangent of f at x. L03.01."""
    ### BEGIN SOLUTION
    gradient = (f(x + step) - f(x - step)) / (2 * step)
    offset = f(x) - gradient * x
    ### END SOLUTION
    return Line(gradient, offset)
'''

LINES_SOURCE = """# %% [markdown]
# # Lines
# {{colab_badge}}
#
# {{points_table}}

# %% setup="imports"
# %matplotlib inline
import math
from dataclasses import dataclass

# %%
print("a demonstration")

# %% quiz="facts" points=1 lecture="L01.07"
# How many points fix a line?
enough_points = 2  # because two points determine it

# %% exercise="slope" points=4 minutes=10 difficulty=2 lecture="L02.02" forbids="numpy.polyfit" seconds=30
from course_lib.lines import slope

# %% check="slope"
with check("slope"):
    assert slope([0.0, 1.0], [1.0, 3.0]) == 2.0, "two points"

# %% [markdown] hints="slope"
# Subtract the means first.
#
# $$
# a + b
#
# = c
# $$
#
# A sum, divided by a sum.

# %% exercise="Line" points=2.5 minutes=5 difficulty=1
from course_lib.lines import Line

# %% check="Line"
with check("Line"):
    assert Line(1, 2).at(3) == 5

# %% [markdown] predict="flat"
# What is the root of a flat line?
#
# ---
# It has none.

# %% [markdown] answer="why_centre" points=3 lecture="L02.02"
# Why are the means subtracted?
# ---
# Because sums of large numbers of nearly equal size lose digits.

# %% [markdown] scheme="why_centre"
# Three points for naming cancellation of leading digits in the difference.

# %% experiment="many"
for n in range(10):
    print(n)

# %% widget="drag"
print("a figure")

# %% [markdown]
# {{built_table}}
"""

CURVES_SOURCE = """# %% setup="imports"
from course_lib.lines import Line

# %% exercise="tangent" points=2 minutes=5 difficulty=2 lecture="L03.01"
from course_lib.curves import tangent

# %% check="tangent"
with check("tangent"):
    assert tangent(lambda x: x * x, 1.0)

# %% exercise="steps" points=1 minutes=5 difficulty=1 lecture="L03.02"
def steps(start: float) -> list[float]:
    found = [start]
    ### BEGIN SOLUTION
    while found[-1] > 0.125:
        found.append(found[-1] / 2)
    ### END SOLUTION
    return found

# %% check="steps"
with check("steps"):
    assert steps(1.0)
"""

HIDDEN = '''"""Hidden tests of lines."""
from autograder.judge import assert_close, exercise


@exercise("slope")
def test_slope_of_noise(student, rng):
    """The slope survives noise."""
    x = rng.uniform(-1.0, 1.0, size=50) + 1e6  # far from zero
    assert_close(student.slope(x, 3.0 * x + rng.normal(size=50)), 3.0, atol=0.75)
'''


PYPROJECT = """
[project]
name = "lines"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["numpy"]
"""


def make_course(root: Path, **files: str) -> Curriculum:
    """Write the course below `root`; keyword arguments replace the text of a part.

    Args:
        root: an empty folder.
        files: lines, curves (library), lines_source, curves_source (notebooks).
    """
    texts = {
        "course.toml": COURSE_TOML,
        "pyproject.toml": PYPROJECT,
        "constraints.txt": "numpy==2.4.6\n",
        "course_lib/__init__.py": "",
        "course_lib/kit/__init__.py": "",
        "course_lib/kit/checks.py": "def check(name):\n    return name\n",
        "course_lib/lines.py": files.get("lines", LINES),
        "course_lib/curves.py": files.get("curves", CURVES),
        "solutions/01_lines/lines.py": files.get("lines_source", LINES_SOURCE),
        "solutions/02_curves/curves.py": files.get("curves_source", CURVES_SOURCE),
        "autograder/hidden_tests/01_lines/test_lines.py": HIDDEN,
        "assignments/02_curves/points.csv": "x,y\n1,2\n",
    }
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return load_curriculum(root / "course.toml")
