"""The sandbox itself: snapshots, deadlines, what is swept away, and what a process in there has."""

from __future__ import annotations

import errno
import platform
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mini_class
import pytest

from autograder.grading import Examiner
from autograder.judge.sealed import sealed
from autograder.sandbox import client, isolation, wire
from autograder.sandbox.client import Process, ProcessGone, ProcessTimeout, Sandbox, Twin, Zygote

SECONDS = 60.0


@pytest.fixture
def sandbox(examiner: Examiner) -> Iterator[Sandbox]:
    with examiner.zygote.sandbox(mini_class.limits()) as box:
        yield box


@pytest.fixture
def base(sandbox: Sandbox) -> Process:
    process = sandbox.base()
    process.request({"op": "setup", "sources": ["import os, torch\nx = 1"]}, seconds=SECONDS)
    return process


def run(process: Process, *sources: str, seconds: float = SECONDS) -> dict[str, Any]:
    return process.request({"op": "run", "sources": list(sources), "seed": 1}, seconds=seconds)[0]


def value(process: Process, name: str) -> Any:
    request = {"op": "call", "fn": {"k": "builtin", "name": "identity"}, "args": [{"k": "global", "name": name}]}
    reply, _ = process.request(request, seconds=SECONDS)
    return reply.get("value")


def test_a_fork_is_a_snapshot(base: Process) -> None:
    one, two = base.fork(), base.fork()
    run(one, "x = 2\nopened = open('note', 'w')")
    assert value(one, "x") == 2
    assert value(two, "x") == value(base, "x") == 1
    run(two, "del x")
    assert value(one.fork(), "x") == 2
    assert value(base, "x") == 1


def test_what_ends_a_fork_leaves_the_others(base: Process) -> None:
    fork = base.fork()
    with pytest.raises(ProcessGone):
        run(fork, "os._exit(3)")
    assert not fork.alive
    with pytest.raises(ProcessGone):
        run(fork, "x = 5")
    assert value(base, "x") == 1


def test_a_fork_that_hangs_is_ended_with_all_that_it_started(base: Process, sandbox: Sandbox) -> None:
    fork = base.fork()
    with pytest.raises(ProcessTimeout):
        run(fork, "for _ in range(5):\n    if os.fork() == 0: break\nwhile True: pass", seconds=1.0)
    assert value(base, "x") == 1
    assert sandbox.sweep() == 0  # nothing is left


def test_a_sweep_ends_what_the_judge_does_not_know_and_tells_how_many(base: Process, sandbox: Sandbox) -> None:
    fork = base.fork()
    run(fork, "import time\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(1000)")
    assert sandbox.sweep() == 3
    assert sandbox.sweep() == 0
    assert value(fork, "x") == value(base, "x") == 1


def test_a_process_can_be_copied_although_its_code_has_used_up_all_processes(base: Process) -> None:
    many = """
        import time
        try:
            while True:
                if os.fork() == 0:
                    time.sleep(1000)
        except OSError:
            x = 3
    """
    run(base, textwrap.dedent(many))
    assert value(base, "x") == 3
    assert value(base.fork(), "x") == 3


def test_a_sweep_keeps_processes_that_have_threads(base: Process, sandbox: Sandbox) -> None:
    run(base, "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()")
    assert sandbox.sweep() == 0
    assert value(base, "x") == 1


def test_a_process_that_does_not_read_is_ended(base: Process) -> None:
    fork = base.fork()
    fork.send(
        {"op": "run", "sources": ["import time; time.sleep(1000)"], "seed": 1}, (), time.monotonic() + SECONDS, SECONDS
    )
    with pytest.raises(ProcessTimeout):
        fork.request({"op": "nothing"}, [bytes(32 << 20)], seconds=1.0)
    assert value(base, "x") == 1


def test_requests_that_make_no_sense_are_refused(base: Process) -> None:
    assert "fault" in base.request({"op": "unheard-of"}, seconds=SECONDS)[0]
    assert "fault" in base.request({}, seconds=SECONDS)[0]
    assert value(base, "x") == 1


