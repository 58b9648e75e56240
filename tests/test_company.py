"""Hidden tests side by side: in few messages, and with the verdicts that they have one after the other."""

from __future__ import annotations

import dataclasses
import functools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mini_class
import pytest
import torch

from autograder.grading import Examiner
from autograder.intake import Submission
from autograder.judge import company, session, suite
from autograder.judge.company import Company, Scattered
from autograder.judge.handles import Student
from autograder.judge.problems import Crashed, Mistake, OutOfMemory, Raised, TimedOut
from autograder.sandbox.client import Process, ProcessGone, Sandbox

CELL = """
import random
import torch

def softmax(x):
    return x.exp() / x.exp().sum(-1, keepdim=True)

class Box:
    def __init__(self, held):
        self.held = held

def draw():
    return random.random(), torch.rand(1).item()

def apply(function, x):
    return function(x)

def fail():
    raise ValueError("no")

def forever():
    while True:
        pass
"""

Test = Callable[[Student], Any]


class Bench:
    """One exercise with a cell of its own, opened."""

    def __init__(self, examiner: Examiner, source: str = CELL, **limits: float):
        manifest = examiner.manifests["mini"]
        cells = {c.name: [c.solved] for c in manifest.cells if c.kind in ("exercise", "quiz")} | {"softmax": [source]}
        bounds = mini_class.limits(**limits)
        self.session = session.GradingSession(
            examiner.zygote, manifest, Submission(cells=cells), bounds, examiner.seeds, "ann"
        )
        self.stage = self.session.open_stage(self.session.entries[0])

    def play(self, *tests: Test, together: bool = True) -> list[Any]:
        """What the tests return, or raise."""

        def one(number: int, company: Company[Any] | None) -> Any:
            try:
                with self.session.student(self.stage, f"test {number}", company, number) as student:
                    patience.begin()
                    try:
                        return tests[number](student)
                    finally:
                        patience.end()
            except Exception as problem:
                return problem

        with suite.Patience(self.stage, self.session) as patience:
            beside = self.session.company(self.stage, patience) if together else None
            works = [functools.partial(one, number, beside) for number in range(len(tests))]
            if beside is None:
                return [work() for work in works]
            return beside.run(works)


@pytest.fixture
def bench(examiner: Examiner) -> Iterator[Bench]:
    bench = Bench(examiner)
    assert bench.stage.in_line
    with bench.session:
        yield bench


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that the worker is asked for."""
    found: list[str] = []
    send = Process.send

    def listening(self: Process, header: dict[str, Any], *rest: Any) -> None:
        found.append(header.get("op", "callback"))
        send(self, header, *rest)

    monkeypatch.setattr(Process, "send", listening)
    return found


def test_the_calls_of_all_tests_travel_together(bench: Bench, sent: list[str]) -> None:
    def twice(student: Student) -> float:
        return float(student.softmax(torch.zeros(2)).sum() + student.softmax(torch.zeros(3)).sum())

    def once(student: Student) -> list[float]:
        return student.softmax(torch.zeros(4)).tolist()

    results = bench.play(once, twice, lambda student: "asks nothing", once)
    assert results == [[0.25] * 4, 2.0, "asks nothing", [0.25] * 4]
    assert sent == ["calls", "calls"]


def test_each_test_has_its_own_seeds_helpers_and_objects(bench: Bench) -> None:
    def test(student: Student, number: int) -> Any:
        first = student.draw()
        student.run(f"def helper():\n    return {number}")
        box, other = student.Box(number), student.keep([number])
        helped = student.helper()
        second, held = student.draw(), box.held
        student.seed(7)
        return first, helped, held, student.fetch(other), second, student.draw(), student.draw(), student.helper()

    tests = [functools.partial(test, number=number) for number in range(3)]
    apart = bench.play(*tests, together=False)
    assert bench.play(*tests) == apart
    assert bench.play(*tests[::-1])[::-1] != apart  # a test's seed comes with its name
    for number, (first, helped, held, kept, second, *after, again) in enumerate(apart):
        assert (helped, held, kept, again) == (number, number, [number], number)
        assert first != second != after[0] != after[1]
    assert len({row[0] for row in apart}) == 3
    assert len({row[5] for row in apart}) == 1  # all have asked for the same seed


def test_a_callback_finds_its_own_test(bench: Bench) -> None:
    def test(student: Student, number: int) -> Any:
        seen: list[float] = []

        def function(x: torch.Tensor) -> torch.Tensor:
            seen.append(float(x))
            return x + number

        return float(student.apply(function, torch.tensor(2.0))), seen

    assert bench.play(*(functools.partial(test, number=n) for n in range(3))) == [(n + 2.0, [2.0]) for n in range(3)]


def test_a_problem_is_that_of_its_own_test(bench: Bench) -> None:
    good, bad, none = bench.play(lambda student: student.draw(), lambda student: student.fail(), lambda student: 1 / 0)
    assert isinstance(good, tuple)
    assert isinstance(bad, Raised)
    assert "ValueError: no" in str(bad)
    assert isinstance(none, ZeroDivisionError)


def test_gradients_that_one_test_switches_off_are_on_for_the_others(bench: Bench) -> None:
    def off(student: Student) -> bool:
        with torch.no_grad():
            student.draw()
            return torch.is_grad_enabled()

    def on(student: Student) -> bool:
        before = torch.is_grad_enabled()
        student.draw()
        return before and torch.is_grad_enabled()

    assert bench.play(off, on, off, on) == [False, True, False, True]
    assert torch.is_grad_enabled()


def test_what_a_test_leaves_behind_is_met_by_no_other(bench: Bench) -> None:
    def marks(student: Student) -> Any:
        student.softmax.mark = 5
        return student.softmax.mark

    def looks(student: Student) -> Any:
        student.draw()
        return student.softmax.mark

    first, mark, second = bench.play(looks, marks, looks)
    assert mark == 5
    assert "mark" in str(first)
    assert "mark" in str(second)


def test_who_takes_long_goes_on_alone(bench: Bench, sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker stops where a message has taken long enough, and the rest is asked one by one."""
    monkeypatch.setattr(company, "BRIEF_SECONDS", 1e-6)
    sizes = (1, 2, 4)
    results = bench.play(*(functools.partial(lambda student, n: student.softmax(torch.zeros(n)), n=n) for n in sizes))
    assert [r.tolist() for r in results] == [[1 / n] * n for n in sizes]
    assert sent == ["calls", "call", "call"]


