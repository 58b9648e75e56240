"""Process 1 of a submission: it forks the process that runs student code, and never runs any itself.

It ends what the judge no longer needs, from outside and whatever that process does, and it watches how much memory
all processes of the submission hold together, which no resource limit of the kernel does.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from typing import Any

from autograder.sandbox import confine, wire, worker

WATCH_SECONDS = 0.25
TOGETHER = 1.5  # what all processes may hold, in units of what one may


class Supervisor:
    """Serves the judge until it hangs up; then the kernel ends whatever else is in the pid namespace.

    Args:
        channel: to the judge.
        student: what the process that runs student code will be.
        limits: the fields of `autograder.curriculum.Limits`, and `baseline`.
        proc: a descriptor of the /proc of the zygote, which shows memory; None where there is no pid namespace of our
            own, and so nothing to watch or to end but what the judge names.
    """

    def __init__(self, channel: wire.Channel, student: worker.Worker, limits: dict[str, float], proc: int | None):
        self.channel = channel
        self.student = student
        self.limits = limits
        self.proc = proc
        self.highest = 1
        self.counted: set[int] = set()
        self.out_of_memory = False
        self.baseline = _own_memory(proc)[1] if proc is not None else 0

    def serve(self) -> None:
        """Answer the judge, and look at the memory while it has nothing to ask."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            if self.proc is not None and not select.select([self.channel], [], [], WATCH_SECONDS)[0]:
                self._watch_memory(self.proc)
                continue
            try:
                header, _, fd = self.channel.receive_fd()
                self._answer(header, fd)
            except wire.WireError:
                return

    def _answer(self, header: dict[str, Any], fd: int | None) -> None:
        operation = header.get("op")
        if operation == "base" and fd is not None:
            pid = os.fork()
            if pid == 0:
                self._become_base(fd)
            os.close(fd)
            self.channel.send({"pid": pid})
        elif operation == "sweep" and self.proc is None:
            self.channel.send({"ended": _end_group(int(header["end"]))})
        elif operation == "sweep":
            self.channel.send({"ended": self._sweep(set(header["keep"]), set(header["known"]))})
        elif operation == "why":
            if self.proc is not None and not self.out_of_memory:
                self._watch_memory(self.proc)
            self.channel.send({"out_of_memory": self.out_of_memory})
            self.out_of_memory = False

    def _become_base(self, fd: int) -> None:
        """In the child: give up everything that can be given up, then answer the judge with student code."""
        try:
            self.channel.close()
            if self.proc is not None:
                os.close(self.proc)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            limits = self.limits
            confine.limit_resources(
                int(limits.get("baseline") or 0),
                int(limits["memory_mb"]),
                int(limits["processes"]),
                int(limits["file_mb"]),
                limits["submission_seconds"],
            )
            if self.proc is not None:
                confine.drop_capabilities()
                confine.refuse_system_calls()
            channel = wire.Channel(socket.socket(fileno=fd))
            channel.send({"hello": os.getpid()})
            self.student.serve(channel, int(limits["output_kb"]))
        finally:
            os._exit(0)

    # -- ending processes -------------------------------------------------------------------------------------

    def _sweep(self, keep: set[int], known: set[int]) -> int:
        """End every process of this namespace but this one and `keep`; returns how many there were beside `known`."""
        unknown: set[int] = set()
        for _ in range(5):  # a fork that was under way when its parent was killed is met in the next round
            self._bury()
            self.highest = max(self.highest, _newest_number())
            alive = set()
            for pid in range(2, self.highest + 1):
                if pid not in keep and _kill(pid):
                    alive.add(pid)
            unknown |= alive - known - self.counted
            if not alive:
                break
        self.counted |= unknown  # a busy machine takes its time to end them
        return len(unknown)

    @staticmethod
    def _bury() -> None:
        """Take note of children that have ended, orphans of the student's processes among them."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    # -- memory -----------------------------------------------------------------------------------------------

    def _watch_memory(self, proc: int) -> None:
        """End everything when all processes together hold too much."""
        self._bury()
        depth, _ = _own_memory(proc)
        total = 0
        for name in os.listdir(proc):
            if name.isdigit():
                levels, held = _memory(proc, name)
                if levels[1:] and len(levels) == depth and levels[-1] != 1:
                    total += max(0, held - self.baseline)
        if total > TOGETHER * (int(self.limits["memory_mb"]) << 10):
            self.out_of_memory = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            self._bury()


def _memory(proc: int, pid: str) -> tuple[list[int], int]:
    """The numbers of a process in its namespaces, outermost first, and the kB of memory that no file stands behind."""
    try:
        with open(os.open(f"{pid}/status", os.O_RDONLY, dir_fd=proc)) as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        levels = [int(number) for number in fields["NSpid"].split()]
        return levels, sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssShmem") if name in fields)
    except (OSError, KeyError, ValueError):  # it has ended meanwhile
        return [], 0


def _own_memory(proc: int) -> tuple[int, int]:
    """How deep this process's pid namespace lies, and the kB that it holds."""
    levels, held = _memory(proc, "self")
    return len(levels), held


def _newest_number() -> int:
    """The number that the kernel gave out last in this namespace; a thread takes one and costs next to nothing."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(threading.get_native_id()))
    thread.start()
    thread.join()
    return found[0]


def _kill(pid: int) -> bool:
    """Kill a process; False where the number belongs to none, to a thread (of a process that is to be kept), or to a
    process that has ended and waits for its parent to notice."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if select.select([handle], [], [], 0)[0]:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _end_group(pid: int) -> int:
    """Without a pid namespace: kill one process and its group; what has left the group is not found."""
    ended = 0
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
            ended = 1
    return ended
