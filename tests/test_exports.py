"""Exports: CSV that no spreadsheet runs, Canvas, Gradescope, the archive; the printed table; the commands."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import zipfile
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from record_samples import ASSIGNMENT, HOSTILE_NAMES, ITEMS, exercise_result, hostile_record, make_record, sample_class
from rich.console import Console

from autograder.cli import cli
from autograder.curriculum import load_curriculum
from autograder.errors import CourseError
from autograder.exports import (
    assignments_csv,
    canvas_csv,
    course_csv,
    exercises_csv,
    gradescope_results,
    json_archive,
    results_zip,
    safe_cell,
    write_results,
)
from autograder.policy import Extension, ledgers
from autograder.record import Record
from autograder.records import safe_name, write_record_file
from autograder.table import print_table

AFTER = datetime(2027, 3, 1, tzinfo=UTC)  # the deadline of the sample class has passed


@pytest.fixture(scope="module")
def curriculum():
    return load_curriculum()


@pytest.fixture(scope="module")
def records():
    return sample_class()


@pytest.fixture(scope="module")
def decided(records, curriculum):
    return ledgers(records, curriculum, now=AFTER)


def rows(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("ada", "ada"), ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"), ("  =1", "'  =1"),
        ("\t=1", "'�=1"), ("\r\n=1", "'��=1"), ("＝1", "'＝1"), ("a=1", "a=1"), ("'=1", "''=1"),
        (-3, "-3"), (2.0, "2"), (0.12345, "0.1235"), (None, ""),
    ],
)  # fmt: skip
def test_cells(value, cell):
    assert safe_cell(value) == cell


@given(st.text())
def test_no_text_starts_a_formula(text):
    cell = safe_cell(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    assert not set(cell) & set("\r\n\t\0")


def test_a_csv_holds_one_line_per_record_and_no_formula(records, decided, curriculum):
    for text in (assignments_csv(records, decided), exercises_csv(records), course_csv(records, curriculum, decided)):
        table = rows(text)
        assert len({len(row) for row in table}) == 1
        assert not [cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@"))]
    table = rows(assignments_csv(records, decided))
    assert len(table) == 1 + len(records)
    by_student = {row[0]: dict(zip(table[0], row, strict=True)) for row in table[1:]}
    assert by_student["shannon"]["score"] == "21"
    assert by_student["lovelace2"]["late_policy"] == "too_late"
    assert by_student["lovelace2"]["counted"] == "0"
    assert float(by_student["lovelace2"]["score"]) > 0


def test_exercises_are_listed_with_their_failed_tests(records):
    table = rows(exercises_csv(records))
    assert len(table) == 1 + len(records) * len(ITEMS)
    line = next(row for row in table if row[0] == "cantor" and row[4] == "log_softmax")
    assert line[5:8] == ["1", "3", "partial"]
    assert line[9] == "test_no_minus_infinity"


def test_the_course_table_leaves_excused_work_out(records, curriculum):
    excused = {("ada", ASSIGNMENT): Extension("ada", ASSIGNMENT, excused=True)}
    table = rows(course_csv(records, curriculum, ledgers(records, curriculum, excused, AFTER)))
    lines = {row[0]: dict(zip(table[0], row, strict=True)) for row in table[1:]}
    assert (lines["ada"][ASSIGNMENT], lines["ada"]["homework_1_percent"]) == ("", "")
    assert lines["shannon"]["homework_1_percent"] == "100"
    assert (lines["shannon"]["course_percent"], lines["shannon"]["course_weight_graded"]) == ("100", "40")
    assert (lines["ada"]["course_percent"], lines["ada"]["course_weight_graded"]) == ("", "0")
    assert lines["lovelace2"]["homework_1_percent"] == "0"
    assert (lines["shannon"]["slip_days_used"], lines["shannon"]["slip_days_allowed"]) == ("3", "5")


def test_canvas_without_a_roster(records, curriculum, decided):
    text, unmatched = canvas_csv(records, curriculum, decided)
    table = rows(text)
    assert table[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Softmax regression"]
    assert table[1] == ["    Points Possible", "", "", "", "", "24"]
    assert unmatched == []
    scores = {row[3]: row[5] for row in table[2:]}
    assert len(scores) == len(records)
    assert (scores["shannon"], scores["lovelace2"], scores["hebb"]) == ("21", "0", "0")


def test_canvas_with_its_own_export(records, curriculum, tmp_path):
    roster = tmp_path / "canvas.csv"
    roster.write_text(
        "\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Softmax regression (48213),Current Score\r\n"
        "    Points Possible,,,,,24,(read only)\r\n"
        '"Lovelace, Ada",901,s1,ADA,Lab 2,,\r\n'
        '"Öberg, Åsa",902,åsa-öberg,x,Lab 1,,\r\n'
        '"=cmd, Eve",903,s3,eve,Lab 1,,\r\n'
        '"Student, Test",999,,,Lab 1,,\r\n',
        encoding="utf-8",
    )
    excused = {("ada", ASSIGNMENT): Extension("ada", ASSIGNMENT, excused=True)}
    text, unmatched = canvas_csv(records, curriculum, ledgers(records, curriculum, excused, AFTER), roster, excused)
    table = rows(text)
    assert table[0][5:] == ["Softmax regression (48213)"]
    assert table[2] == ["Lovelace, Ada", "901", "s1", "ADA", "Lab 2", "EX"]
    assert table[3] == ["Öberg, Åsa", "902", "åsa-öberg", "x", "Lab 1", "21"]
    assert table[4][0] == "'=cmd, Eve"
    assert len(table) == 5
    assert "grace.hopper" in unmatched
    assert "ada" not in unmatched


def test_a_roster_that_is_none_is_named(records, curriculum, decided, tmp_path):
    path = tmp_path / "r.csv"
    path.write_text("name,mark\nada,1\n")
    with pytest.raises(CourseError, match="not an export of Canvas"):
        canvas_csv(records, curriculum, decided, path)
    with pytest.raises(CourseError, match="cannot read"):
        canvas_csv(records, curriculum, decided, tmp_path / "none.csv")


def test_the_archive_gives_the_records_back(records, curriculum):
    archive = json.loads(json_archive(records, curriculum))
    assert [Record.from_json(json.dumps(r)) for r in archive["records"]] == records


# The keys and values of Gradescope's documentation of results.json, as this course understands them.
TOP = {"score", "execution_time", "output", "output_format", "test_output_format", "test_name_format", "visibility",
       "stdout_visibility", "tests", "leaderboard", "extra_data"}  # fmt: skip
TEST = {
    "score",
    "max_score",
    "status",
    "name",
    "name_format",
    "number",
    "output",
    "output_format",
    "tags",
    "visibility",
    "extra_data",
}
VISIBILITY = {"hidden", "after_due_date", "after_published", "visible"}


def check_gradescope(results):
    assert set(results) <= TOP
    assert results["visibility"] in VISIBILITY
    assert results["stdout_visibility"] in VISIBILITY
    assert isinstance(results["score"], float | int)
    for test in results["tests"]:
        assert set(test) <= TEST
        assert test["visibility"] in VISIBILITY
        assert isinstance(test["output"], str)
        assert isinstance(test["number"], str)
        assert test.get("status") in (None, "passed", "failed")
        assert 0 <= test.get("score", 0) <= test.get("max_score", 0)
    json.dumps(results, allow_nan=False)


def test_gradescope_results_of_a_class(records):
    for record in records:
        results = gradescope_results(record)
        check_gradescope(results)
        looked_at = [n for n in record.notebooks if n.status not in ("missing", "unreadable")]
        hidden = [test for n in looked_at for e in n.exercises for test in e.tests]
        named = [t["extra_data"]["test"] for t in results["tests"] if t["extra_data"]["test"]]
        assert named == [test.name for test in hidden]
        assert sum(t.get("score", 0) for t in results["tests"]) == pytest.approx(results["score"], abs=0.01)
        assert len({t["number"] for t in results["tests"]}) == len(results["tests"])


def test_gradescope_says_what_failed_and_leaves_answers_to_people():
    record = make_record("ada", [exercise_result(ITEMS[4], "partial"), exercise_result(ITEMS[-1], "manual")])
    passed, failed, answer = gradescope_results(record)["tests"]
    assert (passed["status"], passed["score"], passed["max_score"], passed["output"]) == ("passed", 1.0, 1.0, "")
    assert failed["status"] == "failed"
    assert "5 entries are -inf" in failed["output"]
    assert "difference before any exponential" in failed["output"]
    assert failed["name"].startswith("Log-softmax: ")
    assert "score" not in answer
    assert "status" not in answer


def test_gradescope_output_is_plain_text_of_one_meaning():
    results = gradescope_results(hostile_record(HOSTILE_NAMES[0]))
    assert results["output_format"] == results["test_output_format"] == results["test_name_format"] == "text"
    assert "\x1b" not in json.dumps(results, ensure_ascii=False)


def test_too_late_scores_zero_and_says_so(records, decided):
    record = next(r for r in records if r.student == "lovelace2")
    results = gradescope_results(record, decided["lovelace2"])
    assert results["score"] == 0.0
    assert "8 days late" in results["output"]
    assert "of 5 slip days used" in results["output"]
    assert results["extra_data"]["late_policy"] == "too_late"
    assert results["extra_data"]["days_late"] == 8


def test_results_are_written_for_hostile_names(records, tmp_path):
    for record in records:
        path = write_results(tmp_path, record)
        assert path.resolve().parent.parent == tmp_path
        check_gradescope(json.loads(path.read_text()))


def test_the_zip_is_the_same_each_time_and_stays_inside(records, decided):
    data = results_zip(records, decided)
    assert data == results_zip(records, decided)
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert len(names) == len(set(names)) == len(records)
    assert not [name for name in names if ".." in name or name.startswith("/")]


def printed(records, curriculum, decided, width=100):
    console = Console(file=io.StringIO(), width=width)
    print_table(records, curriculum, decided, console)
    return console.file.getvalue()


def test_the_table_fits_and_names_everybody(records, curriculum, decided):
    lines = printed(records, curriculum, decided).splitlines()
    assert max(map(len, lines)) <= 100
    for record in records:
        start = safe_name(record.student)[:8] if "~" not in safe_name(record.student) else ""
        assert any(line.strip().startswith(start) for line in lines)
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert "new�line�[31mred" in text
    line = next(line for line in lines if "kolmogorov" in line)
    assert "✗·◐·#!·✗?" in line
    assert "a test of ours failed" in line
    assert "30 students, 28 graded" in text


def test_the_table_keeps_all_signs_of_a_long_assignment(curriculum):
    record = make_record("ada", [exercise_result(item, "passed") for item in ITEMS[:-1] * 4])
    assert "✓" * 32 in printed([record], curriculum, None)


@pytest.fixture
def graded(tmp_path, records):
    for record in records:
        write_record_file(tmp_path, record)
    return tmp_path


def test_the_commands(graded, records):
    run = CliRunner()
    for form, name in {
        "csv": "grades.csv",
        "canvas": "canvas.csv",
        "json": "records.json",
        "results": "results.zip",
    }.items():
        result = run.invoke(cli, ["export", "--out", str(graded), "--format", form], catch_exceptions=False)
        assert result.exit_code == 0
        assert (graded / name).stat().st_size > 100
    for command in ("feedback", "report"):
        result = run.invoke(cli, [command, "--out", str(graded)], catch_exceptions=False)
        assert result.exit_code == 0
    assert len(list(graded.glob(f"*/{ASSIGNMENT}.feedback.html"))) == len(records)
    assert (graded / f"{ASSIGNMENT}.report.html").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--assignment", "99_nothing"], "no assignment '99_nothing'"),
        (["--extensions", "nowhere.toml"], "cannot read nowhere.toml"),
    ],
)
def test_wrong_use_is_one_clear_line(graded, options, words):
    with pytest.raises(CourseError, match=words):
        CliRunner().invoke(cli, ["report", "--out", str(graded), *options], catch_exceptions=False)


def test_results_of_two_assignments_lie_side_by_side(records, tmp_path):
    record = records[0]
    other = dataclasses.replace(record, assignment="02_backprop")
    paths = [write_results(tmp_path, one) for one in (record, other)]
    assert paths[0].parent == paths[1].parent
    assert [json.loads(p.read_text())["extra_data"]["assignment"] for p in paths] == [ASSIGNMENT, "02_backprop"]
