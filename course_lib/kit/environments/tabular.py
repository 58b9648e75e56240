"""Gymnasium environments of tables: one at a time, and many at once as arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from course_lib.kit.environments.tables import Tables


class _Draws:
    """Draws from the rows of the tables: the first entry of the cumulative sum that exceeds a uniform number."""

    def __init__(self, tables: Tables) -> None:
        self.first = _cumulative(tables.rho0)
        self.following = _cumulative(tables.P)
        self.shown = _cumulative(tables.seen)

    @staticmethod
    def of(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One index for each row, shape (N,), of cumulative probabilities (N, K)."""
        return (rng.random((len(rows), 1)) >= rows).sum(1)


def _cumulative(probabilities: np.ndarray) -> np.ndarray:
    sums = probabilities.cumsum(-1)
    sums[..., -1] = 1.0  # rounding may leave it a little below
    # An entry of probability 0 at the end must not be reached either: all sums from the last possible one on are 1.
    last = probabilities.shape[-1] - 1 - np.argmax(probabilities[..., ::-1] > 0, axis=-1)
    sums[np.arange(probabilities.shape[-1]) >= last[..., None]] = 1.0
    return sums


class TabularEnv(gym.Env[np.int64, np.int64]):
    """One world of tables. `env.unwrapped.tables` gives P, r, rho0; Gymnasium's wrapper keeps the time limit."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  Gymnasium declares it as an instance attribute

    def __init__(self, build: Callable[..., Tables], render_mode: str | None = None, **options: Any) -> None:
        self.tables = build(**options)
        self.render_mode = render_mode
        self.observation_space = gym.spaces.Discrete(self.tables.observations)
        self.action_space = gym.spaces.Discrete(self.tables.actions)
        self._draws = _Draws(self.tables)
        self.state = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = int(self._draws.of(self._draws.first[None], self.np_random)[0])
        return self._look(), {"state": self.state}

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        reward = float(self.tables.r[self.state, action])
        self.state = int(self._draws.of(self._draws.following[self.state, action][None], self.np_random)[0])
        return self._look(), reward, bool(self.tables.terminal[self.state]), False, {"state": self.state}

    def _look(self) -> np.int64:
        return np.int64(self._draws.of(self._draws.shown[self.state][None], self.np_random)[0])


class TabularVectorEnv(gym.vector.VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """N copies of a world of tables, all moved by one call.

    Autoreset mode NEXT_STEP: the call after the end of an episode resets that copy, whatever its action, and returns
    reward 0 and the first observation of the new episode.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        build: Callable[..., Tables],
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self.tables = build(**options)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.time_limit = self.tables.time_limit if max_episode_steps is None else max_episode_steps
        self.single_observation_space = gym.spaces.Discrete(self.tables.observations)
        self.single_action_space = gym.spaces.Discrete(self.tables.actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._draws = _Draws(self.tables)
        self.state = np.zeros(num_envs, dtype=np.int64)
        self._age = np.zeros(num_envs, dtype=np.int64)
        self._over = np.zeros(num_envs, dtype=bool)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        if isinstance(seed, list):
            raise ValueError("the copies share one source of randomness: give one seed, not a list")
        super().reset(seed=seed)
        self.state = self._begin(self.num_envs)
        self._age[:] = 0
        self._over[:] = False
        return self._look(), {"state": self.state.copy()}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        actions, fresh = np.asarray(actions), self._over
        rewards = np.where(fresh, 0.0, self.tables.r[self.state, actions])
        self.state = self._draws.of(self._draws.following[self.state, actions], self.np_random)
        self.state[fresh] = self._begin(int(fresh.sum()))
        self._age = np.where(fresh, 0, self._age + 1)
        terminated = self.tables.terminal[self.state] & ~fresh
        truncated = (self._age >= self.time_limit) & ~terminated & ~fresh
        self._over = terminated | truncated
        return self._look(), rewards, terminated, truncated, {"state": self.state.copy()}

    def _begin(self, count: int) -> np.ndarray:
        return self._draws.of(np.broadcast_to(self._draws.first, (count, self.tables.states)), self.np_random)

    def _look(self) -> np.ndarray:
        return self._draws.of(self._draws.shown[self.state], self.np_random)
