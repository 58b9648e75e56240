"""Environments that the judge owns and lends to student code.

The student's code gets an object that looks like a Gymnasium environment (`autograder.sandbox.environments`); each
`step` of it is a question to the judge, who checks the actions, steps the real environment, counts the step against the
budget, and writes down the return of every episode. Seeds come from the judge alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from autograder.judge.agents.actions import read_actions
from autograder.judge.handles import Handle, Student
from autograder.judge.problems import GraderFault, Mistake

Info = dict[str, Any]


@dataclass(frozen=True)
class Episode:
    """One episode that ended in an environment of the judge's."""

    total: float  # the undiscounted return
    length: int
    terminated: bool  # False: cut off at a time limit


class Lent:
    """An environment in the hands of student code, as the test sees it.

    Attributes:
        env: the student's end; pass this one to the student's function.
        steps: environment steps so far, all copies together (autoreset steps count, as they do in a training loop).
        budget: how many there may be, None without limit.
        overdrawn: how often a step was refused because the budget was spent.
        resets: how often `reset` was called.
        episodes: what ended so far, in order.
    """

    env: Handle

    def __init__(self, budget: int | None, rng: np.random.Generator, replayable: bool, infos: Sequence[str]):
        self.steps = 0
        self.budget = budget
        self.overdrawn = 0
        self.resets = 0
        self.episodes: list[Episode] = []
        self._seeds = np.random.SeedSequence([int(n) for n in rng.integers(0, 2**32, 4)])
        self._replayable = replayable
        self._infos = {"final_obs", "_final_obs", *infos, *(f"_{key}" for key in infos)}

    @property
    def returns(self) -> np.ndarray[Any, Any]:
        """Undiscounted returns of the episodes that ended, in order."""
        return np.array([episode.total for episode in self.episodes])

    def assert_used(self, at_least: int = 1) -> None:
        """The student's code has stepped this environment, and not only one of its own.

        Raises:
            Mistake: it made fewer steps than that.
        """
        if self.steps < at_least:
            raise Mistake(
                f"Your code made {self.steps:,} steps in the environment that it was given; at least {at_least:,} were "
                "expected. Step the environment of the argument, not one that you make yourself."
            )

    def assert_within_budget(self) -> None:
        """No step was refused: also where the student's code has caught the error.

        Raises:
            Mistake: the budget was overdrawn.
        """
        if self.overdrawn:
            raise Mistake(self._spent())

    def _spent(self) -> str:
        return (
            f"Your code asked for more than {self.budget:,} environment steps, the budget of this test. Every call of "
            "step() on a vector environment counts once for each of its copies."
        )

    def _charge(self, count: int) -> None:
        if self.budget is not None and self.steps + count > self.budget:
            self.overdrawn += 1
            raise Mistake(self._spent())
        self.steps += count

    def _told(self, info: Any) -> Info:
        """What of an info dictionary the student's code may see."""
        return _plain_info({key: value for key, value in info.items() if key in self._infos})

    def _seed(self, asked: Any) -> int:
        """A seed for a reset: unknown to the student's code, and another one each time.

        Where starts may be replayed, the same request leads to the same seed.
        """
        self.resets += 1
        if self.budget is not None and self.resets > max(1_000, self.budget):
            raise Mistake("Your code calls reset() more often than it may take steps.")
        replay = self._replayable and type(asked) is int
        key = (0, asked % 2**64) if replay else (1, self.resets)
        return int(np.random.SeedSequence(self._seeds.entropy, spawn_key=key).generate_state(1)[0])


