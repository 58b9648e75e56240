"""Settings for nbgrader's own commands; a grading run puts a file that loads this one into its output folder.

The gradebook and the folders (submitted/, autograded/, feedback/ ...) lie below the folder in which the command runs.
"""

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import CheckCellMetadata, ComputeChecksums, GetGrades, LockCells, SaveCells

from autograder.gradebook import COURSE_ID
from autograder.nbgrader_plugin import (
    CollectWithReceipts,
    ExportWithLateness,
    FromRelease,
    GradeInSandbox,
    HideGraderCells,
    NamesWithReceipts,
    SettleLateness,
    settle_names,
    settle_results,
)

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = COURSE_ID
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints",
    "__pycache__",
    "*.pyc",
    "feedback",
    "*.record.json",
    "*.results.json",
    "*.db",
]

# The course's compiler cuts the holes; source/ holds the notebooks as released, and nbgrader only reads them in.
c.GenerateAssignment.preprocessors = [LockCells, ComputeChecksums, SaveCells, CheckCellMetadata]

# Whoever collects writes down when work came in: submitted/receipts.csv.
c.ExchangeFactory.collect = CollectWithReceipts
c.ZipCollectApp.collector_plugin = NamesWithReceipts

# Late work: what is exported, and what feedback shows, is what the late policy says at that moment.
c.ExportApp.plugin_class = ExportWithLateness

# Mark schemes stand in the graded notebooks for the person who grades; students get them without.
c.GenerateFeedback.preprocessors = [SettleLateness, HideGraderCells, GetGrades, CSSHTMLHeaderPreprocessor]

# `nbgrader autograde` hands each submission to the course's own judge and sandbox, as `course grade` does: the same
# records, the same scores, and no code of a student in nbgrader's process or in a kernel of its own.
c.Autograde.exporter_class = FromRelease
c.Autograde.sanitize_preprocessors = []
c.Autograde.autograde_preprocessors = [GradeInSandbox]
c.Autograde.pre_convert_hook = settle_names
c.Autograde.post_convert_hook = settle_results
