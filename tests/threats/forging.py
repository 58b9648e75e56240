# ruff: noqa: E501 - the cells are students' code
"""Attempts to get points that the code does not deserve."""

from __future__ import annotations

from threats.case import COUNTER, DESCEND, ENTROPY, SOFTMAX, WORKER, Case, fails


def _forbidden(name: str, source: str, *extras: tuple[str, str]) -> Case:
    """A softmax that is not the student's own: no points for it, whatever it was called."""
    return Case(f"forbidden_{name}", {"softmax": source}, extras, lost={"softmax": 4.0})


def _named_forbidden(name: str, source: str, *extras: tuple[str, str]) -> Case:
    return Case(
        f"forbidden_{name}", {"softmax": source}, extras, lost={"softmax": 4.0}, status={"softmax": "forbidden"}
    )


WRONG = "def entropy(logits):\n    return softmax(logits).sum(-1)\n"  # what a forger has to hide

FORGING = [
    Case(
        "ast_transformer",
        {
            "entropy": """
import ast
class Blunt(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(Blunt())
get_ipython().input_transformers_post.append(lambda lines: [])
get_ipython().run_cell = lambda *args, **kwargs: None
"""
            + WRONG
        },
        lost={"entropy": 2.0},
    ),
    Case(
        "faked_output",
        {
            "entropy": """
import sys
sys.displayhook(2.0)
print('{"score": 11.0, "status": "passed", "tests": [{"status": "passed"}]}')
print("5.0 / 5.0 points", file=sys.stderr)
open("results.json", "w").write('{"score": 11}')
"""
            + WRONG
        },
        lost={"entropy": 2.0},
    ),
    Case(
        "lying_return_values",
        {
            "entropy": """
class Liar(float):
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda self, other: True
    __hash__ = None
    def __array__(self, *args, **kwargs): import numpy; return numpy.zeros(3)
    def __torch_function__(self, *args, **kwargs): return True
    def __reduce__(self): import os; return os._exit, (0,)
    def __bool__(self): return True
    def __len__(self): return 3
    def __getattr__(self, name): return self
    def __call__(self, *args): return self
    def __getitem__(self, key): return self
    shape, ndim, dtype, size = (3,), 1, "float64", 3
def entropy(logits):
    return Liar()
""",
            "fact": "class Seven:\n    def __eq__(self, other): return True\n    __hash__ = None\nfact = Seven()",
            "Counter": """
class Sly(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None): return True
class Counter:
    def __init__(self, start): self.value = torch.zeros(1).as_subclass(Sly)
    def add(self, n): return self.value
""",
        },
        lost={"entropy": 2.0, "fact": 1.0, "Counter": 2.0},
    ),
    Case(
        "patched_protocol",
        {
            "entropy": """
import builtins, json, pickle, sys, types, numpy
for module in (json, pickle):
    module.loads = module.dumps = lambda *args, **kwargs: {"status": "passed"}
numpy.allclose = torch.allclose = torch.equal = lambda *args, **kwargs: True
sys.modules["pytest"] = types.ModuleType("pytest")
import autograder.sandbox.wire as wire
wire.decode = lambda *args: 7
builtins.isinstance = lambda *args: True
"""
            + WRONG
        },
        lost={"entropy": 2.0},
    ),
    Case(
        "answers_made_up",
        {
            "entropy": WORKER
            + """
def on_call(header, buffers):
    return {"value": True, "passed": True, "status": "passed", "score": 99, "seconds": 0}, []
W.on_call = on_call
"""
            + WRONG
        },
        lost={"entropy": 2.0},
    ),
    Case(
        "answers_sent_before_they_are_asked_for",
        {
            "entropy": WORKER
            + WRONG
            + '\nfor _ in range(50):\n    W.channel.send({"value": True, "pid": 5, "cells": []})\n'
        },
        lost={"entropy": 2.0},
    ),
    fails(
        "exit_in_a_function",
        "entropy",
        "import os\ndef entropy(x):\n    os._exit(0)",
        "crashed",
        2.0,
        says={"entropy": "exit"},
    ),
    fails("exit_in_a_cell", "entropy", "import os\nos._exit(0)", "crashed", 2.0, says={"entropy": "exit"}),
    fails("polite_exit_in_a_function", "entropy", "def entropy(x):\n    import sys\n    sys.exit(0)", "error", 2.0),
    Case("polite_exit_in_a_cell", {"entropy": ENTROPY + "import sys\nsys.exit(0)"}),
    Case("exit_after_the_answer", {"entropy": ENTROPY + "exit()\nquit()"}),
    Case(
        "no_files_of_the_student_are_loaded",
        {
            "entropy": """
for name in ("torch", "numpy", "conftest", "pytest", "sitecustomize", "usercustomize"):
    open(name + ".py", "w").write("raise SystemExit(0)")
open("pytest.ini", "w").write("[pytest]\\naddopts = --collect-only")
"""
            + ENTROPY,
            "Counter": "import numpy, torch" + COUNTER,
        },
    ),
    Case(
        "hard_coded_examples",
        {
            "softmax": "def softmax(x):\n    return torch.tensor([[0.5, 0.5]])",
            "entropy": "def entropy(x):\n    return {(3, 4): torch.tensor([1.1, 1.2, 1.3])}.get(tuple(x.shape))",
            "descend": "def descend(gradient, start, steps):\n    return 0.729 * torch.ones(3)",
            "Counter": "class Counter:\n    value = 3\n    def __init__(self, start): pass\n    def add(self, n): return 3",
        },
        lost={"softmax": 4.0, "entropy": 2.0, "Counter": 2.0, "descend": 2.0},
    ),
    # A wrong answer, rounded until the tolerance of a test that nobody asked for covers it.
    Case(
        "rounded_to_16_bits",
        {"entropy": "def entropy(x):\n    p = softmax(x)\n    return (-1.01 * (p * p.log()).sum(-1)).half()"},
        lost={"entropy": 2.0},
    ),
    # A cell that counts how often it has run, and guesses anew each time.
    Case(
        "another_guess_each_time",
        {"fact": "import os\nn = len(os.listdir('.'))\nopen(str(n), 'w').close()\nlist = []\nfact = [5, 6, 7, 7][n]"},
        [("", "def something_later():\n    pass")],
        lost={"fact": 1.0},
    ),
    Case(
        "callback_used_as_an_oracle",
        {"descend": "def descend(gradient, start, steps):\n    return gradient(start) * 0.9 ** steps"},
        lost={"descend": 2.0},
    ),
    Case(
        "callbacks_that_were_never_passed",
        {
            "Counter": WORKER
            + """
class Counter:
    def __init__(self, start):
        for number in (-1, 0, 10**9, True, None, "x", [1]):
            W.channel.send({"callback": number, "args": 1})
    def add(self, n): return n
"""
        },
        lost={"Counter": 2.0},
    ),
]