def test_memory_of_all_processes_together_is_watched(base: Process, sandbox: Sandbox) -> None:
    assert not sandbox.out_of_memory()
    hungry = """
import time
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(400 << 20)
        for place in range(0, len(block), 4096): block[place] = 1
        time.sleep(1000)
time.sleep(1000)
"""
    with pytest.raises(ProcessGone):
        run(base.fork(), hungry)
    assert sandbox.out_of_memory()
    assert not sandbox.out_of_memory()  # said once
    fresh = sandbox.base()
    assert "cells" in run(fresh, "y = 1")


def test_the_reference_comes_without_its_text(base: Process) -> None:
    source = 'def half(x):\n    """Say it."""\n    return x / 2  # a comment\n'
    code = sealed(source, "<reference>")
    assert b"Say it" not in code
    assert b"a comment" not in code
    reply, _ = base.request({"op": "overlay", "overlay": [["half"]]}, [code], seconds=SECONDS)
    assert reply == {"failed": []}
    run(base, "y = half(3)\ntry:\n    import inspect; text = inspect.getsource(half)\nexcept OSError:\n    text = None")
    assert value(base, "y") == 1.5
    assert value(base, "text") is None


def test_a_cell_is_seeded(base: Process) -> None:
    drawing = "import random, numpy\ndrawn = (random.random(), float(numpy.random.rand()), float(torch.rand(())))"
    one, two = base.fork(), base.fork()
    run(one, "import random; random.random()")
    run(one, drawing)
    run(two, drawing)
    assert value(one, "drawn") == value(two, "drawn")


def test_one_thread_whatever_the_student_asks_for(base: Process) -> None:
    run(
        base, "torch.set_num_threads(8)\nthreads = torch.get_num_threads()\ntotal = float(torch.rand(2000, 2000).sum())"
    )
    assert value(base, "threads") == 1
    assert value(base.fork(), "threads") == 1


def test_limits_of_the_kernel_are_set(base: Process) -> None:
    run(
        base,
        "import resource as r\nlimits = {n: r.getrlimit(getattr(r, n))[1] for n in dir(r) if n.startswith('RLIMIT_')}",
    )
    pairs = value(base, "limits")["v"]
    limits = dict(pairs)
    ours = mini_class.limits()
    assert limits["RLIMIT_NPROC"] == ours.processes
    assert limits["RLIMIT_FSIZE"] == ours.file_mb << 20
    assert limits["RLIMIT_CORE"] <= 1
    assert 0 < limits["RLIMIT_AS"] < 16 << 30


def test_an_interpreter_below_tmp_is_seen_in_a_tmp_that_is_fresh(
    monkeypatch: pytest.MonkeyPatch, examiner: Examiner
) -> None:
    """Where a virtual environment lies below /tmp, its folder is all that two submissions have in common there."""
    with tempfile.TemporaryDirectory(prefix="python ", dir="/tmp") as folder, tempfile.TemporaryDirectory() as place:
        Path(folder, "below").mkdir()
        Path(folder, "below", "module.py").write_text("")
        Path(folder).chmod(0o755)
        library = Path(place, "library")
        library.mkdir()
        ours = isolation._python_folders()
        monkeypatch.setattr(isolation, "_python_folders", lambda: [*ours, f"{folder}/below"])
        assert Path(folder).name in mini_class.seen_in_tmp()
        cell = f"""
            import os
            seen, note = sorted(os.listdir('/tmp')), '/tmp/note of the other'
            module = os.path.exists({folder!r} + '/below/module.py')
            open(note, 'w').write('hello')
            try:
                os.unlink({folder!r} + '/below/module.py')
            except OSError as error:
                refused = error.errno
        """
        with Zygote(library, examiner.zygote.level) as zygote:
            for _ in range(2):
                with zygote.sandbox(mini_class.limits()) as box:
                    base = box.base()
                    run(base, textwrap.dedent(cell))
                    assert value(base, "seen") == {"k": "list", "v": mini_class.seen_in_tmp()}
                    assert value(base, "module") is True
                    assert value(base, "refused") in (errno.EROFS, errno.EACCES)
        assert Path(folder, "below", "module.py").exists()


def test_the_process_level_confines_nothing_and_is_never_taken_silently() -> None:
    with mini_class.open_examiner("process") as examiner:
        assert examiner.zygote.level == "process"
        with examiner.zygote.sandbox(mini_class.limits()) as box:
            assert not box.namespaces
            process = box.base()
            run(process, "y = 2")
            assert value(process.fork(), "y") == 2
            fork = process.fork()
            with pytest.raises(ProcessTimeout):
                run(fork, "while True: pass", seconds=1.0)
            assert value(process, "y") == 2
    assert isolation.require("process") == "process"


