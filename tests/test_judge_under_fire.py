"""The judge meets a worker that says anything at all: every answer is held against the code, and none is waited for."""

from __future__ import annotations

import collections
import contextlib
import functools
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mini_class
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mini_class import by_name, grade, handed_in
from threats.case import SOFTMAX

from autograder.grading import Examiner
from autograder.judge import suite
from autograder.judge.company import Company, Scattered
from autograder.judge.for_suites import assert_pure
from autograder.judge.handles import Globals, Handle, Student
from autograder.judge.problems import Crashed, StudentProblem, TimedOut
from autograder.sandbox import wire

HANDLE = {"k": "handle", "id": 1, "type": "thing"}
KEYS = ("k", "v", "b", "id", "type", "dtype", "shape", "methods")
nonsense = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from([HANDLE, {"k": "tuple", "v": [1, {"k": "list", "v": []}]}, {"k": "handle", "id": "x"}]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=3)
    | st.lists(inner, max_size=3).map(lambda v: {"k": "list", "v": v})
    | st.lists(inner, max_size=3).map(lambda v: {"k": "tuple", "v": v}),
    max_leaves=8,
)  # fmt: skip
replies = st.dictionaries(
    st.sampled_from(["value", "error", "callback", "args", "names", "values", "pid", "seconds"]), nonsense, max_size=4
)


class Liar:
    """A process that answers each request with the next of some replies."""

    def __init__(self, answers: list[dict[str, Any]]):
        self.answers = answers
        self.alive = True
        self.sandbox = SimpleNamespace(out_of_memory=lambda: False)

    def send(self, *unused: Any) -> None:
        """Takes everything."""

    def end(self) -> None:
        self.alive = False

    def receive(self, *unused: Any) -> tuple[dict[str, Any], list[bytes]]:
        return self.answers.pop() if self.answers else {"value": 0}, [b"\0" * 8]


def helper(x: Any) -> Any:
    return x


USES: list[Any] = [
    lambda student, thing: student.f,
    lambda student, thing: thing(1, torch.zeros(2), key=lambda x: x),
    lambda student, thing: len(thing),
    lambda student, thing: bool(thing),
    lambda student, thing: list(thing),
    lambda student, thing: thing[0],
    lambda student, thing: thing.attribute,
    lambda student, thing: setattr(thing, "attribute", 3),
    lambda student, thing: thing.__setitem__(0, 1),
    lambda student, thing: student.value_and_grad(thing, torch.ones(1)),
    lambda student, thing: student.value_and_grad(student.f, torch.ones(1)),
    lambda student, thing: student.keep(torch.ones(1)),
    lambda student, thing: student.fetch(thing),
    lambda student, thing: student.run("x = 1"),
    lambda student, thing: student.remote(helper)(1),
    lambda student, thing: student.seed(3) or student.fetch(thing),
    lambda student, thing: student.each(thing, [(1,), (2,)]),
    lambda student, thing: isinstance(found := thing(1), Handle) and found.method(2),
    lambda student, thing: assert_pure(student, thing, (torch.ones(1), 2), torch.ones(1)),
    lambda student, thing: student.raises(ValueError, thing, 1),
]


@settings(max_examples=400, deadline=None)
@given(st.lists(replies, max_size=3), st.sampled_from(USES), nonsense)
def test_any_answer_of_a_worker_is_a_problem_of_the_students_code(answers: list[Any], use: Any, known: Any) -> None:
    said = Globals({"f": known} if isinstance(known, dict | list | int) else {}, [b"x"])
    student = Student(Liar(answers), 5.0, 1, [], said)  # type: ignore[arg-type]
    with contextlib.suppress(StudentProblem):
        use(student, Handle(student, HANDLE))


beside = st.fixed_dictionaries(
    {},
    optional={
        "callback": st.sampled_from([0, 0, 1, -1, True, None, "x"]),
        "who": st.sampled_from([0, 1, 1, 2, True, None, [0]]),
        "args": st.sampled_from([{"k": "list", "v": [{"k": "list", "v": [HANDLE]}, {"k": "dict", "v": []}]}])
        | nonsense,
        "replies": st.lists(
            st.fixed_dictionaries(
                {"buffers": st.sampled_from([0, 0, 1, 2])},
                optional={"value": nonsense, "error": nonsense, "cpu": nonsense},
            )
            | nonsense,
            max_size=3,
        ),
    },
)


