"""An office: the warm process from which the lanes of a run are forked, and which ends them when the driver says so.

What every lane needs (torch, the collected suites, a warm zygote) is made once, here; the office itself grades
nothing, so that no submission can hurt it. Started by `autograder.schedule` as ``python -m autograder.office FD``. Its
orders come as datagrams, one JSON object each, with a socket beside those that open a lane; settings, the course secret
among them, come that way because they must not stand on a command line. The first orders say what sandbox there will
be, which starts before anything else because it takes longest, and what is to be graded. When the driver hangs up, or
dies, the office ends its lanes and itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.errors import CourseError
from autograder.sandbox import confine
from autograder.sandbox.launch import ZygoteProcess

LONGEST_ORDER = 1 << 20


class Orders:
    """The office's end of the line to the driver, whose descriptor stands on the command line."""

    def __init__(self) -> None:
        self.socket = socket.socket(fileno=int(sys.argv[1]))
        self.children: dict[int, int] = {}  # lane -> process

    def driver_has_gone(self) -> bool:
        """Whether the other end of the line is closed, whatever still stands on it."""
        ear = select.poll()
        ear.register(self.socket, 0)  # a hang-up is told in any case
        return bool(ear.poll(0))

    def sandbox(self) -> ZygoteProcess | None:
        """Start the sandbox that the first order asks for; None where it cannot be, which its user will be told."""
        order = self._next()
        with contextlib.suppress(CourseError, OSError):
            return ZygoteProcess(Path(order["library"]), order["level"])
        return None

    def settings(self) -> dict[str, Any]:
        """The second order: what a lane has to know."""
        return self._next()

    def _next(self) -> dict[str, Any]:
        """Ends the process where the driver has gone."""
        return json.loads(self.socket.recv(LONGEST_ORDER) or sys.exit(0))

    def serve(self, open_lane: Callable[[], Callable[[socket.socket], None]]) -> None:
        """Follow orders until the driver hangs up.

        Args:
            open_lane: called before a lane is forked; what it returns is the lane, called in the fork with its socket.
        """
        try:
            while True:
                order, fds, _, _ = socket.recv_fds(self.socket, LONGEST_ORDER, 1)
                if not order:
                    return
                said = json.loads(order)
                if "end" in said:
                    self._end(said["end"])
                else:
                    self._fork(said["open"], socket.socket(fileno=fds[0]), open_lane())
        finally:
            for number in list(self.children):
                self._end(number)

    def _fork(self, number: int, line: socket.socket, lane: Callable[[socket.socket], None]) -> None:
        pid = os.fork()
        if pid:
            self.children[number] = pid
            line.close()
            return
        status = 1
        try:
            confine.die_with_parent()
            self.socket.close()
            lane(line)
            status = 0
        except SystemExit as error:
            print(error, file=sys.stderr)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

    def _end(self, number: int) -> None:
        """Kill a lane, and bury it: until then its number cannot become that of another process."""
        pid = self.children.pop(number, 0)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def main() -> None:
    """Warm up, and fork lanes until the driver hangs up."""
    confine.die_with_parent()
    os.dup2(2, 1)  # whatever prints in here is no output of `course grade`
    orders = Orders()
    if orders.driver_has_gone():  # before this process could ask to end with it
        return
    sandbox = orders.sandbox()
    from autograder import lane  # and with it torch

    lane.work_for(orders, sandbox)


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    os._exit(0)  # to take a process with torch in it apart, module by module, takes half a second
