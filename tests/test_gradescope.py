"""The zip for Gradescope, unpacked and run as Gradescope does it."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import mini_class
import pytest
from click.testing import CliRunner

from autograder.cli import cli
from autograder.errors import CourseError
from autograder.gradescope import autograder_zip, grade_submission, student_of

NAME = "01_mini"
METADATA = {
    "id": 7,
    "created_at": "2027-02-05T21:00:00.123456-08:00",
    "users": [{"email": "ada@uni.example", "id": 12, "name": "Ada <b>L</b>"}],
    "previous_submissions": [{"score": 1.0}],
}


@pytest.fixture(scope="module")
def packed():
    return autograder_zip(mini_class.curriculum(), mini_class.assignment(), mini_class.SECRET)


@pytest.fixture(scope="module")
def source(packed, tmp_path_factory):
    """The zip as Gradescope unpacks it."""
    folder = tmp_path_factory.mktemp("gradescope") / "source"
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
    return folder


def submission(home: Path, content: str | None, metadata: object = METADATA) -> Path:
    (home / "submission").mkdir()
    (home / "results").mkdir()
    if content is not None:
        (home / "submission" / "mini.ipynb").write_text(content)
    (home / "submission_metadata.json").write_text(json.dumps(metadata))
    return home


def run(source: Path, home: Path) -> subprocess.CompletedProcess:
    """What `run_autograder` runs, with this Python in the place of the container's."""
    environment = {**os.environ, "PYTHONPATH": str(source), "GRADESCOPE_HOME": str(home)}
    environment.pop("COURSE_SECRET", None)
    command = [sys.executable, "-P", "-m", "autograder.gradescope", NAME]
    return subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)


def test_the_zip_holds_what_it_needs_and_is_the_same_each_time(packed):
    assert packed == autograder_zip(mini_class.curriculum(), mini_class.assignment(), mini_class.SECRET)
    archive = zipfile.ZipFile(io.BytesIO(packed))
    names = archive.namelist()
    assert len(names) == len(set(names))
    assert names[:2] == ["setup.sh", "run_autograder"]
    for name in names[:2]:
        assert stat.S_IMODE(archive.getinfo(name).external_attr >> 16) == 0o755
        assert archive.read(name).startswith(b"#!/usr/bin/env bash\n")
        check = subprocess.run(["bash", "-n"], input=archive.read(name), capture_output=True, check=False)
        assert check.returncode == 0, check.stderr
    assert f"autograder.gradescope {NAME}" in archive.read("run_autograder").decode()
    assert archive.read(".course_secret").strip() == mini_class.SECRET.secret
    assert "torch==" in archive.read("requirements.txt").decode()
    assert f"autograder/hidden_tests/{NAME}/test_mini.py" in names
    # The engine is this course's; the suites are those of the assignment alone.
    assert "autograder/sandbox/zygote.py" in names
    assert not [name for name in names if name.startswith("autograder/hidden_tests/01_softmax")]
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests/", ".git", "/", ".."))]


def test_a_submission_is_graded_from_the_zip_alone(source, tmp_path):
    home = submission(tmp_path, json.dumps(mini_class.handed_in({"entropy": "def entropy(p):\n    return 0 * p"})))
    done = run(source, home)
    assert done.returncode == 0, done.stderr
    results = json.loads((home / "results" / "results.json").read_text())
    assert results["score"] == mini_class.FULL - 2.0
    assert results["extra_data"]["student"] == "ada@uni.example"
    assert results["extra_data"]["received"] == METADATA["created_at"]
    assert results["extra_data"]["attempt"] == 2
    assert results["extra_data"]["isolation"] in ("bubblewrap", "process")
    by_exercise: dict[str, list[str]] = {}
    for test in results["tests"]:
        by_exercise.setdefault(test["extra_data"]["exercise"], []).append(test.get("status"))
    assert set(by_exercise["softmax"]) == {"passed"}
    assert "failed" in by_exercise["entropy"]
    assert "isolation" in done.stdout
    text = (home / "results" / "results.json").read_text()
    assert not [line for line in mini_class.TELLING if line in text and not line.startswith("test_")]


def test_nothing_handed_in_is_a_zero_with_words(source, tmp_path):
    home = submission(tmp_path, None)
    assert run(source, home).returncode == 0
    results = json.loads((home / "results" / "results.json").read_text())
    assert results["score"] == 0.0
    assert "was not handed in" in results["output"]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [([], "no JSON object"), ({}, "names no user"), ({"users": [{"email": "a"}], "created_at": "soon"}, "not a time")],
)
def test_a_fault_that_is_not_the_students_writes_no_results(tmp_path, metadata, words):
    home = submission(tmp_path, None, metadata)
    with pytest.raises(CourseError, match=words):
        grade_submission(NAME, home, mini_class.COURSE / "course.toml")
    assert list((home / "results").iterdir()) == []


def test_missing_metadata_is_named(tmp_path):
    with pytest.raises(CourseError, match=r"submission_metadata\.json"):
        grade_submission(NAME, tmp_path, mini_class.COURSE / "course.toml")


def test_students_are_known_by_their_address():
    assert student_of({"users": [{"email": "b@x"}, {"email": "a@x"}]}) == "a@x+b@x"
    assert student_of({"users": [{"id": 5}, "nonsense"]}) == "5"


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_SECRET", "of a test")
    options = ["--course", str(mini_class.COURSE / "course.toml"), "--out", str(tmp_path), "--format", "gradescope"]
    result = CliRunner().invoke(cli, ["export", *options, "--assignment", NAME], catch_exceptions=False)
    assert result.exit_code == 0
    assert "for instructors alone" in result.output
    with zipfile.ZipFile(tmp_path / "gradescope.zip") as archive:
        assert archive.read(".course_secret") == b"of a test\n"
    with pytest.raises(CourseError, match="name it with --assignment"):
        CliRunner().invoke(cli, ["export", *options], catch_exceptions=False)