@settings(max_examples=400, deadline=None)
@given(st.lists(beside, max_size=5), st.lists(st.sampled_from(USES), min_size=2, max_size=2))
def test_any_answer_to_tests_side_by_side_leaves_problems_of_the_code_or_no_verdict(answers: Any, uses: Any) -> None:
    patience: Any = SimpleNamespace(begin=lambda: None, end=lambda: None, pause=lambda: 1.0, resume=lambda left: None)
    company: Company[None] = Company(Liar(answers), 5.0, patience)  # type: ignore[arg-type]

    def test(who: int) -> None:
        student = Student(company.process, 5.0, 1, [], Globals(), company=company, who=who)
        with contextlib.suppress(StudentProblem):
            uses[who](student, Handle(student, HANDLE))
            Handle(student, HANDLE)(lambda x: len(x))

    with contextlib.suppress(Scattered):
        company.run([functools.partial(test, who) for who in range(2)])


def test_too_few_results_are_a_crash() -> None:
    answers: Any = [{"value": {"k": "list", "v": [1]}}]
    student = Student(Liar(answers), 5.0, 1, [], Globals())  # type: ignore[arg-type]
    with pytest.raises(Crashed):
        student.each(Handle(student, HANDLE), [(1,), (2,)])


def test_keys_that_are_made_to_collide_are_refused() -> None:
    """A table of them takes minutes to fill; the refusal is quick."""
    colliding = [{"k": "int", "v": hex(n * (2**61 - 1))} for n in range(50_000)]
    pairs = [[key, 0] for key in colliding]
    started = time.process_time()
    for node in ({"k": "set", "v": colliding}, {"k": "dict", "v": pairs}):
        with pytest.raises(wire.WireError, match="collide"):
            wire.decode(node, [], lambda n: n)
    honest = time.process_time()
    same = {"k": "set", "v": [{"k": "int", "v": hex(n)} for n in range(50_000)]}
    assert len(wire.decode(same, [], lambda n: n)) == 50_000
    assert honest - started < 20 * (time.process_time() - honest) + 1
    assert wire.decode({"k": "dict", "v": [[1, 2], [True, 3], [0, 4]]}, [], lambda n: n) == {1: 3, 0: 4}


def test_a_test_that_does_not_come_to_an_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "JUDGE_SECONDS", 0.2)
    renewed = []
    stage: Any = SimpleNamespace(cell=SimpleNamespace(seconds=0.01))
    session: Any = SimpleNamespace(limits=mini_class.limits(), renew=lambda stage, status: renewed.append(stage))
    with suite.Patience(stage, session) as patience:
        patience.begin()
        with pytest.raises(TimedOut, match="more than this test can look at"):
            collections.deque(iter(lambda: 0, 1), maxlen=0)
        patience.end()
        assert renewed == [stage]
        patience.begin()
        patience.end()
        time.sleep(0.4)  # nothing rings any more
    assert renewed == [stage]


TELLS = "def softmax(x):\n    raise ValueError(str(x.tolist()))"


def test_another_file_meets_other_inputs_and_a_regrade_the_same(examiner: Examiner, tmp_path: Path) -> None:
    """Who makes an error message tell the hidden input cannot look the answer up in the next attempt."""

    def inputs(source: str) -> list[str]:
        result = grade(examiner, handed_in({"softmax": source}), tmp_path)
        assert result.score == mini_class.FULL - 4
        return [test.message.split("ValueError: ")[1].split("\n")[0] for test in by_name(result)["softmax"].tests]

    first = inputs(TELLS)
    assert inputs(TELLS) == first
    second = inputs(TELLS + "  # again")
    assert not set(second) & set(first)
    rows = ", ".join(f"{text!r}: torch.softmax(torch.tensor({text}, dtype=torch.float64), -1)" for text in first)
    table = "known = {" + rows.replace("torch.softmax", "own") + "}\n"
    looked_up = SOFTMAX.replace("softmax", "own") + table + "def softmax(x):\n    return known[str(x.tolist())]"
    result = grade(examiner, handed_in({"softmax": looked_up}), tmp_path)
    assert by_name(result)["softmax"].score == 0
