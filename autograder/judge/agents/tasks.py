"""A task that an agent is trained for and evaluated on, all of it in environments of the judge's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv

from autograder.judge import measurements
from autograder.judge.agents.actions import read_actions
from autograder.judge.agents.disguise import Disguise
from autograder.judge.agents.familiar import fits
from autograder.judge.agents.lending import LentVector, autoreset_mode, lend
from autograder.judge.checkers import as_array, assert_at_least, assert_finite
from autograder.judge.handles import Student
from autograder.judge.problems import GraderFault

Act = Callable[[torch.Tensor], Any]
MOST_STEPS = 10_000  # of one episode, where the environment has no time limit of its own


@dataclass(frozen=True)
class Evaluation:
    """What a policy earned: one entry for each episode."""

    returns: np.ndarray[Any, Any]  # undiscounted
    lengths: np.ndarray[Any, Any]
    terminated: np.ndarray[Any, Any]  # False: cut off at a time limit

    @property
    def mean(self) -> float:
        """The mean return."""
        return float(self.returns.mean())

    def assert_mean_at_least(self, bound: float, hint: str = "") -> None:
        """The policy earns at least so much; students are told the bound and what they got.

        Raises:
            Mistake: it does not.
        """
        what = f"the mean return of your policy over {len(self.returns)} episodes in the grader's own environment"
        assert_at_least(self.mean, bound, what=what, hint=hint)


class Task:
    """An environment to train in and to be evaluated in.

    Args:
        make: an id of Gymnasium, or a function that makes a vector environment with so many copies.
        rng: of the test; seeds and the disguise are drawn from it.
        disguised: features change places and signs, actions change names (`autograder.judge.agents.disguise`), in
            training and in evaluation alike. An agent that learns does not notice. A controller written by hand, or an
            agent trained on an environment that the student's code made itself, earns next to nothing. Turn it off
            where the exercise promises what an observation means.
        settings: for the id's constructor.
    """

    def __init__(
        self,
        make: str | Callable[[int], VectorEnv[Any, Any, Any]],
        rng: np.random.Generator,
        *,
        disguised: bool = True,
        settings: Mapping[str, Any] | None = None,
    ):
        self._make, self._settings = make, dict(settings or {})
        self._rng = rng
        self._disguise: Disguise | None = None
        if disguised:
            self._disguise = self._drawn_disguise()

    def _drawn_disguise(self) -> Disguise:
        """One behind which what is known of the plain environment does not help.

        Raises:
            GraderFault: a hundred in a row did not do.
        """
        one = self._plain(1)
        for _ in range(100):
            disguise = Disguise(one.single_observation_space, one.single_action_space, self._rng)
            if one.spec is None or not fits(one.spec.id, disguise):
                return disguise
        raise GraderFault("controllers of the plain environment do well behind every disguise")

    def _plain(self, count: int) -> VectorEnv[Any, Any, Any]:
        if isinstance(self._make, str):
            return gymnasium.make_vec(self._make, num_envs=count, **self._settings)
        return self._make(count)

    def environment(self, count: int) -> VectorEnv[Any, Any, Any]:
        """A vector environment of this task with `count` copies, in this process."""
        env = self._plain(count)
        return env if self._disguise is None else self._disguise.apply(env)

    def lend(
        self,
        student: Student,
        num_envs: int,
        budget: int | None,
        *,
        replayable: bool = False,
        infos: Sequence[str] = (),
        attributes: Mapping[str, Any] | None = None,
    ) -> LentVector:
        """An environment of this task for the student's code to train in; see `lend` for the arguments."""
        lent = lend(
            student,
            self.environment(num_envs),
            self._rng,
            budget=budget,
            replayable=replayable,
            infos=infos,
            attributes=attributes,
        )
        assert isinstance(lent, LentVector)
        return lent

    def evaluate(self, act: Act, episodes: int = 100, who: str = "your policy") -> Evaluation:
        """Let a policy play episodes that this process steps, all at the same time.

        Each copy of one vector environment plays one episode, so short episodes do not count more often than long ones.
        The batch keeps its size and order until the last episode has ended: a policy may keep a state for each row.

        Args:
            act: gives actions for a batch of observations, a tensor of shape (episodes, *obs). It is, or calls, the
                student's code (`policy.best`, say); what it returns is checked.
            episodes: how many.
            who: the subject of the messages about actions.

        Raises:
            Mistake: the actions cannot be executed. StudentProblem: whatever goes wrong in the student's code.
        """
        result = play(self.environment(episodes), act, self._rng, who)
        if measurements.collecting():
            for name, value in self.trivial_returns(episodes).items():
                measurements.note(f"for comparison: {name}", value)
        return result

    def weak_seed(self, untrained: Callable[[int], Act], below: float, episodes: int = 20) -> int:
        """Draw a seed of starting weights with which the untrained policy does badly here.

        Some starting weights solve a task before anything has been learned: one untrained network in five balances a
        pole when it acts greedily. A test that demands a return accepts code that changes nothing there. Start where
        the policy earns little, and what it earns afterwards was learned.

        Args:
            untrained: gives what acts with the weights of a seed: the same policy that the student's code will get,
                made in this process.
            below: its mean return must be less.
            episodes: that this is judged by.

        Raises:
            GraderFault: a hundred seeds in a row did better.
        """
        env = self.environment(episodes)
        for _ in range(100):
            seed = int(self._rng.integers(2**30))
            with torch.no_grad():
                if play(env, untrained(seed), self._rng).mean < below:
                    return seed
        raise GraderFault(f"untrained policies earn {below} and more in this task")

    def trivial_returns(self, episodes: int = 100) -> dict[str, float]:
        """What is earned without learning: mean returns of random and of constant actions."""
        env = self.environment(episodes)
        space, rng = env.single_action_space, np.random.default_rng(0)
        env.action_space.seed(0)
        found = {"random actions": play(env, lambda _: env.action_space.sample(), rng).mean}
        if isinstance(space, gymnasium.spaces.Discrete):
            for action in range(int(space.start), int(space.start + space.n)):
                found[f"always action {action}"] = play(env, lambda _, a=action: np.full(episodes, a), rng).mean  # type: ignore[misc]
        elif isinstance(space, gymnasium.spaces.Box):
            for name, bound in (("lowest", space.low), ("highest", space.high), ("zero", 0 * space.low)):
                actions = np.broadcast_to(bound, (episodes, *space.shape))
                found[f"always the {name} action"] = play(env, lambda _, a=actions: a, rng).mean  # type: ignore[misc]
        return found