def test_who_ends_the_process_after_the_others_took_long_leaves_no_verdict(
    examiner: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else's test is a crash because one call has not come to its end."""
    monkeypatch.setattr(company, "BRIEF_SECONDS", 1e-6)
    with (bench := Bench(examiner, test_seconds=1)).session, pytest.raises(Scattered):
        bench.play(*(lambda student: student.draw(), lambda student: student.forever()) * 2)


@pytest.mark.parametrize("value", ["10**5000", "{(frozenset([1]),): 2}"])
def test_a_callback_that_cannot_be_read_leaves_no_verdict(examiner: Examiner, tmp_path: Path, value: str) -> None:
    bench = Bench(examiner, CELL + f"\ndef odd(function):\n    return function({value})")
    with bench.session, pytest.raises(Scattered):
        bench.play(lambda student: student.odd(lambda x: x), lambda student: student.draw())
    descend = f"def descend(gradient, start, steps):\n    gradient({value})\n    return start"
    result = mini_class.grade(examiner, mini_class.handed_in({"descend": descend}), tmp_path)
    assert result.score == mini_class.FULL - 2


@pytest.mark.parametrize("together", [True, False])
def test_a_callback_cannot_look_into_what_stays_in_the_worker(bench: Bench, together: bool) -> None:
    """The worker waits for the answer of the callback; it is not asked anything meanwhile."""

    def test(student: Student) -> Any:
        return student.apply(lambda f: f(1), student.softmax)

    given, drawn = bench.play(test, lambda student: student.draw(), together=together)
    assert isinstance(given, Mistake)
    assert "no number or tensor" in str(given)
    assert isinstance(drawn, tuple)


def test_what_a_broken_conversation_has_left_answers_no_other_test(examiner: Examiner) -> None:
    bench = Bench(examiner, CELL + "\ndef odd(function):\n    return function(10**5000)")
    with bench.session:
        odd, drawn = bench.play(
            lambda student: student.odd(lambda x: x), lambda student: student.draw(), together=False
        )
    assert "could not be read" in str(odd)
    assert isinstance(drawn, tuple)


def test_a_call_that_does_not_end_leaves_no_verdict(examiner: Examiner) -> None:
    with (bench := Bench(examiner, test_seconds=1)).session:
        started = time.monotonic()
        with pytest.raises(Scattered):
            bench.play(lambda student: student.draw(), lambda student: student.forever())
        assert time.monotonic() - started < 30
        assert bench.stage.process is not None
        assert not bench.stage.process.alive


def test_a_callback_that_stumbles_over_the_grader_leaves_no_verdict(bench: Bench) -> None:
    def stumbles(student: Student) -> Any:
        return student.apply(lambda x: object(), torch.tensor(1.0))  # what a test cannot send to the worker

    with pytest.raises(Scattered, match="cannot be sent"):
        bench.play(lambda student: student.draw(), stumbles)


def test_a_test_that_looks_for_ever_is_stopped_among_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "JUDGE_SECONDS", -15.7)  # 0.3 s beyond what the limits of the mini course give

    def looks(student: Student) -> None:
        student.draw()
        for _ in range(500):
            time.sleep(0.01)

    stopped, drawn = bench.play(looks, lambda student: student.draw())
    assert "more than this test can look at" in str(stopped)
    assert isinstance(drawn, tuple)


