"""Grading many submissions on all cores of a machine: lanes, retries, and records in the order in which they are done.

The driver only moves JSON. A lane that dies or hangs is replaced, and its submission tried once more; if that fails
too, the submission gets a record that says so, and the run goes on.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from autograder.errors import CourseError
from autograder.jobs import Job, faulty_record, job_to_json
from autograder.judge.problems import GraderFault
from autograder.judge.seeds import SeedSource
from autograder.preparation import Prepared, library_folder
from autograder.record import Record

OFFICE = ("-P", "-m", "autograder.office")
START_SECONDS = 180.0
TRIES = 2
END_SECONDS = 10.0
MOMENT = 1.0
FALSE_STARTS = 3  # lanes that end before they begin with a submission, between one record and the next


class Office:
    """The driver's end of an office (`autograder.office`). Use as a context manager.

    It warms up by itself; its settings come later, with the first lane at the latest.

    Args:
        root: of the course.
        folder: where `prepare` puts, or will put, the assignment.
        level: isolation asked for.
    """

    def __init__(self, root: Path, folder: Path, level: str):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        self._orders = ours
        self.process = subprocess.Popen(
            [sys.executable, *OFFICE, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=environment,
            cwd=root,
        )
        theirs.close()
        self._told = False
        self._count = 0
        library_folder(folder).mkdir(exist_ok=True)
        self._order({"library": str(library_folder(folder)), "level": level})

    def tell(self, settings: dict[str, Any]) -> None:
        """Say what is to be graded, once."""
        if not self._told:
            self._order(settings)
            self._told = True

    def open_lane(self, settings: dict[str, Any]) -> _Lane:
        """Let it fork a lane; whether that works is seen where the lane's first answer is read."""
        self.tell(settings)
        self._count += 1
        ours, theirs = socket.socketpair()
        with theirs:
            self._order({"open": self._count}, theirs.fileno())
        return _Lane(self, self._count, ours)

    def end_lane(self, number: int) -> None:
        self._order({"end": number})

    def _order(self, order: dict[str, Any], *fds: int) -> None:
        with contextlib.suppress(OSError):  # it has ended: so have its lanes
            socket.send_fds(self._orders, [json.dumps(order).encode()], fds)

    def ended(self) -> bool:
        """Whether it has ended, by itself or because it was killed."""
        return self.process.poll() is not None

    def close(self) -> None:
        """Hang up, and wait until it has ended its lanes and itself."""
        self._orders.close()
        try:
            self.process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()  # its lanes die with it
            self.process.wait()

    def __enter__(self) -> Office:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


class _Lane:
    """The driver's end of one lane."""

    def __init__(self, office: Office, number: int, line: socket.socket):
        self.office = office
        self.number = number
        self.line = line
        self._answers = line.makefile("r", encoding="utf-8")
        self.job: Job | None = None
        self.tries = 0
        self.deadline = time.monotonic() + START_SECONDS
        self.ready = False
        self.begun = False  # it has taken its job off the line, as far as can be told

    def start(self, job: Job, tries: int, seconds: float) -> None:
        """Hand it a job; that it has ended is noticed where its answer is read."""
        self.job, self.tries, self.deadline = job, tries, time.monotonic() + seconds
        try:
            self.line.sendall((job_to_json(job) + "\n").encode())
            self.begun = True
        except OSError:
            self.begun = False

    def answer(self) -> dict[str, Any] | None:
        """The next line that it says; None where it has ended, in the middle of a line perhaps."""
        try:
            return json.loads(self._answers.readline())
        except ConnectionResetError:  # unix(7): the other end was closed with something in it that nobody had read
            self.begun = False
        except (ValueError, OSError):
            pass
        return None

    def end(self) -> None:
        self._answers.close()
        self.line.close()
        self.office.end_lane(self.number)


def settings_of(prepared: Prepared, folder: Path, seeds: SeedSource, level: str) -> dict[str, Any]:
    """What a lane has to know."""
    return {
        "root": str(prepared.curriculum.root),
        "assignment": prepared.assignment.name,
        "folder": str(folder),
        "level": level,
        "secret": seeds.secret.hex(),
        # A caller may have set others than course.toml does.
        "limits": {n.name: n.limits.as_dict() for n in prepared.assignment.notebooks},
    }


def _allowed(prepared: Prepared) -> float:
    """Seconds after which a lane is not waited for any longer: far more than its own limits let it take."""
    return sum(n.limits.submission_seconds for n in prepared.assignment.notebooks) * 2 + 60


