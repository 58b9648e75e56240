"""The untrusted side: processes that hold a student's namespace.

The supervisor (`autograder.sandbox.supervisor`) forks the *base*, a process with a warm shell; the judge asks it for
forks, and those for forks of their own. A fork is a snapshot: what a cell or a test breaks is broken in its own
process.
"""

from __future__ import annotations

import base64
import builtins
import contextlib
import io
import linecache
import marshal
import os
import random
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import numpy as np
import torch

from autograder.sandbox import guards, wire

TEXT_LIMIT = 4_000  # characters of an error message
SMALL_VALUE = 50_000  # characters and bytes of a global that is sent before it is asked for
ITEMS_LIMIT = 100_000  # items that an iterator may hand to the judge
_autograd_grad = torch.autograd.grad  # as they are before student code can replace them
_seeders: tuple[Callable[..., Any], ...] = (random.seed, np.random.seed, torch.default_generator.manual_seed)
_ABSENT: Any = object()


def _lend(*args: Any) -> Any:
    """An environment of the judge's (`autograder.sandbox.environments`, which only some notebooks need)."""
    from autograder.sandbox import environments

    return environments.lend(*args)


def _twice(function: Callable[..., Any], *args: Any) -> tuple[list[Any], Any]:
    """The arguments after a call, and what a second call with them returns."""
    function(*args)
    after = [arg.detach().clone() if isinstance(arg, torch.Tensor) else arg for arg in args]
    return after, function(*args)


BUILTINS: dict[str, Callable[..., Any]] = {
    "getattr": getattr,
    "setattr": setattr,
    "hasattr": hasattr,
    "getitem": lambda obj, key: obj[key],
    "setitem": lambda obj, key, value: obj.__setitem__(key, value),
    "len": len,
    "bool": bool,
    "iter": lambda obj, limit=ITEMS_LIMIT: [item for item, _ in zip(obj, range(limit), strict=False)],
    "typename": lambda obj: type(obj).__name__,
    "identity": lambda obj: obj,
    "is": lambda a, b: a is b,
    "shares_memory": lambda a, b: a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr(),
    "twice": _twice,
    "lend": _lend,
}


class CappedText(io.TextIOBase):
    """A text stream that keeps the first `limit` characters and counts the rest."""

    def __init__(self, limit: int):
        self.parts: list[str] = []
        self.left = limit
        self.dropped = 0

    def write(self, text: str) -> int:
        if self.left > 0:
            self.parts.append(text[: self.left])
        self.dropped += max(0, len(text) - max(self.left, 0))
        self.left -= len(text)
        return len(text)

    def writable(self) -> bool:
        return True

    def text(self) -> str:
        tail = f"\n… {self.dropped} more characters were printed\n" if self.dropped else ""
        return "".join(self.parts) + tail


class _Muted:
    """What a call prints goes nowhere."""

    def __enter__(self) -> None:
        self.kept = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = CappedText(0)

    def __exit__(self, *unused: object) -> None:
        sys.stdout, sys.stderr = self.kept


class NameUndefined(Exception):
    """The judge asked for a global that is not there."""


class NoGradient(Exception):
    """The judge asked for a gradient of something that has none."""


class NotPlain(Exception):
    """A value that does not cross the wire as a copy."""


class JudgeRefused(Exception):
    """A callback into the test raised; the test's own process decides what that means."""


