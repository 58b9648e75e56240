"""An environment in which every number says where it belongs, to judge code that collects experience.

An observation names the copy, the episode, the step and the moment it comes from, rewards are drawn and all different,
and episodes end where the judge's draw says, some by termination and some by truncation. Whatever student code makes of
it can be compared with what did happen, entry by entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from autograder.judge.checkers import as_array

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Truth:
    """What happened, with axes (time, copy)."""

    observations: Array  # before each action, (T, N, 4)
    actions: Array  # (T, N)
    rewards: Array  # (T, N)
    next_observations: Array  # after each action, the last observation of its episode where it ended, (T, N, 4)
    terminated: Array  # (T, N)
    truncated: Array  # (T, N)
    valid: Array  # False where the call only reset the copy, (T, N)


class ScriptedVectorEnv(VectorEnv[Any, Any, Any]):
    """Episodes with drawn lengths, ends and rewards, which actions do not change.

    An observation is (copy, episode, step, moment), float32: the number of the copy, how many episodes of this copy
    came before, how many steps of this episode, and how many calls of `step` altogether.

    Args:
        num_envs: copies.
        rng: of the test.
        longest: episodes have 1 to so many steps.
        mode: NEXT_STEP or SAME_STEP.
        actions: how many discrete actions there are.
    """

    def __init__(
        self,
        num_envs: int,
        rng: np.random.Generator,
        longest: int = 6,
        mode: AutoresetMode = AutoresetMode.NEXT_STEP,
        actions: int = 3,
    ):
        self.num_envs = num_envs
        self.metadata = {"render_modes": [], "autoreset_mode": mode}
        self.single_observation_space = spaces.Box(0.0, np.inf, (4,), np.float32)
        self.single_action_space = spaces.Discrete(actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._mode, self._longest, self._rng = mode, longest, rng
        self._episode = np.full(num_envs, -1)
        self._moment = 0
        self._rows: list[tuple[Array, ...]] = []

    def truth(self) -> Truth:
        """Everything since the first reset."""
        parts = [np.stack(part) for part in zip(*self._rows, strict=True)]
        return Truth(*parts)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Array, dict[str, Any]]:
        self._begin(np.ones(self.num_envs, dtype=np.bool_))
        self._over = np.zeros(self.num_envs, dtype=np.bool_)
        self._seen = self._look()
        return self._seen, {}

    def _begin(self, which: Array) -> None:
        if not hasattr(self, "_step"):
            self._step, self._length = np.zeros(self.num_envs), np.zeros(self.num_envs)
            self._dies = np.zeros(self.num_envs, dtype=np.bool_)
        self._episode = self._episode + which
        self._step = np.where(which, 0, self._step)
        self._length = np.where(which, self._rng.integers(1, self._longest + 1, self.num_envs), self._length)
        self._dies = np.where(which, self._rng.random(self.num_envs) < 0.5, self._dies)

    def _look(self) -> Array:
        moment = np.full(self.num_envs, self._moment)
        return np.stack([np.arange(self.num_envs), self._episode, self._step, moment], axis=1).astype(np.float32)

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        self._moment += 1
        resets = self._over if self._mode is AutoresetMode.NEXT_STEP else np.zeros_like(self._over)
        self._step = self._step + 1
        rewards = np.where(resets, 0.0, self._rng.normal(size=self.num_envs))
        ends = (self._step >= self._length) & ~resets
        terminated, truncated = ends & self._dies, ends & ~self._dies
        if resets.any():
            self._begin(resets)
        after = self._look()
        info: dict[str, Any] = {}
        self._rows.append((self._seen, np.array(actions), rewards, after, terminated, truncated, ~resets))
        if self._mode is AutoresetMode.SAME_STEP and ends.any():
            final = np.full(self.num_envs, None, dtype=object)
            for index in np.flatnonzero(ends):
                final[index] = after[index]
            info = {"final_obs": final, "_final_obs": ends.copy()}
            self._begin(ends)
            after = self._look()
        self._over, self._seen = ends, after
        return after, rewards, terminated, truncated, info


class ScriptedPolicy:
    """A policy of the judge's for student code: drawn actions, and a record of what it was asked.

    Pass `policy.act` (or a method of your own that calls it) to student code as a function: it takes a batch of
    observations, (N, *obs), and gives N actions, int64, as a tensor where it was asked with a tensor.

    Attributes:
        asked: the batches of observations, in order.
        given: the batches of actions.
    """

    def __init__(self, actions: int, rng: np.random.Generator):
        self.actions, self.rng = actions, rng
        self.asked: list[Array] = []
        self.given: list[Array] = []

    def act(self, observations: Any, *unused: Any, **ignored: Any) -> Any:
        """Draw an action for each observation."""
        seen = as_array(observations, "what your code passed to the policy")
        self.asked.append(seen)
        self.given.append(self.rng.integers(0, self.actions, len(seen) if seen.ndim else 1))
        return torch.from_numpy(self.given[-1]) if isinstance(observations, torch.Tensor) else self.given[-1]