class LentVector(Lent):
    """A vector environment in the hands of student code."""

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        budget: int | None,
        rng: np.random.Generator,
        replayable: bool,
        infos: Sequence[str],
    ):
        super().__init__(budget, rng, replayable, infos)
        self._env = env
        self._mode = autoreset_mode(env)
        self._totals = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)
        self._ended = np.zeros(env.num_envs, dtype=np.bool_)
        self._begun = False

    def reset(self, seed: Any = None, mask: Any = None) -> tuple[Any, Info]:
        """Called by the worker."""
        options = None
        fresh = np.ones(self._env.num_envs, dtype=np.bool_)
        if mask is not None:
            if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != fresh.shape:
                raise Mistake(f"The reset_mask must be a boolean array of shape {fresh.shape}.")
            if not self._begun or not mask.any() or self._mode is not AutoresetMode.DISABLED:
                raise Mistake("This environment cannot be reset in part.")
            fresh, options = mask, {"reset_mask": mask}
        number = self._seed(seed)
        try:
            observation, info = self._env.reset(seed=None if options else number, options=options)
        except Exception as error:
            raise GraderFault(f"the judge's environment cannot be reset: {type(error).__name__}: {error}") from error
        self._begun = True
        self._totals[fresh], self._lengths[fresh], self._ended[fresh] = 0.0, 0, False
        return np.asarray(observation), self._told(info)

    def step(self, actions: Any) -> tuple[bytes, str, Info | None]:
        """Called by the worker; the arrays come back as one buffer, in the order in which Gymnasium returns them.

        One buffer instead of four arrays, and no empty dictionary: a training asks ten thousand times.
        """
        if not self._begun:
            raise Mistake("step() was called before reset().")
        if self._mode is AutoresetMode.DISABLED and self._ended.any():
            raise Mistake("step() was called although an episode had ended: reset that copy first.")
        given = read_actions(actions, self._env.single_action_space, self._env.num_envs)
        self._charge(self._env.num_envs)
        try:
            observation, reward, terminated, truncated, info = self._env.step(given)
        except Exception as error:
            raise GraderFault(f"the judge's environment cannot step: {type(error).__name__}: {error}") from error
        self._write_down(reward, terminated, truncated)
        observation = np.asarray(observation, dtype=self._env.single_observation_space.dtype)
        reward = np.asarray(reward)
        data = observation.tobytes() + reward.tobytes() + _flags(terminated) + _flags(truncated)
        return data, reward.dtype.name, self._told(info) if info else None

    def _write_down(self, reward: Any, terminated: Any, truncated: Any) -> None:
        if self._mode is AutoresetMode.NEXT_STEP:  # what ended before was only reset by this step
            alive = ~self._ended
            self._totals += np.where(alive, reward, 0.0)
            self._lengths += alive
        else:
            self._totals += reward
            self._lengths += 1
        self._ended = np.logical_or(terminated, truncated)
        if self._ended.any():
            for index in np.flatnonzero(self._ended):
                self.episodes.append(
                    Episode(float(self._totals[index]), int(self._lengths[index]), bool(terminated[index]))
                )
            self._totals[self._ended], self._lengths[self._ended] = 0.0, 0


class LentSingle(Lent):
    """A single environment in the hands of student code."""

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        budget: int | None,
        rng: np.random.Generator,
        replayable: bool,
        infos: Sequence[str],
    ):
        super().__init__(budget, rng, replayable, infos)
        self._env = env
        self._total, self._length, self._running = 0.0, 0, False

    def reset(self, seed: Any = None, mask: Any = None) -> tuple[Any, Info]:
        """Called by the worker."""
        number = self._seed(seed)
        try:
            observation, info = self._env.reset(seed=number)
        except Exception as error:
            raise GraderFault(f"the judge's environment cannot be reset: {type(error).__name__}: {error}") from error
        self._total, self._length, self._running = 0.0, 0, True
        return observation, self._told(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Info]:
        """Called by the worker."""
        if not self._running:
            ended = "the episode had ended: call reset() first" if self.resets else "reset()"
            raise Mistake(f"step() was called {'after' if self.resets else 'before'} {ended}.")
        given = read_actions(action, self._env.action_space, 0)
        self._charge(1)
        try:
            observation, reward, terminated, truncated, info = self._env.step(given[()] if given.ndim == 0 else given)
        except Exception as error:
            raise GraderFault(f"the judge's environment cannot step: {type(error).__name__}: {error}") from error
        self._total += float(reward)
        self._length += 1
        if terminated or truncated:
            self.episodes.append(Episode(self._total, self._length, bool(terminated)))
            self._running = False
        return observation, float(reward), bool(terminated), bool(truncated), self._told(info)


