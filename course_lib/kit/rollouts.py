"""Running a policy in many environments at once, and keeping what happened as tensors with axes (time, environment).

    env = vector_env("CartPole-v1", 32)
    episodes = collect_episodes(env, act, seed=0)      # one whole episode of each, padded
    collector = Collector(env, act, seed=0)
    segment = collector.segment(128)                   # 128 steps of each, wherever they are

A policy is a function `act`: observations, shape (N, *obs), to actions, (N,) or (N, *act), both tensors. All
environments are moved by one call; there is no Python loop over them.

Only autoreset mode NEXT_STEP is accepted, and asked for: there, the observation that comes with the end of an episode
is the last one of that episode (from which one may bootstrap), and the call after it resets. That call is no
transition: its action is ignored and its reward means nothing.

With NumPy environments a step of N environments costs about as much as the policy's call, and both are too small to
be shared out. Two cores are better used by two runs (two seeds, or training and evaluation) than by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv

Act = Callable[[torch.Tensor], torch.Tensor]


def vector_env(name: str, count: int, **options: Any) -> VectorEnv[Any, Any, Any]:
    """Make so many environments that are moved by one call: NumPy-vectorised ones where they exist.

    Args:
        name: Gymnasium's name, "CartPole-v1" or "course/Grid-v0".
        count: N.
        options: of the environment.

    Returns:
        A vector environment in autoreset mode NEXT_STEP.
    """
    import course_lib.kit.environments  # noqa: F401  importing it registers the course's own

    fast = gym.spec(name).vector_entry_point is not None
    return gym.make_vec(name, count, vectorization_mode="vector_entry_point" if fast else "sync", **options)


def require_next_step(env: VectorEnv[Any, Any, Any]) -> None:
    """Raise ValueError unless the environment resets in the step after an episode's last."""
    mode = env.metadata.get("autoreset_mode")
    if mode is not AutoresetMode.NEXT_STEP:
        raise ValueError(f"the autoreset mode is {mode}, expected NEXT_STEP: make the environment with `vector_env`")


@dataclass(frozen=True)
class Episodes:
    """N whole episodes, padded to the length T of the longest. What lies outside `mask` is zero.

    Attributes:
        observations: what the policy saw before each action, shape (T, N, *obs).
        actions: shape (T, N) or (T, N, *act).
        rewards: float32, shape (T, N).
        mask: which entries are steps of the episode, bool, shape (T, N).
        terminated: which episodes ended because the world was over, bool, shape (N,). The others were truncated.
        final_observations: what was seen after the last action, shape (N, *obs).
    """

    observations: torch.Tensor
    actions: torch.Tensor
    rewards: torch.Tensor
    mask: torch.Tensor
    terminated: torch.Tensor
    final_observations: torch.Tensor

    @property
    def returns(self) -> torch.Tensor:
        """The sum of the rewards of each episode, shape (N,)."""
        return self.rewards.sum(0)

    @property
    def lengths(self) -> torch.Tensor:
        """Steps of each episode, int64, shape (N,)."""
        return self.mask.sum(0)

    @property
    def steps(self) -> int:
        """Environment steps of all episodes together."""
        return int(self.mask.sum())


@dataclass(frozen=True)
class Segment:
    """T successive calls of N environments, episodes beginning and ending as they like.

    Attributes:
        observations: what the policy saw before each action, shape (T, N, *obs).
        actions: shape (T, N) or (T, N, *act).
        rewards: float32, shape (T, N).
        next_observations: what was seen after each action, shape (T, N, *obs): at the end of an episode its last
            observation, never the first of the next one.
        terminated: after which steps the world was over, bool, shape (T, N).
        truncated: after which steps time was up, bool, shape (T, N).
        valid: which entries are transitions, bool, shape (T, N). False where the call only reset the environment;
            what stands there must not be learned from.
    """

    observations: torch.Tensor
    actions: torch.Tensor
    rewards: torch.Tensor
    next_observations: torch.Tensor
    terminated: torch.Tensor
    truncated: torch.Tensor
    valid: torch.Tensor

    @property
    def steps(self) -> int:
        """Environment steps in it; calls that only reset are not counted."""
        return int(self.valid.sum())


