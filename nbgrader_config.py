"""Settings for nbgrader's own commands; a grading run puts a file that loads this one into its output folder.

The gradebook and the folders (submitted/, autograded/, feedback/ ...) lie below the folder in which the command runs.
"""

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.preprocessors import CheckCellMetadata, ComputeChecksums, GetGrades, LockCells, SaveCells

from autograder.gradebook import COURSE_ID
from autograder.nbgrader_plugin import HideGraderCells

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = COURSE_ID
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints",
    "__pycache__",
    "*.pyc",
    "feedback",
    "*.record.json",
    "results.json",
    "*.db",
]

# The course's compiler cuts the holes; source/ holds the notebooks as released, and nbgrader only reads them in.
c.GenerateAssignment.preprocessors = [LockCells, ComputeChecksums, SaveCells, CheckCellMetadata]

# Mark schemes stand in the graded notebooks for the person who grades; students get them without.
c.GenerateFeedback.preprocessors = [HideGraderCells, GetGrades, CSSHTMLHeaderPreprocessor]
