"""Student objects as a hidden test sees them: proxies of things that live in the sandbox.

Plain data crosses as a copy; everything else stays where it is and is known here by a handle. No method of a
student's object ever runs in this process.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from autograder.judge import received
from autograder.judge.problems import (
    Crashed,
    Forbidden,
    GraderFault,
    Mistake,
    NotDone,
    OutOfMemory,
    Raised,
    TimedOut,
    Undefined,
)
from autograder.judge.quiet import NOTHING, quiet_names
from autograder.judge.sealed import sealed
from autograder.sandbox import wire
from autograder.sandbox.client import Process, ProcessGone, ProcessTimeout

if TYPE_CHECKING:
    from autograder.judge.company import Company

T = TypeVar("T")
GONE = (
    "Your code ended the whole process while it was tested (exit(), os._exit(), or a crash in compiled code): "
    "a function should return its result."
)
TOGETHER = "The processes of your code together asked for more memory than one submission gets."
CALLBACK_SHARE = 3  # how many times its own limit a test's functions may take when student code calls them
CALLBACK_LATENCY = 0.01  # seconds until the other process has its turn on a busy machine: no fault of the student's
LEAST_SECONDS = 0.001  # that a call gets, when all of a test's time has been used
SEED_STRIDE = 0x9E3779B97F4A7C15  # between the seeds of a test's calls; odd, so that all of them differ
KEPT_AT_MOST = 1_000_000  # things that one test puts into the worker
UNSEEDED = ("identity", "getattr")  # builtins that only look at something


class Handle:
    """Something of the student's that is not plain data: a function, a class, an instance, an iterator."""

    __slots__ = ("_methods", "_node", "_student", "type_name")

    def __init__(self, student: Student, node: dict[str, Any], methods: list[str] | None = None):
        object.__setattr__(self, "_student", student)
        object.__setattr__(self, "_node", node)
        object.__setattr__(self, "_methods", methods or ())
        object.__setattr__(self, "type_name", received.words(node.get("type", "function"), 80))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._student.call(self._node, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._methods:
            return Handle(self._student, {"k": "method", "id": self._node["id"], "name": name, "type": "method"})
        return self._student.builtin("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._student.leave_traces(self._node)
        self._student.builtin("setattr", self, name, value)

    def __getitem__(self, key: Any) -> Any:
        return self._student.builtin("getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._student.leave_traces(self._node)
        self._student.builtin("setitem", self, key, value)

    def __len__(self) -> int:
        return _of_type(int, self._student.builtin("len", self))

    def __bool__(self) -> bool:
        return _of_type(bool, self._student.builtin("bool", self))

    def __iter__(self) -> Iterator[Any]:
        return iter(_of_type(list, self._student.builtin("iter", self)))

    def __repr__(self) -> str:
        return f"<student's {self.type_name}>"


def _of_type(kind: type[T], answer: Any) -> T:
    """An answer of the worker that is what an honest worker answers; whoever has taken it over may say anything."""
    if type(answer) is not kind:
        raise Crashed(GONE)
    return answer


@dataclass
class Globals:
    """What a worker said about the names that a cell defines, when the cell had run."""

    nodes: dict[str, Any] = field(default_factory=dict)
    buffers: list[bytes] = field(default_factory=list)


class Student:
    """The student's namespace, as one hidden test sees it.

    ``student.name`` is the value of a global. The methods below are described in docs/architecture.md, section 3.

    Args:
        process: where it lives.
        seconds: how long the student's code may run in this test, altogether.
        seed: of the worker's generators at the test's first call; later calls begin with seeds made of it.
        forbids: calls that are shut before the first one.
        known: the names that the exercise defines.
        cell_problem: what went wrong when the student's cell was run, to explain a missing name.
        short_of_memory: whether it was memory.
        copy: makes a copy of the process, for a test that leaves traces in it; None where it may.
        quiet: whether no code in that process can look round or leave anything behind.
        company: the tests that run side by side with this one; who: its number among them.
    """

    def __init__(
        self,
        process: Process,
        seconds: float,
        seed: int,
        forbids: list[str],
        known: Globals,
        cell_problem: str = "",
        short_of_memory: bool = False,
        copy: Callable[[], Process] | None = None,
        quiet: bool = False,
        company: Company[Any] | None = None,
        who: int = 0,
    ):
        self._process = self._shared = process
        self._begun = False
        self._forbids = forbids
        self._seed, self._seeded = seed, 0  # the last that was asked for, and how many calls have begun with it
        self._quiet, self._company, self._who = quiet, company, who
        self._globals = known
        self._copy = copy
        self._allowed = seconds
        self.left = seconds
        self._callback_seconds = CALLBACK_SHARE * seconds
        self._cell_problem = cell_problem
        self._short_of_memory = short_of_memory
        self._callbacks: list[Callable[..., Any]] = []
        self._refusal: BaseException | None = None
        self._answering = False  # a callback: the worker waits for its answer and for nothing else
        self._known: dict[str, Any] = {}
        # What goes to the worker with the next call.
        self._kept: list[list[Any]] = []
        self._kept_buffers: list[bytes] = []
        self._kept_count = -KEPT_AT_MOST * who
        self._helpers: list[Any] = []
        self._sent: set[Callable[..., Any]] = set()

    # -- what tests use ---------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._known:
            self._known[name] = self._global(name)
        return self._known[name]

    def _global(self, name: str) -> Any:
        if name not in self._globals.nodes:
            return self.builtin("identity", _Node({"k": "global", "name": name}))
        node = self._globals.nodes[name]
        if isinstance(node, dict) and node.get("k") == "global":
            return Handle(self, {"k": "global", "name": name, "type": node.get("type")})
        return self._decode(node, self._globals.buffers)

    def value_and_grad(
        self, function: Handle, *args: Any, wrt: tuple[int, ...] = (0,), upstream: Any = None, **kwargs: Any
    ) -> tuple[Any, list[Any]]:
        """Run `function` in the worker and pull `upstream` (default: ones) back to the arguments at the positions
        `wrt`."""
        if not isinstance(function, Handle):
            raise Mistake(f"A function was expected, and a {type(function).__name__} was found.")
        answer = self.call(function._node, args, kwargs, grad={"wrt": list(wrt), "upstream": upstream})
        answer = _of_type(tuple, answer)
        if len(answer) != 2 or len(_of_type(list, answer[1])) != len(wrt):
            raise Crashed(GONE)
        return answer[0], answer[1]

    def each(self, function: Handle, calls: Iterable[Sequence[Any]]) -> list[Any]:
        """What `function` returns for each of several lists of arguments, in one message: calls that do not depend on
        each other cost what one does. The first that raises ends the test, as it would alone."""
        if not isinstance(function, Handle):
            raise Mistake(f"A function was expected, and a {type(function).__name__} was found.")
        calls = [tuple(arguments) for arguments in calls]
        results = _of_type(list, self.call(function._node, tuple(calls), {}, each=True))
        if len(results) != len(calls):
            raise Crashed(GONE)
        return results

    def keep(self, value: Any) -> Handle:
        """Put plain data into the worker and return a handle to it."""
        self._kept_count -= 1  # the worker counts its own handles upwards
        self._kept.append([self._kept_count, wire.encode_into(self._kept_buffers, value, self._reduce)])
        return Handle(self, {"k": "handle", "id": self._kept_count, "type": type(value).__name__})

    def fetch(self, handle: Handle | list[Handle]) -> Any:
        """A copy of what a handle, or each of several, stands for, as far as it is plain data."""
        if isinstance(handle, list):
            found = _of_type(list, self.builtin("identity", handle))
            if len(found) != len(handle):
                raise Crashed(GONE)
            return found
        return self.builtin("identity", handle)

    def run(self, code: str) -> None:
        """Run the test's own helper code in the worker's namespace."""
        self.call({"k": "helper"}, (self._helper(code),), {})

    def remote(self, function: Callable[..., Any]) -> Handle:
        """Send the source of a top-level function of the test to the worker and return a handle to it there."""
        if function not in self._sent:
            self._sent.add(function)
            code = self._helper(_source_of(function))
            self._helpers.append(wire.encode_into(self._kept_buffers, code, self._reduce))
        return Handle(self, {"k": "global", "name": function.__name__, "type": "function"})

    def scene(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A top-level function of the test that plays something through with the student's functions, and what these
        call there.

        It runs in the worker where the student's code cannot look round there (`autograder.judge.quiet`): one message.
        Otherwise it runs in this process, and the functions inside it are called back: nobody but the judge keeps the
        books.
        """
        return self.remote(function) if self._quiet else function

    def _helper(self, code: str) -> bytes:
        code = textwrap.dedent(code)
        if not _leaves_only_names(code):
            self.leave_traces({"k": "namespace"})
        return sealed(code, wire.HELPER)

    def seed(self, number: int) -> None:
        """Seed torch, NumPy and `random` in the worker, before the next call; those after it begin with seeds made of
        this one."""
        self._seed, self._seeded = int(number), 0

    def raises(
        self, kinds: type[BaseException] | tuple[type[BaseException], ...], function: Handle, *args: Any, **kwargs: Any
    ) -> str:
        """Assert that the call raises one of these built-in exceptions; returns the message."""
        names = [k.__name__ for k in (kinds if isinstance(kinds, tuple) else (kinds,))]
        try:
            function(*args, **kwargs)
        except Raised as problem:
            if set(names) & set(problem.bases):
                return problem.text
            raise
        raise Mistake(f"No error was raised; {' or '.join(names)} was expected for this input.")

    # -- machinery --------------------------------------------------------------------------------------------

    def builtin(self, name: str, *args: Any) -> Any:
        return self.call({"k": "builtin", "name": name}, args, {})

    def call(
        self,
        function: dict[str, Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        grad: dict[str, Any] | None = None,
        each: bool = False,
    ) -> Any:
        """One call in the worker, or one for `each` of the arguments, which are tuples; plain results are copied,
        others come back as handles."""
        header, buffers = self._frame("call")
        header["fn"] = function
        if function["k"] != "builtin" or function["name"] not in UNSEEDED:
            header["seed"] = (self._seed + self._seeded * SEED_STRIDE) % 2**63
            self._seeded += 1
        header["args"] = [wire.encode_into(buffers, value, self._reduce) for value in args]
        header["kwargs"] = {key: wire.encode_into(buffers, value, self._reduce) for key, value in kwargs.items()}
        if grad is not None:
            header["grad"] = grad | {"upstream": wire.encode_into(buffers, grad["upstream"], self._reduce)}
        if each:
            header["each"] = True
        reply, data = self._exchange(header, buffers)
        if "error" in reply:
            raise self._problem(reply["error"])
        return self._decode(reply.get("value"), data)

    def leave_traces(self, node: dict[str, Any]) -> None:
        """Before a test changes what a node stands for: go on in a copy of the process, if others would meet the
        change."""
        if self._copy is not None and node["k"] in ("global", "namespace"):
            self._process, self._copy = self._copy(), None

    def hang_up(self) -> None:
        """Let go of the copy that this test has worked in, if it has."""
        if self._process is not self._shared:
            self._process.close()

    def _frame(self, operation: str) -> tuple[dict[str, Any], list[bytes]]:
        """A request, with what the worker has to do before it: begin the test, keep data."""
        header: dict[str, Any] = {"op": operation}
        if self._company is not None:
            header["who"] = self._who
        if not self._begun:
            header["begin"], self._begun = {"seed": self._seed, "forbids": self._forbids}, True
        if self._kept:
            header["keep"], self._kept = self._kept, []
        if self._helpers:
            header["helpers"], self._helpers = self._helpers, []
        buffers, self._kept_buffers = self._kept_buffers, []
        return header, buffers

    def _exchange(self, header: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        """Send a request and serve the callbacks that come before its answer."""
        if self._answering:
            raise Mistake("Your code gave the function that the test passed in something that is no number or tensor.")
        if self._company is not None and self._process is self._shared:
            answer = self._company.ask(self, header, buffers)
            if answer is not None:
                return answer
        deadline = time.monotonic() + self.left
        try:
            self._process.send(header, buffers, deadline, self._allowed)
            while True:
                reply, data = self._process.receive(deadline, self._allowed)
                if "callback" not in reply:
                    return reply, data
                deadline += self.answer_callback(reply, data, deadline)
        except ProcessTimeout:
            raise TimedOut(
                f"Your code was stopped after {self._allowed:g} seconds in this test. Look for a loop that does not "
                "end, or for work that is repeated more often than needed."
            ) from None
        except ProcessGone as error:
            if self._process.sandbox.out_of_memory():
                raise OutOfMemory(TOGETHER) from None
            too_large = "larger than" in str(error)
            raise Crashed(f"Your code returned something too large: {error}." if too_large else GONE) from None
        except (Crashed, GraderFault):  # in the middle of a conversation that nobody can end
            self._process.end()
            raise
        finally:
            self.left = max(LEAST_SECONDS, deadline - time.monotonic())

    def use(self, seconds: float) -> None:
        """Take what the student's code has used from what it may use."""
        self.left = max(LEAST_SECONDS, self.left - seconds)

    def answer_callback(self, request: dict[str, Any], data: list[bytes], deadline: float) -> float:
        """Run a function of the test for the worker.

        Returns:
            Seconds that are granted on top: the test's own time is not the student's, as long as they do not call it
            without end.
        """
        number = request["callback"]
        if type(number) is not int or not 0 <= number < len(self._callbacks):
            raise Crashed(GONE)
        values = self._decode(request.get("args"), data)
        if not (
            isinstance(values, list)
            and len(values) == 2
            and isinstance(values[0], list)
            and isinstance(values[1], dict)
        ):
            raise Crashed(GONE)
        started = time.monotonic()
        buffers: list[bytes] = []
        self._answering = True
        try:
            result = self._callbacks[number](*values[0], **values[1])
            node, buffers = wire.encode(result, self._reduce)
            answer = {"value": node}
        except (GraderFault, TimedOut):
            raise
        except Exception as error:
            self._refusal = error
            answer = {"refused": f"{type(error).__name__}: {error}"[:500]}
        finally:
            self._answering = False
        spent = time.monotonic() - started
        self._process.send(answer, buffers, deadline + spent, self._allowed)
        granted = min(spent + CALLBACK_LATENCY, self._callback_seconds)
        self._callback_seconds -= granted
        return granted

    def _decode(self, node: Any, buffers: list[bytes]) -> Any:
        try:
            return wire.decode(node, buffers, self._revive)
        except wire.WireError as error:
            raise Crashed(f"The result could not be read ({error}).") from None

    def _revive(self, node: dict[str, Any]) -> Handle:
        if node.get("k") != "handle" or type(node.get("id")) is not int:
            raise wire.WireError("unknown kind of value")
        known = {"k": "handle", "id": node["id"], "type": node.get("type", "object")}
        return Handle(self, known, received.names(node.get("methods"), wire.MAX_METHODS))

    def _reduce(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Handle):
            return value._node
        if isinstance(value, _Node):
            return value.node
        if callable(value):
            self._callbacks.append(value)
            return {"k": "callback", "id": len(self._callbacks) - 1}
        raise GraderFault(f"a hidden test passes a {type(value).__name__}, which cannot be sent to the worker")

    def _problem(self, error: Any) -> Exception:
        """Words for the student about an exception in their code."""
        if not isinstance(error, dict):
            return Crashed(GONE)
        kind, name, text = (received.words(error.get(key)) for key in ("kind", "type", "message"))
        if kind == "forbidden":
            return Forbidden(f"This exercise asks you to build it yourself: {text} may not be used here.")
        if kind == "not_done":
            return NotDone("Not done yet: the cell still raises NotImplementedError.")
        if kind == "remark" and text:  # of the test's own code, which runs there
            return Mistake(text)
        if kind == "no_gradient":
            return Mistake(
                f"Your code returned {text}, and a gradient has to flow through it: compute with the tensors that come "
                "in, without .item(), .detach(), .numpy() or torch.no_grad() on the way."
            )
        if kind == "undefined" and self._short_of_memory:
            return OutOfMemory(self._cell_problem)
        if kind == "undefined":
            return Undefined(f"`{text}` is not defined when your cell has run. {self._cell_problem}".strip())
        where = received.lines(error.get("lines"))
        if kind == "memory":
            return OutOfMemory(f"Your code asked for more memory than one submission gets.{where}")
        if kind == "refused" and self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            if isinstance(refusal, AssertionError):
                return refusal
            text = f"the function that the test passed in could not work with what your code gave it ({text})"
        name, bases = name[:80], tuple(received.names(error.get("bases")))
        message = f"Your code stopped with {name}: {text}".rstrip(": ") + where
        return Raised(message, kind=name, bases=bases, text=text)


@functools.lru_cache(maxsize=256)
def _leaves_only_names(code: str) -> bool:
    """Whether all that a helper leaves are the names that it defines, which the worker takes away after the test."""
    return quiet_names(code, NOTHING) is not None


_source_of = functools.lru_cache(maxsize=256)(inspect.getsource)


class _Node:
    """A node of the wire that stands for something in the worker."""

    def __init__(self, node: dict[str, Any]):
        self.node = node
