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
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from autograder.errors import CourseError
from autograder.grading import Job, faulty_record
from autograder.judge.problems import GraderFault
from autograder.judge.seeds import SeedSource
from autograder.preparation import Prepared
from autograder.record import Record

LANE = ("-P", "-m", "autograder.lane")
START_SECONDS = 180.0
TRIES = 2
FALSE_STARTS = 3  # lanes in a row that end before they are ready


class _Lane:
    """The driver's end of one lane."""

    def __init__(self, settings: dict[str, Any]):
        environment = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        self.process = subprocess.Popen(
            [sys.executable, *LANE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=settings["root"],
        )
        self.job: Job | None = None
        self.tries = 0
        self.deadline = time.monotonic() + START_SECONDS
        self.ready = False
        self._say(json.dumps(settings))

    def start(self, job: Job, tries: int, seconds: float) -> None:
        from autograder.lane import job_to_json

        self.job, self.tries, self.deadline = job, tries, time.monotonic() + seconds
        self._say(job_to_json(job))

    def _say(self, line: str) -> None:
        """Write a line; that a lane has ended is noticed where its answer is read."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def answer(self) -> dict[str, Any] | None:
        """The next line that it says; None where it has ended, in the middle of a line perhaps."""
        assert self.process.stdout is not None
        try:
            return json.loads(self.process.stdout.readline())
        except ValueError:
            return None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def _settings(prepared: Prepared, folder: Path, seeds: SeedSource, level: str) -> dict[str, Any]:
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
        self.settings = _settings(prepared, folder, seeds, level)
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
            self.lane = _Lane(self.settings)
            answer = _wait_for(self.lane)
            if answer is None or "refused" in answer:
                self.close()
                if answer is None:
                    raise GraderFault("the grader's judge process ends before it is ready; its message stands above")
                raise CourseError(answer["refused"])
        return self.lane

    def close(self) -> None:
        if self.lane is not None:
            self.lane.end()
            self.lane = None


def _wait_for(lane: _Lane) -> dict[str, Any] | None:
    """The next answer of a lane; None where it has ended or its time is over."""
    assert lane.process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(lane.process.stdout, selectors.EVENT_READ)
        if not selector.select(timeout=max(lane.deadline - time.monotonic(), 0.0)):
            return None
    return lane.answer()


def grade_all(
    prepared: Prepared, folder: Path, jobs: Iterable[Job], seeds: SeedSource, level: str, workers: int = 0
) -> Iterator[Record]:
    """Grade submissions in parallel; yields each record as soon as it is there.

    Args:
        prepared: the assignment; folder: where `prepare` put it.
        jobs: what to grade. seeds: the course secret. level: isolation asked for.
        workers: lanes; 0 for the number of cores, never more than there are jobs.

    Raises:
        CourseError: the machine offers less isolation than asked for. GraderFault: no lane can be started.
    """
    waiting = collections.deque((job, 1) for job in jobs)
    if not waiting:
        return
    settings, allowed = _settings(prepared, folder, seeds, level), _allowed(prepared)
    lanes: list[_Lane] = []
    selector = selectors.DefaultSelector()

    def open_lane() -> None:
        lane = _Lane(settings)
        lanes.append(lane)
        selector.register(lane.process.stdout, selectors.EVENT_READ, lane)  # type: ignore[arg-type]

    def close_lane(lane: _Lane) -> None:
        selector.unregister(lane.process.stdout)  # type: ignore[arg-type]
        lanes.remove(lane)
        lane.end()

    def give_up_or_retry(lane: _Lane, reason: str) -> Record | None:
        job, tries = lane.job, lane.tries
        close_lane(lane)
        if job is None:
            return None
        if tries < TRIES:
            waiting.appendleft((job, tries + 1))
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
                    false_starts += not lane.ready
                    if false_starts > FALSE_STARTS:
                        raise GraderFault(
                            "the grader's judge process ends before it is ready; its message stands above"
                        )
                    record = give_up_or_retry(lane, "the judge process ended while it graded this submission, twice")
                else:
                    if "refused" in answer:
                        raise CourseError(answer["refused"])
                    lane.ready, false_starts = True, 0
                    if "record" in answer:
                        record, lane.job = Record.from_json(answer["record"]), None
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
            close_lane(lane)
        selector.close()
