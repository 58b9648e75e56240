"""A hidden suite, collected once by pytest and run against many submissions.

`with_suite` starts an ordinary pytest session in this process (the judge's), lets pytest collect the files, and hands
the collected tests to a function instead of running them once: a lane of the grader runs them for one submission
after the other, the command line of pytest for the one that `--submission` names.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.runner import runtestprotocol  # what pytest's own plugins for repeated runs use; there is no public name
from numpy.random.bit_generator import ISeedSequence

from autograder.judge import received
from autograder.judge.company import Company, Scattered
from autograder.judge.handles import CALLBACK_SHARE, Student
from autograder.judge.problems import GraderFault, StudentProblem, TimedOut
from autograder.judge.session import GradingSession, Stage
from autograder.picture import checked
from autograder.record import Status, TestResult

EXERCISE_MARK = "exercise"
JUDGE_SECONDS = 20.0  # for the test's own work, beyond what the student's code and its callbacks may take
ENGINE = Path(__file__).resolve().parent.parent


def exercise(name: str, weight: float = 1.0) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a hidden test as belonging to an exercise or quiz of the notebook.

    Args:
        name: as in the header of the notebook source.
        weight: share of the exercise's points, relative to its other tests.
    """
    if weight <= 0:
        raise ValueError(f"the weight of a hidden test must be positive, found {weight}")
    return pytest.mark.exercise(name, weight=weight)


@dataclass
class Outcome:
    """What became of one hidden test."""

    result: TestResult
    reports: list[Any]  # pytest's, for its own terminal
    fault: str = ""  # for the instructor, where the test itself stumbled


class Suite:
    """The collected tests of one or more hidden suites."""

    def __init__(self, items: Sequence[pytest.Item]):
        self.items: dict[tuple[str, str], list[pytest.Item]] = {}
        for item in items:
            mark = item.get_closest_marker(EXERCISE_MARK)
            if mark is None or not mark.args:
                raise pytest.UsageError(f"{item.nodeid} has no @exercise(...): say which exercise it belongs to")
            notebook = item.path.stem.removeprefix("test_")
            self.items.setdefault((notebook, mark.args[0]), []).append(item)
        self._neighbours: dict[pytest.Item, pytest.Item] = {}  # another test of the same module
        for one, other in itertools.pairwise(items):
            if one.path == other.path:
                self._neighbours[one] = other
                self._neighbours.setdefault(other, one)
        self._notebook = ""  # whose module pytest has set up

    def exercises(self, notebook: str) -> list[str]:
        """Names of the exercises that this suite has tests for."""
        return [name for book, name in self.items if book == notebook]

    def tests(self, notebook: str, name: str) -> list[pytest.Item]:
        return self.items.get((notebook, name), [])

    def skeleton(self, notebook: str, name: str) -> list[TestResult]:
        """The tests of an exercise with no verdict yet."""
        return [_blank(item) for item in self.tests(notebook, name)]

    def run(self, notebook: str, stage: Stage, session: GradingSession) -> list[Outcome]:
        """Run the tests of one exercise against an open stage.

        They run side by side where the student's code leaves nothing behind. Otherwise, a test that does not pass in
        the fork that it shares with those before it is tried again in one of its own, where that can make a difference.
        """
        outcomes = []
        if self._notebook not in ("", notebook):
            next(iter(self.items.values()))[0].session._setupstate.teardown_exact(None)
        self._notebook = notebook
        items = self.tests(notebook, stage.cell.name)
        with Patience(stage, session) as patience:
            if (company := session.company(stage, patience)) and all(_wants(item) is not None for item in items):
                with session.timed(), contextlib.suppress(Scattered):
                    return _run_together(items, stage, session, company)
                session.renew(stage, "crashed")
            for item in items:
                neighbour = self._neighbours.get(item)
                had_company = session.shares(stage)
                outcome = _run_item(item, neighbour, stage, session, patience)
                status = outcome.result.status
                if status != "passed" and had_company and session.renew(stage, status):
                    outcome = _run_item(item, neighbour, stage, session, patience)
                outcomes.append(outcome)
        return outcomes


