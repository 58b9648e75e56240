# ruff: noqa: E501 - the cells are students' code
"""Attempts to harm the machine, the judge or the neighbours, and accidents that would."""

from __future__ import annotations

from threats.case import COUNTER, DESCEND, ENTROPY, WORKER, Case, fails

SHORT = {"cell_seconds": 5, "test_seconds": 3}
_TINY = {"cell_seconds": 5, "test_seconds": 3, "memory_mb": 512}

LOOPS = Case(
    "endless_loops",
    {
        "entropy": """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    try:
        while True: pass
    except BaseException: pass
""",
        "Counter": """
class Stubborn:
    def __del__(self):
        while True: pass
class Counter:
    def __init__(self, start): Stubborn()
""",
        "descend": "def descend(gradient, start, steps):\n    import re\n    return re.match('(a+)+b', 'a' * 64)  # inside C code",
    },
    lost={"entropy": 2.0, "Counter": 2.0, "descend": 2.0},
    status={"entropy": "timeout", "Counter": "timeout", "descend": "timeout"},
    limits=SHORT,
)

HANGING_THE_JUDGE = Case(
    "hanging_the_judge",
    {
        # stops itself
        "softmax": "import os, signal\ndef softmax(x):\n    os.kill(os.getpid(), signal.SIGSTOP)",
        # a frame that arrives byte by byte
        "entropy": WORKER
        + """
def entropy(x):
    W.channel.sock.sendall(struct.pack("<4sII", b"DLW1", 1_000_000, 0))
    while True:
        W.channel.sock.sendall(b" ")
        time.sleep(0.1)
""",
        # requests without end, and none of the replies read
        "descend": WORKER
        + """
def descend(gradient, start, steps):
    from autograder.sandbox import wire
    node, buffers = wire.encode([[start], {}], W._reduce)
    while True:
        W.channel.send({"callback": 0, "args": node}, buffers)
""",
    },
    lost={"softmax": 4.0, "entropy": 2.0, "descend": 2.0},
    status={"softmax": "timeout", "entropy": "timeout", "descend": "timeout"},
    limits=SHORT,
)

HARM = [
    LOOPS,
    HANGING_THE_JUDGE,
    Case(
        "callbacks_without_end",
        {"descend": "def descend(gradient, start, steps):\n    while True:\n        gradient(start)"},
        lost={"descend": 2.0},
        status={"descend": "timeout"},
        limits=SHORT,
    ),
    fails(
        "fork_bomb",
        "entropy",
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "timeout",
        2.0,
        limits=SHORT,
    ),
    Case(
        "fork_bomb_left_behind",
        {
            "entropy": "import os\nif os.fork() == 0:\n    while True:\n        try: os.fork()\n        except OSError: pass\n"
            + ENTROPY
        },
        finding="left_behind",
    ),
    Case(
        "daemon_left_behind",
        {
            "entropy": "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True: pass\n    os._exit(0)\n"
            + ENTROPY
        },
        finding="left_behind",
    ),
    Case(
        "threads_left_behind",
        {
            "entropy": "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
            + ENTROPY
        },
    ),
    fails(
        "memory_list_in_a_cell",
        "entropy",
        "x = []\nwhile True: x.append(bytearray(1 << 24))",
        "memory",
        2.0,
        limits=_TINY | {"cell_seconds": 20},
    ),
    fails("memory_list", "entropy", "def entropy(x):\n    return [0] * 10**12", "memory", 2.0),
    fails(
        "memory_tensor",
        "entropy",
        "def entropy(x):\n    return torch.zeros(10**12)",
        "memory",
        2.0,
        says={"entropy": "memory"},
    ),
    fails(
        "memory_of_many_processes",
        "entropy",
        """
import os, time
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(300 << 20)
        for place in range(0, len(block), 4096): block[place] = 1
        time.sleep(100)
time.sleep(100)
""",
        "memory",
        2.0,
        limits=_TINY | {"cell_seconds": 30},
    ),
    Case(
        "full_disk",
        {
            "entropy": """
for folder in ("/home/student", "/tmp", "/dev/shm"):
    try:
        for number in range(1000):
            with open(f"{folder}/{number}", "wb") as file: file.write(b"x" * (1 << 20))
    except OSError as error: print(folder, error.strerror)
try:
    for number in range(10**6): open(f"/tmp/f{number}", "w").close()
except OSError as error: print(error.strerror)
"""
            + ENTROPY
        },
    ),
    Case("output_in_one_line", {"entropy": ENTROPY + "print('x' * 3 * 10**8)"}),
    Case(
        "output_in_many_lines",
        {
            "entropy": ENTROPY
            + "import os\nfor i in range(50_000): print(i)\nfor _ in range(500): os.write(1, b'y' * 10**6)"
        },
    ),
    Case(
        "huge_displays",
        {
            "entropy": ENTROPY
            + "from IPython.display import HTML, display\nfor _ in range(200): display(HTML('z' * 10**6))"
        },
    ),
    Case(
        "thousands_of_files",
        {
            "entropy": ENTROPY
            + "held = []\ntry:\n    while True: held.append(open('/dev/null'))\nexcept OSError: held.clear()"
        },
    ),
    Case(
        "signals_to_everybody",
        {
            "entropy": "import os\nfor number in range(1, 65):\n    try: os.kill(1, number)\n    except OSError: pass\n"
            + ENTROPY
        },
    ),
    fails("kills_everybody", "entropy", "import os\nos.kill(-1, 9)", "error", 2.0),
    fails("closes_every_file", "entropy", "import os\nos.closerange(0, 256)\n" + ENTROPY, "crashed", 2.0),
    fails("segmentation_fault", "entropy", "import ctypes\ndef entropy(x):\n    ctypes.string_at(8)", "crashed", 2.0),
    fails(
        "deep_recursion",
        "entropy",
        "def entropy(x):\n    return entropy(x)",
        "error",
        2.0,
        says={"entropy": "RecursionError"},
    ),
    Case(
        "lies_about_its_number",
        {
            "entropy": WORKER
            + """
def on_fork(header, buffers):
    answer = type(W).on_fork(W, header, buffers)
    return None if answer is None else ({"pid": 10**9}, [])
W.on_fork = on_fork
"""
            + ENTROPY
        },
    ),
    fails(
        "a_million_results",
        "entropy",
        "def entropy(x):\n    return [0.5] * 3_000_000",
        "crashed",
        2.0,
        says={"entropy": "too large"},
        limits={"test_seconds": 30},
    ),
    fails(
        "a_hundred_megabytes",
        "entropy",
        "def entropy(x):\n    return torch.zeros(30_000_000)",
        "crashed",
        2.0,
        says={"entropy": "too large"},
        limits={"test_seconds": 30},
    ),
    fails("a_huge_integer", "fact", "fact = 1 << 200_000", "crashed", 1.0),
    Case(
        "nested_headers",
        {
            "entropy": WORKER
            + """
def entropy(x):
    text = b"[" * 3_000_000
    W.channel.sock.sendall(struct.pack("<4sII", b"DLW1", len(text), 0) + text)
    time.sleep(100)
""",
            "Counter": WORKER
            + """
class Counter:
    def __init__(self, start):
        text = b'{"value":' + b'{"k":"list","v":[' * 900 + b"1" + b"]}" * 900 + b"}"
        W.channel.sock.sendall(struct.pack("<4sII", b"DLW1", len(text), 0) + text)
        time.sleep(100)
""",
        },
        lost={"entropy": 2.0, "Counter": 2.0},
        status={"entropy": "crashed", "Counter": "crashed"},
    ),
    Case(
        "patches_what_others_use",
        {
            "Counter": COUNTER
            + "torch.Tensor.clone = None\nimport builtins\nbuiltins.range = None\ntorch.set_default_dtype(torch.float16)"
        },
        finding="graded_apart",
    ),
    Case(
        "sabotages_what_follows",
        {
            "entropy": ENTROPY
            + WORKER
            + """
type(W).on_overlay = lambda self, header, buffers: ({"failed": ["the reference is broken"]}, [])
"""
        },
    ),
    Case(
        "stops_what_follows",
        {
            "entropy": ENTROPY + WORKER + "type(W).on_run = lambda self, header, buffers: os._exit(0)\n",
            "descend": DESCEND,
        },
    ),
]

