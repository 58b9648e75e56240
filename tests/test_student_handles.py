"""Student objects as hidden tests see them: what crosses, in how many messages, and what a problem is called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import mini_class
import pytest
import torch

from autograder.grading import Examiner
from autograder.judge.for_suites import assert_pure
from autograder.judge.handles import Globals, Handle, Student
from autograder.judge.problems import Mistake, Raised
from autograder.sandbox.client import Process

CELL = """
import random
import torch

kept = torch.zeros(2)
calls = 0

def add(x, y=0):
    if y == 7:
        raise ValueError("seven")
    return x + y

def same_buffer(x):
    kept.fill_(x)
    return kept

def in_place(x):
    return x.mul_(2)

def counts(x):
    global calls
    calls += 1
    return x + calls

def draw():
    return random.random(), torch.rand(1).item()

class Model:
    def __init__(self):
        self.size = 3
        self.hidden = 4

    def fit(self, x):
        return x + self.size

    def size(self):
        return "never called"

    def later(self):
        self.fit = 5

class Small:
    __slots__ = ("value",)

    def get(self):
        return 1

class Other(Model, torch.nn.Module):
    def __init__(self):
        torch.nn.Module.__init__(self)
"""


@pytest.fixture(scope="module")
def process(examiner: Examiner) -> Iterator[Process]:
    with examiner.zygote.sandbox(mini_class.limits()) as box:
        base = box.base()
        base.request({"op": "setup", "sources": []}, seconds=60)
        base.request({"op": "run", "sources": [CELL], "seed": 1, "names": []}, seconds=60)
        yield base


@pytest.fixture
def student(process: Process) -> Student:
    return Student(process, 30.0, 5, [], Globals())


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The messages that go to the worker."""
    found: list[dict[str, Any]] = []
    send = Process.send

    def listening(self: Process, header: dict[str, Any], *rest: Any) -> None:
        found.append(header)
        send(self, header, *rest)

    monkeypatch.setattr(Process, "send", listening)
    return found


def test_several_calls_are_one_message(student: Student, sent: list[dict[str, Any]]) -> None:
    add = student.add
    sent.clear()
    assert student.each(add, [(1,), (2, 3), (torch.ones(2), 1)])[:2] == [1, 5]
    assert student.each(add, []) == []
    assert len(sent) == 2


def test_the_first_of_several_calls_that_raises_is_reported(student: Student) -> None:
    with pytest.raises(Raised, match="ValueError: seven"):
        student.each(student.add, [(1, 1), (2, 7), (3, 3)])
    assert student.each(student.add, [(1, 1)]) == [2]  # and the conversation goes on
    with pytest.raises(Mistake, match="A function was expected"):
        student.each(3, [(1,)])  # type: ignore[arg-type]


def test_results_of_several_calls_are_those_of_the_moment(student: Student) -> None:
    """Who reuses one tensor for every result is right all the same."""
    one, two = student.each(student.same_buffer, [(1.0,), (2.0,)])
    assert one.tolist() == [1, 1]
    assert two.tolist() == [2, 2]


def test_a_method_is_called_in_one_message(student: Student, sent: list[dict[str, Any]]) -> None:
    model = student.Model()
    sent.clear()
    assert model.fit(1) == 4
    assert len(sent) == 1
    assert student.each(model.fit, [(1,), (2,)]) == [4, 5]
    assert len(sent) == 2


def test_what_an_object_has_itself_comes_before_its_methods(student: Student) -> None:
    model = student.Model()
    assert model.size == 3
    assert model.hidden == 4
    fit = model.fit
    model.later()
    with pytest.raises(Raised, match="not callable"):
        fit(1)  # what is called is what is there at the time of the call
    with pytest.raises(Raised, match="no attribute 'predict'"):
        model.predict(1)


def test_methods_of_unusual_classes(student: Student) -> None:
    assert student.Small().get() == 1
    other = student.Other()
    other.hidden = 6
    assert other.hidden == 6
    assert isinstance(other.parameters, Handle)  # torch's own methods are asked for one by one


def test_a_seed_and_kept_data_go_with_the_next_call(student: Student, sent: list[dict[str, Any]]) -> None:
    draw = student.draw
    first = draw()
    sent.clear()
    student.seed(5)
    kept = student.keep([1, 2])
    assert not sent
    assert draw() == first  # a test begins with this seed
    assert len(sent) == 1
    assert draw() != first
    assert student.fetch(kept) == [1, 2]


def helper(x):  # type: ignore[no-untyped-def]
    return add(x, 1)  # type: ignore[name-defined]  # noqa: F821


def test_a_helper_goes_with_the_next_call_and_once(student: Student, sent: list[dict[str, Any]]) -> None:
    assert student.remote(helper)(1) == 2
    assert student.remote(helper)(2) == 3
    assert len(sent) == 2
    assert "helpers" in sent[0]
    assert "helpers" not in sent[1]


def test_an_argument_that_is_changed_and_a_memory_are_both_noticed(student: Student) -> None:
    x = torch.arange(3.0) + 1
    assert_pure(student, student.add, (x, 2), x + 2)
    with pytest.raises(Mistake, match="argument 1 after the call"):
        assert_pure(student, student.in_place, (x,), 2 * x)
    with pytest.raises(Mistake, match="second call with the same arguments"):
        assert_pure(student, student.counts, (x,), x + 1)


def steps_in_worker(start):  # type: ignore[no-untyped-def]
    import torch

    parameter = start.clone().requires_grad_()
    optimizer = torch.optim.SGD([parameter], lr=0.5)
    parameter.sum().backward()
    optimizer.step()
    return parameter.detach()


def test_a_helper_that_leaves_nothing_but_its_name_needs_no_copy_of_the_process(process: Process) -> None:
    """An optimizer inside does not change that: a copy for each test would cost more than most tests."""
    copies: list[int] = []

    def copy() -> Process:
        copies.append(1)
        return process.fork()

    student = Student(process, 30.0, 5, [], Globals(), copy=copy)
    assert student.remote(steps_in_worker)(torch.ones(2)).tolist() == [0.5, 0.5]
    assert not copies
    student.run("import sys\nsys.mark = 1")
    assert copies
    student.hang_up()