_OURS = ("student", "rng", "request")  # fixtures of this module, and what they ask pytest for
_STAGE: pytest.StashKey[tuple[Stage, GradingSession]] = pytest.StashKey()
_UNJUDGED: pytest.StashKey[TestResult] = pytest.StashKey()  # made of its docstring once
_WANTS: pytest.StashKey[_Wants | None] = pytest.StashKey()
_PROBLEM: pytest.StashKey[tuple[str, BaseException]] = pytest.StashKey()  # (phase, what was raised)


def _blank(item: pytest.Item) -> TestResult:
    if _UNJUDGED not in item.stash:
        item.stash[_UNJUDGED] = _unjudged(item)
    return TestResult(**vars(item.stash[_UNJUDGED]))


def _unjudged(item: pytest.Item) -> TestResult:
    documentation = (getattr(item, "function", None) and item.function.__doc__) or ""  # type: ignore[attr-defined]
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", documentation.strip()) if p.strip()]
    mark = item.get_closest_marker(EXERCISE_MARK)
    weight = float(mark.kwargs.get("weight", 1.0)) if mark is not None else 1.0
    title = paragraphs[0] if paragraphs else item.name.removeprefix("test_").replace("_", " ")
    return TestResult(item.name, title, "failed", 0.0, weight, hint="\n".join(paragraphs[1:]))


def _run_item(
    item: pytest.Item,
    neighbour: pytest.Item | None,
    stage: Stage,
    session: GradingSession,
    patience: Patience,
    company: Company[Outcome] | None = None,
    who: int = 0,
) -> Outcome:
    """Run one test.

    A test that asks for nothing but `student`, `rng` and its parameters, as nearly all do, is called directly;
    pytest's own protocol costs more than most students' code. `neighbour` is another test of its module, for whose
    sake pytest keeps the module set up; `company` are the tests beside it, `who` is its number among them.
    """
    result = _blank(item)
    if stage.problem is not None:  # no test can run: the reason is the same for all of them
        result.status, result.message = stage.problem.status, str(stage.problem)
        return Outcome(result, [])
    started = time.perf_counter()
    reports: list[Any] = []
    wants = _wants(item)
    if wants is not None:
        phase, problem = _call_directly(item, wants, stage, session, patience, company, who)
    else:
        phase, problem, reports = _call_by_pytest(item, neighbour, stage, session)
    result.seconds = round(time.perf_counter() - started, 4)
    if problem is None:
        result.status, result.score = "passed", result.max_score
        return Outcome(result, reports)
    result.status, message, fault = _verdict(phase, problem)
    result.message = received.words(message)
    result.picture = checked(getattr(problem, "picture", None))
    return Outcome(result, reports, received.words(fault, 500))


def _run_together(
    items: Sequence[pytest.Item], stage: Stage, session: GradingSession, company: Company[Outcome]
) -> list[Outcome]:
    """Run tests that can be called directly side by side."""
    tests = [
        functools.partial(_run_item, item, None, stage, session, company.patience, company, who)
        for who, item in enumerate(items)
    ]
    outcomes = company.run(tests)
    for outcome, seconds in zip(outcomes, company.seconds, strict=True):
        outcome.result.seconds = round(seconds, 4)
    return outcomes


@dataclass(frozen=True)
class _Wants:
    """What a test asks for that can be called directly."""

    function: Callable[..., None]
    parameters: dict[str, Any]
    student: bool
    rng: bool


def _wants(item: pytest.Item) -> _Wants | None:
    """None for a test that only pytest can call."""
    if _WANTS not in item.stash:
        item.stash[_WANTS] = None
        if isinstance(item, pytest.Function):
            parameters, names = dict(item.callspec.params) if hasattr(item, "callspec") else {}, item.fixturenames
            if set(names) <= {*_OURS, *parameters}:
                item.stash[_WANTS] = _Wants(item.obj, parameters, "student" in names, "rng" in names)
    return item.stash[_WANTS]


