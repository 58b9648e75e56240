"""A familiar environment behind a disguise that is drawn anew for every student and test.

Features change places and signs, actions change names. Nothing is easier or harder to learn than before; but what was
written for the familiar environment, or trained on a copy of it, does not fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper

from autograder.judge.problems import GraderFault


class Disguise:
    """A drawn change of places, signs and names.

    Args:
        observation_space, action_space: of one copy of the environment: a Box with one axis or a Discrete space each.
        rng: of the test.

    Raises:
        GraderFault: another kind of space.
    """

    def __init__(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], rng: np.random.Generator):
        self.places = self.signs = self.names = self.turned = None
        if isinstance(observation_space, spaces.Box) and len(observation_space.shape) == 1:
            size = observation_space.shape[0]
            self.places = one_cycle(size, rng)
            self.signs = rng.choice([-1, 1], size).astype(observation_space.dtype)
        elif not isinstance(observation_space, spaces.Discrete):
            raise GraderFault(f"observations from {observation_space} cannot be disguised: say disguised=False")
        else:
            self.places = one_cycle(int(observation_space.n), rng)
        if isinstance(action_space, spaces.Discrete):
            self.names = rng.permutation(int(action_space.n))
        elif isinstance(action_space, spaces.Box) and len(action_space.shape) == 1:
            if not np.array_equal(action_space.low, -action_space.high):
                raise GraderFault(f"actions from {action_space} cannot be disguised: say disguised=False")
            self.turned = rng.choice([-1, 1], action_space.shape[0]).astype(action_space.dtype)
        else:
            raise GraderFault(f"actions from {action_space} cannot be disguised: say disguised=False")

    def apply(self, env: VectorEnv[Any, Any, Any]) -> VectorEnv[Any, Any, Any]:
        """Put the disguise on a vector environment."""
        return _Disguised(env, self)

    def observation(self, found: Any, space: spaces.Space[Any]) -> Any:
        """What a student sees in place of an observation, or of a batch of them."""
        assert self.places is not None
        if self.signs is None:
            start = int(space.start)  # type: ignore[attr-defined]
            return self.places[np.asarray(found) - start] + start
        return (np.asarray(found) * self.signs)[..., self.places]

    def action(self, asked: Any, space: spaces.Space[Any]) -> Any:
        """What the environment is told in place of a student's action."""
        if self.names is None:
            return asked * self.turned
        start = int(space.start)  # type: ignore[attr-defined]
        return self.names[asked - start] + start


def one_cycle(size: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """A permutation that is a single cycle.

    It maps no proper subset of the places to itself: whoever looks at some of the features finds one of another kind.
    """
    places = np.arange(size)
    for last in range(size - 1, 0, -1):
        other = int(rng.integers(0, last))
        places[[last, other]] = places[[other, last]]
    return places


class _Disguised(VectorWrapper[Any, Any, Any, Any, Any]):
    def __init__(self, env: VectorEnv[Any, Any, Any], disguise: Disguise):
        super().__init__(env)
        self._disguise = disguise
        space = env.single_observation_space
        if isinstance(space, spaces.Box):
            ends = np.stack([disguise.observation(bound, space) for bound in (space.low, space.high)])
            self.single_observation_space = spaces.Box(ends.min(0), ends.max(0), dtype=np.dtype(space.dtype).type)

    def _seen(self, found: Any) -> Any:
        return self._disguise.observation(found, self.env.single_observation_space)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return self._seen(observation), info

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        asked = self._disguise.action(actions, self.env.single_action_space)
        observation, reward, terminated, truncated, info = self.env.step(asked)
        if "final_obs" in info:
            ended = np.full(self.num_envs, None, dtype=object)
            for index, last in enumerate(info["final_obs"]):
                ended[index] = None if last is None else self._seen(last)
            info = info | {"final_obs": ended}
        return self._seen(observation), reward, terminated, truncated, info