class Worker:
    """One process that holds a student's namespace and answers the judge until the judge hangs up.

    Args:
        shell: warm, of `make_shell`.
    """

    channel: wire.Channel

    def __init__(self, shell: Any):
        self.shell = shell
        self.output_limit = 0
        self.set_up: list[str] | None = None  # the cells that have run before the judge asked for them
        self.handles: dict[int, Any] = {}
        self.next_handle = 1
        self.reference: dict[str, Any] = {}
        self.setup_names: dict[str, Any] = {}
        self.guards: list[guards.Undo] = []  # how to open what is shut until the next cell
        self.covered: dict[str, Any] = {}  # what a test's helpers have taken the place of
        self.who = 0  # of the tests that run side by side, the one whose helpers are there
        self.put_by: dict[int, dict[str, Any]] = {}  # the helpers of the others

    @property
    def namespace(self) -> dict[str, Any]:
        return self.shell.user_ns

    # -- the loop ---------------------------------------------------------------------------------------------

    def serve(self, channel: wire.Channel, output_kb: int) -> None:
        """Answer requests until the judge closes the channel."""
        self.channel, self.output_limit = channel, output_kb << 10
        while True:
            try:
                header, buffers, fd = self.channel.receive_fd()
            except wire.WireError:
                return
            operation = getattr(self, "on_" + str(header.get("op")), None)
            if operation is None:
                self.channel.send({"fault": "unknown request"})
                continue
            if fd is not None:
                header["fd"] = fd
            try:
                reply = operation(header, buffers)
            except wire.WireError:
                return
            if reply is not None:
                self.channel.send(*reply)

    def on_fork(self, header: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]] | None:
        """Fork; the child goes on with the socket that came with the request, the parent with its own."""
        self._reap()
        try:
            pid = os.fork()
        except OSError:  # as many processes as there may be
            os.close(header["fd"])
            return {"pid": 0}, []
        if pid == 0:
            self.channel.close()
            self.channel = wire.Channel(socket.socket(fileno=header["fd"]))
            with contextlib.suppress(OSError):
                os.setpgid(0, 0)
            self.channel.send({"hello": os.getpid()})
            return None
        os.close(header["fd"])
        return {"pid": pid}, []

    @staticmethod
    def _reap() -> None:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    # -- cells ------------------------------------------------------------------------------------------------

    def on_setup(self, header: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        """Run the released set-up cells, unless they have run in the process that this one was forked from."""
        return {"cells": [] if self.set_up == header["sources"] else self.run_set_up(header["sources"])}, []

    def run_set_up(self, sources: list[str]) -> list[dict[str, Any]]:
        """Run the released set-up cells and remember what they defined."""
        before = dict(self.namespace)
        replies = [self._run_cell(source) for source in sources]
        self.setup_names = {
            name: value
            for name, value in self.namespace.items()
            if not name.startswith("_") and (name not in before or before[name] is not value)
        }
        self.reference = dict(self.namespace)
        return replies

    def on_run(self, header: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        """Run one or more sources of the student, in order; an error in one does not stop the next.

        Before them the references that the judge has sent along, as `on_overlay` does. The answer has what became of
        the names that the judge is going to ask for.
        """
        if failed := self.on_overlay(header, buffers)[0]["failed"]:
            return {"failed": failed}, []
        _seed(int(header["seed"]))
        cells = [self._run_cell(source) for source in header["sources"]]
        values, out = self._values(header.get("names", ()))
        return {"cells": cells, "shadowed": self._shadowed(), "values": values}, out

    def _end_tests(self) -> None:
        """The tests of an exercise are over: nothing of theirs is met by what comes next."""
        self._forget_tests()
        guards.reopen(self.guards)

    def _forget_tests(self) -> None:
        self.handles.clear()
        self._take_away_helpers()
        self.put_by.clear()

    def _values(self, names: list[str]) -> tuple[dict[str, Any], list[bytes]]:
        """Globals: small plain data as it is, and for functions and other objects a node that stands for the name.

        What is not in there has to be asked for.
        """
        values: dict[str, Any] = {}
        buffers: list[bytes] = []
        for name in names:
            if name not in self.namespace:
                continue
            value, before = self.namespace[name], len(buffers)
            try:
                node = wire.encode_into(buffers, value, _refuse)
            except NotPlain:
                node = {"k": "global", "type": type(value).__name__[:80]}
            except BaseException:  # reading it runs the student's code
                continue
            if len(repr(node)) + sum(map(len, buffers[before:])) <= SMALL_VALUE:
                values[name] = node
            else:
                del buffers[before:]
        return values, buffers

    def _shadowed(self) -> list[str]:
        """Names of the set-up or of Python that the student's code has given another meaning."""
        names = [n for n, v in self.setup_names.items() if self.namespace.get(n) is not v]
        names += [
            n for n in self.namespace if not n.startswith("_") and hasattr(builtins, n) and n not in self.reference
        ]
        return sorted(names)

    def on_restore(self, header: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        """Give shadowed names back the meaning that the notebook's set-up, or Python, gave them."""
        for name in self._shadowed():
            if name in self.setup_names:
                self.namespace[name] = self.setup_names[name]
            else:
                del self.namespace[name]
        return {"ok": True}, []

    def on_overlay(self, header: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        """Put the reference in the place of the student's answer to exercises that have been judged."""
        self._end_tests()
        failed = []
        for names, code in zip(header.get("overlay", ()), buffers, strict=True):
            try:
                exec(marshal.loads(code), self.reference)
            except Exception as error:
                failed.append(f"{names}: {type(error).__name__}: {error}")
                continue
            for name in names:
                if name in self.reference:
                    self.namespace[name] = self.reference[name]
        return {"failed": failed}, []

    def _run_cell(self, source: str) -> dict[str, Any]:
        outputs: list[dict[str, Any]] = []
        stdout, stderr = CappedText(self.output_limit // 8), CappedText(self.output_limit // 8)
        shell = self.shell
        shell.display_pub.outputs = outputs
        shell.displayhook.outputs = outputs
        started, cpu = time.perf_counter(), _cpu_seconds()
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            try:
                result = shell.run_cell(source, store_history=False, silent=False)
                error = result.error_before_exec or result.error_in_exec
            except BaseException as escaped:  # the student's code reached through IPython
                error = escaped
            with contextlib.suppress(BaseException):
                outputs += _figures()
        seconds, cpu = time.perf_counter() - started, _cpu_seconds() - cpu
        for name, stream in (("stderr", stderr), ("stdout", stdout)):
            if stream.parts:
                outputs.insert(0, {"output_type": "stream", "name": name, "text": stream.text()})
        failure = self._describe(error) if error is not None else None
        return {"error": failure, "outputs": _within(outputs, self.output_limit), "seconds": seconds, "cpu": cpu}

    # -- calls ------------------------------------------------------------------------------------------------

    def on_call(self, header: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        """Call a global, a handle or one of `BUILTINS`, and answer with what it returned or raised."""

        def revive(node: dict[str, Any]) -> Any:
            return self._revive(node)

        cpu = _cpu_seconds()
        reply: dict[str, Any]
        out: list[bytes] = []
        try:
            self._begin(header, buffers)
            args = [wire.decode(node, buffers, revive) for node in header["args"]]
            kwargs = {key: wire.decode(node, buffers, revive) for key, node in header.get("kwargs", {}).items()}
            with _Muted():
                function = self._revive(header["fn"])
                if header.get("each"):  # what one call returns is written down before the next can change it
                    results = [wire.encode_into(out, function(*each), self._reduce) for each in args]
                    reply = {"value": {"k": "list", "v": results}}
                else:
                    grad = header.get("grad")
                    if grad is None:
                        value = function(*args, **kwargs)
                    else:
                        upstream = wire.decode(grad["upstream"], buffers, revive)
                        value = _value_and_grad(function, args, kwargs, grad["wrt"], upstream)
                    reply = {"value": wire.encode_into(out, value, self._reduce)}
        except wire.Closed:
            raise
        except BaseException as error:
            reply, out = {"error": self._describe(error)}, []
        reply["cpu"] = _cpu_seconds() - cpu
        return reply, out

    def on_calls(self, header: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        """The next calls of several tests, one after the other, until they have taken longer than is brief."""
        replies: list[dict[str, Any]] = []
        out: list[bytes] = []
        done, enough = 0, time.monotonic() + header["brief"]
        for call in header["calls"]:
            end = done + call["buffers"]
            reply, data = self.on_call(call, buffers[done:end])
            replies.append(reply | {"buffers": len(data)})
            out += data
            done = end
            if time.monotonic() > enough:
                break
        return {"replies": replies, "cpu": sum(reply["cpu"] for reply in replies)}, out

    def _begin(self, header: dict[str, Any], buffers: list[bytes]) -> None:
        """What comes before a call: the beginning of a test, a seed, helpers, data to be kept here."""
        begin, who = header.get("begin"), header.get("who")
        if who is not None:
            self._make_room_for(who)
        elif begin is not None:
            self._forget_tests()
        if begin is not None and begin["forbids"] and not self.guards:
            self.guards = guards.shut(begin["forbids"], self.namespace)
        seed = header.get("seed", begin and begin["seed"])
        if seed is not None:
            _seed(int(seed))
        for node in header.get("helpers", ()):
            self._run_helper(wire.decode(node, buffers, self._revive))
        for number, node in header.get("keep", ()):
            self.handles[number] = wire.decode(node, buffers, self._revive)

    def on_shut(self, header: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        """Shut what an exercise forbids, for good."""
        guards.shut(header["forbids"], self.namespace)
        return {"ok": True}, []

    def _revive(self, node: dict[str, Any]) -> Any:
        kind = node.get("k")
        if kind == "handle":
            return self.handles[node["id"]]
        if kind == "global":
            if node["name"] not in self.namespace:
                raise NameUndefined(node["name"])
            return self.namespace[node["name"]]
        if kind == "builtin":
            return BUILTINS[node["name"]]
        if kind == "method":
            return getattr(self.handles[node["id"]], node["name"])
        if kind == "helper":
            return self._run_helper
        if kind == "callback":
            return self._callback(node["id"])
        raise wire.WireError("unknown kind of value")

    def _run_helper(self, code: bytes) -> None:
        """Run code of a test; the names that it defines are there until the next test, or cell."""
        before = dict(self.namespace)
        exec(marshal.loads(code), self.namespace)
        for name, value in self.namespace.items():
            if before.get(name, _ABSENT) is not value:
                self.covered.setdefault(name, before.get(name, _ABSENT))

    def _take_away_helpers(self) -> None:
        for name, value in self.covered.items():
            if value is _ABSENT:
                self.namespace.pop(name, None)
            else:
                self.namespace[name] = value
        self.covered.clear()

    def _make_room_for(self, who: int) -> None:
        """Of tests that run side by side, each finds its own helpers."""
        if who != self.who:
            if self.covered:
                self.put_by[self.who] = {name: self.namespace.get(name, _ABSENT) for name in self.covered}
                self._take_away_helpers()
            for name, value in self.put_by.pop(who, {}).items():
                self.covered[name] = self.namespace.get(name, _ABSENT)
                self.namespace[name] = value
            self.who = who

    def _callback(self, number: int) -> Callable[..., Any]:
        def call_the_test(*args: Any, **kwargs: Any) -> Any:
            nodes, buffers = wire.encode([list(args), kwargs], self._reduce)
            self.channel.send({"callback": number, "who": self.who, "args": nodes}, buffers)
            header, reply, _ = self.channel.receive_fd()
            if "refused" in header:
                raise JudgeRefused(header["refused"])
            return wire.decode(header["value"], reply, self._revive)

        return call_the_test

    def _reduce(self, value: Any) -> dict[str, Any]:
        """Replace what is not plain data: subclasses by their base where nothing is lost, the rest by a handle."""
        number = self.next_handle
        self.next_handle += 1
        self.handles[number] = value
        node = {"k": "handle", "id": number, "type": type(value).__name__[:80]}
        if methods := _methods(value):
            node["methods"] = methods
        return node

    # -- errors -----------------------------------------------------------------------------------------------

    def _describe(self, error: BaseException) -> dict[str, Any]:
        """What went wrong, with the lines of the student and without the frames of the grader."""
        try:
            message = str(error.msg if isinstance(error, SyntaxError) else error)[:TEXT_LIMIT]
        except BaseException:
            message = "(the error has no readable message)"
        lines: list[dict[str, Any]] = []
        trace, filename = error.__traceback__, ""
        while trace is not None and len(lines) < 200:
            filename = trace.tb_frame.f_code.co_filename
            if filename.startswith("<ipython-input"):
                text = linecache.getline(filename, trace.tb_lineno).strip()
                lines.append({"line": trace.tb_lineno, "text": text[:200], "where": trace.tb_frame.f_code.co_name[:80]})
            trace = trace.tb_next
        if isinstance(error, SyntaxError) and not lines:
            lines.append({"line": error.lineno or 0, "text": str(error.text or "").strip()[:200], "where": ""})
        return {
            "type": type(error).__name__[:80],
            "bases": [base.__name__[:80] for base in type(error).__mro__[:8]],
            "message": message,
            "lines": lines[-6:],
            "kind": "remark" if filename == wire.HELPER and type(error) is AssertionError else _kind_of(error, message),
        }


def _cpu_seconds() -> float:
    """Processor time of this process so far.

    Under a limit on it (`RLIMIT_CPU`) Linux brings the clock of `time.process_time` up to date only when the process
    waits or at the next tick, and so charges most of a short call to the waiting that follows.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _methods(value: Any) -> list[str]:
    """Names of methods that a class of the notebook gives an object: to ask for each would cost a message."""
    names = {
        name: None
        for kind in type(value).__mro__
        if kind.__module__ == "__main__"
        for name, member in vars(kind).items()
        if type(member) is FunctionType and not name.startswith("_")
    }
    if names:
        with contextlib.suppress(AttributeError):  # an object with slots
            for own in object.__getattribute__(value, "__dict__"):
                names.pop(own, None)
    return list(names)[: wire.MAX_METHODS]


def _refuse(value: Any) -> dict[str, Any]:
    raise NotPlain


def _seed(seed: int) -> None:
    for seeder, number in zip(_seeders, (seed, seed % 2**32, seed), strict=True):
        seeder(number)


def _kind_of(error: BaseException, message: str) -> str:
    if isinstance(error, guards.ForbiddenCall):
        return "forbidden"
    if isinstance(error, JudgeRefused):
        return "refused"
    if isinstance(error, NoGradient):
        return "no_gradient"
    if isinstance(error, NameUndefined):
        return "undefined"
    if isinstance(error, MemoryError) or "can't allocate memory" in message:
        return "memory"
    if isinstance(error, NotImplementedError) and "is not done yet" in message:
        return "not_done"
    return "error"


def _value_and_grad(
    function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], wrt: list[int], upstream: Any
) -> tuple[Any, list[Any]]:
    """Run a function and pull a gradient back to some of its arguments."""
    for index in wrt:
        args[index] = args[index].detach().clone().requires_grad_()
    with torch.enable_grad():
        value = function(*args, **kwargs)
        if not isinstance(value, torch.Tensor) or not value.requires_grad:
            raise NoGradient(
                "a tensor without a gradient" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
            )
        weights = torch.ones_like(value) if upstream is None else upstream.to(value.dtype)
        gradients = _autograd_grad(value, [args[i] for i in wrt], weights, allow_unused=True)
    return value.detach(), list(gradients)


def _figures() -> Iterator[dict[str, Any]]:
    """The figures that the cell left open, as PNG outputs; they are closed."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    for number in pyplot.get_fignums()[:4]:
        buffer = io.BytesIO()
        pyplot.figure(number).savefig(buffer, format="png", dpi=72, bbox_inches="tight")
        data = base64.b64encode(buffer.getvalue()).decode()
        yield {"output_type": "display_data", "data": {"image/png": data}, "metadata": {}}
    pyplot.close("all")


def _within(outputs: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Keep outputs while they fit the limit, and say what was left out."""
    kept: list[dict[str, Any]] = []
    left = limit
    for output in outputs[:100]:
        size = len(repr(output))
        if size > left:
            note = f"(an output of {size >> 10} kB was left out: the limit of a cell is {limit >> 10} kB)"
            kept.append({"output_type": "stream", "name": "stderr", "text": note})
            continue
        left -= size
        kept.append(output)
    return kept


def make_shell() -> Any:
    """An IPython shell without history, terminal or colour, whose displays are collected as notebook outputs."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Publisher(DisplayPublisher):
        outputs: list[dict[str, Any]]

        def publish(self, data: Any, metadata: Any = None, **kwargs: Any) -> None:  # type: ignore[override]
            self.outputs.append({"output_type": "display_data", "data": _plain_bundle(data), "metadata": {}})

        def clear_output(self, wait: bool = False) -> None:
            self.outputs.clear()

    class Hook(DisplayHook):
        outputs: list[dict[str, Any]]

        def __call__(self, result: Any = None) -> None:
            if result is None or self.quiet():
                return
            data, _ = self.compute_format_data(result)
            self.outputs.append(
                {"output_type": "execute_result", "data": _plain_bundle(data), "metadata": {}, "execution_count": None}
            )

    class Shell(InteractiveShell):
        displayhook_class = Hook
        display_pub_class = Publisher

        def showtraceback(self, *args: Any, **kwargs: Any) -> None:
            """Errors are described by the worker, not printed."""

        def showsyntaxerror(self, *args: Any, **kwargs: Any) -> None:
            """As above."""

        def enable_matplotlib(self, gui: Any = None) -> tuple[str, str]:
            """`%matplotlib widget` and its like make no difference here: open figures are collected as PNG."""
            return "agg", "agg"

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.enable_tip = False
    Shell.clear_instance()
    InteractiveShell.clear_instance()
    shell: Any = Shell.instance(config=config)
    shell.display_pub.outputs = []
    shell.displayhook.outputs = []
    return shell


def _plain_bundle(data: Any) -> dict[str, Any]:
    bundle: dict[str, Any] = {}
    for kind, value in dict(data).items():
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode()
        if isinstance(value, str):
            bundle[str(kind)] = value
    return bundle
