# ruff: noqa: E501 - the cells are students' code
"""The second round: attacks by somebody who has read the grader, and right answers that look odd."""

from __future__ import annotations

from threats.case import COUNTER, DESCEND, ENTROPY, SOFTMAX, WORKER, Case, fails
from threats.forging import WRONG
from threats.harm import SHORT

_NOT_ITS_OWN = {"lost": {"softmax": 4.0}}
# The built-in by way of attention, whose kernel computes a softmax; its name is nowhere in the cell.
_ATTENTION = """
def built_in(x):
    eye = torch.eye(x.shape[-1], dtype=x.dtype)[None]
    return torch.nn.functional.scaled_dot_product_attention(x.detach()[None], eye, eye, scale=1.0)[0]
"""
_SERVE = """
import pickle, socket
def serve(listener):
    while True:
        connection, _ = listener.accept()
        shape, data = pickle.loads(connection.recv(1 << 16))
        answer = built_in(torch.tensor(data, dtype=torch.float64).reshape(shape))
        connection.sendall(pickle.dumps(answer.reshape(-1).tolist()))
        connection.close()
def ask(x):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("helper")
        s.sendall(pickle.dumps((list(x.shape), x.detach().reshape(-1).tolist())))
        return torch.tensor(pickle.loads(s.recv(1 << 16)), dtype=torch.float64).reshape(x.shape)
def softmax(x):
    return ask(x) + 0 * x
listener = socket.socket(socket.AF_UNIX)
listener.bind("helper")
listener.listen(8)
"""

FORBIDDEN_BY_STEALTH = [
    Case("stealth_masked_kernel", {"softmax": "def softmax(x):\n    return torch._masked_softmax(x, torch.zeros_like(x, dtype=torch.bool), -1, 2)"}, **_NOT_ITS_OWN),
    Case("stealth_masked_kernel_in_a_class_before", {"softmax": "def softmax(x):\n    return Box.f(x, torch.zeros_like(x, dtype=torch.bool), -1, 2)"}, [("softmax", "class Box:\n    f = staticmethod(torch._masked_softmax)")], **_NOT_ITS_OWN),
    Case("stealth_line_for_the_shell", {"softmax": "def softmax(x):\n    torch.save(x.detach(), 'in')\n    !python -c \"import torch; torch.save(torch.softmax(torch.load('in'), -1), 'out')\"\n    return torch.load('out') + 0 * x"}, status={"softmax": "forbidden"}, **_NOT_ITS_OWN),
    Case("stealth_another_program", {"softmax": "import os\ndef softmax(x):\n    torch.save(x.detach(), 'in')\n    os.system('python helper.py')\n    return torch.load('out') + 0 * x"}, status={"softmax": "forbidden"}, **_NOT_ITS_OWN),
    Case("stealth_measured_import", {"softmax": _ATTENTION + "%time guards = __import__('autograder.sandbox.guards', fromlist=['x'])\ndef softmax(x):\n    guards._kept_alive.clear()\n    return built_in(x) + 0 * x"}, status={"softmax": "forbidden"}, **_NOT_ITS_OWN),
    Case("stealth_letters_of_another_width", {"softmax": "def softmax(x):\n    return torch.ｓｏｆｔｍａｘ(x, -1)"}, **_NOT_ITS_OWN),
    Case("stealth_match_statement", {"softmax": "def softmax(x):\n    match torch:\n        case object(softmax=f):\n            return f(x, -1)"}, **_NOT_ITS_OWN),
    Case("stealth_star_import", {"softmax": "from torch.nn.functional import *\ndef softmax(x):\n    return log_softmax(x, -1).exp()"}, **_NOT_ITS_OWN),
    Case("stealth_helper_process", {"softmax": "import os" + _ATTENTION + _SERVE + "if os.fork() == 0:\n    serve(listener)\n"}, **_NOT_ITS_OWN),
    Case("stealth_helper_thread", {"softmax": "from threading import Thread" + _ATTENTION + _SERVE + "Thread(target=serve, args=(listener,), daemon=True).start()\n"}, **_NOT_ITS_OWN),
    Case("stealth_guards_let_go", {"softmax": _ATTENTION + "def softmax(x):\n    import autograder.sandbox.guards as g\n    g._kept_alive.clear()\n    return built_in(x) + 0 * x"}, **_NOT_ITS_OWN),
    Case("stealth_through_print", {"softmax": _ATTENTION + """
def softmax(x):
    inside = print.__self__
    guards = inside.getattr(inside, "__imp" + "ort__")("autograder.sandbox.guards", fromlist=["x"])
    guards._kept_alive.clear()
    return built_in(x) + 0 * x
"""}, **_NOT_ITS_OWN),
    Case("stealth_through_a_frame", {"softmax": _ATTENTION + """
def softmax(x):
    frame = (i for i in ()).gi_frame
    guards = frame.f_builtins["__imp" + "ort__"]("autograder.sandbox.guards", fromlist=["x"])
    guards._kept_alive.clear()
    return built_in(x) + 0 * x
"""}, **_NOT_ITS_OWN),
    Case("stealth_in_a_class_before", {"softmax": "def softmax(x):\n    return ask(x) + 0 * x"}, [
        ("softmax", "import os\n" + _ATTENTION + _SERVE.replace("listener = ", "class L:\n    listener = ").replace("listener.bind", "    listener.bind").replace("listener.listen(8)", "    listener.listen(8)\n    if os.fork() == 0: serve(listener)"))
    ], **_NOT_ITS_OWN),
]  # fmt: skip