SET_UP = "import time\nmade_at = time.monotonic_ns()\nvalues = [1, 2]\nprint('ready')"


def base_of(box: Sandbox, *sources: str) -> Process:
    process = box.base()
    reply, _ = process.request({"op": "setup", "sources": list(sources)}, seconds=SECONDS)
    assert all(cell["error"] is None for cell in reply["cells"])
    return process


def moments(zygote: Twin, *sources: str) -> list[int]:
    """When the set-up cells ran that two submissions find done."""
    found = []
    for _ in range(2):
        with zygote.prepared(sources).sandbox(mini_class.limits()) as box:
            process = base_of(box, *sources)
            found.append(value(process, "made_at"))
            run(process, "values.append(3)\nimport torch\ntorch.left_behind = 1")
            assert value(process, "values")["v"] == [1, 2, 3]
    return found


def test_set_up_cells_run_once_for_all_submissions(examiner: Examiner) -> None:
    first, second = moments(examiner.zygote, SET_UP)
    assert first == second
    with examiner.zygote.prepared((SET_UP,)).sandbox(mini_class.limits()) as box:
        process = base_of(box, SET_UP)
        run(process, "import torch\nseen = [len(values), hasattr(torch, 'left_behind')]\nvalues = 5")
        assert value(process, "seen") == {"k": "list", "v": [2, False]}
        reply, _ = process.request({"op": "run", "sources": [], "seed": 1}, seconds=SECONDS)
        assert reply["shadowed"] == ["values"]
    with examiner.zygote.prepared((SET_UP,)).sandbox(mini_class.limits()) as box:  # a process that is asked for others
        assert value(base_of(box, SET_UP, "values = 6"), "values") == 6


@pytest.mark.parametrize(
    "source",
    [
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
        "import os\nif os.fork() == 0:\n    time.sleep(2)\n    os._exit(0)",
        "open('note', 'w').write('hello')",
        "open('/tmp/note', 'w').write('hello')",
        "import os\nkept = open(os.__file__)",
    ],
    ids=["a thread", "a process", "a file", "a file elsewhere", "an open file"],
)
def test_set_up_cells_that_a_copy_would_not_have_run_for_each_submission(examiner: Examiner, source: str) -> None:
    first, second = moments(examiner.zygote, SET_UP, source)
    assert first != second
    assert examiner.zygote.alive()
    assert len(set(moments(examiner.zygote, SET_UP))) == 1


def test_no_more_set_ups_are_kept_than_there_is_room_for(examiner: Examiner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PREPARED", 2)
    twins = [examiner.zygote.prepared((f"x = {number}",)) for number in range(4)]
    assert [twin.control.sock.fileno() >= 0 for twin in twins] == [False, False, True, True]
    assert examiner.zygote.alive()


def test_a_prepared_copy_that_has_ended_is_noticed(examiner: Examiner, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    with Zygote(library, examiner.zygote.level) as zygote:
        twin = zygote.prepared(("x = 1",))
        assert zygote.alive()
        ours, theirs = wire.pair()
        with ours, theirs:
            twin.control.send({"twin": ["import os\nos.kill(os.getppid(), 9)"]}, fd=theirs.fileno())
            deadline = time.monotonic() + SECONDS
            while zygote.alive() and time.monotonic() < deadline:
                time.sleep(0.01)
        assert not zygote.alive()


@pytest.mark.parametrize("machine", [platform.machine(), "another"])
def test_a_fork_into_namespaces_is_process_one(machine: str) -> None:
    code = textwrap.dedent(
        f"""
        import os, platform
        from autograder.sandbox import confine
        platform.machine = lambda: {machine!r}
        read, write = os.pipe()
        identity = os.getuid(), os.getgid()
        if confine.fork_into_namespaces() == 0:
            os.write(write, str([os.getpid(), os.listdir("/proc/self/task") != [str(os.getpid())]]).encode())
            os._exit(0)
        print(os.read(read, 100).decode())
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert done.stdout.strip() == "[1, True]"  # /proc is still the parent's