# What a student's code may try to reach, and must not: each line prints one word when it succeeds.
REACHING = """
import ctypes, os, socket, time
libc = ctypes.CDLL(None, use_errno=True)

def attempt(name, function):
    try:
        function()
    except (OSError, AttributeError, ValueError):
        return
    print("REACHED", name)

def connect(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(2)
        s.connect(address)

def call(number):
    if libc.syscall(number, 0, 0, 0, 0, 0) < 0:
        raise OSError

def write(path):
    with open(path, "w") as file:
        file.write("x")

attempt("IPv4", lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("1.1.1.1", 53)))
attempt("IPv4 of the host", lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 22)))
attempt("IPv6", lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("2606:4700::1111", 53)))
attempt("UDP", lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("1.1.1.1", 53)))
attempt("bus of the host", lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "/run/dbus/system_bus_socket"))
attempt("abstract socket", lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\\0course-tests"))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("netlink", lambda: socket.socket(16, socket.SOCK_RAW))
attempt("packets", lambda: socket.socket(17, socket.SOCK_RAW))
attempt("clock", lambda: time.clock_settime(time.CLOCK_REALTIME, 0))
attempt("mount", lambda: call(165 if os.uname().machine == "x86_64" else 40))
attempt("new namespaces", lambda: os.unshare(0x10000000) if hasattr(os, "unshare") else call(272))
attempt("memory without a name", lambda: os.memfd_create("x"))
attempt("superuser", lambda: os.setuid(0))
for folder in ("/", "/dev", "/usr", "/usr/bin", "/etc", "/course", "/grader", "/grader/autograder/sandbox", "/home", "/proc", "/sys"):
    attempt("write to " + folder, lambda: write(folder + "/planted"))
attempt("link", lambda: (os.symlink("/etc/shadow", "link"), open("link").read()))
attempt("processes", lambda: os.stat("/proc/1"))
for number in range(3, 256):
    try:
        os.fstat(number)
    except OSError:
        continue
    if not os.path.sameopenfile(number, number) or socket.socket(fileno=os.dup(number)).family != socket.AF_UNIX:
        print("REACHED file", number)
print("tried everything")
"""