LIES = [
    Case(
        "replays_an_earlier_answer",
        {
            "Counter": WORKER
            + """
class Counter:
    def __init__(self, start): self.value = start
    def add(self, n): return self.value
kept = []
def on_call(header, buffers):
    answer = type(W).on_call(W, header, buffers)
    kept.append(answer)
    return kept[0]
W.on_call = on_call
"""
        },
        lost={"Counter": 2.0},
    ),
    Case(
        "pretends_to_be_a_tensor",
        {
            "entropy": """
class Fake:
    __class__ = torch.Tensor
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __iter__(self): return iter([self])
    dtype, layout, shape, requires_grad = torch.float64, torch.strided, (3,), False
def entropy(x):
    return Fake()
""",
            "fact": "class N(type):\n    @property\n    def __name__(cls): raise SystemExit(0)\nclass Seven(metaclass=N): pass\nfact = Seven()",
        },
        lost={"entropy": 2.0, "fact": 1.0},
    ),
    fails(
        "subclass_that_never_answers",  # nobody asks it
        "entropy",
        "class Slow(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, *a, **k):\n        while True: pass\n"
        "def entropy(x):\n    return torch.zeros(3).as_subclass(Slow)",
        "failed",
        2.0,
    ),
    Case(
        "numbers_that_change_when_looked_at",
        {
            "Counter": """
class Counter:
    def __init__(self, start): self.start, self.looks = start, 0
    def add(self, n): return self.start
    @property
    def value(self):
        self.looks += 1
        return self.start + self.looks
"""
        },
        lost={"Counter": 2.0},
    ),
    Case(
        "patches_what_the_wire_uses",
        {
            "entropy": WRONG
            + """
torch.Tensor.detach = lambda self: torch.zeros(3)
torch.Tensor.contiguous = torch.Tensor.cpu = lambda self: self
torch.Tensor.numpy = lambda self: __import__("numpy").zeros(3)
"""
        },
        lost={"entropy": 2.0},
    ),
    Case(
        "writes_to_every_socket",
        {
            "entropy": "import json, os, struct\n"
            + WRONG
            + """
text = json.dumps({"value": {"k": "list", "v": [1.0, 1.0, 1.0]}, "names": [], "values": None, "pid": 3}).encode()
def entropy(x):
    for number in range(3, 256):
        try: os.write(number, struct.pack("<4sII", b"DLW1", len(text), 0) + text)
        except OSError: pass
    return softmax(x).sum(-1)
"""
        },
        lost={"entropy": 2.0},
    ),
    Case(
        "passes_strange_things_to_callbacks",
        {
            "descend": """
def descend(gradient, start, steps):
    a = []
    a.append(a)
    for odd in (gradient, a, {float("nan"): 1}, {}, "\\ud800", 1 << 9000, torch.zeros(0, 10**12), type, b"x", {1: {2: {3: a}}}):
        try: gradient(odd)
        except BaseException: pass
    try: gradient(odd, key=gradient)
    except BaseException: pass
    return gradient
"""
        },
        lost={"descend": 2.0},
    ),
    Case(
        "results_without_end_or_bottom",
        {
            "entropy": "def entropy(x):\n    while True:\n        yield x",
            "Counter": "class Counter:\n    def __init__(self, start): self.value = []\n    def add(self, n):\n        self.value.append(self.value)\n        return self.value",
            "descend": "def descend(gradient, start, steps):\n    deep = start\n    for _ in range(100_000): deep = [deep]\n    return deep",
            "fact": "fact = {float('nan'): '\\ud800' * 100_000, 7: {7: {7: 7}}}",
        },
        lost={"entropy": 2.0, "Counter": 2.0, "descend": 2.0, "fact": 1.0},
    ),
    Case(
        "not_a_number_everywhere",
        {
            "softmax": "def softmax(x):\n    return x * float('nan')",
            "entropy": "def entropy(x):\n    return x.sum(-1) * float('nan')",
            "descend": "def descend(gradient, start, steps):\n    for _ in range(steps): gradient(start)\n    return start * float('nan')",
            "fact": "fact = float('nan')",
        },
        lost={"softmax": 4.0, "entropy": 2.0, "descend": 2.0, "fact": 1.0},
    ),
]