_CALL = "def softmax(x):\n    return {}"
FORBIDDEN = [
    _named_forbidden("directly", _CALL.format("torch.softmax(x, -1)")),
    _named_forbidden("as_a_method", _CALL.format("x.softmax(-1)")),
    _named_forbidden(
        "by_another_name", "from torch.nn.functional import softmax as mine\n" + _CALL.format("mine(x, -1)")
    ),
    _named_forbidden("assigned", "softmax = torch.softmax"),
    _named_forbidden("as_a_module", "layer = torch.nn.Softmax(dim=-1)\n" + _CALL.format("layer(x)")),
    _named_forbidden("partial", "import functools\nsoftmax = functools.partial(torch.nn.Softmax(-1).forward)"),
    _named_forbidden("getattr", _CALL.format("getattr(torch, 'soft' + 'max')(x, -1)")),
    _named_forbidden(
        "importlib", "import importlib\n" + _CALL.format("importlib.import_module('torch').softmax(x, -1)")
    ),
    _named_forbidden(
        "by_a_pattern",
        "def softmax(x):\n    match torch.nn.functional:\n        case object(softmax=found): return found(x, -1)",
    ),
    _named_forbidden(
        "by_the_code_of_a_generator",
        "def look(x): yield x.name\ndef softmax(x):\n    code = look(x).gi_code.replace(co_names=('softmax',))\n"
        "    return next(type(look)(code, {})(torch))(x, -1)",
    ),
    _named_forbidden("eval", _CALL.format("eval('torch.softmax')(x, -1)")),
    _named_forbidden("through_the_class", _CALL.format("type(x).softmax(x, -1)")),
    _named_forbidden("through_the_mro", "T = type(torch.ones(1))\n" + _CALL.format("T.mro()[0].softmax(x, -1)")),
    _named_forbidden("through_ops", _CALL.format("torch.ops.aten._softmax.default(x, -1, False)")),
    _named_forbidden("through_the_core", _CALL.format("torch._C._nn.log_softmax(x, -1)")),
    _named_forbidden("through_jit", "@torch.jit.script\n" + _CALL.format("torch.softmax(x, -1)")),
    _named_forbidden(
        "scipy", "from scipy.special import softmax as s\n" + _CALL.format("torch.from_numpy(s(x.numpy(), -1))")
    ),
    _named_forbidden(
        "sklearn", "from sklearn.utils.extmath import softmax as s\n" + _CALL.format("torch.from_numpy(s(x.numpy()))")
    ),
    _named_forbidden("as_a_default", "def softmax(x, s=torch.nn.functional.softmax):\n    return s(x, -1)"),
    _named_forbidden("log_softmax", _CALL.format("torch.log_softmax(x, -1).exp()")),
    _named_forbidden("softmin", _CALL.format("torch.nn.functional.softmin(-x, -1)")),
    _named_forbidden("categorical", _CALL.format("torch.distributions.Categorical(logits=x).probs")),
    _named_forbidden("sparse", _CALL.format("torch.sparse.softmax(x.to_sparse(), -1).to_dense()")),
    _named_forbidden(
        "attention",
        "def softmax(x):\n    eye = torch.eye(x.shape[-1], dtype=x.dtype)[None]\n"
        "    return torch.nn.functional.scaled_dot_product_attention(x[None], eye, eye, scale=1.0)[0]",
    ),
    _named_forbidden(
        "attention_in_float32",
        "def softmax(x):\n    eye = torch.eye(x.shape[-1])[None]\n"
        "    return torch.nn.functional.scaled_dot_product_attention(x.float()[None], eye, eye, scale=1.0)[0]",
    ),
    _named_forbidden(
        "decorated", "def built_in(f):\n    return lambda x: torch.nn.Softmax(-1)(x)\n@built_in\n" + SOFTMAX.strip()
    ),
    _named_forbidden(
        "in_a_helper", _CALL.format("helper(x)"), ("softmax", "def helper(x):\n    return torch.softmax(x, -1)")
    ),
    _named_forbidden(
        "alias_in_a_helper", _CALL.format("saved(x, -1)"), ("softmax", "saved = torch.nn.functional.softmax")
    ),
    _named_forbidden(
        "saved_in_a_class", _CALL.format("Box.f(x, -1)"), ("softmax", "class Box:\n    f = staticmethod(torch.softmax)")
    ),
    _forbidden(
        "guards_off",
        _CALL.format("saved(x, -1)"),
        ("softmax", "import autograder.sandbox.guards as g\ng.shut = lambda *args: None\nsaved = torch.softmax"),
    ),
    _forbidden(
        "library_off",
        _CALL.format("torch.nn.Softmax(-1)(x)"),
        ("softmax", "torch.library.Library = lambda *args: None\nsetattr = lambda *args: None"),
    ),
    _forbidden(
        "scipy_in_a_helper",
        _CALL.format("torch.from_numpy(Box.f(x.detach().numpy(), -1))"),
        ("softmax", "import scipy.special\nclass Box:\n    f = staticmethod(scipy.special.softmax)"),
    ),
]