def collect_episodes(
    env: VectorEnv[Any, Any, Any], act: Act, seed: int | None = None, device: torch.device | None = None
) -> Episodes:
    """Run one whole episode in each environment, all beginning at a reset.

    Taking the first N episodes that end would prefer short ones; one of each does not. Environments that are done
    wait for the last one.

    Args:
        env: a vector environment in mode NEXT_STEP, with N environments.
        act: the policy.
        seed: of the reset; None goes on from where the environment's generator is.
        device: where `act` gets its observations and the result lies; None is the CPU.

    Returns:
        The episodes.
    """
    require_next_step(env)
    seen, _ = env.reset(seed=seed)
    alive = np.ones(env.num_envs, dtype=bool)
    terminated, final = np.zeros(env.num_envs, dtype=bool), np.array(seen)
    rows: list[tuple[np.ndarray, torch.Tensor, np.ndarray, np.ndarray]] = []
    while alive.any():
        actions = _choose(act, seen, device)
        after, rewards, over, cut, _ = env.step(actions.cpu().numpy())
        rows.append((np.array(seen), actions, np.where(alive, rewards, 0.0), alive))
        ends = alive & (over | cut)
        terminated |= alive & over
        final[ends] = after[ends]
        alive, seen = alive & ~ends, after
    mask = _stack([row[3] for row in rows], device)
    return Episodes(
        observations=_blank(_stack([row[0] for row in rows], device), mask),
        actions=_blank(torch.stack([row[1] for row in rows]), mask),
        rewards=_stack([row[2] for row in rows], device).float(),
        mask=mask,
        terminated=torch.from_numpy(terminated).to(device or "cpu"),
        final_observations=torch.from_numpy(final).to(device or "cpu"),
    )


class Collector:
    """Keeps environments running and cuts what they do into segments.

    Attributes:
        steps: environment steps so far; calls that only reset are not counted.
        finished: returns of the episodes that ended in the last segment, a list of floats.
    """

    def __init__(
        self, env: VectorEnv[Any, Any, Any], act: Act, seed: int | None = None, device: torch.device | None = None
    ) -> None:
        """Reset the environments.

        Args:
            env: a vector environment in mode NEXT_STEP, with N environments.
            act: the policy.
            seed: of the first reset.
            device: where `act` gets its observations and the segments lie; None is the CPU.
        """
        require_next_step(env)
        self.env, self.act, self.device = env, act, device
        self.steps = 0
        self.finished: list[float] = []
        self._seen, _ = env.reset(seed=seed)
        self._fresh = np.zeros(env.num_envs, dtype=bool)  # whose next call only resets
        self._earned = np.zeros(env.num_envs)

    def segment(self, length: int) -> Segment:
        """Go on for `length` calls.

        Args:
            length: T.

        Returns:
            What happened, shape (T, N).
        """
        rows: list[tuple[np.ndarray, ...]] = []
        chosen: list[torch.Tensor] = []
        self.finished = []
        for _ in range(length):
            seen = np.array(self._seen)
            actions = _choose(self.act, seen, self.device)
            after, rewards, over, cut, _ = self.env.step(actions.cpu().numpy())
            valid = ~self._fresh
            rewards, over, cut = np.where(valid, rewards, 0.0), over & valid, cut & valid
            rows.append((seen, rewards, np.array(after), over, cut, valid))
            chosen.append(actions)
            self._earned = np.where(valid, self._earned + rewards, 0.0)
            self._fresh = over | cut
            self.finished += self._earned[self._fresh].tolist()
            self._seen = after
        parts = [_stack(list(part), self.device) for part in zip(*rows, strict=True)]
        self.steps += int(parts[-1].sum())
        return Segment(parts[0], torch.stack(chosen), parts[1].float(), *parts[2:])


def evaluate(name: str, act: Act, episodes: int = 100, seed: int = 0, **options: Any) -> torch.Tensor:
    """Measure a policy: the returns of so many fresh episodes, all at once.

    Args:
        name: Gymnasium's name of the environment.
        act: the policy; for a deterministic measure, one that takes its most probable action.
        episodes: how many.
        seed: of the environments.
        options: of the environment.

    Returns:
        The return of each episode, shape (episodes,).
    """
    env = vector_env(name, episodes, **options)
    try:
        return collect_episodes(env, act, seed).returns
    finally:
        env.close()


@torch.no_grad()
def _choose(act: Act, seen: np.ndarray, device: torch.device | None) -> torch.Tensor:
    return act(torch.from_numpy(np.array(seen)).to(device or "cpu"))


def _stack(rows: list[np.ndarray], device: torch.device | None) -> torch.Tensor:
    return torch.from_numpy(np.stack(rows)).to(device or "cpu")


def _blank(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Zero where the mask is False."""
    return torch.where(mask.reshape(mask.shape + (1,) * (values.ndim - 2)), values, torch.zeros_like(values))
