"""What it costs that the judge owns the environment: steps through the sandbox beside steps in one process.

    python benchmarks/judging_agents.py

CartPole-v1 with N copies: actions are made in the sandbox, the judge checks them, steps, counts and answers. CPU
seconds are those of both processes together; wall seconds depend on how busy the machine is, since judge and worker
take turns. Then the evaluation of a network of the worker's over 100 episodes that the judge steps.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import gymnasium
import numpy as np

from autograder.curriculum import Limits
from autograder.judge.agents import Task, greedy, lend
from autograder.judge.handles import Globals, Student
from autograder.sandbox.client import Zygote

WORKER = """
import time, numpy as np, torch

def play(env, calls):
    actions = np.arange(env.num_envs) % 2
    env.reset()
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(calls):
        env.step((actions + number) % 2)
    return time.perf_counter() - wall, time.process_time() - cpu

network = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.Tanh(), torch.nn.Linear(64, 2))
with torch.no_grad():  # pushes the cart under the pole: long episodes
    network[0].weight.zero_()[0] = torch.tensor([0.0, 0.0, 1.0, 1.0])
    network[0].bias.zero_()
    network[2].weight.zero_()[1, 0] = 1.0
    network[2].bias.zero_()
"""


@dataclass(frozen=True)
class Settings:
    """Every number of this benchmark."""

    copies: tuple[int, ...] = (8, 16, 64)
    calls: int = 2_000
    rounds: int = 3  # in turn; the median counts
    episodes: int = 100


@dataclass(frozen=True)
class Cost:
    """Microseconds of one call of `step`, whatever the number of copies."""

    alone: float  # CPU, in one process
    worker: float  # CPU
    judge: float  # CPU
    wall: float


def cost_of_a_step(student: Student, copies: int, calls: int) -> Cost:
    """Measure one number of copies."""
    env = gymnasium.make_vec("CartPole-v1", num_envs=copies)
    lent = lend(student, env, np.random.default_rng(0), budget=copies * calls)
    cpu = time.process_time()
    wall, worker = student.play(lent.env, calls)
    judge = time.process_time() - cpu
    env.reset(seed=0)
    actions = np.arange(copies) % 2
    cpu = time.process_time()
    for number in range(calls):
        env.step((actions + number) % 2)
    return Cost(*(1e6 * part / calls for part in (time.process_time() - cpu, worker, judge, wall)))


def main(settings: Settings | None = None) -> dict[int, Cost]:
    """Measure and print."""
    settings = settings or Settings()
    found: dict[int, list[Cost]] = {copies: [] for copies in settings.copies}
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "library", "course_lib")
        library.mkdir(parents=True)
        (library / "__init__.py").touch()
        with Zygote(library.parent, warm=("gymnasium",)) as zygote, zygote.sandbox(Limits()) as sandbox:
            process = sandbox.base()
            process.request({"op": "setup", "sources": [WORKER]})
            student = Student(process, 600, {"seed": 0, "forbids": []}, Globals())
            for _ in range(settings.rounds):
                for copies in settings.copies:
                    found[copies].append(cost_of_a_step(student, copies, settings.calls))
            wall, cpu = time.perf_counter(), time.process_time()
            task = Task("CartPole-v1", np.random.default_rng(0), disguised=False)
            result = task.evaluate(greedy(student.network), settings.episodes)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    costs = {
        copies: Cost(*(median(part) for part in zip(*map(_row, rows), strict=True))) for copies, rows in found.items()
    }
    print("copies   one process   worker    judge   both: steps a CPU second   wall")
    for copies, cost in costs.items():
        rate = copies / (cost.worker + cost.judge) * 1e6
        parts = f"{cost.alone:>11.0f} us{cost.worker:>7.0f} us{cost.judge:>6.0f} us"
        print(f"{copies:>6}{parts}{rate:>20,.0f}{cost.wall:>14.0f} us")
    print(
        f"evaluation: {settings.episodes} episodes of {result.lengths.mean():.0f} steps in {wall:.2f} s, "
        f"{cpu:.2f} s CPU of the judge"
    )
    return costs


def _row(cost: Cost) -> tuple[float, float, float, float]:
    return cost.alone, cost.worker, cost.judge, cost.wall


if __name__ == "__main__":
    main()
