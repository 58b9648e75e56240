"""REINFORCE on CartPole-v1 and Pendulum, over seeds: returns, environment steps, CPU time; and steps per second.

    python benchmarks/policy_gradients.py

Each run has one thread. CPU seconds are those of the process; wall seconds depend on what else the machine is doing.
Returns are means of 100 fresh episodes in which the policy takes its most probable action (the mean of a Gaussian).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from course_lib.kit.rollouts import Collector, collect_episodes, evaluate, vector_env
from course_lib.policy_gradients import (
    PENDULUM,
    ReinforceSettings,
    cartpole_policy,
    pendulum_policy,
    train_reinforce,
)

SOLVED = 450.0


@dataclass(frozen=True)
class Settings:
    """All sizes in one place."""

    seeds: tuple[int, ...] = tuple(range(10))
    cartpole: ReinforceSettings = field(default_factory=ReinforceSettings)
    pendulum: ReinforceSettings = PENDULUM
    episodes: int = 100  # of an evaluation
    collected: int = 500  # steps of each environment, for the speed of collecting


class Run(NamedTuple):
    """One training run.

    Attributes:
        evaluated: mean return afterwards.
        before: mean return of the untrained policy.
        steps: environment steps of the training.
        to_bar: environment steps until a batch had a mean return of at least 450; None if none had.
        cpu: seconds of the training.
        wall: seconds of the training.
    """

    evaluated: float
    before: float
    steps: int
    to_bar: int | None
    cpu: float
    wall: float


class Counting:
    """A vector environment that adds up the returns' steps: whole episodes, without the waiting for the longest."""

    def __init__(self, env: object) -> None:
        self.env, self.steps = env, 0
        self.num_envs, self.metadata = env.num_envs, env.metadata  # type: ignore[attr-defined]

    def reset(self, **options: object) -> object:
        """Begin a batch."""
        self.alive = torch.ones(self.num_envs, dtype=torch.bool).numpy()
        return self.env.reset(**options)  # type: ignore[attr-defined]

    def step(self, actions: object) -> tuple:
        """Pass on, and count who is still in its first episode."""
        result = self.env.step(actions)  # type: ignore[attr-defined]
        self.steps += int(self.alive.sum())
        self.alive = self.alive & ~(result[2] | result[3])
        return result


def train(settings: ReinforceSettings, seed: int, episodes: int) -> Run:
    """Train once and evaluate."""
    draw = torch.Generator().manual_seed(seed)
    policy = (cartpole_policy if "CartPole" in settings.env else pendulum_policy)(draw, settings.hidden)
    before = float(evaluate(settings.env, policy.best, episodes, seed=2000 + seed).mean())
    env = Counting(vector_env(settings.env, settings.episodes))
    env.reset(seed=seed)
    env.steps, reached = 0, []

    def on_update(update: int, value: float) -> None:
        if value >= SOLVED and not reached:
            reached.append(env.steps)

    start = time.process_time(), time.perf_counter()
    train_reinforce(env, policy, settings, draw, on_update)
    cpu, wall = time.process_time() - start[0], time.perf_counter() - start[1]
    after = float(evaluate(settings.env, policy.best, episodes, seed=1000 + seed).mean())
    return Run(after, before, env.steps, reached[0] if reached else None, cpu, wall)


def collecting(settings: Settings, copies: int) -> float:
    """Environment steps a CPU second of collecting with a policy, without learning."""
    policy = cartpole_policy(torch.Generator().manual_seed(0))
    collector = Collector(vector_env("CartPole-v1", copies), policy.sample, seed=0)
    start = time.process_time()
    collector.segment(settings.collected)
    return collector.steps / (time.process_time() - start)


def show(name: str, runs: list[Run]) -> None:
    """Print one line for each number, all seeds, and the range."""
    print(f"{name}, {len(runs)} seeds:")
    print("    mean return before:", [round(run.before) for run in runs])
    print("    mean return after: ", [round(run.evaluated) for run in runs])
    print("    environment steps: ", [run.steps for run in runs])
    print("    CPU seconds:       ", [round(run.cpu, 1) for run in runs])
    print("    wall seconds:      ", [round(run.wall, 1) for run in runs])
    print(f"    steps a CPU second of the whole training: {sum(r.steps for r in runs) / sum(r.cpu for r in runs):,.0f}")


def main(settings: Settings | None = None) -> None:
    """Measure and print."""
    settings = settings or Settings()
    torch.set_num_threads(1)
    runs = [train(settings.cartpole, seed, settings.episodes) for seed in settings.seeds]
    show("CartPole-v1, REINFORCE", runs)
    print("    steps until a batch had 450:", [run.to_bar for run in runs])
    print(f"    at least 450: {sum(run.evaluated >= SOLVED for run in runs)} of {len(runs)} seeds")
    show("Pendulum, Gaussian policy", [train(settings.pendulum, seed, settings.episodes) for seed in settings.seeds])
    for copies in (8, 32, 256):
        print(f"collecting on CartPole, {copies} environments: {collecting(settings, copies):,.0f} steps a CPU second")
    env = vector_env("CartPole-v1", 32)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        policy = cartpole_policy(torch.Generator().manual_seed(0))
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            steps = sum(collect_episodes(env, policy.sample, seed=seed).steps for seed in range(20))
            best = min(best, (time.perf_counter() - start) / steps)
        print(f"whole episodes with {threads} torch thread(s): {1 / best:,.0f} steps a second of the fastest of 5")


if __name__ == "__main__":
    main()
