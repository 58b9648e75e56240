"""Tests of one exercise in company: what they ask of the student's code travels in one message.

Most hidden tests draw inputs, call a function of the student's and look at what it returns. One after the other, each
of them costs a conversation in which both processes fall asleep and wake up again, with cold caches: more than either
has to do. Here every test runs in a greenlet until it needs the student's code; when all of them wait, one message has
the calls of all, and its answer lets them go on.

This is for code that leaves nothing behind (`autograder.judge.quiet`), so that the order of calls makes no difference.
Where something goes wrong with the process itself, nobody can tell which call it was: no verdict is kept, and the
tests run one after the other. They do so from there on, too, when the student's code turns out to be slow: then a
message is nothing beside it, and each test has its own time again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import greenlet
import torch

from autograder.judge.problems import GraderFault, StudentProblem
from autograder.sandbox.client import Process, ProcessGone, ProcessTimeout

if TYPE_CHECKING:
    from autograder.judge.handles import Student
    from autograder.judge.suite import Patience

T = TypeVar("T")
Reply = tuple[dict[str, Any], list[bytes]]
BRIEF_SECONDS = 0.5  # of the student's code for one message; who takes longer is judged test by test


class Scattered(Exception):
    """The process did not answer: what the tests have found so far does not count."""


@dataclass
class _Request:
    """What one test waits for."""

    student: Student
    header: dict[str, Any]
    buffers: list[bytes]


class Company(Generic[T]):
    """Runs tests side by side in this thread.

    Args:
        process: in which the student's code is.
        seconds: that are left to the submission.
        patience: ends a test that does not come to an end with what the student's code has returned.
    """

    def __init__(self, process: Process, seconds: float, patience: Patience):
        self.process = process
        self.deadline = time.monotonic() + seconds
        self.patience = patience
        self.seconds: list[float] = []  # of each test: its own, and its share of the student's code
        self._together = True
        self._hub = greenlet.getcurrent()

    def run(self, tests: Sequence[Callable[[], T]]) -> list[T]:
        """The results of all tests, in order.

        Raises:
            Scattered: the process ended or did not answer, or one test ran out of patience.
        """
        lets = [greenlet.greenlet(test) for test in tests]
        results: dict[int, T] = {}
        self.seconds = [0.0] * len(lets)

        def go_on(number: int, reply: Reply | None, waiting: dict[int, _Request]) -> None:
            started = time.perf_counter()
            answer = lets[number].switch(reply) if lets[number] else lets[number].switch()  # true once it has begun
            self.seconds[number] += time.perf_counter() - started
            if lets[number].dead:
                results[number] = answer
            else:
                waiting[number] = answer

        waiting: dict[int, _Request] = {}
        try:
            for number in range(len(lets)):
                go_on(number, None, waiting)
            while waiting and self._together:
                replies = self._converse(waiting)
                for number, reply in replies.items():
                    del waiting[number]
                    go_on(number, reply, waiting)
            for number in sorted(waiting):
                go_on(number, None, {})
                if not self.process.alive:
                    raise Scattered("the process ended in a test that others would have come after")
        finally:
            for let in lets:
                if not let.dead:
                    let.throw(greenlet.GreenletExit)
        return [results[number] for number in range(len(lets))]

    def ask(self, student: Student, header: dict[str, Any], buffers: list[bytes]) -> Reply | None:
        """Called by a test: wait until it is its turn.

        Returns:
            The answer of the worker; None if the test has to ask by itself.
        """
        if not self._together:
            return None
        left = self.patience.pause()
        try:
            if torch.is_grad_enabled():
                return self._wait(student, header, buffers)
            with torch.enable_grad():  # for the others
                return self._wait(student, header, buffers)
        finally:
            self.patience.resume(left)

    def _wait(self, student: Student, header: dict[str, Any], buffers: list[bytes]) -> Reply | None:
        reply: Reply | None = self._hub.switch(_Request(student, header, buffers))
        return reply

    def _converse(self, waiting: dict[int, _Request]) -> dict[int, Reply]:
        """Send what the tests wait for, in one message.

        Returns:
            The answers, by number of the test; some may be lacking where the student's code takes its time.
        """
        calls = [r.header | {"buffers": len(r.buffers)} for r in waiting.values()]
        buffers = [data for r in waiting.values() for data in r.buffers]
        started = time.monotonic()
        allowed = max(r.student.left for r in waiting.values())
        deadline = min(started + allowed, self.deadline)
        self.patience.begin()
        try:
            self.process.send({"op": "calls", "calls": calls, "brief": BRIEF_SECONDS}, buffers, deadline, allowed)
            while True:
                reply, data = self.process.receive(deadline, allowed)
                if "callback" not in reply:
                    break
                who = reply.get("who")
                if type(who) is not int or who not in waiting:
                    raise Scattered("a callback of a test that does not wait")
                deadline += waiting[who].student.answer_callback(reply, data, deadline)
        except (ProcessGone, ProcessTimeout, StudentProblem, GraderFault) as problem:
            raise Scattered(str(problem)) from None
        finally:
            self.patience.end()
        answers = _apart(reply.get("replies"), data)
        if not 1 <= len(answers) <= len(waiting):
            raise Scattered("an answer that does not fit the question")
        passed = time.monotonic() - started
        self._together = passed < BRIEF_SECONDS
        weights = [_weight(answer) for answer, _ in answers]
        for number, weight in zip(waiting, weights, strict=False):
            share = passed * weight / sum(weights)
            self.seconds[number] += share
            waiting[number].student.use(share)
        return dict(zip(waiting, answers, strict=False))


def _apart(replies: Any, data: list[bytes]) -> list[Reply]:
    """The answers of one message, each with its own buffers; none if they are not what a worker sends."""
    found: list[Reply] = []
    done = 0
    for reply in replies if isinstance(replies, list) else []:
        count = reply.get("buffers") if isinstance(reply, dict) else None
        if type(count) is not int or not 0 <= count <= len(data) - done:
            return []
        found.append((reply, data[done : done + count]))
        done += count
    return found if done == len(data) else []


def _weight(reply: dict[str, Any]) -> float:
    """The time of one call, as the worker has it; only how the time of all is shared out depends on it."""
    seconds = reply.get("cpu")
    return 1e-6 + (min(seconds, 1e6) if isinstance(seconds, float) and seconds > 0 else 0.0)
