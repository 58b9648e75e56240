# ruff: noqa: E501 - the cells are students' code
"""Cells that leave traces: what one call leaves behind and a later call, or a later exercise, could meet.

Quiet cells are judged in one process (see `autograder.judge.quiet`), so each way to remember something has to be read
as such. None of these may change what any exercise gets.
"""

from __future__ import annotations

from threats.case import COUNTER, ENTROPY, WORKER, Case

# How a function could remember that it has been called: each defines `note()` and `noted()`, and calls that look
# harmless one by one.
MEMORIES = {
    "a_list": "seen = []\ndef note(): seen.append(1)\ndef noted(): return len(seen)",
    "a_global": "count = 0\ndef note():\n    global count\n    count += 1\ndef noted(): return count",
    "a_default_value": "def note(seen=[]):\n    seen.append(1)\n    return len(seen) - 1\ndef noted(): return note()",
    "a_keyword_default": "def note(*, seen={}):\n    seen[len(seen)] = 1\n    return len(seen) - 1\ndef noted(): return note()",
    "a_lambda_default": "note = lambda seen=[]: seen.append(1) or len(seen) - 1\ndef noted(): return note()",
    "an_attribute_of_a_function": "def note(): note.count = noted() + 1\ndef noted():\n    try: return note.count\n    except AttributeError: return 0",
    "an_attribute_through_an_alias": "def note():\n    me = note\n    me.count = 1\ndef noted():\n    try: return note.count\n    except AttributeError: return 0",
    "an_attribute_of_an_argument": "def mark(f): f.count = 1\ndef note(): mark(note)\ndef noted():\n    try: return note.count\n    except AttributeError: return 0",
    "an_attribute_of_a_class": "class Box:\n    count = 0\ndef note(): Box.count += 1\ndef noted(): return Box.count",
    "a_list_of_a_class": "class Box:\n    seen = []\ndef note(): Box().seen.append(1)\ndef noted(): return len(Box.seen)",
    "the_class_of_self": "class Box:\n    count = 0\n    def add(self): type(self).count += 1\ndef note(): Box().add()\ndef noted(): return Box.count",
    "a_class_method": "class Box:\n    count = 0\n    @classmethod\n    def add(cls): cls.count += 1\ndef note(): Box.add()\ndef noted(): return Box.count",
    "a_closure": "def make():\n    count = 0\n    def tick():\n        nonlocal count\n        count += 1\n        return count - 1\n    return tick\nnote = make()\ndef noted(): return note()",
    "an_iterator": "ticks = iter(range(10**6))\ndef note(): next(ticks)\ndef noted(): return next(ticks)",
    "a_generator": "def count():\n    n = 0\n    while True:\n        yield n\n        n += 1\nticks = count()\ndef note(): next(ticks)\ndef noted(): return next(ticks)",
    "a_tensor": "count = torch.zeros(1)\ndef note(): count.add_(1)\ndef noted(): return int(count)",
    "an_instance": "class Box: pass\nbox = Box()\nbox.count = 0\ndef note(): box.count += 1\ndef noted(): return box.count",
    "a_cache": "import functools\n@functools.lru_cache\ndef kept(n): return n\ndef note(): kept(3)\ndef noted(): return kept.cache_info().currsize",
    "a_module": "def note(): torch.noted = True\ndef noted():\n    try: return torch.noted\n    except AttributeError: return 0",
    "a_module_by_another_name": "def note():\n    import math\n    math.tau = 3\ndef noted():\n    import math\n    return math.tau == 3",
    "a_switch_of_torch": "def note(): torch.set_printoptions(precision=7)\ndef noted(): return '0.3333333' in str(torch.tensor(1 / 3))",
    "a_file": "def note(): open('note', 'w').close()\ndef noted():\n    import os\n    return os.path.exists('note')",
    "the_environment": "import os\ndef note(): os.environ['NOTED'] = '1'\ndef noted(): return 'NOTED' in os.environ",
    "the_namespace": "def note(): globals()['noted_it'] = 1\ndef noted(): return 'noted_it' in globals()",
    "the_shell": "def note(): get_ipython().user_ns['noted_it'] = 1\ndef noted(): return 'noted_it' in get_ipython().user_ns",
    "a_function_by_its_inside": "def note(): noted.__defaults__ = (1,)\ndef noted(n=0): return n",
    "a_thread": "import threading\ndef note(): threading.Thread(target=threading.Event().wait, daemon=True).start()\ndef noted(): return threading.active_count() - 1",
}
# These are quiet, and forgotten all the same: generators are seeded before every test and every cell.
FORGOTTEN = {
    "the_seed_of_torch": "def note(): torch.manual_seed(4711)\ndef noted(): return torch.initial_seed() == 4711",
    "the_state_of_numpy": "import numpy as np\ndef note(): np.random.seed(4711)\ndef noted(): return np.random.rand() == 0.2381088108434916",
}


