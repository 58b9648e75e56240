"""``pytest autograder/hidden_tests/01_… --submission NOTEBOOK.ipynb``: the hidden suites under pytest's own command
line.

Registered by autograder/hidden_tests/conftest.py. The same files, sandbox and rules as `course grade`; only the
scheduling differs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

import pytest

from autograder.curriculum import load_curriculum
from autograder.errors import CourseError
from autograder.grading import Examiner
from autograder.intake import read_submission
from autograder.judge.seeds import SeedSource, course_secret
from autograder.judge.suite import JudgePlugin, Outcome, Suite
from autograder.preparation import prepare
from autograder.sandbox.client import Zygote


def add_options(parser: pytest.Parser) -> None:
    """The options of the command line."""
    group = parser.getgroup("course", "hidden suites of the course")
    group.addoption("--submission", help="notebook to judge (.ipynb)")
    group.addoption("--student", default="student", help="whose work it is; hidden inputs are drawn for this name")
    group.addoption("--seed", help="draw hidden inputs from this text and not from the course secret")


class _Reporting(Suite):
    """A suite that tells pytest's terminal what became of each test."""

    def __init__(self, items: Any, session: pytest.Session):
        super().__init__(items)
        self.session = session

    def run(self, notebook: str, stage: Any, session: Any) -> list[Outcome]:
        outcomes = super().run(notebook, stage, session)
        for item, outcome in zip(self.tests(notebook, stage.cell.name), outcomes, strict=True):
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            reports = outcome.reports or [_explained(item, outcome)]
            for report in reports:
                if report.failed:
                    report.longrepr = (
                        f"{outcome.result.title}\n{outcome.result.status}: {outcome.result.message}\n{outcome.fault}"
                    )
                item.ihook.pytest_runtest_logreport(report=report)
            item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return outcomes


def _explained(item: pytest.Item, outcome: Outcome) -> pytest.TestReport:
    result = outcome.result
    verdict: Literal["passed", "failed"] = "passed" if result.status == "passed" else "failed"
    text = f"{result.status}: {result.message}" if verdict == "failed" else None
    return pytest.TestReport(item.nodeid, item.location, {}, verdict, text, "call", duration=result.seconds)


def judge_one(suite: Suite, session: pytest.Session) -> None:
    """Judge the submission that the command line names."""
    option = session.config.option
    if not session.items:
        return
    if not option.submission:
        raise pytest.UsageError("hidden suites judge a notebook: add --submission NOTEBOOK.ipynb")
    path = Path(option.submission)
    if not path.is_file():
        raise pytest.UsageError(f"{path} is not a file; give a notebook (.ipynb) with --submission")
    files = {item.path for item in session.items}
    try:
        curriculum = load_curriculum(session.items[0].path.parents[3] / "course.toml")
        assignment = next(a for a in curriculum.assignments if any(n.suite in files for n in a.notebooks))
        seeds = SeedSource(option.seed.encode()) if option.seed else course_secret(curriculum.root)
        with tempfile.TemporaryDirectory(prefix="course-judge-") as folder:
            prepared = prepare(curriculum, assignment, Path(folder))
            notebook = _which(assignment.notebooks, files, path, prepared.manifests)
            with Zygote(prepared.library, curriculum.isolation, prepared.warm) as zygote:
                reporting = _Reporting([i for i in session.items if i.path == notebook.suite], session)
                examiner = Examiner(zygote, reporting, prepared.manifests, seeds)
                examiner.grade(notebook, path, option.student)
    except CourseError as error:
        raise pytest.UsageError(str(error)) from None


def _which(notebooks: Any, files: set[Path], path: Path, manifests: Any) -> Any:
    """The notebook of the assignment that a file answers: by its name, else by how many of its cells are recognised."""
    collected = [n for n in notebooks if n.suite in files]
    for notebook in collected:
        if path.stem == notebook.name:
            return notebook
    return max(collected, key=lambda n: len(read_submission(path, manifests[n.name]).cells))


def make_plugin() -> JudgePlugin:
    """The fixtures and hooks of this session."""
    return JudgePlugin(judge_one)
