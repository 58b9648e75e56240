"""Runs of a class: nothing is lost and nothing counted twice, whatever dies and whenever."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mini_class
import psutil
import pytest
from mini_class import FULL

from autograder import runs, schedule
from autograder.errors import CourseError
from autograder.jobs import Job
from autograder.judge.problems import GraderFault
from autograder.preparation import Prepared
from autograder.record import Record
from autograder.records import load_records, record_path

FAILING = Path(__file__).resolve().parent / "threats" / "failing_lane.py"
PATIENCE = 240.0  # seconds, on a busy machine

pytestmark = pytest.mark.xdist_group("schedule")


def wait_for(condition: Any, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


# -- the driver, with lanes that fail on purpose -----------------------------------------------------------------


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    manifests = {"mini": mini_class.manifest()}
    return Prepared(mini_class.curriculum(), mini_class.assignment(), manifests, tmp_path / "library", ())


def run(prepared: Prepared, folder: Path, *students: str, workers: int = 2) -> dict[str, Record]:
    jobs = [Job(student, {"mini": None}) for student in students]
    records: dict[str, Record] = {}
    for record in schedule.grade_all(prepared, folder, jobs, mini_class.SECRET, "bubblewrap", workers):
        assert record.student not in records, "graded twice"
        records[record.student] = record
    return records


@pytest.fixture
def failing_lanes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setattr(schedule, "OFFICE", (str(FAILING),))
    yield tmp_path
    assert not [p for p in psutil.Process().children(recursive=True) if FAILING.name in command_of(p)]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_submission_gets_a_record(workers: int, prepared: Prepared, failing_lanes: Path) -> None:
    students = [f"s{n}" for n in range(12)] + ["once-a", "half-a", "garbage-a", "once-b", "after-a", "s12", "after-b"]
    records = run(prepared, failing_lanes, *students, workers=workers)
    assert set(records) == set(students)
    assert all(record.score == 11 for record in records.values())


def test_lanes_that_end_between_two_submissions_cost_none_of_them(prepared: Prepared, failing_lanes: Path) -> None:
    students = [f"after-{n}" for n in range(12)]
    records = run(prepared, failing_lanes, *students, workers=3)
    assert {name for name, record in records.items() if record.score == 11} == set(students)


def test_a_submission_that_ends_its_lane_twice_gets_a_record_that_says_so(
    prepared: Prepared, failing_lanes: Path
) -> None:
    records = run(prepared, failing_lanes, "a", "poison", "b", "c")
    assert {name for name, record in records.items() if record.score == 11} == {"a", "b", "c"}
    (result,) = records["poison"].notebooks
    assert result.status == "grader_error"
    assert [e.name for e in result.exercises] == list(mini_class.POINTS)
    assert "twice" in result.findings[0].message
    assert not result.findings[0].for_student


def test_lanes_that_never_start_end_the_run_with_one_clear_line(prepared: Prepared, failing_lanes: Path) -> None:
    (failing_lanes / "no-start").touch()
    with pytest.raises(GraderFault, match="before it is ready"):
        run(prepared, failing_lanes, "a", "b")


def test_a_lane_that_refuses_ends_the_run(prepared: Prepared, failing_lanes: Path) -> None:
    (failing_lanes / "refuse").touch()
    with pytest.raises(CourseError, match="less isolation"):
        run(prepared, failing_lanes, "a")


def test_a_lane_that_hangs_is_replaced(
    prepared: Prepared, failing_lanes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = schedule._Lane.start
    monkeypatch.setattr(schedule._Lane, "start", lambda lane, job, tries, seconds: real(lane, job, tries, 2.0))
    records = run(prepared, failing_lanes, "slow", "a", "b")
    assert records["slow"].notebooks[0].status == "grader_error"
    assert records["a"].score == records["b"].score == 11


def test_the_secret_stands_on_no_command_line(prepared: Prepared, failing_lanes: Path) -> None:
    jobs = [Job("a", {"mini": None}), Job("slow", {"mini": None})]
    grading = schedule.grade_all(prepared, failing_lanes, jobs, mini_class.SECRET, "bubblewrap", 2)
    next(grading)
    lines = [command_of(p) for p in psutil.Process().children(recursive=True)]
    grading.close()
    assert any(FAILING.name in line for line in lines)
    assert not any(mini_class.SECRET.secret.hex() in line for line in lines)


# -- whole runs of the command line ------------------------------------------------------------------------------


def hand_in(submitted: Path, *students: str, slow: float = 0.0) -> None:
    for student in students:
        folder = submitted / student / "01_mini"
        folder.mkdir(parents=True)
        source = "".join(mini_class.find(mini_class.solved(), "entropy")["source"])
        content = mini_class.handed_in({"entropy": f"import time\ntime.sleep({slow})\n{source}"})
        (folder / "mini.ipynb").write_text(json.dumps(content))


def course(submitted: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-c", "from autograder.cli import main; main()", "grade", "01_mini",
        "--submitted", str(submitted), "--out", str(out), "--course", str(mini_class.COURSE / "course.toml"), *more,
    ]  # fmt: skip
    environment = dict(os.environ, COURSE_SECRET="a secret of the tests", OMP_NUM_THREADS="1", COLUMNS="200")
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def command_of(process: psutil.Process) -> str:
    """The command line of a process; empty for one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def needs_bubblewrap() -> None:
    if mini_class.isolation.available_level() != "bubblewrap":
        pytest.skip(f"no bubblewrap here: {mini_class.isolation.why_no_bubblewrap()}")