def source_of(memory: str) -> str:
    """A cell whose function takes a note whenever it is called."""
    return memory + "\n" + ENTROPY.replace("def entropy(logits):", "def entropy(logits):\n    note()")


# A wrong counter that counts rightly once entropy has been tested, if that can be known.
_LATER = COUNTER.replace("self.value += n", "self.value += n if noted() else 0")

TRACES = [
    *(
        Case(f"remembers_by_{name}", {"entropy": source_of(memory), "Counter": _LATER}, lost={"Counter": 1.0})
        for name, memory in (MEMORIES | FORGOTTEN).items()
        if name not in ("a_file", "a_thread")  # a file stays where it is, as it always has; see below for threads
    ),
    Case(
        "a_thread_that_waits_for_the_next_exercise",
        {
            "entropy": """
import threading, time
right = "class Counter:\\n    def __init__(self, n): self.value = n\\n    def add(self, n): self.value += n; return self.value"
def change():
    while True:
        exec(right, globals())
        time.sleep(0.001)
"""
            + ENTROPY.replace(
                "def entropy(logits):",
                "def entropy(logits):\n    threading.Thread(target=change, daemon=True).start()",
            ),
            "Counter": "import time\ntime.sleep(0.5)\nclass Counter:\n    def __init__(self, n): self.value = n\n    def add(self, n): return n",
        },
        lost={"Counter": 1.0},
    ),
    Case(
        "a_call_that_patches_what_follows",
        {
            "entropy": ENTROPY.replace(
                "def entropy(logits):",
                "def entropy(logits):\n    torch.Tensor.clone = None\n    torch.Tensor.__mul__ = torch.Tensor.__add__",
            ).replace("(share * share.log())", "torch.mul(share, share.log())"),
        },
    ),
    Case(
        "a_call_that_answers_for_the_next_ones",
        {
            "Counter": WORKER
            + COUNTER.replace(
                "self.value = start",
                "self.value = start; [W.channel.send({'value': 0.0, 'cells': [], 'pid': 7}) for _ in range(20)]",
            ),
        },
        lost={"Counter": 2.0},
    ),
    Case(
        "a_call_that_writes_into_every_socket",
        {
            "entropy": """
import os, struct
def entropy(logits):
    for number in range(3, 64):
        try: os.write(number, struct.pack("<4sII", b"DLW1", 14, 0) + b'{"value": true}'[:14])
        except OSError: pass
    return logits
"""
        },
        lost={"entropy": 2.0},
    ),
    Case(
        "a_call_that_closes_every_socket",
        {"Counter": "import os\n" + COUNTER.replace("self.value = start", "os.closerange(3, 256)")},
        lost={"Counter": 2.0},
        status={"Counter": "crashed"},
    ),
    Case(
        "a_generator_that_holds_a_switch",
        {
            "Counter": """
class Counter:
    def __init__(self, start):
        self.value = start
    def add(self, n):
        self.open = self.wait()
        next(self.open)
        self.value += n
        return self.value
    def wait(self):
        with torch.no_grad():
            yield 1
""",
            "descend": "def descend(gradient, start, steps):\n    x = start.clone().requires_grad_()\n    for _ in range(steps):\n"
            "        (g,) = torch.autograd.grad((x * x / 2).sum(), x)\n        gradient(x.detach())\n        x = (x - 0.1 * g)\n    return x.detach()",
        },
    ),
]
