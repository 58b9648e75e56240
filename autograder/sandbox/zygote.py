"""The warm start: a process that imports torch once and forks a confined worker for each submission.

Started by `autograder.sandbox.launch` as ``python -m autograder.sandbox.zygote FD``, inside bubblewrap where there is
one. Until it forks it has run nothing but this repository's sandbox and installed packages.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
import warnings
from typing import Any

# What nearly every notebook imports. More is not better: every module makes each fork dearer; what the set-up cells of
# an assignment import comes on top, in the driver's first message.
WARM = ("numpy", "torch", "torch.nn.functional", "torch.library", "course_lib")

SET_UP_SECONDS = 60  # what the set-up cells of a release may take when they are run for all submissions


def main() -> None:
    """Serve requests on the inherited socket until the driver hangs up."""
    from autograder.sandbox import confine

    confine.die_with_parent()
    confine.be_first_to_go()
    control_fd, user = int(sys.argv[1]), int(sys.argv[2])
    if user and os.getuid() == 0:  # an administrator grades: the limit on processes does not hold for root
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        confine.set_dumpable(True)
        confine.die_with_parent()
    devnull = os.open(os.devnull, os.O_RDWR)
    os.dup2(devnull, 0)
    os.dup2(devnull, 1)
    warnings.simplefilter("ignore")

    import torch

    from autograder.sandbox import lean_torch, supervisor, wire, worker  # noqa: F401 - loaded before the first fork

    torch.set_num_threads(1)
    with contextlib.suppress(RuntimeError):
        torch.set_num_interop_threads(1)
    torch.set_num_threads = lambda nthreads: None  # one thread, or a fork may hang
    lean_torch.leave_compiler_out()
    _warm_torch(torch)
    for name in ("cuda", "xpu"):  # `torch.manual_seed` keeps a stack trace for the day on which a device is there
        importlib.import_module(f"torch.{name}.random")._lazy_call = lambda *args, **kwargs: None  # type: ignore[attr-defined]
    shell = worker.make_shell()
    student = worker.Worker(shell)
    shell.run_cell("1 + 1", store_history=False, silent=True)
    control = wire.Channel(socket.socket(fileno=control_fd))
    try:
        asked = control.receive()[0]["import"]  # whoever says it has filled the library by then
    except wire.WireError:
        return
    importlib.invalidate_caches()
    for module in (*WARM, *asked):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    if any(module.startswith("torch.func") for module in asked):  # transforms of functions ask the compiler
        lean_torch.load_compiler()
    os.dup2(devnull, 2)
    os.close(devnull)

    _settle()
    baseline = confine.virtual_memory()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the forks
    identity = os.getuid(), os.getgid()
    control.send({"ready": os.getpid()})
    while True:
        try:
            header, _, fd = control.receive_fd()
        except wire.WireError:
            return
        if fd is None:
            continue
        own = os.getpid()
        try:
            pid = confine.fork_into_namespaces() if header.get("namespaces") else os.fork()
        except OSError as error:
            with contextlib.suppress(wire.WireError):
                wire.Channel(socket.socket(fileno=fd)).send({"fault": f"namespaces: {error}"})
            if os.getpid() != own:
                os._exit(0)
            continue
        if pid != 0:
            os.close(fd)
            continue
        control.close()
        channel = wire.Channel(socket.socket(fileno=fd))
        if "twin" not in header:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            limits = dict(header["limits"], baseline=baseline)
            try:
                _serve_submission(channel, student, limits, identity if header["namespaces"] else None)
            finally:
                os._exit(0)
        confine.die_with_parent()
        control = channel
        if header["twin"] and not _set_up(student, header["twin"]):
            control.send({"unfit": os.getpid()})
            os._exit(0)
        control.send({"ready": os.getpid()})


def _warm_torch(torch: Any) -> None:
    """Touch what nearly every exercise touches, so that no submission pays for its first use."""
    x = torch.randn(4, 3, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(x @ torch.randn(3, 3), torch.tensor([0, 1, 2, 0]))
    loss.backward()
    for kind in (torch.optim.SGD, torch.optim.Adam):
        optimizer = kind([x], lr=0.1)
        optimizer.step()
        optimizer.zero_grad()
    with contextlib.suppress(Exception):
        torch.linalg.lstsq(torch.randn(4, 2), torch.randn(4, 1))


def _settle() -> None:
    """What is here stays: make its forks cheap."""
    gc.collect()
    gc.freeze()
    _fill_holes()


def _set_up(student: Any, sources: list[str]) -> bool:
    """Run released set-up cells once for all submissions that will be forked from here.

    Returns:
        False if that does not do for all: a cell failed here, or did what a fork or another sandbox does not have
        (threads, processes, open files, files in the work folder).
    """
    signal.alarm(SET_UP_SECONDS)  # the end of this process
    os.chdir(os.environ["HOME"])
    before = _surroundings()
    failed = any(reply["error"] is not None for reply in student.run_set_up(sources))
    if failed or _surroundings() != before or _has_children():
        return False
    signal.alarm(0)
    student.set_up = sources
    _settle()
    return True


def _surroundings() -> list[object]:
    """Threads, open files, and the files in the folders that may be written to."""
    cover, keep = os.environ["COURSE_COVER"].split(",")[:-1], os.environ["COURSE_KEEP"].split(os.pathsep)
    files: list[object] = []
    for top in cover if os.getcwd() in cover else [os.getcwd()]:
        for folder, inner, names in os.walk(top):
            inner[:] = [name for name in inner if f"{folder}/{name}" not in keep]
            files.append((folder, sorted(names)))
    return [len(os.listdir("/proc/self/task")), sorted(os.listdir("/proc/self/fd")), files]


def _has_children() -> bool:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    return True


def _fill_holes() -> None:
    """Leave the C library no free memory between objects of the zygote.

    What a fork allocates would lie there, in pages that it shares and has to copy; now it lies in fresh ones, and a
    submission meets a quarter fewer page faults.
    """
    library = ctypes.CDLL(None)
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    library.sbrk.argtypes, library.sbrk.restype = [ctypes.c_ssize_t], ctypes.c_void_p
    end = library.sbrk(0)
    for size in (65_536, 16_384, 4_096, 1_024, 512, 256, 128, 112, 96, 80, 64, 48, 32, 16):
        for _ in range(100_000):
            if (library.malloc(size) or end) >= end:  # the heap had to grow
                break


def _serve_submission(channel: Any, student: Any, limits: dict[str, float], identity: tuple[int, int] | None) -> None:
    """The life of a sandbox's first process; in namespaces of its own, if `identity` has the ids of who made them."""
    from autograder.sandbox import confine, wire
    from autograder.sandbox.supervisor import Supervisor

    if identity is None:
        os.setsid()
        confine.die_with_parent()
        channel.send({"hello": os.getpid(), "namespaces": False})
        Supervisor(channel, student, limits, None).serve()
        os.killpg(0, signal.SIGKILL)
        return
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)  # covered for everybody else by what follows
    kept = [folder for folder in os.environ["COURSE_KEEP"].split(os.pathsep) if folder]
    try:
        confine.furnish_namespaces(identity, int(limits["file_mb"]), os.environ["COURSE_COVER"].split(","), kept)
    except OSError as error:
        with contextlib.suppress(wire.WireError):
            channel.send({"fault": f"namespaces: {error}"})
        return
    confine.set_dumpable(False)
    channel.send({"hello": 1, "namespaces": True})
    Supervisor(channel, student, limits, proc).serve()  # when it ends, the kernel ends all others in there


if __name__ == "__main__":
    main()
    os._exit(0)  # to take a process with torch in it apart, module by module, takes half a second