def _call_directly(
    item: pytest.Item,
    wants: _Wants,
    stage: Stage,
    session: GradingSession,
    patience: Patience,
    company: Company[Outcome] | None,
    who: int,
) -> tuple[str, BaseException | None]:
    arguments = dict(wants.parameters)
    if wants.rng:
        arguments["rng"] = _generator(item, stage, session)
    try:
        with session.student(stage, item.name, company, who) as student:
            if wants.student:
                arguments["student"] = student
            patience.begin()
            try:
                wants.function(**arguments)
            finally:
                patience.end()
    except (Exception, pytest.skip.Exception, pytest.fail.Exception) as problem:
        return "call", problem
    return "call", None


class Patience:
    """Ends a test that does not come to an end with what the student's code has returned.

    Works in the main thread, where lanes judge, and between two steps of Python. Use as a context manager around the
    tests of a stage, with `begin` and `end` around each.
    """

    def __init__(self, stage: Stage, session: GradingSession):
        self.stage, self.session = stage, session
        self.seconds = (1 + CALLBACK_SHARE) * (stage.cell.seconds or session.limits.test_seconds) + JUDGE_SECONDS
        self.rang = False
        self._at_work = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Patience:
        if self._at_work:
            self._before = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(self, *unused: object) -> None:
        if self._at_work:
            signal.signal(signal.SIGALRM, self._before)

    def begin(self) -> None:
        if self._at_work:
            signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def end(self) -> None:
        if self._at_work:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if self.rang:  # the worker may wait in the middle of a conversation
            self.rang = False
            self.session.renew(self.stage, "crashed")

    def pause(self) -> float:
        """Let the time stand still; returns the seconds that are left."""
        return signal.setitimer(signal.ITIMER_REAL, 0)[0] if self._at_work else 0.0

    def resume(self, left: float) -> None:
        """Go on with so many seconds."""
        if self._at_work:
            signal.setitimer(signal.ITIMER_REAL, left)

    def _ring(self, *unused: Any) -> None:
        self.rang = True
        raise TimedOut("What your code returned is more than this test can look at in its time.")


def _call_by_pytest(
    item: pytest.Item, neighbour: pytest.Item | None, stage: Stage, session: GradingSession
) -> tuple[str, BaseException | None, list[Any]]:
    item.stash[_STAGE] = (stage, session)
    if _PROBLEM in item.stash:
        del item.stash[_PROBLEM]
    item._initrequest()  # type: ignore[attr-defined]  # fresh fixtures: the same item has run for others
    reports = runtestprotocol(item, log=False, nextitem=neighbour)
    phase, problem = item.stash.get(_PROBLEM, ("call", None))
    if problem is None and not all(r.passed for r in reports):
        problem = GraderFault("pytest reports a failure without a reason")
    return phase, problem, reports


class _Words(ISeedSequence):
    """The first state of a generator of random numbers, from a keyed hash: to stir it, as NumPy does with a small seed,
    would add nothing."""

    SIZE = 32  # bytes that PCG64 asks for

    def __init__(self, words: bytes):
        self.words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> np.ndarray[Any, Any]:
        return np.frombuffer(self.words, dtype=dtype, count=n_words)


def _generator(item: pytest.Item, stage: Stage, session: GradingSession) -> np.random.Generator:
    words = _Words(session.random_bytes(stage.cell, item.name, _Words.SIZE))
    return np.random.Generator(np.random.PCG64(words))  # type: ignore[arg-type]  # the stubs know one kind of sequence


def _is_ours(problem: BaseException) -> bool:
    """Whether an exception began in the engine: not in a hidden test or a checker, which work on students' data."""
    if isinstance(problem, GraderFault | AssertionError | pytest.skip.Exception):
        return False
    trace, last = problem.__traceback__, ""
    while trace is not None:
        last = trace.tb_frame.f_code.co_filename
        trace = trace.tb_next
    return Path(last).parent in (ENGINE / "judge", ENGINE / "sandbox") and Path(last).stem != "checkers"


