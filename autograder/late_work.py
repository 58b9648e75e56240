"""What the late policy decides once work is graded, written where people look: the gradebook and the results.

`course grade` and nbgrader's own commands both come through here, so that their gradebooks say the same.
"""

from __future__ import annotations

from pathlib import Path

from nbgrader.api import Gradebook

from autograder.curriculum import Curriculum
from autograder.exports import write_results
from autograder.gradebook import apply_policy
from autograder.policy import SlipLedger, granted_extensions, ledgers
from autograder.records import load_records, read_record_file, record_path


def write_lateness(
    out: Path, curriculum: Curriculum, gradebook: Gradebook, folder: str | None = None
) -> dict[str, SlipLedger]:
    """Apply the late policy to everything that was ever graded into a folder, with the extensions that hold now.

    Args:
        out: the output folder, with the records written.
        curriculum: the course.
        gradebook: from `autograder.gradebook.open_gradebook`, with the records written.
        folder: name of a student's folder (see `safe_name`): decide about this student only.

    Returns:
        Student id to ledger.

    Raises:
        CourseError: there is no record, or the extensions, a record or the gradebook cannot be read or written.
    """
    outlines = load_records(out, folder=folder, outline=True)
    decided = ledgers(outlines, curriculum, granted_extensions(out, curriculum))
    apply_policy(gradebook, decided, curriculum)
    for record in outlines:
        whole = read_record_file(record_path(out, record.student, record.assignment))
        write_results(out, whole, decided[record.student])
    return decided