_TIMER = """
import signal, time
def strike(*args): raise KeyboardInterrupt
def strike_often():
    signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
"""

# Answers that are right, beside something that would spoil what follows.
SPOILING = [
    Case(
        "sets_with_one_hash",
        {
            "entropy": WORKER
            + """
def entropy(x):
    items = ",".join(f'{{"k":"int","v":"{n * (2**61 - 1):#x}"}}' for n in range(150_000))
    text = ('{"value":{"k":"set","v":[' + items + "]}}").encode()
    W.channel.sock.sendall(struct.pack("<4sII", b"DLW1", len(text), 0) + text)
    time.sleep(100)
"""
        },
        lost={"entropy": 2.0},
        status={"entropy": "crashed"},
    ),
    Case(
        "recursion_without_a_limit",  # out of stack, of memory or of time, whichever comes first
        {"entropy": "import sys\nsys.setrecursionlimit(10**9)\ndef entropy(x):\n    return [entropy(x) for _ in range(1)]"},
        lost={"entropy": 2.0},
        limits=SHORT,
    ),
    Case(
        "an_audit_hook",
        {
            "Counter": COUNTER
            + "import sys\ndef hook(event, args):\n    if event in ('exec', 'compile', 'marshal.loads', 'import'): raise RuntimeError('no')\nsys.addaudithook(hook)\n"
        },
    ),
    Case(
        "tracers_and_profilers",
        {
            "Counter": COUNTER
            + "import sys, threading\ndef trace(*args):\n    raise RuntimeError('traced')\nthreading.settrace(trace)\nthreading.setprofile(trace)\nsys.settrace(trace)\nsys.setprofile(trace)\n"
        },
    ),
    Case(
        "handlers_of_every_kind",
        {
            "Counter": COUNTER
            + """
import atexit, gc, os, signal, sys, threading
atexit.register(lambda: os.write(1, b'{"score": 99}'))
gc.callbacks.append(lambda phase, info: 1 / 0)
sys.excepthook = threading.excepthook = sys.unraisablehook = sys.displayhook = lambda *args: os._exit(0)
os.register_at_fork(before=lambda: 1 / 0, after_in_child=lambda: 1 / 0)
for number in (signal.SIGALRM, signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD): signal.signal(number, lambda *args: os._exit(0))
sys.stdout = sys.stderr = sys.stdin = None
"""
        },
        lost={"Counter": 2.0},  # its own process ends itself when it is copied
    ),
    Case(
        "a_timer_that_strikes_later",
        {"Counter": COUNTER + _TIMER + "strike_often()\ntime.sleep(1)\n"},
        lost={"Counter": 2.0},  # struck before its tests are given a fork
        at_random=("Counter",),  # or after that: a fork has no timer
    ),
    Case(
        "a_timer_that_strikes_in_a_test",
        {"Counter": COUNTER.replace("        return", "        strike_often()\n        time.sleep(1)\n        return") + _TIMER},
        lost={"Counter": 2.0},
    ),
    Case(
        "builtins_taken_away",
        {
            "Counter": COUNTER
            + "import builtins\nfor name in ('len', 'isinstance', 'getattr', 'zip', 'list', '__import__', '__build_class__', 'Exception'): delattr(builtins, name)\n"
        },
        lost={"Counter": 2.0},
    ),
    Case(
        "generators_of_numbers_patched",
        {
            "Counter": COUNTER
            + "import random, numpy\nrandom.seed = numpy.random.seed = torch.default_generator = None\ntorch.Tensor.__sub__ = torch.Tensor.__mul__ = torch.Tensor.__rmul__ = None\n"
        },
        finding="graded_apart",
    ),
    Case(
        "a_thread_that_waits_for_the_next_exercise",
        {
            "Counter": COUNTER
            + """
import threading, time
def wait():
    while True:
        globals().update(descend=None, fact=0, torch=None)
        time.sleep(0.001)
threading.Thread(target=wait, daemon=True).start()
"""
        },
    ),
    Case("files_kept_open", {"Counter": COUNTER + "held = []\ntry:\n    while True: held.append(open('/dev/null'))\nexcept OSError: pass"}, lost={"Counter": 2.0}),
    fails("stops_everybody", "entropy", "import os, signal\ntry: os.kill(-1, signal.SIGSTOP)\nexcept OSError: pass\nos.kill(os.getpid(), signal.SIGSTOP)", "timeout", 2.0, limits=SHORT),
    Case(
        "a_full_disk_and_a_crash",
        {
            "entropy": ENTROPY
            + "try:\n    with open('full', 'wb') as file:\n        while True: file.write(b'x' * (1 << 20))\nexcept OSError: pass\n",
            "Counter": "import os\nos._exit(3)",
        },
        lost={"Counter": 2.0},
    ),
    Case(
        "hundreds_of_short_processes",
        {"entropy": ENTROPY + "import os\nfor _ in range(200):\n    pid = os.fork()\n    if pid == 0: os._exit(0)\n    os.waitpid(pid, 0)\n"},
        limits={"cell_seconds": 30},
    ),
    Case(
        "a_library_of_the_course_patched",
        {
            "entropy": ENTROPY
            + "import course_lib, sys, types\nsys.modules['course_lib'] = sys.modules['course_lib.mini'] = types.ModuleType('course_lib')\nimport linecache, traceback\nlinecache.getline = traceback.format_exc = None\n"
        },
    ),
]  # fmt: skip

