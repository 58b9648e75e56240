"""Pictures in feedback: they show where a result differs, stay small, and give no expected value away."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.judge.checkers import assert_close, assert_equal, assert_shape
from autograder.judge.problems import Mistake
from autograder.pages.pictures import figure
from autograder.picture import checked, described
from autograder.record import Record, TestResult

RNG = np.random.default_rng(5)
TABLE = RNG.normal(size=(6, 10))
SQUARE = RNG.normal(size=(5, 5))


def picture_of(check: Any, *arguments: Any) -> dict[str, Any] | None:
    with pytest.raises(Mistake) as caught:
        check(*arguments)
    return caught.value.picture


def changed(table: Any, where: Any, factor: float = 1.5) -> Any:
    other = table.copy()
    other[where] = other[where] * factor + 1.0
    return other


@pytest.mark.parametrize(
    ("found", "wanted", "words"),
    [
        (changed(TABLE, np.s_[:, 3]), TABLE, "only in one column"),
        (changed(TABLE, np.s_[:, -1]), TABLE, "only in the last column"),
        (changed(TABLE, np.s_[0]), TABLE, "only in the first row"),
        (changed(TABLE, np.s_[:]), TABLE, "everywhere"),
        (changed(TABLE, np.s_[1:3]), TABLE, "everywhere in some of the rows"),
        (changed(TABLE, np.s_[2, 5]), TABLE, "only in one"),
        (SQUARE.T, SQUARE, "everywhere but on the diagonal"),
        (SQUARE + 3 * np.eye(5), SQUARE, "on the diagonal"),
        (SQUARE + 3 * np.triu(np.ones((5, 5)), 1), SQUARE, "above the diagonal"),
        (changed(np.tile(TABLE, (40, 9)), np.s_[200:]), np.tile(TABLE, (40, 9)), "of the rows"),
        (changed(TABLE[:, 0], np.s_[2:5]), TABLE[:, 0], "from entry 2 to entry 4 differ"),
        (changed(TABLE[0], np.s_[4]), TABLE[0], "entry 4 differs"),
    ],
)
def test_the_pattern_has_a_name(found: Any, wanted: Any, words: str) -> None:
    picture = picture_of(assert_close, found, wanted)
    assert picture is not None
    assert words in described(picture)
    drawn = str(figure(picture))
    if words == "everywhere":
        assert drawn == ""  # the message says as much
        return
    assert f'aria-label="{described(picture)}"' in drawn
    assert "style" not in drawn


def test_letters_say_how_bad_an_entry_is() -> None:
    found = SQUARE.copy()
    found[0, 0], found[1, 1], found[2, 2], found[3, 3] = np.nan, np.inf, SQUARE[2, 2] * 1.001, SQUARE[3, 3] * 2
    picture = picture_of(assert_close, found, SQUARE)
    assert picture is not None
    assert [picture["rows"][i][i] for i in range(5)] == ["n", "i", "~", "x", "."]
    whole = str(figure(picture))
    assert all(word in whole for word in ("nan", "infinite", "nearly right", "wrong"))


def test_shapes_are_drawn_side_by_side() -> None:
    for found, wanted in [((3, 1), (3,)), ((4, 128, 64), (4, 64, 5)), ((0, 3), (3, 0)), ((2,) * 8, (1,) * 8)]:
        picture = picture_of(assert_close, torch.zeros(found), torch.zeros(wanted))
        assert picture == {"kind": "shapes", "found": list(found), "expected": list(wanted)}
        assert str(figure(picture)).count("<text") == 2
    assert picture_of(assert_shape, torch.zeros(()), (2, 3)) == {"kind": "shapes", "found": [], "expected": [2, 3]}
    assert picture_of(assert_close, torch.zeros((1,) * 9), torch.zeros(2)) is None


@pytest.mark.parametrize(
    ("check", "found", "wanted"),
    [
        (assert_close, 3.0, 4.0),
        (assert_close, [1.0, 2.0, 3.0], [1.0, 2.0, 4.0]),
        (assert_equal, 3, 4),
        (assert_equal, [True, False, True, True], [True, True, True, True]),
        (assert_equal, torch.tensor([True] * 8), torch.tensor([True] * 7 + [False])),
        (assert_equal, "a", "b"),
    ],
)
def test_no_picture_where_it_would_be_the_answer(check: Any, found: Any, wanted: Any) -> None:
    assert picture_of(check, found, wanted) is None


values = st.floats(-1e6, 1e6) | st.sampled_from([0.0, float("nan"), float("inf"), -1e300])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=3), st.lists(values, min_size=1, max_size=30), st.data())
def test_every_picture_is_small_checked_and_can_be_drawn(shape: list[int], some: list[float], data: Any) -> None:
    found = np.resize(np.array(some), shape)
    wanted = np.resize(np.array(data.draw(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))), shape)
    try:
        assert_close(found, wanted)
    except Mistake as mistake:
        picture = mistake.picture
        assert picture == checked(picture)
        assert len(json.dumps(picture)) < 1_500
        assert (picture is None) == (found.size < 4)
        assert len(str(figure(picture))) < 80_000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.05, 3)), min_size=6, max_size=60))
def test_a_picture_does_not_tell_the_direction(entries: list[tuple[float, float]]) -> None:
    """What is expected above a student's values and what is expected below them give one picture."""
    found, distance = np.array(entries).T
    for shape in ((-1,), (2, -1)) if len(entries) % 2 == 0 else ((-1,),):
        around = [found + distance, found + 1.2 * distance, found - distance]
        pictures = [picture_of(assert_close, found.reshape(shape), other.reshape(shape)) for other in around]
        for picture in filter(None, pictures):
            assert set("".join(picture.get("rows", [picture.get("marks", "")]))) <= {"x", "~"}
        assert len({str((picture or {}).get("heights")) for picture in pictures}) == 1


HOSTILE: list[Any] = [
    3, [], "entries", {}, {"kind": "<script>"}, {"kind": "entries", "rows": ["<b>"], "shape": [1]},
    {"kind": "entries", "rows": ["x" * 25], "shape": [25]}, {"kind": "entries", "rows": ["x", "xx"], "shape": [2]},
    {"kind": "entries", "rows": ["x"] * 13, "shape": [13]}, {"kind": "entries", "rows": ["x"], "shape": ["<b>"]},
    {"kind": "entries", "rows": 5, "shape": [1]}, {"kind": "entries", "rows": [], "shape": []},
    {"kind": "curve", "length": "<b>", "heights": [1, 2], "marks": "xx"},
    {"kind": "curve", "length": 2, "heights": [1, 101], "marks": "xx"},
    {"kind": "curve", "length": 2, "heights": [1, "2"], "marks": "xx"},
    {"kind": "curve", "length": 2, "heights": [1, 2], "marks": "x"},
    {"kind": "shapes", "found": [1], "expected": ["<svg onload=alert(1)>"]},
    {"kind": "shapes", "found": [1] * 9, "expected": []}, {"kind": "shapes", "found": [-1], "expected": [True]},
]  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE, ids=repr)
def test_what_is_no_picture_is_not_drawn(data: Any) -> None:
    assert checked(data) is None
    assert figure(data) == ""


def test_a_record_keeps_its_pictures() -> None:
    picture = picture_of(assert_close, SQUARE + 1, SQUARE)
    test = TestResult("t", "T", "failed", 0, 1, "m", picture=picture)
    assert TestResult(**json.loads(json.dumps(test.__dict__))) == test
    assert Record.from_json(Record("a", "b", 1, 0).to_json()) == Record("a", "b", 1, 0)
