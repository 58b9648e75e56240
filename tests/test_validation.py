"""Validation counts what depends on luck, and calibration measures what tests compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mini_class
import pytest
from click.testing import CliRunner

from autograder.calibration import Distribution, calibrate
from autograder.cli.calibrate import calibrate as command
from autograder.cli.calibrate import print_calibration
from autograder.cli.validate import print_counts
from autograder.curriculum import load_curriculum
from autograder.errors import CourseError
from autograder.judge import measurements
from autograder.record import ExerciseResult, TestResult
from autograder.validation import Example, Report, _try_example, read_examples, validate

AGENTS = Path(__file__).resolve().parent / "agents_course" / "course.toml"


class LuckyExaminer:
    """Gives the verdicts that it is told, one after the other."""

    def __init__(self, verdicts: list[bool]):
        self.verdicts = iter(verdicts)
        self.seeds: Any = None
        self.used: list[bytes] = []

    def grade_one(self, *unused: Any) -> ExerciseResult:
        if self.seeds is not None:
            self.used.append(self.seeds.secret)
        passed = next(self.verdicts)
        measurements.note("the return", 500.0 if passed else 20.0, at_least=450)
        test = TestResult("test_it", "It works.", "passed" if passed else "failed", float(passed), 1.0)
        status = "passed" if passed else "failed"
        return ExerciseResult("entropy", "exercise", "Entropy", 1.0, float(passed), status, tests=[test])


def tried(verdicts: list[bool], wrong: bool = True, stochastic: bool = True) -> tuple[Report, list[str], LuckyExaminer]:
    examiner, report, said = LuckyExaminer(verdicts), Report("mini"), []
    example = Example("entropy", "lucky", wrong, "x = 1", ("test_it",) if wrong else (), "", stochastic)
    seeds = len(verdicts)
    _try_example(examiner, mini_class.notebook(), mini_class.manifest(), example, report, seeds, said.append)  # type: ignore[arg-type]
    return report, said, examiner


@pytest.mark.parametrize(
    ("passed", "seeds", "misjudged"),
    [(0, 50, False), (1, 50, False), (2, 50, True), (1, 49, True), (0, 3, False), (1, 3, True), (2, 100, False)],
)
def test_a_mistake_that_depends_on_luck_may_pass_on_one_seed_in_fifty(passed: int, seeds: int, misjudged: bool) -> None:
    verdicts = [True] * passed + [False] * (seeds - passed)
    report, said, examiner = tried(verdicts)
    count = report.counts["entropy/lucky"]
    assert (count.right, count.tried) == (seeds - passed, seeds)
    assert bool(said) == misjudged == (not count.enough)
    assert len(set(examiner.used)) == seeds
    assert all("accepts it" in text and "seed" in text for text in said)


def test_a_right_answer_has_to_pass_on_every_seed() -> None:
    report, said, _ = tried([True] * 49 + [False], wrong=False)
    assert said
    assert report.counts["entropy/lucky"].right == 49
    assert not tried([True] * 50, wrong=False)[1]


def test_an_example_that_does_not_depend_on_luck_is_tried_once() -> None:
    report, said, examiner = tried([False, True, True], stochastic=False)
    assert not said
    assert not examiner.used
    assert not report.counts


def test_the_mark_is_yes_or_no(tmp_path: Path) -> None:
    path = tmp_path / "misconceptions_x.py"
    text = '# %% wrong="f" name="a" rejected_by="test_f" stochastic="{}"\nf = 1\n'
    for word, expected in (("yes", True), ("no", False)):
        path.write_text(text.format(word))
        assert read_examples(path)[0].stochastic is expected
    path.write_text(text.format("maybe"))
    with pytest.raises(CourseError, match="maybe"):
        read_examples(path)


def test_counts_are_printed_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    report, _, _ = tried([True, True] + [False] * 48)
    print_counts(report)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["entropy/lucky", "rejected", "48", "50", "49"] for line in lines)


def test_calibration_measures_the_solution_and_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    examiner: Any = LuckyExaminer([True] * 4 + [False] * 12)
    examiner.manifests = {"mini": mini_class.manifest()}
    *_, (_, found) = calibrate(examiner, mini_class.notebook(), "entropy", 4, wrong=True)
    assert found.passed["entropy", "solution"] == 4
    assert found.passed["entropy", "wrong_sign"] == 0
    print_calibration(found, 4)
    lines = capsys.readouterr().out.splitlines()
    assert any("full marks on 4 of 4 seeds" in line for line in lines)
    assert any(line.split()[-7:] == ["450", "4/4", "500", "500", "500", "500", "500"] for line in lines)
    with pytest.raises(CourseError, match="no exercise 'nothing'"):
        next(calibrate(examiner, mini_class.notebook(), "nothing", 1))


def test_quantiles_lie_between_order_statistics() -> None:
    found = Distribution("e", "a", "t", "w", "", values=[3.0, 1.0, 2.0])
    assert [found.quantile(share) for share in (0, 0.25, 0.5, 1)] == [1.0, 1.5, 2.0, 3.0]


def test_the_course_of_agents_is_itself_valid() -> None:
    course = load_curriculum(AGENTS)
    with mini_class.open_examiner(course=course) as examiner:
        *_, (_, report) = validate(examiner, course.assignments[0].notebooks[0], seeds=1)
    assert not report.findings
    assert report.wrong == 9
    assert report.right == 6


def test_the_command_calibrates() -> None:
    arguments = ["01_agents", "--only", "collect", "--seeds", "1", "--course", str(AGENTS)]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert "collect, solution: full marks on 1 of 1 seeds" in result.output
