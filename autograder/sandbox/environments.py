"""Environments that live in the judge's process, as the code of a worker sees them.

Both classes are what Gymnasium says an environment is, and hold nothing of one: `step` and `reset` ask the judge, which
steps its own environment and counts. Changing them, or Gymnasium, changes nothing over there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

Ask = Callable[..., Any]


def lend(about: dict[str, Any], reset: Ask, step: Ask) -> gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any]:
    """Make the object that a student's code gets.

    Args:
        about: what the judge's environment looks like (`autograder.judge.agents.lending.describe`).
        reset, step: ask the judge.
    """
    return LentVectorEnv(about, reset, step) if about["num_envs"] else LentEnv(about, reset, step)


class LentVectorEnv(VectorEnv[Any, Any, Any]):
    """A vector environment whose steps are made elsewhere."""

    def __init__(self, about: dict[str, Any], reset: Ask, step: Ask):
        self.num_envs = about["num_envs"]
        self.single_observation_space = space(about["observation_space"])
        self.single_action_space = space(about["action_space"])
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode(about["autoreset_mode"])}
        self.spec = _spec(about)
        self._reset, self._step = reset, step
        self._shape = (self.num_envs, *about["observation_shape"])
        self._size = int(np.prod(self._shape))
        self._dtype = np.dtype(about["observation_dtype"])
        self.__dict__.update(about["attributes"])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        """Begin new episodes."""
        mask = (options or {}).get("reset_mask")
        observation, info = self._reset(_whole(seed), None if mask is None else np.asarray(mask))
        return observation, info

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any], dict[str, Any]]:
        """Take one action in each environment."""
        data, reward_dtype, info = self._step(as_array(actions))
        n = self.num_envs
        observation = np.frombuffer(data, self._dtype, self._size).reshape(self._shape).copy()
        start = observation.nbytes
        reward = np.frombuffer(data, reward_dtype, n, start).copy()
        start += reward.nbytes
        terminated = np.frombuffer(data, np.bool_, n, start).copy()
        truncated = np.frombuffer(data, np.bool_, n, start + n).copy()
        if info is None:
            return observation, reward, terminated, truncated, {}
        if "final_obs" in info:  # as Gymnasium hands it over: one array for each episode that has ended, else None
            whole, info["final_obs"] = info["final_obs"], np.full(n, None, dtype=object)
            for index in np.flatnonzero(info["_final_obs"]):
                info["final_obs"][index] = whole[index]
        return observation, reward, terminated, truncated, info

    def render(self) -> None:
        """There is nothing to see here."""


class LentEnv(gymnasium.Env[Any, Any]):
    """One environment whose steps are made elsewhere."""

    def __init__(self, about: dict[str, Any], reset: Ask, step: Ask):
        self.observation_space = space(about["observation_space"])
        self.action_space = space(about["action_space"])
        self.metadata = {"render_modes": []}
        self.spec = _spec(about)
        self._reset, self._step = reset, step
        self.__dict__.update(about["attributes"])

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode."""
        observation, info = self._reset(_whole(seed), None)
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one action."""
        observation, reward, terminated, truncated, info = self._step(as_array(action))
        return observation, reward, terminated, truncated, info

    def render(self) -> None:
        """There is nothing to see here."""


def as_array(actions: Any) -> np.ndarray[Any, Any]:
    """Actions as plain numbers: arrays, tensors (on whatever device, with a gradient or not), numbers and lists."""
    if hasattr(actions, "detach"):
        actions = actions.detach().cpu()
    return np.asarray(actions)


def _whole(seed: Any) -> int | None:
    return None if seed is None else int(seed)


def _spec(about: dict[str, Any]) -> Any:
    if not about["id"]:
        return None
    found = gymnasium.envs.registration.EnvSpec(about["id"], max_episode_steps=about["max_episode_steps"])
    return found


def space(about: dict[str, Any]) -> spaces.Space[Any]:
    """A space from its description."""
    kind = about["kind"]
    if kind == "Discrete":
        return spaces.Discrete(about["n"], start=about["start"])
    if kind == "Box":
        return spaces.Box(about["low"], about["high"], dtype=np.dtype(about["dtype"]).type)
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(about["nvec"], start=about["start"])
    if kind == "MultiBinary":
        return spaces.MultiBinary(about["n"])
    raise ValueError(f"unknown space {kind}")


__all__ = ["LentEnv", "LentVectorEnv", "as_array", "lend", "space"]