def play(env: VectorEnv[Any, Any, Any], act: Act, rng: np.random.Generator, who: str = "your policy") -> Evaluation:
    """One episode in each copy of a vector environment, whatever its autoreset mode; see `Task.evaluate`.

    Raises:
        GraderFault: an episode does not end.
    """
    count = env.num_envs
    disabled = autoreset_mode(env) is AutoresetMode.DISABLED
    returns, lengths = np.zeros(count), np.zeros(count, dtype=np.int64)
    playing, terminated = np.ones(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    observation, _ = env.reset(seed=int(rng.integers(0, 2**31)))
    limit = (env.spec.max_episode_steps if env.spec is not None else None) or MOST_STEPS
    for _ in range(limit):
        actions = read_actions(act(torch.from_numpy(np.array(observation))), env.single_action_space, count, who)
        observation, reward, dead, cut, _ = env.step(actions)
        returns += np.where(playing, reward, 0.0)
        lengths += playing
        terminated |= playing & np.asarray(dead)
        ended = np.logical_or(dead, cut)
        playing &= ~ended
        if not playing.any():
            return Evaluation(returns, lengths, terminated)
        if disabled and ended.any():
            observation, _ = env.reset(options={"reset_mask": ended})
    raise GraderFault(f"an episode has not ended after {limit} steps: the environment has no time limit")


def greedy(logits: Callable[..., Any]) -> Act:
    """Act on the largest logit; `logits` maps a batch of observations, (N, *obs), to (N, A)."""
    return lambda seen: as_array(logits(seen), "the logits of your policy").argmax(-1)


def sampled(logits: Callable[..., Any], rng: np.random.Generator) -> Act:
    """Draw actions from softmax(logits), in this process and with the generator of the test."""

    def act(seen: torch.Tensor) -> np.ndarray[Any, Any]:
        found = as_array(logits(seen), "the logits of your policy").astype(np.float64)
        assert_finite(found, what="the logits of your policy")
        return (found + rng.gumbel(size=found.shape)).argmax(-1)

    return act
