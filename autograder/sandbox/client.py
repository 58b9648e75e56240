"""The trusted side of the sandbox: start a zygote, get a sandbox per submission, fork snapshots, end them.

Nothing that comes from a worker is trusted here: answers are decoded as plain data, waiting has a deadline, and what
does not answer is ended from outside.
"""

from __future__ import annotations

import contextlib
import select
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from autograder.curriculum import Limits
from autograder.errors import CourseError
from autograder.sandbox import wire
from autograder.sandbox.launch import ZygoteProcess

START_SECONDS = 120.0  # importing torch on a cold disk
FORK_SECONDS = 10.0  # what a process may take to copy itself, which is the work of a moment
PREPARED = 8  # notebooks whose set-up cells stay done
ANSWER_SECONDS = 20.0  # what the supervisor, which runs no student code, may take on a busy machine


class SandboxFault(CourseError):
    """The sandbox itself did not work: our fault or the machine's, never the student's."""


class ProcessGone(Exception):
    """The student's process ended instead of answering."""


class ProcessTimeout(Exception):
    """The student's process did not answer in time, and was ended."""

    def __init__(self, seconds: float):
        super().__init__(f"no answer within {seconds:g} s")
        self.seconds = seconds


class Process:
    """A snapshot: one process of the sandbox, reached through a socket of its own."""

    def __init__(self, sandbox: Sandbox, channel: wire.Channel, pid: int):
        self.sandbox = sandbox
        self.channel = channel
        self.pid = pid
        self.alive = True
        sandbox.processes.append(self)

    def request(
        self, header: dict[str, Any], buffers: list[bytes] | tuple[bytes, ...] = (), seconds: float = ANSWER_SECONDS
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Send one request and wait for the answer.

        Raises:
            ProcessGone: the process ended. ProcessTimeout: it did not answer in time; it has been ended.
        """
        deadline = time.monotonic() + seconds
        self.send(header, buffers, deadline, seconds)
        return self.receive(deadline, seconds)

    def send(
        self,
        header: dict[str, Any],
        buffers: list[bytes] | tuple[bytes, ...],
        deadline: float,
        seconds: float,
        fd: int | None = None,
    ) -> None:
        """Send without waiting for an answer; a process that does not read is ended at the deadline."""
        if not self.alive:
            raise ProcessGone("the process has ended")
        try:
            self.channel.send(header, buffers, fd, deadline)
        except wire.WireTimeout:
            self.end()
            raise ProcessTimeout(seconds) from None
        except wire.Closed:
            self._lost()
            raise ProcessGone("the process has ended") from None

    def receive(self, deadline: float, seconds: float) -> tuple[dict[str, Any], list[bytes]]:
        """Wait for one answer until `deadline` (on `time.monotonic`)."""
        try:
            return self.channel.receive(deadline)
        except wire.WireTimeout:
            self.end()
            raise ProcessTimeout(seconds) from None
        except wire.WireError as error:
            self.end()
            raise ProcessGone(str(error)) from None

    def fork(self) -> Process:
        """Take a snapshot: a child that has everything this process has, and shares nothing with it.

        Where there are as many processes as a submission may have, those that the judge does not know are ended first.
        """
        for left in (2, 1, 0):
            ours, theirs = wire.pair()
            deadline = time.monotonic() + FORK_SECONDS
            try:
                self.send({"op": "fork"}, (), deadline, FORK_SECONDS, theirs.fileno())
            finally:
                theirs.close()
            header, _ = self.receive(deadline, FORK_SECONDS)
            pid = header.get("pid")
            if type(pid) is int and pid >= 2:
                child = Process(self.sandbox, wire.Channel(ours, self.channel.max_frame), pid)
                child.receive(time.monotonic() + FORK_SECONDS, FORK_SECONDS)
                return child
            ours.close()
            if pid != 0 or not left:
                break
            self.sandbox.sweep()
        self.end()
        raise ProcessGone("the process cannot be copied any more")

    def close(self) -> None:
        """Hang up; a process that still listens ends by itself, any other at the next `Sandbox.sweep`."""
        self._lost()

    def end(self) -> None:
        """End the process from outside, and with it every process that the judge has not asked for."""
        was_alive = self.alive
        self._lost()
        if was_alive:
            self.sandbox.sweep(self.pid)

    def _lost(self) -> None:
        if self.alive:
            self.sandbox.processes.remove(self)
            self.sandbox.closed.add(self.pid)
        self.alive = False
        self.channel.close()


class Sandbox:
    """The sandbox of one submission. Use as a context manager: leaving it ends every process in there."""

    def __init__(self, channel: wire.Channel, namespaces: bool, max_result_mb: int):
        self.channel = channel
        self.namespaces = namespaces
        self.max_result = max_result_mb << 20
        self.processes: list[Process] = []  # those that the judge can talk to
        self.closed: set[int] = set()  # numbers of those that it no longer talks to

    def base(self) -> Process:
        """Fork the first process that may run the student's code."""
        ours, theirs = wire.pair()
        try:
            header = self._ask({"op": "base"}, theirs.fileno())
        finally:
            theirs.close()
        process = Process(self, wire.Channel(ours, self.max_result), int(header["pid"]))
        try:
            process.receive(time.monotonic() + ANSWER_SECONDS, ANSWER_SECONDS)
        except (ProcessGone, ProcessTimeout) as error:
            raise SandboxFault(f"the first process did not start: {error}") from None
        return process

    def sweep(self, ended: int = 0) -> int:
        """End every process but those that the judge can still talk to.

        Their numbers are what they said themselves: one that lied about its own ends here too.

        Args:
            ended: the process on whose account this is done; without a pid namespace it alone can be found.

        Returns:
            How many there were that the judge never knew of: what student code has left behind.
        """
        if not (ended or self.namespaces):
            return 0
        try:
            keep = [process.pid for process in self.processes]
            return int(self._ask({"op": "sweep", "keep": keep, "known": list(self.closed), "end": ended})["ended"])
        except SandboxFault:
            return 0

    def out_of_memory(self) -> bool:
        """Whether the supervisor has ended the processes because together they held too much memory."""
        try:
            return self._ask({"op": "why"})["out_of_memory"] is True
        except SandboxFault:
            return False

    def _ask(self, header: dict[str, Any], fd: int | None = None) -> dict[str, Any]:
        deadline = time.monotonic() + ANSWER_SECONDS
        try:
            self.channel.send(header, (), fd, deadline)
            return self.channel.receive(deadline)[0]
        except wire.WireError as error:
            raise SandboxFault(f"the supervisor of the sandbox did not answer: {error}") from None

    def close(self) -> None:
        """Hang up; the supervisor ends, and with it the whole pid namespace."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Twin:
    """A warm process that makes sandboxes, at the other end of a socket.

    Args:
        control: the socket. level: its isolation.
    """

    def __init__(self, control: wire.Channel, level: str):
        self.control = control
        self.level = level
        self._prepared: dict[tuple[str, ...], Twin] = {}

    def prepared(self, sources: tuple[str, ...]) -> Twin:
        """A copy of it whose sandboxes find these released set-up cells done, in the process that they are forked from.

        Returns:
            Itself where these cells do what cannot be copied: each submission has to run them.
        """
        if sources not in self._prepared:
            while len(self._prepared) >= PREPARED:
                self._forget(next(iter(self._prepared)))
            channel = self._send_end_of_pair({"twin": list(sources)})
            try:
                fit = "ready" in channel.receive(time.monotonic() + START_SECONDS)[0]
            except wire.WireError:
                fit = False
            if not fit:
                channel.close()
            self._prepared[sources] = Twin(channel, self.level) if fit else self
        return self._prepared[sources]

    def _forget(self, sources: tuple[str, ...]) -> None:
        twin = self._prepared.pop(sources)
        if twin is not self:
            twin.control.close()

    def sandbox(self, limits: Limits, max_result_mb: int = 64) -> Sandbox:
        """A fresh sandbox for one submission."""
        channel = self._send_end_of_pair({"limits": limits.as_dict(), "namespaces": self.level == "bubblewrap"})
        header = self._first_answer(channel, "no sandbox was made")
        if "fault" in header:
            channel.close()
            raise SandboxFault(f"no sandbox was made: {header['fault']}")
        return Sandbox(channel, bool(header.get("namespaces")), max_result_mb)

    def _send_end_of_pair(self, request: dict[str, Any]) -> wire.Channel:
        """Send a request with one end of a new pair of sockets; returns the other end."""
        ours, theirs = wire.pair()
        try:
            self.control.send(request, fd=theirs.fileno())
        except wire.Closed as error:
            ours.close()
            raise SandboxFault(f"the zygote has ended: {error}") from None
        finally:
            theirs.close()
        return wire.Channel(ours)

    @staticmethod
    def _first_answer(channel: wire.Channel, problem: str) -> dict[str, Any]:
        try:
            return channel.receive(time.monotonic() + ANSWER_SECONDS)[0]
        except wire.WireError as error:
            channel.close()
            raise SandboxFault(f"{problem}: {error}") from None

    def alive(self) -> bool:
        """Whether it and its copies can make further sandboxes: they say nothing unasked, so what can be read is the
        end."""
        return not select.select([self.control, *(twin.control for twin in self._prepared.values())], [], [], 0)[0]


class Zygote(Twin):
    """A warm process that is started here. Use as a context manager.

    It gets warm by itself; who asks it for something waits until it is.

    Args:
        library: folder that holds the student edition of `course_lib`.
        level: isolation that is asked for, as in course.toml.
        warm: modules that the released set-up cells import.
        process: one that has been started already for this library and level.

    Raises:
        CourseError: the machine offers less isolation than asked for.
    """

    def __init__(
        self,
        library: Path,
        level: str = "bubblewrap",
        warm: tuple[str, ...] = (),
        process: ZygoteProcess | None = None,
    ):
        self.process = process or ZygoteProcess(library, level)
        super().__init__(wire.Channel(self.process.socket), self.process.level)
        self._warm = False
        with contextlib.suppress(wire.Closed):  # it has ended: who waits for it is told why
            self.control.send({"import": list(warm)})

    def wait(self) -> None:
        """Wait until it is warm.

        Raises:
            SandboxFault: it did not start; the message has the end of what it printed.
        """
        if self._warm:
            return
        try:
            self.control.receive(time.monotonic() + START_SECONDS)
        except wire.WireError as error:
            said = self.process.last_words()
            self.close()
            raise SandboxFault(f"the sandbox did not start: {error} {said}".strip()) from None
        self._warm = True

    def sandbox(self, limits: Limits, max_result_mb: int = 64) -> Sandbox:
        """A fresh sandbox for one submission."""
        self.wait()
        return super().sandbox(limits, max_result_mb)

    def twin(self) -> Twin:
        """A copy of it, for another lane: it ends when whoever holds its socket hangs up, or when this one ends."""
        self.wait()
        channel = self._send_end_of_pair({"twin": []})
        self._first_answer(channel, "the zygote cannot be copied")
        return Twin(channel, self.level)

    def prepared(self, sources: tuple[str, ...]) -> Twin:
        self.wait()
        return super().prepared(sources)

    def close(self) -> None:
        """End the zygote and whatever it has forked, and remove its folder."""
        self.control.close()
        self.process.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["Process", "ProcessGone", "ProcessTimeout", "Sandbox", "SandboxFault", "Twin", "Zygote"]
