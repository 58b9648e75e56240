# ruff: noqa: E501 - the cells are students' code
"""Cells that are judged in one process, one after the other: which they are, and that this changes no verdict."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import mini_class
import pytest
from mini_class import FULL, by_name, grade, handed_in
from threats import accidents, traces
from threats.case import COUNTER, DESCEND, ENTROPY, SOFTMAX, Case
from threats.forging import HONEST_BUT_UNUSUAL

from autograder.curriculum import load_curriculum
from autograder.demo_class import play_class
from autograder.grading import Examiner
from autograder.judge import session
from autograder.judge.quiet import NOTHING, Names, quiet_names, released_names
from autograder.judge.seeds import SeedSource
from autograder.preparation import prepare, with_examiner
from autograder.record import NotebookResult
from autograder.sandbox.client import Process, Sandbox
from autograder.validation import read_examples, solved_submission

TORCH, _ = released_names(("import torch\nimport math",), ())


def is_quiet(source: str, known: Names = TORCH) -> bool:
    return quiet_names(source, known, ("softmax",)) is not None


QUIET = {
    "a_function": SOFTMAX,
    "a_class": COUNTER,
    "a_callback": DESCEND,
    "helpers_and_constants": "EPS = 1e-9\nSHAPE = (2, -3)\ndef helper(x, eps=EPS): return x + eps\n" + SOFTMAX,
    "another_name_for_a_function": "mine = torch.exp\ndef softmax(x): return mine(x)",
    "numpy": "import numpy as np\nfrom numpy import linalg\ndef softmax(x): return np.exp(x) + linalg.norm(x)",
    "imports_in_a_function": "def softmax(x):\n    import math\n    from torch.nn import functional as F\n    return F.relu(x)",
    "in_place": "def softmax(x):\n    x -= x.max()\n    x[0] = 1\n    x.exp_()\n    return x",
    "gradients": "def softmax(x):\n    x.grad = None\n    with torch.no_grad():\n        return x.exp()",
    "nested": "def softmax(x):\n    n = 0\n    def add():\n        nonlocal n\n        n += 1\n    add()\n    return [y for y in x if n]",
    "module": "class softmax(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.w = torch.ones(3)",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass softmax:\n    x: int = 0\n    def add(self): self.x += 1",
    "trying_out": SOFTMAX + "x = torch.randn(3, 2)\nx[0] = 1\nfor row in x: print(softmax(row), [softmax(r) for r in x])",
    "hints": "def softmax(x: 'torch.Tensor', rate: float = 1.0) -> list[torch.optim.Optimizer] | None: return x.sum()",
    "texts": "def softmax(x): return '{:.3f} of {} in {{}}'.format(1.5, x) + f'{x.ndim}'",
    "the_type_of_something": "def softmax(x): return type(x).__name__ if type(x) is not int else 'a number'",
    "an_error": "class Bad(ValueError): pass\ndef softmax(x):\n    try:\n        raise Bad('no')\n    except Bad as e:\n        return str(e)",
}  # fmt: skip
NOISY = {
    **{name: traces.source_of(memory).replace("entropy", "softmax") for name, memory in traces.MEMORIES.items()},
    "not_python": "def softmax(",
    "a_magic": "%time\n" + SOFTMAX,
    "a_shell_line": "!ls\n" + SOFTMAX,
    "a_value_in_place_of_a_function": "softmax = make(3)",
    "a_partial": "from functools import partial\nsoftmax = partial(print, [])",
    "an_unknown_name": "def softmax(x): return helper(x)",
    "an_unknown_module": "import scipy.special as s\ndef softmax(x): return s.softmax(x)",
    "threads_at_the_top": "import threading\n" + SOFTMAX,
    "modules_of_modules": "def softmax(x): torch.backends.mkldnn.enabled = False",
    "inner_modules": "import torch.utils.data as d\n" + SOFTMAX,
    "dynamic_code": "def softmax(x): return eval('x')",
    "the_frame": "import sys\ndef softmax(x): return sys._getframe()",
    "a_finaliser": "class softmax:\n    def __del__(self): pass",
    "a_descriptor": "class softmax:\n    def __set_name__(self, owner, name): pass",
    "a_metaclass": "class softmax(metaclass=type): pass",
    "a_decorator": "@torch.compile\ndef softmax(x): return x",
    "a_star_import": "from torch import *\ndef softmax(x): return exp(x)",
    "output_later": "import atexit\n" + SOFTMAX,
    "asynchronous": "async def softmax(x): return x",
    "a_name_bound_perhaps": "if torch.rand(()) > 0.5:\n    def softmax(x): return x",
    "a_builtin_replaced": "len = [].append\ndef softmax(x): return len(x)",
    "a_builtin_replaced_on_the_way": "y = (len := [].append)\ndef softmax(x): return len(x)",
    "code_in_a_hint": "def softmax(x: exec('y = 1')): return x",
    "code_in_the_hint_of_the_result": "def softmax(x) -> exec('y = 1'): return x",
    "code_in_a_decorator": "@torch.no_grad(exec('y = 1'))\ndef softmax(x): return x",
    "code_in_the_decorator_of_a_class": "from dataclasses import dataclass\n@dataclass(init=exec('y = 1'))\nclass softmax: pass",
    "code_in_a_base": "from typing import Generic\nclass softmax(Generic[exec('y = 1')]): pass",
    "code_in_a_text": "import typing\ndef hint(x: 'lambda: x.__closure__'): pass\ndef softmax(x): return typing.get_type_hints(hint, None, {'x': x})",
    "the_code_of_a_generator": "def look(x): yield x.a\ndef softmax(x): return type(look)(look(x).gi_code.replace(co_names=('__closure__',)), {})",
    "a_pattern": "def softmax(f):\n    match f:\n        case object(__closure__=kept): return kept",
    "a_field_of_a_text": "def softmax(f): return '{0.__closure__[0].cell_contents}'.format(f)",
    "a_field_inside_a_field": "def softmax(f): return '{0:{1.__code__}}'.format(1, f)",
    "a_text_from_elsewhere": "def softmax(f, text): return text.format(f)",
    "a_formatter": "import string\ndef softmax(f): return string.Formatter().get_field('0.__closure__', (f,), {})",
    "attributes_of_another": "import functools\ndef other(): pass\ndef softmax(f): functools.update_wrapper(f, other, ('__code__',))",
    "what_an_error_holds": "def softmax(x):\n    try: torch.nothing\n    except AttributeError as e: return e.obj.sys.modules",
    "a_module_under_another_name": "def softmax(x):\n    t = torch\n    return t.sys.modules",
    "a_module_under_another_name_at_the_top": "t = torch.nn\ndef softmax(x): return t.modules.module.torch.sys.modules",
    "a_module_imported_under_another_name": "def softmax(x):\n    import torch as t\n    return t.sys.modules",
    "two_modules_of_one_name": "def other():\n    import math as t\ndef softmax(x):\n    import torch as t\n    return t.sys.modules",
    "a_module_as_an_argument": "def look(t): return t.sys.modules\ndef softmax(x): return look(torch)",
    "a_module_in_a_hint": "from dataclasses import dataclass, fields\n@dataclass\nclass A:\n    t: torch = 0\ndef softmax(x): return fields(A)[0].type.sys",
    "self_of_a_function": "def mark(self): self.mark = 1\ndef softmax(x): mark(softmax)",
    "self_of_a_static_method": "class A:\n    @staticmethod\n    def mark(self): self.mark = 1\ndef softmax(x): A.mark(softmax)",
    "another_self": "class A:\n    def mark(self, x):\n        self = x\n        self.mark = 1\ndef softmax(x): A().mark(softmax)",
    "self_at_the_top": "self = torch.Tensor\nself.mark = 1\n" + SOFTMAX,
    "the_type_of_a_type": "def softmax(x): return type(type(x))('A', (), {})",
    "a_type_under_another_name": "def softmax(x):\n    kind = type(x)\n    return kind('A', (), {})",
    "a_class_made_of_parts": "def softmax(x): return type('A', (), {'__del__': lambda self: None})()",
    "another_name_for_type": "def softmax(x):\n    make = type\n    return make('A', (), {})",
    "memory": "import numpy as np\nclass A:\n    @property\n    def __array_interface__(self): return {'data': (1, False)}\ndef softmax(x): return np.asarray(A())",
    "memory_by_a_dictionary": "import numpy as np\ndef softmax(x): return np.asarray(torch.nn.ParameterDict({'__array_interface__': {}}))",
    "methods_of_tensors": "class A:\n    def mark(self): self.clone = None\ndef softmax(x): A.mark(type(x))",
}  # fmt: skip


@pytest.mark.parametrize("name", QUIET)
def test_what_leaves_nothing_behind_is_read_as_quiet(name: str) -> None:
    assert quiet_names(QUIET[name], TORCH, ()) is not None


@pytest.mark.parametrize("name", NOISY)
def test_what_may_leave_something_behind_is_read_as_noisy(name: str) -> None:
    assert not is_quiet(NOISY[name])


def test_names_are_known_from_cell_to_cell() -> None:
    assert quiet_names(ENTROPY, TORCH, ("entropy",)) is None  # who knows what softmax is
    known = TORCH | (quiet_names(SOFTMAX, TORCH) or NOTHING)
    assert quiet_names(ENTROPY, known, ("entropy",)) is not None
    later = known | (quiet_names("softmax = [torch.exp]", known) or NOTHING)
    assert quiet_names(ENTROPY, later, ("entropy",)) is None
    assert quiet_names("def f(x): return torch.exp(x)", later | Names(changing=frozenset({"torch"}))) is None


# -- in the sandbox ----------------------------------------------------------------------------------------------


def without_times(result: NotebookResult) -> dict[str, Any]:
    data = dataclasses.asdict(result)
    data["seconds"] = 0
    for entry in data["exercises"]:
        entry["seconds"] = 0
        entry["outputs"] = [o for o in entry["outputs"] if "Wall time" not in o.get("text", "")]  # of %%time
        for test in entry["tests"]:
            test["seconds"] = 0
    return data


@pytest.fixture
def carefully(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the judge take every cell for one that may leave traces."""

    def switch(on: bool) -> None:
        monkeypatch.setattr(session, "quiet_names", (lambda *args: None) if on else quiet_names)

    return switch


