"""Environment steps until CartPole is balanced: batch actor-critic beside REINFORCE with a baseline, over ten seeds.

    python benchmarks/actor_critic.py

Both are evaluated on the way by 100 fresh episodes with the most probable action, actor-critic every 2,500 environment
steps, REINFORCE after each batch of 32 episodes; evaluations are not counted as steps. The bar is a mean return of 450.
Seconds are CPU seconds of one core, evaluations left out.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from statistics import median

import torch

from course_lib.actor_critic import ActorCriticSettings, train_actor_critic
from course_lib.kit.rollouts import evaluate, vector_env
from course_lib.policy_gradients.policies import CategoricalPolicy
from course_lib.policy_gradients.training import ReinforceSettings, cartpole_policy, train_reinforce

BAR = 450.0


@dataclass(frozen=True)
class Settings:
    """All sizes in one place."""

    seeds: tuple[int, ...] = tuple(range(10))
    actor_critic: ActorCriticSettings = field(default_factory=ActorCriticSettings)
    reinforce: ReinforceSettings = field(default_factory=ReinforceSettings)

    @staticmethod
    def fast() -> Settings:
        """Small enough for a test."""
        return Settings((0,), ActorCriticSettings().fast(), ReinforceSettings().fast())


@dataclass(frozen=True)
class Found:
    """What one run needed.

    Attributes:
        steps: environment steps at the first evaluation that reached the bar; None if none did.
        seconds: CPU seconds of training until then, or until the end.
        rate: environment steps a CPU second, over the whole run.
        last: mean return of 100 further episodes, played by what was trained.
    """

    steps: int | None
    seconds: float
    rate: float
    last: float


class _Reached(Exception):
    """The bar was reached; REINFORCE's loop has no other way to be stopped."""


def actor_critic(seed: int, settings: ActorCriticSettings) -> Found:
    """One run of batch actor-critic with a seed."""
    run = train_actor_critic(replace(settings, seed=seed))
    best = CategoricalPolicy(run.actor).best
    last = evaluate(settings.environment, best, 100, 77_777 + seed).mean().item()
    seconds = next((seconds for _, seconds, mean in run.evaluations if mean >= BAR), run.seconds)
    return Found(run.steps_to(BAR), seconds, run.steps / run.seconds, last)


def reinforce(seed: int, settings: ReinforceSettings) -> Found:
    """One run of REINFORCE with a seed, ended at the bar."""
    generator = torch.Generator().manual_seed(seed)
    policy, envs = cartpole_policy(generator, settings.hidden), vector_env(settings.env, settings.episodes)
    envs.reset(seed=seed)
    steps, seconds, started, reached = 0, 0.0, time.process_time(), False

    def on_update(update: int, mean: float) -> None:
        nonlocal steps, seconds, started, reached
        seconds += time.process_time() - started
        steps += round(mean * settings.episodes)  # CartPole pays 1 a step
        seed_of_starts = 1_000_003 * (seed + 1) + steps
        if evaluate(settings.env, policy.best, 100, seed_of_starts).mean().item() >= BAR:
            reached = True
            raise _Reached
        started = time.process_time()

    with contextlib.suppress(_Reached):
        train_reinforce(envs, policy, settings, generator, on_update)
    last = evaluate(settings.env, policy.best, 100, 77_777 + seed).mean().item()
    return Found(steps if reached else None, seconds, steps / seconds, last)


def show(name: str, runs: list[Found]) -> None:
    """Print a method's runs."""
    steps = [run.steps if run.steps is not None else float("inf") for run in runs]
    print(f"{name}: {sum(s < float('inf') for s in steps)} of {len(runs)} seeds reached {BAR:g}")
    print("    environment steps:", ", ".join(f"{s:,.0f}" for s in steps), f"; median {median(steps):,.0f}")
    print(f"    CPU seconds until then: {min(r.seconds for r in runs):.1f} to {max(r.seconds for r in runs):.1f}")
    print(f"    steps a CPU second: {median(r.rate for r in runs):,.0f} (median)")
    print("    100 further episodes:", ", ".join(f"{run.last:.0f}" for run in runs))


def main(settings: Settings | None = None) -> tuple[list[Found], list[Found]]:
    """Measure and print; returns the runs of both."""
    settings = settings or Settings()
    torch.set_num_threads(1)
    ours = [actor_critic(seed, settings.actor_critic) for seed in settings.seeds]
    show("batch actor-critic", ours)
    theirs = [reinforce(seed, settings.reinforce) for seed in settings.seeds]
    show("REINFORCE with a baseline", theirs)
    return ours, theirs


if __name__ == "__main__":
    main()
