"""The one error that a user of the command line is meant to see."""


class CourseError(Exception):
    """One clear line: what was found, what was expected, and what to do about it.

    The command line prints it to stderr and exits with status 2; everything else that is raised is a bug.
    """
