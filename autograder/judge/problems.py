"""What can be wrong with student code, as exceptions that carry a status and words for the student."""

from __future__ import annotations

from typing import Any

from autograder.errors import CourseError
from autograder.record import Status


class StudentProblem(Exception):
    """Something about the student's code that a hidden test ran into. The message is for the student."""

    status: Status = "error"


class Mistake(StudentProblem, AssertionError):
    """A checker said no.

    Attributes:
        picture: what was found, as `autograder.picture` describes it; None where words say it all.
    """

    status: Status = "failed"

    def __init__(self, message: str, picture: dict[str, Any] | None = None):
        super().__init__(message)
        self.picture = picture


class Raised(StudentProblem):
    """The student's code raised an exception.

    Attributes:
        type: name of its class; bases: names of its base classes; lines: the student's own lines, outermost first.
    """

    def __init__(self, message: str, kind: str = "", bases: tuple[str, ...] = (), text: str = ""):
        super().__init__(message)
        self.kind = kind
        self.bases = bases
        self.text = text


class Undefined(StudentProblem):
    """The cell does not define the name that the exercise asks for."""


class Missing(StudentProblem):
    """The cell of the exercise is not in the notebook."""

    status: Status = "missing"


class NotDone(StudentProblem):
    """The released stub is still in place."""

    status: Status = "not_done"


class OutOfMemory(StudentProblem):
    status: Status = "memory"


class TimedOut(StudentProblem):
    status: Status = "timeout"


class Crashed(StudentProblem):
    status: Status = "crashed"


class Forbidden(StudentProblem):
    """A call was used that the exercise forbids."""

    status: Status = "forbidden"


class GraderFault(CourseError):
    """The grader or the machine failed; never held against a student."""
