"""What the course of agents builds: collecting experience, an estimator of a gradient, and an agent that learns."""

from __future__ import annotations

import numpy as np
import torch


def collect(env, policy, calls: int) -> dict[str, np.ndarray]:
    """Step a vector environment in mode NEXT_STEP, and keep the transitions.

    Args:
        env: with N copies; it is reset once.
        policy: actions (N,) of observations (N, D).
        calls: T, how often `step` is called.

    Returns:
        observations (T, N, D), actions, rewards, terminated (T, N), and valid (T, N): False where a call only reset.
    """
    rows, seen, fresh = [], env.reset()[0], np.zeros(env.num_envs, dtype=bool)
    for _ in range(calls):
        chosen = np.asarray(policy(seen))
        after, reward, terminated, truncated, _ = env.step(chosen)
        rows.append((seen, chosen, reward, terminated, ~fresh))
        seen, fresh = after, terminated | truncated
    names = ("observations", "actions", "rewards", "terminated", "valid")
    return {name: np.stack(part) for name, part in zip(names, zip(*rows, strict=True), strict=True)}


def policy_gradient(logits: torch.Tensor, states: torch.Tensor, actions: torch.Tensor, rewards: torch.Tensor):
    """Estimate the policy gradient from one trajectory, each step weighted by the reward that is still to come.

    Args:
        logits: of the policy in each state, (S, A).
        states, actions: int64, (T,).
        rewards: (T,).

    Returns:
        The estimate, (S, A).
    """
    score = -torch.softmax(logits, -1)[states]  # (T, A)
    score[torch.arange(len(actions)), actions] += 1
    to_go = rewards.flip(0).cumsum(0).flip(0)
    return torch.zeros_like(logits).index_add(0, states, score * to_go[:, None])


def train(env, steps: int):
    """Learn to balance the pole by the cross-entropy method on linear policies.

    Args:
        env: a vector environment in mode NEXT_STEP, observations (N, 4), actions 0 and 1.
        steps: environment steps that may be used, counted over all copies.

    Returns:
        A function from observations (N, 4), a tensor, to actions (N,).
    """
    rng, count = np.random.default_rng(), env.num_envs
    mean, scale = np.zeros(4), 3 * np.ones(4)
    used = 0
    seen, _ = env.reset()
    while used + 500 * count <= steps:
        weights = mean + scale * rng.normal(size=(count, 4))
        seen, _ = env.reset()
        total, alive = np.zeros(count), np.ones(count, dtype=bool)
        while alive.any():
            chosen = (np.einsum("nd,nd->n", weights, seen) > 0).astype(np.int64)
            seen, reward, terminated, truncated, _ = env.step(chosen)
            total += np.where(alive, reward, 0)
            alive &= ~(terminated | truncated)
            used += count
        elite = weights[np.argsort(total)[-count // 5 :]]
        mean, scale = elite.mean(0), elite.std(0) + 0.3 / (1 + used / 20_000)
    found = torch.from_numpy(mean)
    return lambda observations: (observations.double() @ found > 0).long()
