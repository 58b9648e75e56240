"""Visible checks: `with check("log_softmax"):` round a few asserts, and one short answer for the student.

    log_softmax: passed

A check that does not pass raises an exception, so the cell is red and `nbgrader validate` sees it. What the notebook
shows instead of a traceback is written for the person who wrote the code: the likely mistake, or their own line and
nothing of the library. In plain Python the same words are the message of the exception.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from traceback import walk_tb
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple

from course_lib.kit import journal
from course_lib.kit.comparisons import expect_close, expect_shape, expect_true
from course_lib.kit.journal import show_progress

__all__ = ["CheckFailed", "NotDoneYet", "check", "expect_close", "expect_shape", "expect_true", "show_progress"]

Frames = list[tuple[FrameType, int]]  # outermost first, each with the line that was running

LINES_SHOWN = 3  # a deep recursion repeats itself; the last lines tell where it broke


class NotDoneYet(NotImplementedError):
    """The exercise, or one that it builds on, is still the empty cell that was handed out."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


class CheckFailed(AssertionError):
    """An assert of a check did not hold; the text names the likely mistake."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def check(name: str) -> Check:
    """Run the visible checks of one exercise and say in a line or two how it went.

    Args:
        name: the exercise, as in the header of its cell.

    Returns:
        A context manager. Its body holds asserts; leaving it prints `<name>: passed`, or raises.

    Raises:
        NotDoneYet: the cell of the exercise, or of one that it calls, still raises `NotImplementedError` or has not
            been run.
        CheckFailed: an assert did not hold.
        Exception: whatever else the student's code raises passes through, shown with the student's own lines only.

    >>> with check("double"):
    ...     assert 2 * 2 == 4, "Multiply, do not add."
    double: passed
    """
    return Check(name, sys._getframe(1).f_globals)


class Line(NamedTuple):
    """A line of the student's code on the way to an exception."""

    function: str
    number: int
    text: str

    def __str__(self) -> str:
        place = "" if self.function == "<module>" else f"{self.function}, "
        return f"    {place}line {self.number}:  {self.text}"