def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[int]:
    """Counts the calls of a method."""
    calls = [0]
    real = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)
    return calls


def test_an_honest_notebook_is_judged_in_one_process(
    examiner: Examiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carefully: Any
) -> None:
    forks, bases = counted(monkeypatch, Process, "fork"), counted(monkeypatch, Sandbox, "base")
    assert grade(examiner, handed_in(), tmp_path).score == FULL
    wrong = {"softmax": "def softmax(x):\n    return x", "entropy": "def entropy(x):\n    raise ValueError(x)"}
    assert grade(examiner, handed_in(wrong), tmp_path).score == FULL - 6
    assert forks == [0]
    assert bases == [2]
    carefully(True)
    assert grade(examiner, handed_in(), tmp_path).score == FULL
    assert forks[0] >= 5


def test_what_ends_the_process_costs_its_own_test_only(
    examiner: Examiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of the line the process goes, and the rest is judged as if nothing had happened."""
    source = COUNTER.replace("return self.value", "return [0.5] * 3_000_000 if {} else self.value")
    for condition, lost in (("self.value < 0", 0.0), ("True", 2.0)):
        result = grade(examiner, handed_in({"Counter": source.format(condition)}), tmp_path)
        assert result.score == FULL - lost
    assert by_name(result)["Counter"].status == "crashed"
    slow = COUNTER.replace("self.value += n", "while True: pass")
    result = grade(examiner, handed_in({"Counter": slow}), tmp_path, mini_class.limits(test_seconds=2))
    assert {e.name: e.status for e in result.exercises if e.status != "passed"} == {
        "Counter": "timeout",
        "why": "manual",
    }


def test_a_tests_own_helpers_stay_in_its_test(examiner: Examiner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that a test sends to the worker, and what it sets there, is met by no later test or cell."""
    manifest, notebook = examiner.manifests["mini"], mini_class.notebook()
    submission = solved_submission(manifest)
    with session.GradingSession(
        examiner.zygote, manifest, submission, notebook.limits, examiner.seeds, "student"
    ) as grading:
        stage = grading.open_stage(grading.entries[0])
        assert stage.in_line
        with grading.student(stage, "one") as student:
            student.run("helper = 3")
            assert student.helper == 3
            assert student.fetch(student.keep([1, 2])) == [1, 2]
        with grading.student(stage, "two") as student:
            assert student._process is stage.process
            with pytest.raises(Exception, match="helper"):
                student.helper
            student.softmax.mark = 5
            assert student.softmax.mark == 5
        with grading.student(stage, "three") as student, pytest.raises(Exception, match="mark"):
            student.softmax.mark


def _same(examiner: Examiner, case: Case, folder: Path, carefully: Any) -> None:
    limits = mini_class.limits(**case.limits) if case.limits else None
    results = []
    for on in (False, True):
        carefully(on)
        results.append(without_times(grade(examiner, handed_in(dict(case.cells), case.extras), folder, limits)))
    assert results[0] == results[1]


HONEST = [c for c in [*accidents.CASES, *HONEST_BUT_UNUSUAL] if c.name != "magics_and_await"]  # which prints times


@pytest.mark.parametrize("case", HONEST, ids=lambda case: case.name)
def test_both_ways_say_the_same_of_what_happens_to_honest_people(
    case: Case, examiner: Examiner, tmp_path: Path, carefully: Any
) -> None:
    _same(examiner, case, tmp_path, carefully)


def test_both_ways_say_the_same_of_every_example_of_the_mini_course(
    examiner: Examiner, tmp_path: Path, carefully: Any
) -> None:
    for example in read_examples(mini_class.notebook().misconceptions):
        _same(examiner, Case(example.name, {example.exercise: example.source}), tmp_path, carefully)


def _softmax_examiner(folder: Path, work: Any) -> Any:
    curriculum = load_curriculum()
    assignment = curriculum.assignment("01_softmax_regression")
    prepared = prepare(curriculum, assignment, folder)
    return with_examiner(prepared, curriculum.isolation, SeedSource(b"both ways"), work)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_both_ways_say_the_same_of_the_demo_class(tmp_path: Path, carefully: Any) -> None:
    """Whatever they handed in: right, wrong, hostile, or damaged."""
    play_class(tmp_path / "submitted")
    (tmp_path / "prepared").mkdir()
    paths = sorted((tmp_path / "submitted").glob("*/*/*.ipynb"))
    assert len(paths) > 15

    def work(examiner: Examiner) -> None:
        notebook = next(n for n in load_curriculum().notebooks() if n.name == "softmax_regression")
        for path in paths:
            results = []
            for on in (False, True):
                carefully(on)
                result = examiner.grade(notebook, path, path.parent.parent.name)
                results.append(json.dumps(without_times(result), indent=1))
            assert results[0] == results[1], path

    _softmax_examiner(tmp_path / "prepared", work)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_both_ways_say_the_same_of_every_example_of_softmax_regression(tmp_path: Path, carefully: Any) -> None:
    def work(examiner: Examiner) -> int:
        notebook = next(n for n in load_curriculum().notebooks() if n.name == "softmax_regression")
        manifest = examiner.manifests[notebook.name]
        examples = read_examples(notebook.misconceptions)
        for example in examples:
            submission = solved_submission(manifest, **{example.exercise: example.source})
            entries = []
            for on in (False, True):
                carefully(on)
                entry = examiner.grade_one(notebook, submission, example.exercise, "student")
                entry.seconds = 0
                for test in entry.tests:
                    test.seconds = 0
                entries.append(entry)
            assert entries[0] == entries[1], example.name
        return len(examples)

    assert _softmax_examiner(tmp_path, work) > 100
