"""The page that a student opens first: `solutions/start_here.py`, a notebook that belongs to no assignment."""

from __future__ import annotations

from autograder.compiler.manifest import Built, build_notebook
from autograder.curriculum import Curriculum, Limits, Notebook
from autograder.errors import CourseError


def build_start_page(curriculum: Curriculum) -> list[Built]:
    """Compile the start page, where the course has one.

    Args:
        curriculum: the course; its root says where sources and notebooks lie.

    Returns:
        The page as the only entry of a list, or an empty list.

    Raises:
        CourseError: the page asks for something that would have to be graded.
    """
    # Without an assignment the paths lead to solutions/ and assignments/ themselves.
    page = Notebook("", "start_here", "Start here", (), (), Limits(), curriculum.root)
    if not page.source.is_file():
        return []
    built = build_notebook(page, curriculum)
    if built.manifest.cells:
        cell = built.manifest.cells[0]
        raise CourseError(
            f"{page.source.name} is not graded, but has {cell.kind}={cell.name!r}; move it to a notebook of course.toml"
        )
    return [built]