ODD_BUT_RIGHT = [
    Case(
        "odd_callables",
        {
            "softmax": "import functools\ndef _soft(x, axis, *, shift=True):\n    z = x - x.amax(axis, keepdim=True) if shift else x\n    return z.exp() / z.exp().sum(axis, keepdim=True)\nsoftmax = functools.partial(_soft, axis=-1)",
            "entropy": "class Entropy:\n    def __call__(self, x):\n        p = softmax(x)\n        return -(p * p.log()).sum(-1)\nentropy = Entropy()",
            "Counter": "from types import SimpleNamespace\ndef Counter(start):\n    me = SimpleNamespace(value=start)\n    def add(n):\n        me.value += n\n        return me.value\n    me.add = add\n    return me",
            "descend": "descend = lambda gradient, start, steps: start.clone() if not steps else descend(gradient, start - 0.1 * gradient(start), steps - 1)",
        },
    ),
    Case(
        "odd_decorators",
        {
            "softmax": "import functools, time\ndef timed(f):\n    @functools.wraps(f)\n    def inner(*args, **kwargs):\n        started = time.perf_counter()\n        try:\n            return f(*args, **kwargs)\n        finally:\n            inner.seconds = time.perf_counter() - started\n    return inner\n@timed\n" + SOFTMAX.strip(),
            "descend": "@torch.no_grad()\n" + DESCEND.strip(),
        },
    ),
    Case(
        "odd_syntax",
        {
            "softmax": "def softmax(x, /, *more, axis=-1, **options):\n    return (e := (x - x.amax(axis, keepdim=True)).exp()) / e.sum(axis, keepdim=True)",
            "entropy": "def entropy(x):\n    match softmax(x):\n        case p if (q := p.log()) is not None:\n            return -sum((p * q).unbind(-1))\n        case _:\n            raise AssertionError",
            "descend": "def descend(gradient, start, steps):\n    def walk():\n        x = start.clone()\n        yield x\n        while True:\n            x = x - 0.1 * gradient(x)\n            yield x\n    for i, x in enumerate(walk()):\n        if i == steps:\n            return x",
            "fact": "fact, _ = 7, None",
        },
    ),
    Case("odd_future_import", {"entropy": "from __future__ import annotations\ndef entropy(x: Tensor | NotImported) -> 'Nothing[here]':\n    p: Missing = softmax(x)\n    return -(p * p.log()).sum(-1)"}),
    Case("odd_type_hints_not_imported", {"entropy": "def entropy(x: Tensor, base: Optional[float] = None) -> Tensor:\n    p = softmax(x)\n    return -(p * p.log()).sum(-1)"}, finding="type_hints"),
    Case(
        "odd_main_guard_and_own_tests",
        {"entropy": ENTROPY + "if __name__ == '__main__':\n    assert entropy(torch.zeros(2, 4, dtype=torch.float64)).shape == (2,)\n    import unittest\n    class T(unittest.TestCase):\n        def test(self): self.assertTrue(True)\n    unittest.main(argv=['x'], exit=False)\n"},
    ),
    Case("odd_double_precision", {"entropy": "def entropy(x):\n    p = softmax(x.to(torch.float64))\n    return -(p * p.log()).sum(-1).double()"}),
    Case("odd_numpy_all_the_way", {"entropy": "import numpy as np\ndef entropy(x):\n    z = np.asarray(x); z = z - z.max(-1, keepdims=True)\n    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)\n    return np.matrix(-(p * np.log(p)).sum(-1)).A1", "fact": "import numpy as np\nfact = np.int8(7)"}),
    Case("odd_in_place_on_copies", {"softmax": "def softmax(x):\n    y = x.clone()\n    y -= y.detach().amax(-1, keepdim=True)\n    y = y.exp()\n    out = torch.empty_like(y)\n    for i, row in enumerate(y): out[i] = row / row.sum()\n    return out"}),
    Case("odd_vmap", {"entropy": "def one(row):\n    p = (row - row.max()).exp()\n    p = p / p.sum()\n    return -(p * p.log()).sum()\nentropy = torch.vmap(one)"}),
    Case("odd_script", {"entropy": "@torch.jit.script\ndef entropy(x: torch.Tensor) -> torch.Tensor:\n    p = (x - x.amax(-1, keepdim=True)).exp()\n    p = p / p.sum(-1, keepdim=True)\n    return -(p * p.log()).sum(-1)"}),
    Case(
        "odd_classes",
        {"Counter": "from dataclasses import dataclass, field\n@dataclass(slots=True, order=True)\nclass Base:\n    value: int = field(compare=True)\nclass Counter(Base):\n    pass\ndef add(self, n: int) -> int:\n    self.value += n\n    return self.value\nCounter.add = add\ndel add"},
    ),
    Case("odd_static_state", {"Counter": "class Counter:\n    _values = {}\n    def __init__(self, start): self._values[id(self)] = start\n    @property\n    def value(self): return self._values[id(self)]\n    def add(self, n):\n        self._values[id(self)] += n\n        return self.value\n    def __repr__(self): return 1 / 0"}),
    Case("odd_await_and_nested", {"entropy": "import asyncio\nasync def fetch():\n    await asyncio.sleep(0)\n    def entropy(x):\n        p = softmax(x)\n        return -(p * p.log()).sum(-1)\n    return entropy\nentropy = await fetch()\nawait asyncio.gather(fetch(), fetch())"}),
    Case("odd_magics", {"softmax": "%%time\n" + SOFTMAX, "entropy": "%reset -f\nimport torch\nfrom __main__ import *\n%cd /tmp\n%env SOMETHING=1\n%precision 3\n%xmode Minimal\n" + ENTROPY.replace("softmax(logits)", "(logits - logits.logsumexp(-1, keepdim=True)).exp()"), "Counter": "%%capture output\n" + COUNTER}),
    Case("odd_constant_from_a_later_cell", {"descend": DESCEND.replace("0.1", "RATE")}, [("", "RATE: float = 0.1\nUNUSED = RATE")]),
    Case("odd_beginning_of_a_file", {"softmax": "\ufeff" + SOFTMAX, "entropy": "\r\n\x0c" + ENTROPY.replace("\n", "\r\n"), "Counter": COUNTER.replace("    ", "\t")}),
    Case("odd_aliases_of_modules", {"entropy": "import torch as t, math as m\nfrom torch import Tensor as T, exp as e\ndef entropy(x: T) -> T:\n    p = e(x) / e(x).sum(-1, keepdim=True)\n    return -(p * t.log2(p)).sum(-1) * m.log(2)"}),
    Case("odd_exceptions_inside", {"descend": "def descend(gradient, start, steps):\n    x = start.clone()\n    try:\n        for i in range(10**9):\n            if i == steps: raise StopIteration\n            x = x - 0.1 * gradient(x)\n    except StopIteration:\n        pass\n    finally:\n        done = True\n    return x"}),
]  # fmt: skip

CASES = [*FORBIDDEN_BY_STEALTH, *LIES, *SPOILING, *ODD_BUT_RIGHT]
