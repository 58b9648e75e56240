"""REINFORCE in full: collect a batch of episodes, weigh every action, take a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from course_lib.kit.progress import progress
from course_lib.kit.rollouts import collect_episodes
from course_lib.policy_gradients.estimators import leave_one_out, reward_to_go
from course_lib.policy_gradients.policies import CategoricalPolicy, GaussianPolicy, small_network


@dataclass(frozen=True)
class ReinforceSettings:
    """All numbers of a training run in one place. The defaults are those for CartPole-v1."""

    env: str = "CartPole-v1"
    episodes: int = 32  # in one batch, one for each environment
    updates: int = 40  # batches
    reuse: int = 1  # steps on each batch; from the second on, the batch comes from a policy that is no more
    learning_rate: float = 0.03  # of Adam
    discount: float = 0.99  # of rewards to go; evaluation does not discount
    hidden: tuple[int, ...] = (32,)  # units of the policy's hidden layers

    def fast(self) -> ReinforceSettings:
        """Small enough for a test."""
        return replace(self, episodes=8, updates=3)


# What Pendulum-v1 needs: more updates, since its rewards are far more spread, and a shorter horizon.
PENDULUM = ReinforceSettings("course/Pendulum-v0", episodes=32, updates=300, learning_rate=0.01, discount=0.95)


def cartpole_policy(generator: torch.Generator | None = None, hidden: tuple[int, ...] = (32,)) -> CategoricalPolicy:
    """Make an untrained policy for CartPole: four observations, two actions, undecided everywhere."""
    return CategoricalPolicy(small_network(4, hidden, 2, generator))


def pendulum_policy(generator: torch.Generator | None = None, hidden: tuple[int, ...] = (32,)) -> GaussianPolicy:
    """Make an untrained policy for Pendulum: three observations, one torque, drawn with sigma 1 around 0."""
    return GaussianPolicy(small_network(3, hidden, 1, generator), 1)


def train_reinforce(
    env: Any,
    policy: Any,
    settings: ReinforceSettings,
    generator: torch.Generator | None = None,
    on_update: Callable[[int, float], Any] | None = None,
) -> list[float]:
    """Train a policy by REINFORCE with reward to go and a leave-one-out baseline.

    settings.updates times: (1) collect one batch of whole episodes with the PRESENT policy,
    `collect_episodes(env, act)`, acting by `policy.sample(observations, generator)`; (2) weigh
    each action with its reward to go, discounted by settings.discount, minus the
    `leave_one_out` mean of the rewards to go at the same time; divide all weights of the batch
    by their standard deviation over the steps in the mask (by 1e-6 where it is smaller); (3)
    make settings.reuse steps (1, unless somebody wants to see what stale data do) of
    torch.optim.Adam with settings.learning_rate, uphill, on

    (1/N) sum over the steps in the mask of policy.log_prob(observations, actions) * weight

    with the same weights; then throw the batch away. Only the policy changes, in place.

    Args:
        env: a vector environment with N >= 2 copies, as `course_lib.kit.rollouts.vector_env`
            makes them. Its steps cost something: no other episodes are run.
        policy: with `sample`, `log_prob`, `parameters`
            (see `course_lib.policy_gradients.policies`), trained in place.
        settings: `updates`, `learning_rate`, `discount` and `reuse` are used here.
        generator: source of randomness on the CPU for the actions; None means torch's global
            one.
        on_update: if given, called as on_update(update, mean_return) after the gradient steps
            of each update, counted from 0.

    Returns:
        The mean return (sum of rewards, not discounted) of each batch, a list of floats.

    Source: lecture 15, REINFORCE, made to work. L15.05, L15.08, L15.09, L15.10.
    """
    optimizer = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate)
    history = []
    for update in progress(range(settings.updates), "REINFORCE", unit="batch"):
        episodes = collect_episodes(env, lambda seen: policy.sample(seen, generator))
        mask = episodes.mask
        q = reward_to_go(episodes.rewards, discount=settings.discount)
        weights = (q - leave_one_out(q))[mask]
        weights = weights / weights.std().clamp_min(1e-6)  # one factor for all: the direction stays
        observations, actions = episodes.observations[mask], episodes.actions[mask]
        for _ in range(settings.reuse):
            loss = -(policy.log_prob(observations, actions) * weights).sum() / mask.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append(float(episodes.returns.mean()))
        if on_update is not None:
            on_update(update, history[-1])
    return history
