"""A lane: one judging process with its own warm zygote, which grades submissions that the driver hands it, one after
the other.

Started by `autograder.schedule` as ``python -m autograder.lane``; reads its settings (the course secret among them,
which must not stand on a command line) and then one JSON job a line on standard input, and
answers with one JSON line each. The driver holds no torch, no student code and no hidden test; a lane that dies costs
one submission, which is tried again in a fresh lane.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

from autograder.curriculum import Limits, load_curriculum
from autograder.errors import CourseError
from autograder.grading import Examiner, Job, grade_job
from autograder.judge.seeds import SeedSource
from autograder.preparation import load_prepared, with_examiner
from autograder.record import Finding
from autograder.sandbox import confine


def job_to_json(job: Job) -> str:
    return json.dumps(dataclasses.asdict(job))


def job_from_json(text: str) -> Job:
    data: dict[str, Any] = json.loads(text)
    notes = {name: [Finding(**f) for f in findings] for name, findings in data.pop("notes").items()}
    return Job(**data, notes=notes)


def main() -> None:
    """Grade what comes on standard input until it ends."""
    confine.die_with_parent()
    settings = json.loads(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever prints in here does not reach the driver's pipe
    import torch

    torch.set_num_threads(1)
    curriculum = load_curriculum(Path(settings["root"]) / "course.toml")
    assignment = curriculum.assignment(settings["assignment"])
    limits = settings["limits"]  # of the notebooks that are graded
    notebooks = [
        dataclasses.replace(n, limits=Limits(**limits[n.name])) for n in assignment.notebooks if n.name in limits
    ]
    assignment = dataclasses.replace(assignment, notebooks=tuple(notebooks))
    prepared = load_prepared(curriculum, assignment, Path(settings["folder"]))

    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    def work(examiner: Examiner) -> None:
        say({"ready": examiner.zygote.level})
        for line in sys.stdin:
            record = grade_job(examiner, assignment, job_from_json(line))
            if not examiner.zygote.alive():  # the machine has ended it: the driver tries again in another lane
                sys.exit("the sandbox of this judge process has ended")
            say({"record": record.to_json()})

    try:
        with_examiner(prepared, settings["level"], SeedSource(bytes.fromhex(settings["secret"])), work)
    except CourseError as error:
        say({"refused": str(error)})


if __name__ == "__main__":
    main()
