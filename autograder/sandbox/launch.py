"""The process of a zygote, started and ended. It needs no torch, so that the sandbox gets warm while its user does."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from pathlib import Path

from autograder.sandbox import isolation


class ZygoteProcess:
    """A zygote that has been started and may not be warm yet; `autograder.sandbox.client.Zygote` talks to it.

    Args:
        library: folder that holds the student edition of `course_lib`, or will hold it when the zygote is told what to
            import.
        level: isolation that is asked for, as in course.toml.

    Raises:
        CourseError: the machine offers less isolation than asked for. OSError: there is no room for its folder.
    """

    def __init__(self, library: Path, level: str):
        self.level = isolation.require(level)
        self._temporary = tempfile.TemporaryDirectory(prefix="zygote-", dir=library.parent)
        self.folder = Path(self._temporary.name)
        self._log = self.folder / "log"
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        command = isolation.zygote_command(self.level, library, theirs.fileno(), self.folder)
        with theirs, self._log.open("wb") as log:
            self._program = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        return self._program.pid

    def last_words(self) -> str:
        """The end of what it printed, in one line."""
        log = self._log.read_text(errors="replace") if self._log.exists() else ""
        return " | ".join(log.strip().splitlines()[-3:])

    def end(self) -> None:
        """End the zygote and whatever it has forked, and remove its folder. Its socket has been closed."""
        try:
            self._program.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()
        self._temporary.cleanup()