class WarmLane:
    """One lane that stays, for a caller that brings one submission at a time (nbgrader does).

    Args:
        prepared: the assignment; folder: where `prepare` put it.
        seeds: the course secret. level: isolation asked for.
    """

    def __init__(self, prepared: Prepared, folder: Path, seeds: SeedSource, level: str):
        self.prepared = prepared
        self.settings = settings_of(prepared, folder, seeds, level)
        self.office: Office | None = None
        self.lane: _Lane | None = None

    def grade(self, job: Job) -> Record:
        """Grade one submission; a lane that dies or hangs is replaced, and the submission tried once more.

        Raises:
            CourseError: the machine offers less isolation than asked for. GraderFault: no lane can be started.
        """
        for attempt in range(1, TRIES + 1):
            lane = self._ready_lane()
            lane.start(job, attempt, _allowed(self.prepared))
            answer = _wait_for(lane)
            if answer is not None:
                return Record.from_json(answer["record"])
            self.close()
        reason = "the judge process ended, or did not answer, while it graded this submission, twice"
        return faulty_record(self.prepared.assignment, self.prepared.manifests, job, reason)

    def _ready_lane(self) -> _Lane:
        if self.lane is None:
            self.office = Office(self.prepared.curriculum.root, Path(self.settings["folder"]), self.settings["level"])
            self.lane = self.office.open_lane(self.settings)
            answer = _wait_for(self.lane)
            if answer is None or "refused" in answer:
                self.close()
                if answer is None:
                    raise GraderFault("the grader's judge process ends before it is ready; its message stands above")
                raise CourseError(answer["refused"])
        return self.lane

    def close(self) -> None:
        """End the lane and its office."""
        if self.lane is not None:
            self.lane.end()
            self.lane = None
        if self.office is not None:
            self.office.close()
            self.office = None


def _wait_for(lane: _Lane) -> dict[str, Any] | None:
    """The next answer of a lane; None where it has ended or its time is over."""
    with selectors.DefaultSelector() as selector:
        selector.register(lane.line, selectors.EVENT_READ)
        if not selector.select(timeout=max(lane.deadline - time.monotonic(), 0.0)):
            return None
    return lane.answer()


def grade_all(
    prepared: Prepared,
    folder: Path,
    jobs: Iterable[Job],
    seeds: SeedSource,
    level: str,
    workers: int = 0,
    office: Office | None = None,
) -> Iterator[Record]:
    """Grade submissions in parallel; yields each record as soon as it is there.

    Args:
        prepared: the assignment; folder: where `prepare` put it.
        jobs: what to grade. seeds: the course secret. level: isolation asked for.
        workers: lanes; 0 for the number of cores, never more than there are jobs.
        office: one that is getting warm already; it is closed in the end.

    Raises:
        CourseError: the machine offers less isolation than asked for. GraderFault: no lane can be started.
    """
    waiting = collections.deque((job, 1) for job in jobs)
    if not waiting:
        if office is not None:
            office.close()
        return
    settings, allowed = settings_of(prepared, folder, seeds, level), _allowed(prepared)
    lanes: list[_Lane] = []
    selector = selectors.DefaultSelector()

    def open_lane() -> None:
        nonlocal office
        if office is None or office.ended():
            if office is not None:
                office.close()
            office = Office(prepared.curriculum.root, folder, level)
        lane = office.open_lane(settings)
        lanes.append(lane)
        selector.register(lane.line, selectors.EVENT_READ, lane)

    def close_lane(lane: _Lane) -> None:
        selector.unregister(lane.line)
        lanes.remove(lane)
        if not lane.ready:  # has its office ended? It takes a moment.
            with contextlib.suppress(subprocess.TimeoutExpired):
                lane.office.process.wait(timeout=MOMENT)
        lane.end()

    def give_up_or_retry(lane: _Lane, reason: str) -> Record | None:
        job, tries = lane.job, lane.tries
        close_lane(lane)
        if job is None:
            return None
        if not lane.begun or tries < TRIES:  # a submission that no lane has looked at has cost none of its tries
            waiting.appendleft((job, tries + lane.begun))
            return None
        return faulty_record(prepared.assignment, prepared.manifests, job, reason)

    wanted = min(workers or os.cpu_count() or 1, len(waiting))
    false_starts = 0
    try:
        while waiting or any(lane.job is not None for lane in lanes):
            while len(lanes) < min(wanted, len(waiting) + sum(lane.job is not None for lane in lanes)):
                open_lane()
            for lane in lanes:  # one that was idle takes over what another has dropped
                if waiting and lane.ready and lane.job is None:
                    lane.start(*waiting.popleft(), allowed)
            for key, _ in selector.select(timeout=0.5):
                lane = key.data
                answer = lane.answer()
                record: Record | None = None
                if answer is None:
                    false_starts += not lane.begun
                    if false_starts > FALSE_STARTS:
                        raise GraderFault(
                            "the grader's judge process ends before it is ready; its message stands above"
                        )
                    record = give_up_or_retry(lane, "the judge process ended while it graded this submission, twice")
                else:
                    if "refused" in answer:
                        raise CourseError(answer["refused"])
                    lane.ready = True
                    if "record" in answer:
                        record, lane.job, false_starts = Record.from_json(answer["record"]), None, 0
                    lane.deadline = float("inf")
                    if waiting:
                        lane.start(*waiting.popleft(), allowed)
                if record is not None:
                    yield record
            for lane in [lane for lane in lanes if time.monotonic() > lane.deadline]:
                if not lane.ready:
                    raise GraderFault(f"a judge process was not ready after {START_SECONDS:g} seconds")
                late = give_up_or_retry(lane, f"grading did not end within {allowed:g} seconds, twice")
                if late is not None:
                    yield late
    finally:
        for lane in list(lanes):
            lane.ready = True
            close_lane(lane)
        selector.close()
        if office is not None:
            office.close()
