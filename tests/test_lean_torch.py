"""torch without its compiler does what it does with it, and gets it back when it is asked for."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, sys
import torch
from autograder.sandbox import lean_torch

if sys.argv[1] == "lean":
    lean_torch.leave_compiler_out()
said = {}

def steps(kind, **options):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = kind(model.parameters(), lr=0.1, **options)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 3)).square().sum().backward()
        optimizer.step()
    return [p.tolist() for p in model.parameters()]

said["optimizers"] = [
    steps(torch.optim.SGD, momentum=0.9), steps(torch.optim.Adam), steps(torch.optim.AdamW), steps(torch.optim.RMSprop)
]
x = torch.arange(3.0, requires_grad=True)
said["gradient"] = torch.autograd.grad(x * x, x, torch.tensor([1.0, 2.0, 3.0]))[0].tolist()
try:
    torch.autograd.grad(x * x, x, torch.ones(2))
except RuntimeError as error:
    said["mismatch"] = str(error)
print(len([m for m in sys.modules if m.startswith(("sympy", "torch._dynamo."))]), file=sys.stderr)
if sys.argv[2] == "transform":
    said["transform"] = torch.func.vmap(torch.func.grad(lambda v: v * v))(x.detach()).tolist()
elif sys.argv[2] == "config":
    import torch._dynamo.config as config
    said["config"] = config.__name__
else:
    said["compiled"] = torch.compile(lambda v: 2 * v, backend="eager")(x.detach()).tolist()
said["after"] = steps(torch.optim.SGD), torch._dynamo.__file__
print(json.dumps(said))
"""


def _run(mode: str, then: str) -> tuple[dict[str, object], int]:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, mode, then], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout), int(run.stderr.split()[-1])


def test_steps_and_gradients_are_the_same_without_the_compiler() -> None:
    whole, loaded = _run("whole", "transform")
    lean, left_out = _run("lean", "transform")
    assert lean == whole
    assert loaded > 300
    assert left_out == 0


def test_the_compiler_comes_when_it_is_asked_for() -> None:
    assert _run("lean", "config")[0]["config"] == "torch._dynamo.config"
    assert _run("lean", "compile")[0]["compiled"] == [0.0, 2.0, 4.0]
