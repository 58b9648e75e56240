"""Late days, extensions, excused work and weights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import build_record

from autograder.curriculum import load_curriculum
from autograder.errors import CourseError
from autograder.policy import (
    AssignmentGrade,
    Extension,
    Lateness,
    assignment_grades,
    course_grade,
    homework_fractions,
    ledgers,
    load_extensions,
    mean_homework,
    slip_ledger,
    standing,
    whole_days_late,
)
from autograder.runs import note_receipt, read_receipts

ZONE = ZoneInfo("America/Los_Angeles")
COURSE = """
[course]
name = "Test course"
term = "2027"
timezone = "America/Los_Angeles"
[policy]
slip_days = 5
weights = { midterms = 30, homework = 40, project = 30 }
[grading]
isolation = "process"
[[homework]]
name = "homework_1"
assignments = ["one", "two"]
[[homework]]
name = "homework_2"
assignments = ["three"]
[[assignment]]
name = "one"
title = "One"
due = 2027-02-05T23:59:00
[[assignment]]
name = "two"
title = "Two"
due = 2027-02-19T23:59:00
[[assignment]]
name = "three"
title = "Three"
due = 2027-03-05T23:59:00
[[assignment]]
name = "project"
title = "Project"
due = 2027-05-07T23:59:00
slip_days_allowed = false
[[assignment]]
name = "undated"
title = "Undated"
"""
AFTER = datetime(2027, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def curriculum(tmp_path_factory):
    path = tmp_path_factory.mktemp("course") / "course.toml"
    path.write_text(COURSE)
    return load_curriculum(path)


def late(curriculum, **days):
    """Receipt times that are so many days after the deadlines."""
    return {name: curriculum.assignment(name).due + timedelta(days=d) for name, d in days.items()}


@pytest.mark.parametrize(
    ("received", "days"),
    [
        ("2027-02-05T23:58:00", 0), ("2027-02-05T23:59:00", 0), ("2027-02-05T23:59:01", 1), ("2027-02-06T23:59:00", 1),
        ("2027-02-06T23:59:01", 2), ("2027-02-10T12:00:00", 5), ("2020-01-01T00:00:00", 0),
    ],
)  # fmt: skip
def test_a_day_begun_is_a_day(received, days):
    due = datetime(2027, 2, 5, 23, 59, tzinfo=ZONE)
    moment = datetime.fromisoformat(received).replace(tzinfo=ZONE)
    assert whole_days_late(due, moment) == days
    assert whole_days_late(due, moment.astimezone(UTC)) == days


@pytest.mark.parametrize(
    ("due", "received", "days"),
    [
        # Clocks go forward in the night to 14 March 2027: that day has 23 hours. They go back on 7 November: 25 hours.
        (datetime(2027, 3, 13, 23, 59), datetime(2027, 3, 14, 23, 59), 1),
        (datetime(2027, 3, 13, 23, 59), datetime(2027, 3, 15, 0, 0), 2),
        (datetime(2027, 11, 6, 23, 59), datetime(2027, 11, 7, 23, 59), 1),
        (datetime(2027, 11, 6, 23, 59), datetime(2027, 11, 8, 0, 0), 2),
    ],
)
def test_days_follow_the_clock_on_the_wall(due, received, days):
    assert whole_days_late(due.replace(tzinfo=ZONE), received.replace(tzinfo=ZONE).astimezone(UTC)) == days


def test_slip_days_are_used_in_the_order_of_the_deadlines(curriculum):
    ledger = slip_ledger(curriculum, "ada", late(curriculum, three=2, one=2, two=1), now=AFTER)
    assert {n: (e.status, e.slip_days) for n, e in ledger.entries.items() if n in ("one", "two", "three")} == {
        "one": ("slip", 2), "two": ("slip", 1), "three": ("slip", 2),
    }  # fmt: skip
    assert str(ledger) == "5 of 5 slip days used"
    assert all(ledger.entries[n].counts for n in ("one", "two", "three"))


def test_work_beyond_the_slip_days_does_not_count_and_uses_none(curriculum):
    ledger = slip_ledger(curriculum, "ada", late(curriculum, one=3, two=3, three=2), now=AFTER)
    assert ledger.entries["two"].status == "too_late"
    assert not ledger.entries["two"].counts
    assert ledger.entries["three"].status == "slip"
    assert ledger.used == 5


def test_the_project_takes_no_slip_days(curriculum):
    ledger = slip_ledger(curriculum, "ada", late(curriculum, project=1), now=AFTER)
    assert ledger.entries["project"].status == "too_late"
    assert ledger.used == 0


def test_extensions_move_the_deadline(curriculum):
    received = late(curriculum, one=3, two=9)
    until = datetime(2027, 2, 28, 23, 59, tzinfo=ZONE)
    extensions = {
        ("ada", "one"): Extension("ada", "one", days=2),
        ("ada", "two"): Extension("ada", "two", until=until),
        ("bob", "one"): Extension("bob", "one", days=9),
    }
    ledger = slip_ledger(curriculum, "ada", received, extensions, now=AFTER)
    assert (ledger.entries["one"].days_late, ledger.entries["one"].slip_days) == (1, 1)
    assert (ledger.entries["two"].status, ledger.entries["two"].due) == ("on_time", until)
    assert "extension" in ledger.entries["two"].sentence()


def test_excused_missing_open_and_undated(curriculum):
    extensions = {("ada", "one"): Extension("ada", "one", excused=True)}
    now = datetime(2027, 3, 1, tzinfo=UTC)
    ledger = slip_ledger(curriculum, "ada", {"undated": datetime(2030, 1, 1, tzinfo=UTC)}, extensions, now)
    assert {n: e.status for n, e in ledger.entries.items()} == {
        "one": "excused", "two": "missing", "three": "open", "project": "open", "undated": "on_time",
    }  # fmt: skip


def test_unknown_receipt_time_is_on_time(curriculum):
    assert slip_ledger(curriculum, "ada", {"one": None}, now=AFTER).entries["one"].status == "on_time"


@given(days=st.lists(st.integers(min_value=0, max_value=9), min_size=3, max_size=3))
def test_never_more_slip_days_than_there_are(curriculum, days):
    ledger = slip_ledger(
        curriculum, "x", late(curriculum, **dict(zip(("one", "two", "three"), days, strict=True))), now=AFTER
    )
    assert 0 <= ledger.used <= 5
    left = 5
    for name, d in zip(("one", "two", "three"), days, strict=True):
        entry = ledger.entries[name]
        assert entry.days_late == d
        assert entry.counts == (d <= left)
        left -= d if d <= left else 0


def test_ledgers_of_a_class(curriculum):
    ada, missing = build_record("ada", 1, received="2027-02-06T12:00:00-08:00"), build_record("bob", 2, received=None)
    ada.assignment = missing.assignment = "one"
    missing.notebooks[0].status = "missing"
    found = ledgers([ada, missing], curriculum, {("eve", "two"): Extension("eve", "two", excused=True)}, AFTER)
    assert {s: ledger.entries["one"].status for s, ledger in found.items()} == {
        "ada": "slip",
        "bob": "missing",
        "eve": "missing",
    }
    assert found["eve"].entries["two"].status == "excused"


def test_extensions_from_toml_and_csv_agree(curriculum, tmp_path):
    toml, table = tmp_path / "e.toml", tmp_path / "e.csv"
    toml.write_text(
        '[[extension]]\nstudent = "ada"\nassignment = "one"\ndays = 3\nreason = "flu"\n'
        '[[extension]]\nstudent = "bob"\nassignment = "two"\nuntil = 2027-03-01\n'
        '[[extension]]\nstudent = "eve"\nassignment = "two"\nexcused = true\n'
    )
    table.write_text(
        "student,assignment,days,until,excused,reason\nada,one,3,,,flu\nbob,two,,2027-03-01,,\neve,two,,,yes,\n"
    )
    found = load_extensions(toml, curriculum)
    assert found == load_extensions(table, curriculum)
    assert found["ada", "one"].days == 3
    assert found["bob", "two"].until == datetime(2027, 3, 1, 23, 59, tzinfo=ZONE)
    assert found["eve", "two"].excused


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('student = "a"\nassignment = "nine"\ndays = 1', "no assignment 'nine'"),
        ('student = "a"\nassignment = "one"', "found none"),
        ('student = "a"\nassignment = "one"\ndays = 1\nexcused = true', "found days, excused"),
        ('student = "a"\nassignment = "one"\ndays = -1', "whole number"),
        ('student = "a"\nassignment = "one"\ndays = 1.5', "whole number"),
        ('student = 7\nassignment = "one"\ndays = 1', "student must be text"),
        ('student = "a"\nassignment = "one"\ndays = 1\nhours = 2', "unknown key 'hours'"),
        ('student = "a"\nassignment = "one"\nuntil = "soon"', "not a time"),
        ("student = ", "cannot be read"),
    ],
)
def test_a_wrong_extension_is_named(curriculum, tmp_path, entry, words):
    path = tmp_path / "extensions.toml"
    path.write_text(f"[[extension]]\n{entry}\n")
    with pytest.raises(CourseError, match=words):
        load_extensions(path, curriculum)


def test_a_second_extension_is_refused(curriculum, tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("student,assignment,days\nada,one,1\nada,one,2\n")
    with pytest.raises(CourseError, match="second entry"):
        load_extensions(path, curriculum)


def test_grades_after_the_late_policy(curriculum):
    on_time, too_late = build_record("ada", 13), build_record("ada", 13)
    on_time.assignment, too_late.assignment = "one", "two"
    times = late(curriculum, one=-1, two=9)
    extensions = {("ada", "three"): Extension("ada", "three", excused=True)}
    ledger = slip_ledger(curriculum, "ada", times, extensions, AFTER)
    grades = assignment_grades([on_time, too_late], ledger, {"three": 10.0, "project": 50.0})
    assert grades["one"].score > 0
    assert (grades["two"].score, grades["two"].points) == (0.0, grades["one"].points)
    assert not grades["three"].enters
    assert (grades["project"].score, grades["project"].enters) == (0.0, True)
    assert "undated" not in grades


def test_weights(curriculum):
    def grade(name, score, points, status="on_time"):
        return AssignmentGrade(name, score, points, Lateness(name, status))

    fractions = homework_fractions(curriculum, {"one": grade("one", 5, 10), "two": grade("two", 30, 30)})
    assert fractions == {"homework_1": 35 / 40, "homework_2": None}
    assert mean_homework(fractions) == 35 / 40
    excused = {
        "one": grade("one", 5, 10),
        "two": grade("two", 0, 30, "excused"),
        "three": grade("three", 0, 10, "missing"),
    }
    fractions = homework_fractions(curriculum, excused)
    assert fractions == {"homework_1": 0.5, "homework_2": 0.0}
    assert mean_homework(fractions) == 0.25
    whole = course_grade(curriculum.weights, {"midterms": 0.8, "homework": 0.5, "project": None})
    assert whole.percent == pytest.approx(100 * (30 * 0.8 + 40 * 0.5) / 70)
    assert whole.weight_known == pytest.approx(70)
    assert course_grade(curriculum.weights, {"project": None}).percent is None


def test_where_a_student_stands(curriculum):
    """Groups that are graded, missing work as a zero, excused work left out, and what the course weighs."""
    record = build_record("ada", 13)
    record.assignment = "one"
    points = {"one": 20.0, "two": 20.0, "three": 20.0}
    excused = {("ada", "three"): Extension("ada", "three", excused=True)}
    ledger = slip_ledger(curriculum, "ada", late(curriculum, one=-1), excused, AFTER)
    share = homework_fractions(curriculum, assignment_grades([record], ledger, points))["homework_1"]
    said = standing(curriculum, [record], ledger, points)
    assert said == (
        f"Homework so far: homework 1 {100 * share:.0f} %. In the course count: midterms 30, homework 40, project 30."
    )
    missing = slip_ledger(curriculum, "ada", late(curriculum, one=-1), {}, AFTER)
    assert "homework 2 0 %, together" in standing(curriculum, [record], missing, points)
    early = slip_ledger(curriculum, "bob", {}, {}, datetime(2027, 1, 1, tzinfo=UTC))
    assert standing(curriculum, [], early, points) == ""


def test_a_receipt_takes_the_place_of_the_one_before(tmp_path, curriculum):
    names = [a.name for a in curriculum.assignments[:2]]
    (tmp_path / "receipts.csv").write_text(
        "student,assignment,received,who\n"
        f'ada,{names[0]},2027-02-05T20:00:00,cron\n"Omar, H.",{names[0]},2027-02-05,me\n'
    )
    moment = datetime(2027, 2, 7, 9, 30, tzinfo=ZoneInfo(curriculum.timezone))
    note_receipt(tmp_path, names[0], "ada", moment)
    note_receipt(tmp_path, names[1], "ada", moment)
    assert read_receipts(tmp_path, names[0], curriculum.timezone) == {
        "ada": "2027-02-07T09:30:00-08:00",
        "Omar, H.": "2027-02-05T00:00:00-08:00",
    }
    assert read_receipts(tmp_path, names[1], curriculum.timezone) == {"ada": "2027-02-07T09:30:00-08:00"}
    assert "me" in (tmp_path / "receipts.csv").read_text()
    (tmp_path / "receipts.csv").write_text("name,time\nada,2027-02-05\n")
    with pytest.raises(CourseError, match="has no column assignment"):
        note_receipt(tmp_path, names[0], "ada", moment)
