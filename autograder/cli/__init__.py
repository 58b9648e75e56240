"""The `course` command. Each subcommand is a module of this package and is imported only when it is used."""

from __future__ import annotations

import errno
import importlib
import sys

import click

from autograder.errors import CourseError

# command -> (module of this package, line of help)
COMMANDS = {
    "build": ("build", "Compile the notebook sources into assignments/."),
    "release": ("release", "Make the zip that students get."),
    "grade": ("grade", "Grade one notebook, or everything that was handed in."),
    "feedback": ("pages", "Write a feedback page for each student."),
    "report": ("pages", "Write the report of the class, with plots."),
    "similarity": ("similarity", "Show submissions that are alike, side by side."),
    "export": ("export", "Write grades as CSV, for Canvas or for Gradescope."),
    "validate": ("validate", "Try the graders: solutions, releases, misconceptions, alternatives."),
    "calibrate": ("calibrate", "Measure what solutions and mistakes reach where a hidden test has a bound."),
    "demo": ("demo", "Release, hand in, grade and report a small invented class."),
}


# What a machine can refuse at any moment; any other OSError is a mistake of ours and keeps its traceback.
REFUSALS = {
    errno.ENOSPC: "free some space, then run the same command again",
    errno.EDQUOT: "free some space, then run the same command again",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a folder that you may read and write",
    errno.EPERM: "choose a folder that you may read and write",
    errno.EIO: "the disk does not work; choose another folder",
    errno.EMFILE: "close other programs, or raise `ulimit -n`",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "free some memory, or grade with fewer --workers",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, help_line = COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(f"autograder.cli.{module}"), name)
        command.short_help = help_line
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Build, release and grade the notebooks of the course."""


def main() -> None:
    """Run the command line; wrong use and bad files end as one line on stderr and status 2."""
    # jsonschema would use it for addresses, of which a notebook's schema has none; to import it takes as long as torch.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    try:
        status = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except CourseError as error:
        click.echo(f"course: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"course: {where}{error.strerror}; {REFUSALS[error.errno]}", err=True)
        sys.exit(2)
    sys.exit(status if isinstance(status, int) else 0)