def test_a_run_that_is_killed_leaves_nothing_and_goes_on_where_it_was(needs_bubblewrap: None, tmp_path: Path) -> None:
    submitted, out = tmp_path / "submitted", tmp_path / "out"
    students = [f"s{n}" for n in range(4)]
    hand_in(submitted, *students, slow=1.0)
    first = course(submitted, out, "--workers", "1")
    try:
        wait_for(lambda: list(out.glob(f"*/{'01_mini'}.record.json")) or first.poll() is not None, "a first record")
        below = family(first.pid)
        assert any("bwrap" in p.name() for p in below)
        lanes = [p.rlimit(psutil.RLIMIT_AS)[0] for p in below if "autograder.office" in command_of(p)]
        # What a test makes of a student's result cannot take the machine's memory.
        assert any(0 < room < 40 << 30 for room in lanes)

        with pytest.raises(CourseError, match="another"), runs.run_lock(out, mini_class.assignment()):
            pass
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    wait_for(lambda: not any(map(is_alive, below)), "the processes of the run to end")
    before = {r.student: r for r in load_records(out)}
    assert 1 <= len(before) < len(students)
    left = [p.name for p in out.iterdir() if p.name.startswith(".work")]
    assert left  # what it could not take away, inside its own folder

    again = course(submitted, out, "--workers", "2")
    printed, said_again = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, said_again
    assert f"{len(before)} of {len(students)} submissions are graded already" in printed
    after = {r.student: r for r in load_records(out)}
    assert set(after) == set(students)
    assert all(r.score == FULL and r.isolation == "bubblewrap" for r in after.values())
    assert all(after[name].graded_at == record.graded_at for name, record in before.items())
    assert not [p.name for p in out.iterdir() if p.name.startswith(".work")]
    assert {json.loads((out / s / "01_mini.results.json").read_text())["score"] for s in students} == {FULL}


def test_the_second_of_two_graders_ends_with_one_line(needs_bubblewrap: None, tmp_path: Path) -> None:
    submitted, out = tmp_path / "submitted", tmp_path / "out"
    hand_in(submitted, "a")
    with runs.run_lock(out, mini_class.assignment()):
        second = course(submitted, out)
        said = second.communicate(timeout=PATIENCE)[1].strip().splitlines()
    assert second.returncode == 2
    assert len(said) == 1
    assert "another `course grade" in said[0]
    assert not load_records_or_none(out)


def load_records_or_none(out: Path) -> list[Record]:
    return load_records(out) if list(out.glob("*/*.record.json")) else []


@pytest.mark.parametrize("victim", ["autograder.office", "autograder.sandbox.zygote"])
def test_a_judge_or_a_sandbox_that_is_killed_loses_nothing(victim: str, needs_bubblewrap: None, tmp_path: Path) -> None:
    submitted, out = tmp_path / "submitted", tmp_path / "out"
    hand_in(submitted, "a", "b", "c", slow=1.0)
    grading = course(submitted, out, "--workers", "1")
    wait_for(lambda: list(out.glob("*/*.record.json")) or grading.poll() is not None, "a first record")
    victims = [p for p in family(grading.pid) if victim in command_of(p)]
    assert victims
    victims[0].kill()
    said = grading.communicate(timeout=PATIENCE)[1]
    assert grading.returncode == 0, said
    records = load_records(out)
    assert {r.student for r in records} == {"a", "b", "c"}
    assert all(r.score == FULL for r in records)


