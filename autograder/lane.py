"""Lanes: judging processes, each with its own warm zygote, which grade submissions that the driver hands them, one
after the other.

They are forked from an office (`autograder.office`). A lane reads one JSON job a line from a socket of its own and
answers with one JSON line each. The driver holds no torch, no student code and no hidden test; a lane that dies
costs one submission, which is tried again in a fresh lane.
"""

from __future__ import annotations

import dataclasses
import functools
import gc
import json
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from autograder.curriculum import Assignment, Limits, load_curriculum
from autograder.errors import CourseError
from autograder.grading import Examiner, grade_job
from autograder.jobs import job_from_json
from autograder.judge.seeds import SeedSource
from autograder.preparation import load_prepared, with_examiner
from autograder.sandbox import confine
from autograder.sandbox.client import SandboxFault, Twin, Zygote

if TYPE_CHECKING:
    from autograder.office import Orders
    from autograder.sandbox.launch import ZygoteProcess

# What hidden tests and checkers may take beyond the warm start, when they work on what a student's code has returned.
JUDGE_MEMORY = 6 << 30


def settle() -> None:
    """What is here stays: no lane copies it to look through it, and what a submission adds is looked through in few
    rounds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def work_for(orders: Orders, sandbox: ZygoteProcess | None) -> None:
    """Warm up, and fork lanes until the driver hangs up.

    Args:
        orders: of the driver. sandbox: the zygote that has been started for them.
    """
    torch.set_num_threads(1)
    settings = orders.settings()
    curriculum = load_curriculum(Path(settings["root"]) / "course.toml")
    assignment = curriculum.assignment(settings["assignment"])
    limits = settings["limits"]  # of the notebooks that are graded
    notebooks = [
        dataclasses.replace(n, limits=Limits(**limits[n.name])) for n in assignment.notebooks if n.name in limits
    ]
    assignment = dataclasses.replace(assignment, notebooks=tuple(notebooks))

    started = False

    def work(examiner: Examiner) -> None:
        nonlocal started
        started = True
        settle()
        orders.serve(functools.partial(_open_lane, examiner, assignment))

    try:
        prepared = load_prepared(curriculum, assignment, Path(settings["folder"]))
        seeds = SeedSource(bytes.fromhex(settings["secret"]))
        with_examiner(prepared, settings["level"], seeds, work, sandbox)
    except CourseError as error:
        refusal = {"refused": str(error)}
        orders.serve(lambda: lambda line: _Line(line).say(refusal))
    except OSError as error:  # no room for what the sandbox needs
        if started:
            raise
        text = f"a judge process cannot start: {error.filename or settings['folder']}: {error.strerror}"
        orders.serve(lambda: lambda line: _Line(line).say({"refused": text}))


def _open_lane(examiner: Examiner, assignment: Assignment) -> Callable[[socket.socket], None]:
    assert isinstance(examiner.zygote, Zygote)
    try:
        twin = examiner.zygote.twin()
    except SandboxFault as fault:  # the machine has ended it: the driver opens another office
        sys.exit(str(fault))
    return functools.partial(_grade, examiner, twin, assignment)


class _Line:
    """A lane's end of its socket."""

    def __init__(self, line: socket.socket):
        self.lines = line.makefile("r", encoding="utf-8")
        self._answers = line.makefile("w", encoding="utf-8")

    def say(self, message: dict[str, Any]) -> None:
        self._answers.write(json.dumps(message) + "\n")
        self._answers.flush()


def _grade(examiner: Examiner, zygote: Twin, assignment: Assignment, line: socket.socket) -> None:
    """The life of a lane."""
    room = confine.virtual_memory() + JUDGE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (room, room))  # the sandboxes come from the zygote and have their own
    own, talk = dataclasses.replace(examiner, zygote=zygote), _Line(line)
    talk.say({"ready": zygote.level})
    for job in talk.lines:
        record = grade_job(own, assignment, job_from_json(job))
        if not zygote.alive():  # the machine has ended it: the driver tries again in another lane
            sys.exit("the sandbox of this judge process has ended")
        talk.say({"record": record.to_json()})
