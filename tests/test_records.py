"""Records on disk: names of folders, whole files, clear errors."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import HONEST_NAMES, HOSTILE_NAMES, ITEMS, build_record, exercise_result, make_record, sample_class

from autograder import records
from autograder.errors import CourseError
from autograder.records import load_records, printable, record_path, safe_name, tally, waiting_points, write_record_file


@pytest.mark.parametrize("name", HONEST_NAMES)
def test_an_honest_id_is_its_own_folder(name):
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *HOSTILE_NAMES,
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        ".hidden",
        "-rf",
        "autograded",
        "Feedback",
        "a~b",
        "x" * 65,
        "nul\0",
        "a b",
        "e\u0301",
        "a.",
    ],
)
def test_a_hostile_id_becomes_one_harmless_folder(name, tmp_path):
    safe = safe_name(name)
    assert safe != name
    assert "~" in safe
    assert (tmp_path / safe).resolve().parent == tmp_path
    assert all(c.isascii() and (c.isalnum() or c in "~-") for c in safe)


@given(st.text(), st.text())
def test_two_ids_never_share_a_folder(first, second):
    names = safe_name(first), safe_name(second)
    assert (names[0] == names[1]) == (first == second)
    for name in names:
        assert 0 < len(name) <= 64
        assert not set(name) & set("/\\\0\n")
        assert name[0] not in ".-"
        assert name.lower() not in records.RESERVED


def test_printable_keeps_one_line():
    assert printable("a\nb\x1b[31m\u202ec\ud800") == "a�b�[31m�c�"
    assert printable("abcdef", 4) == "abc…"
    assert printable("åß 李") == "åß 李"


def test_a_class_survives_the_disk(tmp_path):
    written = sample_class()
    for record in written:
        write_record_file(tmp_path, record)
    read = load_records(tmp_path)
    assert {r.student: r for r in read} == {r.student: r for r in written}
    assert [r.student for r in read] == sorted((r.student for r in written), key=lambda s: (s.casefold(), s))
    assert not list(tmp_path.rglob(".*"))


def test_a_failed_write_keeps_the_old_record(tmp_path, monkeypatch):
    record = build_record("ada", 1)
    path = write_record_file(tmp_path, record)
    before = path.read_bytes()

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    record.score = 0
    with pytest.raises(CourseError, match="No space left on device"):
        write_record_file(tmp_path, record)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_text_that_is_not_unicode_is_written_all_the_same(tmp_path):
    record = build_record("ada", 1)
    record.notebooks[0].exercises[0].source = "lone \ud800 surrogate"
    write_record_file(tmp_path, record)
    assert load_records(tmp_path)[0].notebooks[0].exercises[0].source == "lone ? surrogate"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not a grading record"),
        ("[]", "schema"),
        ('{"schema": 99}', "schema 99"),
        ('{"schema": 1}', "is not a grading record"),
        ('{"schema": 1, "student": "a", "assignment": "b", "points": 1, "score": 0, "notebooks": ["x"]}', "found str"),
        (
            '{"schema": 1, "student": "a", "assignment": "b", "points": 1, "score": 0, "notebooks": 7}',
            "is not a grading",
        ),
    ],
)
def test_a_broken_record_is_named(tmp_path, content, words):
    path = record_path(tmp_path, "ada", "01_x")
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(CourseError, match=words) as caught:
        load_records(tmp_path)
    assert str(path) in str(caught.value)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(CourseError, match="no record"):
        load_records(tmp_path)
    with pytest.raises(CourseError, match="is not a folder"):
        load_records(tmp_path / "nowhere")


def test_answers_enter_once_they_are_read():
    results = [exercise_result(ITEMS[1], "passed"), exercise_result(ITEMS[-1], "manual")]
    record = make_record("ada", results)
    record.points = 5.0
    assert (waiting_points(record), tally(record).score, tally(record).points) == (3.0, 2.0, 2.0)
    answer = record.notebooks[0].exercises[1]
    answer.status, answer.score, record.score = "partial", 1.0, 3.0
    assert (waiting_points(record), tally(record).score, tally(record).points) == (0.0, 3.0, 5.0)
    assert (tally(record, with_answers=False).score, tally(record, with_answers=False).points) == (2.0, 2.0)


def test_an_outline_decides_as_the_whole_record_and_holds_next_to_nothing():
    record = build_record("ada", 1)
    outline = record.outline()
    assert tally(outline) == tally(record)
    assert waiting_points(outline) == waiting_points(record)
    assert [e.status for e in outline.notebooks[0].exercises] == [e.status for e in record.notebooks[0].exercises]
    assert outline.notebooks[0].findings == record.notebooks[0].findings
    heavy = [(e.source, e.message, e.outputs, e.tests) for e in outline.notebooks[0].exercises]
    assert any(e.source and e.tests for e in record.notebooks[0].exercises)
    assert not any(any(parts) for parts in heavy)
    assert len(outline.to_json()) < len(record.to_json()) / 2
    assert record == build_record("ada", 1)
