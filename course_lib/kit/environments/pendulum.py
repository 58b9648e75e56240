"""Gymnasium's Pendulum-v1 for many pendulums at once, as arrays. Gymnasium brings only the single one along."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

GRAVITY, SECONDS, SPEED_LIMIT, TORQUE_LIMIT = 10.0, 0.05, 8.0, 2.0


class PendulumVectorEnv(gym.vector.VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """N pendulums with a motor that is too weak to lift them at once: they have to be swung up.

    Dynamics, rewards and spaces are those of Pendulum-v1: observations (cos angle, sin angle, speed), shape (N, 3);
    actions are torques, shape (N, 1), clipped to -2 to 2; the reward is -(angle^2 + 0.1 speed^2 + 0.001 torque^2),
    with the angle from upright. Episodes never terminate; they are truncated. Autoreset mode NEXT_STEP.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int = 1, max_episode_steps: int = 200, render_mode: str | None = None) -> None:
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.render_mode = render_mode
        high = np.array([1.0, 1.0, SPEED_LIMIT], dtype=np.float32)
        self.single_observation_space = gym.spaces.Box(-high, high)
        self.single_action_space = gym.spaces.Box(-TORQUE_LIMIT, TORQUE_LIMIT, (1,))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.angle, self.speed = np.zeros(num_envs), np.zeros(num_envs)
        self._age = np.zeros(num_envs, dtype=np.int64)
        self._over = np.zeros(num_envs, dtype=bool)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        if isinstance(seed, list):
            raise ValueError("the copies share one source of randomness: give one seed, not a list")
        super().reset(seed=seed)
        self._begin(np.ones(self.num_envs, dtype=bool))
        self._over = np.zeros(self.num_envs, dtype=bool)
        return self._look(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        fresh = self._over
        torque = np.clip(np.asarray(actions, dtype=np.float64)[:, 0], -TORQUE_LIMIT, TORQUE_LIMIT)
        from_upright = (self.angle + np.pi) % (2 * np.pi) - np.pi
        rewards = -(from_upright**2 + 0.1 * self.speed**2 + 0.001 * torque**2)
        pull = 1.5 * GRAVITY * np.sin(self.angle) + 3.0 * torque
        self.speed = np.clip(self.speed + pull * SECONDS, -SPEED_LIMIT, SPEED_LIMIT)
        self.angle = self.angle + self.speed * SECONDS
        self._age += 1
        self._begin(fresh)
        rewards[fresh] = 0.0
        truncated = (self._age >= self.max_episode_steps) & ~fresh
        self._over = truncated
        return self._look(), rewards, np.zeros(self.num_envs, dtype=bool), truncated, {}

    def _begin(self, which: np.ndarray) -> None:
        """New pendulums: a random angle, a speed of -1 to 1."""
        count = int(which.sum())
        self.angle[which] = self.np_random.uniform(-np.pi, np.pi, count)
        self.speed[which] = self.np_random.uniform(-1.0, 1.0, count)
        self._age[which] = 0

    def _look(self) -> np.ndarray:
        return np.stack([np.cos(self.angle), np.sin(self.angle), self.speed], 1).astype(np.float32)
