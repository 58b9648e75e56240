"""Submission in, record out: complete, reproducible, and fair to what is there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import mini_class
import pytest
from mini_class import FULL, POINTS, by_name, find, grade, handed_in
from test_intake import as_colab, as_format_3, as_vs_code, reordered, without_anything, without_grade_ids

from autograder.grading import Examiner
from autograder.judge import session
from autograder.judge.checkers import assert_close, assert_finite
from autograder.judge.problems import Mistake
from autograder.judge.seeds import SeedSource
from autograder.record import NotebookResult
from autograder.validation import validate


def without_times(result: NotebookResult) -> dict[str, Any]:
    """A result without what differs from run to run."""
    data = dataclasses.asdict(result)
    data["seconds"] = 0
    for entry in data["exercises"]:
        entry["seconds"] = 0
        for test in entry["tests"]:
            test["seconds"] = 0
    return data


def test_the_solved_notebook_gets_full_marks_and_the_released_one_none(examiner: Examiner, tmp_path: Path) -> None:
    result = grade(examiner, mini_class.solved(), tmp_path)
    assert result.status == "graded"
    assert result.score == FULL
    assert not result.findings
    assert by_name(result)["why"].status == "manual"
    result = grade(examiner, mini_class.released(), tmp_path)
    assert result.score == 0
    assert {e.status for e in result.exercises} == {"not_done"}


def test_points_are_shared_out_by_weight(examiner: Examiner, tmp_path: Path) -> None:
    result = grade(
        examiner,
        handed_in({"softmax": "def softmax(x):\n    e = x.exp()\n    return e / e.sum(-1, keepdim=True)"}),
        tmp_path,
    )
    entry = by_name(result)["softmax"]
    assert [(t.status, t.score, t.max_score) for t in entry.tests] == [
        ("passed", 2, 2),
        ("failed", 0, 1),
        ("passed", 1, 1),
    ]
    assert entry.score == 3
    assert entry.tests[1].title == "Large logits overflow."
    assert entry.tests[1].hint == "Subtract the maximum of each row first."


def test_a_regrade_is_reproducible_and_students_differ(examiner: Examiner, tmp_path: Path) -> None:
    wrong = handed_in({"entropy": "import random\ndef entropy(x):\n    return x.sum(-1) + random.random()"})
    one, two = (without_times(grade(examiner, wrong, tmp_path)) for _ in range(2))
    assert one == two
    other = examiner.grade(mini_class.notebook(), tmp_path / "mini.ipynb", "somebody else")
    assert by_name(other)["entropy"].tests[0].message != one["exercises"][1]["tests"][0]["message"]


def test_seeds_depend_on_everything_and_tell_nothing() -> None:
    source = SeedSource(b"secret")
    seeds = {source.seed(*names) for names in (("a", "b"), ("ab", ""), ("", "ab"), ("a", "b", ""), ("b", "a"))}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert SeedSource(b"secret").seed("a", "b") == source.seed("a", "b") != SeedSource(b"other").seed("a", "b")
    assert b"secret".hex() not in source.fingerprint()


@pytest.mark.parametrize(
    "how", [as_format_3, as_colab, as_vs_code, without_grade_ids, without_anything], ids=lambda how: how.__name__
)
def test_notebooks_of_other_programs_get_what_they_deserve(how: Any, examiner: Examiner, tmp_path: Path) -> None:
    assert grade(examiner, how(mini_class.solved()), tmp_path).score == FULL


def test_cells_in_another_order_are_graded_each_for_itself(examiner: Examiner, tmp_path: Path) -> None:
    assert grade(examiner, reordered(mini_class.solved()), tmp_path).score == FULL


@pytest.mark.parametrize("data", [b"", b"{", b"\x00\xff", b"[]", b'{"cells": 3}'], ids=repr)
def test_an_unreadable_file_gets_a_complete_record(data: bytes, examiner: Examiner, tmp_path: Path) -> None:
    result = grade(examiner, data, tmp_path)
    assert result.status == "unreadable"
    assert result.score == 0
    assert {e.status for e in result.exercises} == {"missing"}
    assert result.sha256


def test_a_missing_notebook_gets_a_complete_record(examiner: Examiner) -> None:
    result = examiner.grade(mini_class.notebook(), None, "student")
    mini_class.assert_complete(result)
    assert result.status == "missing"


def test_deleted_cells_cost_themselves(examiner: Examiner, tmp_path: Path) -> None:
    content = handed_in()
    for name in ("softmax", "fact"):
        content["cells"].remove(find(content, name))
    result = grade(examiner, content, tmp_path)
    assert result.score == FULL - POINTS["softmax"] - POINTS["fact"]
    assert by_name(result)["softmax"].status == by_name(result)["fact"].status == "missing"


def test_every_cell_bad_in_another_way_gets_a_complete_record(examiner: Examiner, tmp_path: Path) -> None:
    cells = {
        "softmax": "def softmax(x):\n    return torch.softmax(x, -1)",
        "entropy": "import os\nos._exit(0)",
        "Counter": "def Counter(:",
        "descend": "def descend(gradient, start, steps):\n    return [0] * 10**13",
        "fact": "fact = undefined_name",
    }
    result = grade(examiner, handed_in(cells), tmp_path, mini_class.limits())
    assert result.score == 0
    found = {name: entry.status for name, entry in by_name(result).items()}
    assert found.pop("why") == "manual"
    assert found == {
        "softmax": "forbidden", "entropy": "crashed", "Counter": "error", "descend": "memory", "fact": "error",
    }  # fmt: skip


def test_earlier_mistakes_do_not_spoil_later_exercises_and_the_record_says_so(
    examiner: Examiner, tmp_path: Path
) -> None:
    result = grade(examiner, handed_in({"softmax": "def softmax(x):\n    return x"}), tmp_path)
    assert result.score == FULL - POINTS["softmax"]
    assert by_name(result)["entropy"].used_reference_for == ["softmax"]


def test_a_limit_on_the_whole_submission_is_kept_and_named(examiner: Examiner, tmp_path: Path) -> None:
    slow = "import time\ntime.sleep(3)\n"
    honest = {name: slow + "".join(find(mini_class.solved(), name)["source"]) for name in POINTS if name != "why"}
    limits = mini_class.limits(submission_seconds=5)
    result = grade(examiner, handed_in(honest), tmp_path, limits)
    assert 0 < result.score < FULL
    late = [e for e in result.exercises if e.status == "timeout"]
    assert late
    assert all("5 seconds" in e.message + "".join(t.message for t in e.tests) or "stopped" in e.message for e in late)


def test_the_suite_of_the_mini_course_is_itself_valid() -> None:
    with mini_class.open_examiner() as examiner:  # of its own: validation changes the seeds
        *_, (_, report) = validate(examiner, mini_class.notebook(), seeds=2)
    assert not report.findings
    assert report.wrong >= 12
    assert report.right >= 8


def test_tolerances_are_the_tests_own() -> None:
    import torch

    wanted = torch.full((4,), 0.01, dtype=torch.float64)
    with pytest.raises(Mistake):
        assert_close(torch.zeros(4, dtype=torch.float16), wanted)
    with pytest.raises(Mistake):
        assert_close(torch.zeros(4, dtype=torch.bfloat16), wanted)
    assert_close((wanted * (1 + 5e-5)).float(), wanted)
    assert_close(wanted.half() + 1e-3, wanted.half())


def test_a_long_list_is_checked_in_time() -> None:
    assert_finite([0.5] * 1_000_000)
    with pytest.raises(Mistake):
        assert_close([0.5] * 1_000_000, 3.0)


def test_a_record_of_a_notebook_is_small(examiner: Examiner, tmp_path: Path) -> None:
    loud = "for i in range(100_000): print('line', i)\n" + "".join(find(mini_class.solved(), "entropy")["source"])
    result = grade(examiner, handed_in({"entropy": loud}), tmp_path)
    assert result.score == FULL
    assert len(json.dumps(dataclasses.asdict(result))) < 1_000_000
    assert "more characters were printed" in json.dumps(by_name(result)["entropy"].outputs)


def test_a_slow_machine_does_not_pile_up_processes(
    examiner: Examiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each exercise is opened in a fork of the one before; those that nobody goes back to are let go.

    Kept, they and what a busy machine has not yet buried of their tests would come to the limit on processes, and the
    last exercises of a long notebook would be said to have crashed.
    """
    monkeypatch.setattr(session, "REPLAY_SECONDS", -1.0)  # as where the cells have taken long
    alive: list[int] = []
    opened = session.GradingSession.open_stage

    def counting(self: Any, cell: Any, variant: str = session.AS_IS) -> session.Stage:
        stage = opened(self, cell, variant)
        alive.append(len(self._sandbox.processes) if self._sandbox is not None else 0)
        return stage

    monkeypatch.setattr(session.GradingSession, "open_stage", counting)
    content = mini_class.solved()
    for cell in content["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id", "").startswith("exercise-"):
            cell["source"] = "".join(cell["source"]) + "\nimport sys\nsys.path.sort()\n"  # not quiet: judged in forks
    result = mini_class.grade(examiner, content, tmp_path)
    assert {e.status for e in result.exercises if e.kind != "answer"} == {"passed"}
    assert len(alive) >= 4
    assert max(alive) <= 3
