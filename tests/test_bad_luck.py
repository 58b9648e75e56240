"""A machine that fails in the middle of `course grade`: what was graded stays, and the next run goes on from there.

Each story runs the command line as an instructor does, on a disk of its own that fills up, turns read-only or holds a
locked database, or with runs that are killed at any moment.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mini_class
import pytest
from mini_class import FULL
from test_schedule import PATIENCE, family, is_alive, wait_for

from autograder.gradebook import open_gradebook
from autograder.record import Record
from autograder.records import load_records

# Whole runs, one after the other: on a machine that does much else they take their time.
pytestmark = [pytest.mark.xdist_group("bad_luck"), pytest.mark.timeout(3000)]
STUDENTS = [f"s{n}" for n in range(8)]
# A run as the command line makes it, but for the minute that it waits for somebody else's transaction.
PROGRAM = "from autograder import gradebook; gradebook.WAIT_SECONDS = 1.0; from autograder.cli import main; main()"
GRADE = [
    sys.executable, "-c", PROGRAM, "grade", "01_mini", "--submitted", "submitted", "--out", "out",
    "--course", str(mini_class.COURSE / "course.toml"),
]  # fmt: skip
ENVIRONMENT = dict(os.environ, COURSE_SECRET="a secret of the tests", OMP_NUM_THREADS="1", COLUMNS="200")


@pytest.fixture(autouse=True, scope="module")
def _needs_bubblewrap() -> None:
    if mini_class.isolation.available_level() != "bubblewrap":
        pytest.skip(f"no bubblewrap here: {mini_class.isolation.why_no_bubblewrap()}")


def hand_in(folder: Path, *students: str, printed: int = 0, seconds: float = 0.0) -> None:
    source = "".join(mini_class.find(mini_class.solved(), "entropy")["source"])
    cell = f"import time\ntime.sleep({seconds})\nprint('x' * {printed})\n{source}"
    for student in students:
        (folder / "submitted" / student / "01_mini").mkdir(parents=True)
        content = json.dumps(mini_class.handed_in({"entropy": cell}))
        (folder / "submitted" / student / "01_mini" / "mini.ipynb").write_text(content)


def one_clear_line(said: str) -> str:
    """What a run that failed told the instructor: one line of its own, below the progress bar perhaps."""
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("grading ")]
    assert len(lines) == 1, said
    assert lines[0].startswith("course: ")
    return lines[0]


def records_in(out: Path) -> dict[str, Record]:
    """The records of a folder, all of them whole."""
    return {r.student: r for r in load_records(out)} if list(out.glob("*/*.record.json")) else {}


def made(out: Path) -> int:
    return len(list(out.glob("*/*.record.json")))


def check_complete(out: Path, earlier: dict[str, Record], students: list[str]) -> None:
    """Everybody has one record, nobody was graded twice, and the gradebook says the same."""
    after = records_in(out)
    assert set(after) == set(students)
    for student, record in after.items():
        assert (record.score, record.attempt) == (FULL, 1)
        assert student not in earlier or record.graded_at == earlier[student].graded_at
        assert json.loads((out / student / "01_mini.results.json").read_text())["score"] == FULL
    assert not list(out.glob("*/attempts"))
    assert not list(out.glob(".work-*"))
    assert not list(out.glob("*/.01_mini.*"))  # half of a record
    with open_gradebook(out / "gradebook.db") as book:
        assert {s.student.id: s.score for s in book.assignment_submissions("01_mini")} == dict.fromkeys(students, FULL)


def own_mounts() -> list[str]:
    """A command line that runs a shell whose mounts nobody else sees, without any right beyond that left at the end."""
    if os.getuid() == 0:
        return ["unshare", "--mount", "sh", "-eu"]
    return ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "sh", "-eu"]


STORY = """
mkdir -p out
mount -t tmpfs -o size=600k none out
keep() { cp -a out "kept-$1"; }
run() {
    name=$1; shift; status=0
    $DROP "$@" >"$name.out" 2>"$name.err" || status=$?
    echo $status >"$name.status"
}
run full "$@"; keep full
mount -o remount,size=64m,ro out
run read_only "$@"
mount -o remount,size=64m,rw out
mount --bind out/gradebook.db out/gradebook.db
mount -o remount,bind,ro out/gradebook.db
run read_only_database "$@"
umount out/gradebook.db
"$PYTHON" -c "$HOLDER" out/gradebook.db >held &
while [ ! -s held ]; do sleep 0.1; done
run locked "$@"
kill $!; wait $! || true
keep locked
run fine "$@"; keep fine
"""
HOLDER = (
    "import sqlite3, sys, time\n"
    "held = sqlite3.connect(sys.argv[1], isolation_level=None)\nheld.execute('BEGIN IMMEDIATE')\n"
    "print('held', flush=True)\ntime.sleep(600)"
)


def test_a_disk_that_fills_up_and_databases_that_cannot_be_written(tmp_path: Path) -> None:
    """A full disk, a read-only one, a read-only database, a locked one: one line each, and then all goes on."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        pytest.skip("no unshare and setpriv (util-linux)")
    probe = "mount -t tmpfs none . && $DROP bwrap --ro-bind / / --unshare-user --unshare-pid true"
    drop = "" if os.getuid() == 0 else "setpriv --ambient-caps=-all --inh-caps=-all"
    environment = ENVIRONMENT | {"DROP": drop, "PYTHON": sys.executable, "HOLDER": HOLDER}
    possible = subprocess.run([*own_mounts(), "-c", probe], cwd=tmp_path, env=environment, capture_output=True)
    if possible.returncode != 0:
        pytest.skip(f"no mounts of one's own here: {possible.stderr.decode()[-200:]}")
    hand_in(tmp_path, *STUDENTS, printed=60_000)
    story = subprocess.run(
        [*own_mounts(), "-c", STORY, "story", *GRADE, "--workers", "2"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=4 * PATIENCE,
    )  # fmt: skip
    assert story.returncode == 0, story.stderr
    told = {p.stem: one_clear_line(p.read_text()) for p in tmp_path.glob("*.err") if p.stem != "fine"}
    statuses = {p.stem: int(p.read_text()) for p in tmp_path.glob("*.status")}
    assert statuses == dict.fromkeys(("full", "read_only", "read_only_database", "locked"), 2) | {"fine": 0}, told
    assert "No space left" in told["full"] or "full" in told["full"]
    assert "Read-only" in told["read_only"]
    assert "readonly" in told["read_only_database"]
    assert "has been locked" in told["locked"]
    before = records_in(tmp_path / "kept-full")
    assert 1 <= len(before) < len(STUDENTS)
    assert records_in(tmp_path / "kept-locked") == before  # what could not be published was not graded for nothing
    said = (tmp_path / "fine.out").read_text()
    assert f"{len(before)} of {len(STUDENTS)} submissions are graded already" in said
    check_complete(tmp_path / "kept-fine", before, STUDENTS)


def test_runs_that_are_killed_at_any_moment_and_two_at_once(tmp_path: Path) -> None:
    """SIGKILL while a run starts, grades and writes; at the end two runs at the same time."""
    moments = random.Random()
    hand_in(tmp_path, *STUDENTS, seconds=0.2)
    out = tmp_path / "out"
    earlier: dict[str, Record] = {}
    below = []
    for wanted in (0, 1, 1):  # records that a run may make before its moment comes
        target = len(earlier) + wanted
        run = subprocess.Popen(GRADE, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_for(lambda run=run, n=target: run.poll() is not None or made(out) >= n, "a record")
        time.sleep(moments.uniform(0.0, 0.4 if wanted else 6.0))
        below += family(run.pid) if run.poll() is None else []
        run.send_signal(signal.SIGKILL)
        run.communicate()
        found = records_in(out)
        assert all(found[student] == record for student, record in earlier.items())
        earlier = found
    wait_for(lambda: not any(map(is_alive, below)), "the processes of the runs to end")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen(GRADE, cwd=tmp_path, env=ENVIRONMENT, text=True, **pipes) for _ in range(2)]
    said = [run.communicate(timeout=PATIENCE)[1] for run in both]
    statuses = [run.returncode for run in both]
    assert 0 in statuses, said
    for status, text in zip(statuses, said, strict=True):
        if status != 0:  # the other had the folder
            assert status == 2
            assert "another `course grade" in one_clear_line(text)
    check_complete(out, earlier, STUDENTS)