def test_an_office_whose_driver_was_killed_at_once_starts_no_sandbox(tmp_path: Path) -> None:
    """Between its start and the moment at which it asks the kernel to end with its parent, nobody would end it."""
    (tmp_path / "bwrap").write_text(f"#!/bin/sh\ntouch {shlex.quote(str(tmp_path / 'asked for'))}\n")
    (tmp_path / "bwrap").chmod(0o755)
    (tmp_path / "library").mkdir()
    driver, office = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    driver.send(json.dumps({"library": str(tmp_path / "library"), "level": "bubblewrap"}).encode())
    driver.close()
    command = [sys.executable, *schedule.OFFICE, str(office.fileno())]
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with office:
        ended = subprocess.run(command, pass_fds=[office.fileno()], env=os.environ | path, check=False)
    assert ended.returncode == 0
    assert not (tmp_path / "asked for").exists()


def test_only_what_changed_is_graded_again(needs_bubblewrap: None, tmp_path: Path) -> None:
    submitted, out = tmp_path / "submitted", tmp_path / "out"
    hand_in(submitted, "a", "b")
    assert course(submitted, out).wait() == 0
    first = {r.student: r for r in load_records(out)}
    worse = json.dumps(mini_class.handed_in({"fact": "fact = 8"}))
    (submitted / "b" / "01_mini" / "mini.ipynb").write_text(worse)
    grading = course(submitted, out)
    printed = grading.communicate(timeout=PATIENCE)[0]
    assert "1 of 2 submissions are graded already" in printed
    second = {r.student: r for r in load_records(out)}
    assert second["a"] == first["a"]
    assert second["b"].score == FULL - 1
    assert second["b"].attempt == 2
    archived = list((out / "b" / "attempts").glob("*.json"))
    assert len(archived) == 1
    assert Record.from_json(archived[0].read_text()) == first["b"]


# -- what is found in the folder ---------------------------------------------------------------------------------

HOSTILE_IDS = [
    "=cmd|' /C calc'!A0",
    "a\nb",
    "a'b\"c",
    "<script>alert(1)</script>",
    "x" * 200,
    "..hidden",
    "-rf",
    "con",
    "ü",
    "a b",
]


def test_hostile_student_ids_stay_inside_the_output_folder(tmp_path: Path) -> None:
    for student in [*HOSTILE_IDS, os.fsdecode(b"not\xffutf8")]:
        (tmp_path / "in" / student / "01_mini").mkdir(parents=True)
    jobs = runs.find_jobs(tmp_path / "in", mini_class.assignment(), "UTC")
    out = tmp_path / "out"
    places = {record_path(out, job.student, "01_mini") for job in jobs}
    assert len(places) == len(jobs) >= len(HOSTILE_IDS)
    for place in places:
        assert place.parent.parent == out
        assert place.parent.name.isprintable()
        assert not place.parent.name.startswith((".", "-", "="))


def test_a_student_who_handed_in_nothing_gets_a_record(prepared: Prepared, failing_lanes: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "empty" / "01_mini").mkdir(parents=True)
    (tmp_path / "in" / "nothing").mkdir()
    jobs = runs.find_jobs(tmp_path / "in", mini_class.assignment(), "UTC")
    assert {job.student: job.notebooks for job in jobs} == {"empty": {"mini": None}, "nothing": {"mini": None}}


def test_a_locked_folder_is_freed_when_its_owner_dies(tmp_path: Path) -> None:
    code = (
        "import sys, time, mini_class\nfrom pathlib import Path\nfrom autograder import runs\n"
        "with runs.run_lock(Path(sys.argv[1]), mini_class.assignment()):\n"
        "    print('held', flush=True)\n    time.sleep(600)"
    )
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parent))
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(CourseError, match="another `course grade"), runs.run_lock(tmp_path, mini_class.assignment()):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with runs.run_lock(tmp_path, mini_class.assignment()):
        pass