class Check:
    """The context manager behind `check`."""

    def __init__(self, name: str, namespace: dict[str, Any]) -> None:
        self.name = name
        self.namespace = namespace  # the globals of the notebook: what was defined there is the student's

    def __enter__(self) -> None:
        frame = sys._getframe(1)
        self.own_code, self.own_line = frame.f_code, frame.f_lineno

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            journal.record(self.name, passed=True)
            print(f"{self.name}: passed")
            return
        if not isinstance(error, Exception):  # an interrupt says nothing about the work
            return
        frames = list(walk_tb(traceback))
        if isinstance(error, NotImplementedError) and (unfinished := self._unfinished(error, frames)):
            raise NotDoneYet(unfinished).with_traceback(traceback) from None
        lines = self._students_lines(frames)
        if isinstance(error, NameError) and (missing := self._missing(error, lines)):
            raise NotDoneYet(missing).with_traceback(traceback) from None
        journal.record(self.name, passed=False)
        if isinstance(error, AssertionError):
            raise CheckFailed(self._failed(error, lines, frames)).with_traceback(traceback) from None
        # The exception itself goes on, so that %debug lands in the student's code; only the way it is shown changes.
        _show_as(error, self._crashed(error, lines, frames))

    def _unfinished(self, error: NotImplementedError, frames: Frames) -> str | None:
        """A line about the empty cell that was called; None when finished code raised it for its own reasons."""
        frame, number = frames[-1]
        code = frame.f_code
        if error.args and not _source(code, number).startswith("raise NotImplementedError"):
            return None  # PyTorch uses the same exception for operations that a device lacks
        if self._is_check(code):
            return None
        owner, _, rest = code.co_qualname.partition(".")
        method = rest.rpartition(".")[2]
        if frame.f_globals is not self.namespace:
            home = frame.f_globals.get("__name__", "the library")
            return (
                f"{self.name}: not done yet. It uses {owner} of {home}, which is an exercise of this or a later "
                f"assignment. Use the {owner} that you write in a notebook."
            )
        if owner != self.name:
            return (
                f"{self.name}: not done yet. It uses {owner}, whose cell is still empty. "
                f"Write {owner} first and run its cell, then run this check again."
            )
        if frame.f_locals.keys() - code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            advice = "Delete that line and run the cell."
            return f"{self.name}: your code ends at the line `raise NotImplementedError`. {advice}"
        what = f"{method} is not done yet" if method else "not done yet"
        return f"{self.name}: {what}. Write your code in the cell above and run it."

    def _missing(self, error: NameError, lines: list[Line]) -> str | None:
        """A line about a cell that has not been run; None when the student's own function uses an unknown name."""
        if isinstance(error, UnboundLocalError) or lines:
            return None
        missing = _missing_name(error)
        if missing == self.name:
            advice = "Run the cell above that defines it, then run this check again."
        else:
            advice = "Run the cells above this one first (menu Run, Run All Above Selected Cell)."
        return f"{self.name}: there is no {missing} yet. {advice}"

    def _failed(self, error: AssertionError, lines: list[Line], frames: Frames) -> str:
        message = str(error).strip()
        if self._is_students(frames[-1][0]):
            said = f": {message}" if message else ""
            return f"{self.name}: an assert in your own code does not hold{said}\n" + _listing(lines)
        return f"{self.name}: not right yet.\n{message or self._check_line(frames)}"

    def _crashed(self, error: Exception, lines: list[Line], frames: Frames) -> str:
        kind, said = type(error).__name__, str(error).strip()
        if not lines:
            text = f"{self.name}: the check stopped with {_article(kind)} when it used your result.\n"
            text += f"    {self._check_line(frames)}\n{kind}: {said}"
            if "NoneType" in said:
                text += "\nA function without a `return` gives None back."
            return text
        text = f"{self.name}: your code stopped with {_article(kind)}.\n{_listing(lines)}\n{kind}: {said}"
        if isinstance(error, NameError) and not isinstance(error, UnboundLocalError):
            text += f"\nIs {_missing_name(error)} a typing slip, or defined in a cell that has not been run?"
        return text

    def _students_lines(self, frames: Frames) -> list[Line]:
        return [
            Line(frame.f_code.co_qualname, number, _source(frame.f_code, number))
            for frame, number in frames
            if self._is_students(frame)
        ]

    def _is_students(self, frame: FrameType) -> bool:
        return frame.f_globals is self.namespace and not self._is_check(frame.f_code)

    def _is_check(self, code: CodeType) -> bool:
        """Whether this is the check's cell, or a lambda written in its body."""
        own = self.own_code
        return code is own or (code.co_filename == own.co_filename and code.co_firstlineno >= self.own_line)

    def _check_line(self, frames: Frames) -> str:
        """The line of the check that was running."""
        return next(_source(frame.f_code, number) for frame, number in frames if frame.f_code is self.own_code)


def _show_as(error: Exception, text: str) -> None:
    """Let IPython print the text in place of the traceback of this exception."""
    render: Callable[[], list[str]] = text.splitlines
    try:
        error._render_traceback_ = render  # type: ignore[attr-defined]
    except AttributeError:  # an exception class of the student's with __slots__ keeps its usual traceback
        return


def _source(code: CodeType, number: int) -> str:
    return linecache.getline(code.co_filename, number).strip()


def _listing(lines: list[Line]) -> str:
    dropped = len(lines) - LINES_SHOWN
    shown = [str(line) for line in lines[-LINES_SHOWN:]]
    if dropped > 0:
        shown.insert(0, f"    ({dropped} earlier lines left out)")
    return "\n".join(shown)


def _missing_name(error: NameError) -> str:
    return error.name or "a name"


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'AEIOU' else 'a'} {word}"