HONEST_BUT_UNUSUAL = [
    Case(
        "names_that_look_forbidden",
        {
            "softmax": """
import re
pattern = re.compile("x")
class Mine:
    code = 3
    def softmax(self, x):
        self.code, self.ops, self.modules = 1, [], ()
        powers = torch.exp(x - x.amax(-1, keepdim=True))
        return powers / powers.sum(-1, keepdim=True)
mine = Mine()
def softmax(x):
    return mine.softmax(x)
"""
        },
    ),
    Case(
        "softmax_used_where_it_is_allowed",
        {
            "softmax": SOFTMAX,
            "entropy": "def entropy(x):\n    p = torch.softmax(x, -1)\n    return -(p * torch.log_softmax(x, -1)).sum(-1)",
        },
        [("softmax", "def plot_of_the_built_in(x):\n    return torch.softmax(x, -1)")],
    ),
    Case(
        "other_styles",
        {
            "softmax": "def softmax(logits, axis=-1):\n    return torch.exp(logits - torch.logsumexp(logits, axis, keepdim=True))",
            "entropy": "entropy = lambda x: torch.stack([-(p * p.log()).sum() for p in softmax(x)])",
            "Counter": "from dataclasses import dataclass\n@dataclass\nclass Counter:\n    value: int\n    def add(self, n):\n"
            "        self.value += n\n        return self.value",
            "descend": "def descend(gradient, start, steps):\n    x = start.detach().clone()\n    while steps > 0:\n"
            "        x -= torch.as_tensor(0.1) * gradient(x.clone())\n        steps -= 1\n    return x",
        },
    ),
    Case("float32_work", {"entropy": "def entropy(x):\n    p = softmax(x.float())\n    return -(p * p.log()).sum(-1)"}),
    Case(
        "result_with_requires_grad",
        {
            "entropy": "def entropy(x):\n    return entropy_of(x).requires_grad_()\n"
            + ENTROPY.replace("entropy(", "entropy_of(")
        },
    ),
    Case("numpy_result", {"descend": DESCEND.replace("return x", "return x.numpy()")}),
    Case("numpy_counter", {"Counter": "import numpy\n" + COUNTER.replace("= start", "= numpy.int64(start)")}),
]