def lend(
    student: Student,
    env: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any],
    rng: np.random.Generator,
    *,
    budget: int | None,
    replayable: bool = False,
    infos: Sequence[str] = (),
    attributes: Mapping[str, Any] | None = None,
) -> Lent:
    """Give student code an environment that stays in this process.

    Args:
        student: of the test.
        env: a single or a vector environment; observations are arrays or numbers (spaces Box, Discrete,
            MultiDiscrete, MultiBinary). It is reset by seeds drawn from `rng`, whatever seed the student asks for.
        rng: of the test.
        budget: environment steps that student code may take; the step beyond raises in the student's code, and where it
            is not caught, the test fails with a message that says so.
        replayable: whether two resets with the same seed lead to the same start. Otherwise no start can be had twice.
        infos: keys of the info dictionary that the student's code may see. Final observations always come through; the
            rest may tell a state that the exercise hides.
        attributes: plain data that the student's end has as attributes.

    Returns:
        The judge's end; `.env` is the student's.
    """
    vector = isinstance(env, VectorEnv)
    kind: Any = LentVector if vector else LentSingle
    lent: Lent = kind(env, budget, rng, replayable, infos)
    about = describe(env) | {"attributes": dict(attributes or {})}
    lent.env = student.builtin("lend", about, lent.reset, lent.step)  # type: ignore[attr-defined]
    return lent


def autoreset_mode(env: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    """When a vector environment resets the copies whose episode has ended.

    Raises:
        GraderFault: it does not say.
    """
    mode = env.metadata.get("autoreset_mode")
    if not isinstance(mode, AutoresetMode):
        raise GraderFault(f"{type(env).__name__} does not say its autoreset mode in metadata['autoreset_mode']")
    return mode


def describe(env: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any]) -> dict[str, Any]:
    """What the student's end has to look like, as plain data."""
    spec = env.spec
    about: dict[str, Any] = {
        "num_envs": 0,
        "id": spec.id if spec is not None else "",
        "max_episode_steps": spec.max_episode_steps if spec is not None else None,
    }
    if isinstance(env, VectorEnv):
        single = env.single_observation_space
        about |= {
            "num_envs": env.num_envs,
            "autoreset_mode": autoreset_mode(env).value,
            "observation_space": describe_space(single),
            "action_space": describe_space(env.single_action_space),
            "observation_shape": list(single.shape or ()),
            "observation_dtype": np.dtype(single.dtype).name,
        }
    else:
        about |= {
            "observation_space": describe_space(env.observation_space),
            "action_space": describe_space(env.action_space),
        }
    return about


def describe_space(space: spaces.Space[Any]) -> dict[str, Any]:
    """A space as plain data, for `autograder.sandbox.environments.space`.

    Raises:
        GraderFault: a kind of space that does not travel.
    """
    if isinstance(space, spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.Box):
        return {"kind": "Box", "low": space.low, "high": space.high, "dtype": np.dtype(space.dtype).name}
    if isinstance(space, spaces.MultiDiscrete):
        return {"kind": "MultiDiscrete", "nvec": space.nvec, "start": space.start}
    if isinstance(space, spaces.MultiBinary):
        return {"kind": "MultiBinary", "n": list(space.shape)}
    raise GraderFault(f"a {type(space).__name__} space cannot be lent")


def _flags(values: Any) -> bytes:
    return np.asarray(values, dtype=np.bool_).tobytes()


def _plain_info(info: Info) -> Info:
    """What of an info dictionary is plain data; final observations become one array with rows of zeros between."""
    kept: Info = {}
    for key, value in info.items():
        if key == "final_obs" and isinstance(value, np.ndarray) and value.dtype == object:
            rows = [row for row in value if row is not None]
            filler = np.zeros_like(rows[0])
            kept[key] = np.stack([filler if row is None else row for row in value])
        elif isinstance(value, dict):
            kept[key] = _plain_info(value)
        elif isinstance(value, bool | int | float | str | np.bool_ | np.number) or (
            isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
        ):
            kept[key] = value
    return kept