def test_a_callback_that_works_for_ever_is_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "JUDGE_SECONDS", -15.7)

    def test(student: Student) -> Any:
        return student.apply(lambda x: [time.sleep(0.01) for _ in range(500)], 1)

    with pytest.raises(Scattered):
        bench.play(test)
    (stopped,) = bench.play(test, together=False)
    assert isinstance(stopped, TimedOut)


def test_slow_cells_and_noisy_ones_have_no_company(examiner: Examiner) -> None:
    patience: Any = None
    with (noisy := Bench(examiner, CELL + "\nimport os")).session:
        assert noisy.session.company(noisy.stage, patience) is None
    with (quiet := Bench(examiner)).session:
        assert quiet.session.company(quiet.stage, patience) is not None
        quiet.stage.cell = dataclasses.replace(quiet.stage.cell, seconds=20.0)
        assert quiet.session.company(quiet.stage, patience) is None


@pytest.mark.parametrize(
    ("replies", "data"),
    [
        (None, []),
        ({}, []),
        ([3], []),
        ([{}], []),
        ([{"buffers": True}], [b"x"]),
        ([{"buffers": -1}], []),
        ([{"buffers": 2}], [b"x"]),
        ([{"buffers": 0}], [b"x"]),
        ([{"buffers": 1}, {"buffers": 1}], [b"x"]),
    ],
)
def test_answers_that_do_not_fit_are_none(replies: Any, data: list[bytes]) -> None:
    assert company._apart(replies, data) == []


def test_answers_are_told_apart() -> None:
    counts = [random.Random(3).randrange(3) for _ in range(6)]
    data = [bytes([n]) for n in range(sum(counts))]
    found = company._apart([{"buffers": count} for count in counts], data)
    assert [len(buffers) for _, buffers in found] == counts
    assert [one for _, buffers in found for one in buffers] == data


@pytest.mark.parametrize("cpu", [None, "x", -1.0, float("nan"), float("inf"), 10**400, True])
def test_a_time_that_no_worker_says_is_shared_out_all_the_same(cpu: Any) -> None:
    assert 0 < company._weight({"cpu": cpu}) < 1e7


def scene_of_three(apply, softmax, size):  # type: ignore[no-untyped-def]
    """What softmax makes of zeros, where a function of the test is called on the way."""
    import torch

    def three(x):  # type: ignore[no-untyped-def]
        if len(x) != 3:
            raise AssertionError(f"Three numbers were expected, and {len(x)} were found.")
        return x

    return apply(three, softmax(torch.zeros(size)))


def test_a_remark_of_a_scene_reads_the_same_in_both_processes(bench: Bench) -> None:
    def test(student: Student, size: int, here: bool) -> Any:
        scene = student.scene(scene_of_three)
        assert scene is not scene_of_three
        return (scene_of_three if here else scene)(student.apply, student.softmax, size)

    works = [functools.partial(test, size=size, here=here) for size in (3, 2) for here in (True, False)]
    right, same, wrong, also = bench.play(*works)
    assert right.tolist() == same.tolist() == pytest.approx([1 / 3] * 3)
    assert str(wrong) == str(also) == "Three numbers were expected, and 2 were found."
    assert isinstance(also, Mistake)


def test_a_copy_that_memory_has_prevented_is_a_matter_of_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor may have ended everything, for what the processes held together, before a test began."""

    def no_fork(self: Process) -> Process:
        raise ProcessGone("ended")

    monkeypatch.setattr(Process, "fork", no_fork)
    for short, kind in ((True, OutOfMemory), (False, Crashed)):
        monkeypatch.setattr(Sandbox, "out_of_memory", lambda self, short=short: short)
        with pytest.raises(kind):
            bench.session._copy(bench.stage)