def _verdict(phase: str, problem: BaseException) -> tuple[Status, str, str]:
    """Status, words for the student and, where the test stumbled, words for the instructor."""
    if isinstance(problem, StudentProblem):
        return problem.status, str(problem), ""
    if phase != "call" and not isinstance(problem, GraderFault):
        problem = GraderFault(f"{phase} of the test: {type(problem).__name__}: {problem}")
    if _is_ours(problem):
        problem = GraderFault(f"{type(problem).__name__}: {problem}")
    if isinstance(problem, AssertionError):
        return "failed", str(problem).split("\nassert ")[0], ""
    if isinstance(problem, GraderFault):
        return (
            "grader_error",
            "This test could not be run. Your instructor has been told; it does not count against you.",
            str(problem),
        )
    if isinstance(problem, pytest.skip.Exception):
        return "grader_error", "This test was not run.", "skipped"
    # A test that trips over what the student returned: the reference does not make it trip (see `course validate`).
    name = type(problem).__name__
    return "failed", f"The test could not work with what your code returned ({name}).", f"{name}: {problem}"


class JudgePlugin:
    """Fixtures and hooks of a judging session.

    Args:
        work: called with the collected suite in place of pytest's own loop; its result is `self.answer`.
    """

    def __init__(self, work: Callable[[Suite, pytest.Session], Any]):
        self.work = work
        self.answer: Any = None
        self.ran = False

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", f"{EXERCISE_MARK}(name, weight=1): the exercise that a hidden test judges")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(f"{session.testsfailed} error(s) during collection")
        if not session.config.option.collectonly:
            self.ran = True
            self.answer = self.work(Suite(session.items), session)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        if call.excinfo is not None and _PROBLEM not in item.stash:
            item.stash[_PROBLEM] = (call.when, call.excinfo.value)

    @pytest.fixture
    def student(self, request: pytest.FixtureRequest) -> Iterator[Student]:
        """The student's namespace, in a snapshot of its own."""
        stage, session = request.node.stash[_STAGE]
        with session.student(stage, request.node.name) as student:
            yield student

    @pytest.fixture
    def rng(self, request: pytest.FixtureRequest) -> np.random.Generator:
        """Random numbers that differ from student to student and are the same in a regrade."""
        stage, session = request.node.stash[_STAGE]
        return _generator(request.node, stage, session)


class _Silence:
    """Takes pytest's terminal away and keeps what went wrong while collecting."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.unregister(name="terminalreporter")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.errors.append(" | ".join(str(report.longrepr).strip().splitlines()[-3:]))


def with_suite(paths: Sequence[Path], work: Callable[[Suite], Any]) -> Any:
    """Collect hidden suites in a quiet pytest session and call `work` with them.

    Raises:
        GraderFault: a suite cannot be collected; the message is pytest's.
    """
    problem: list[BaseException] = []

    def guarded(suite: Suite, session: pytest.Session) -> Any:
        try:
            return work(suite)
        except BaseException as error:  # pytest would turn it into an exit status
            problem.append(error)
            return None

    plugin, silence = JudgePlugin(guarded), _Silence()
    arguments = ["-s", "--assert=plain", "--override-ini=addopts=", "--import-mode=importlib", "--noconftest"]
    arguments += ["-c", os.devnull, "--rootdir", str(paths[0].parent)]
    for name in ("cacheprovider", "doctest", "hypothesispytest", "timeout", "xdist", "logging", "warnings"):
        arguments += ["-p", f"no:{name}"]
    status = pytest.main([*arguments, *map(str, paths)], plugins=[plugin, silence])
    if problem:
        raise problem[0]
    if not plugin.ran:
        reason = silence.errors[0] if silence.errors else f"pytest ended with status {int(status)}"
        raise GraderFault(f"the hidden suite cannot be collected: {reason}")
    return plugin.answer
