"""Tiny decision processes whose trajectories can all be listed: exact probabilities, returns, gradients and values.

What an estimator of the policy gradient does on average is here a finite sum. Bias and variance are computed and not
sampled: no luck on either side.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from autograder.judge.problems import GraderFault

MOST_TRAJECTORIES = 200_000


@dataclass(frozen=True)
class Trajectories:
    """All trajectories of a process, one a row. What comes after the end of a trajectory is masked out, and 0."""

    states: torch.Tensor  # int64, (M, T)
    actions: torch.Tensor  # int64, (M, T)
    rewards: torch.Tensor  # float64, (M, T)
    next_states: torch.Tensor  # int64, (M, T)
    mask: torch.Tensor  # bool, (M, T): True where a step was made
    dynamics: torch.Tensor  # float64, (M,): the probability of start and transitions, without that of the actions

    def __len__(self) -> int:
        return len(self.states)


@dataclass(frozen=True)
class TinyMDP:
    """A decision process with few states, few actions and few steps.

    Attributes:
        transitions: P(s' | s, a), float64, (S, A, S).
        rewards: r(s, a), float64, (S, A).
        start: float64, (S,).
        horizon: T, the steps after which a trajectory is cut off.
        terminal: the states in which it ends before.
    """

    transitions: torch.Tensor
    rewards: torch.Tensor
    start: torch.Tensor
    horizon: int
    terminal: tuple[int, ...] = ()

    @classmethod
    def draw(
        cls, rng: np.random.Generator, states: int = 3, actions: int = 2, horizon: int = 3, terminal: bool = False
    ) -> TinyMDP:
        """A process in which every transition is possible; the last state is terminal where that is asked for."""
        table = torch.from_numpy(rng.dirichlet(np.ones(states), (states, actions)))
        start = torch.from_numpy(rng.dirichlet(np.ones(states)))
        ends: tuple[int, ...] = ()
        if terminal:
            ends = (states - 1,)
            start[-1] = 0.0
            start = start / start.sum()
        return cls(table, torch.from_numpy(rng.normal(size=(states, actions))), start, horizon, ends)

    @property
    def states(self) -> int:
        """S."""
        return self.transitions.shape[0]

    @property
    def actions(self) -> int:
        """A."""
        return self.transitions.shape[1]

    def trajectories(self) -> Trajectories:
        """Every trajectory that can happen.

        Raises:
            GraderFault: there are too many.
        """
        rows: list[tuple[list[int], list[int], list[float], list[int], float]] = [
            ([], [], [], [state], float(chance)) for state, chance in enumerate(self.start) if chance > 0
        ]
        for _ in range(self.horizon):
            if len(rows) * self.actions * self.states > MOST_TRAJECTORIES:
                raise GraderFault(f"a process with more than {len(rows):,} trajectories is not tiny")
            longer = []
            for seen, chosen, earned, after, chance in rows:
                state = after[-1]
                if state in self.terminal:
                    longer.append((seen, chosen, earned, after, chance))
                    continue
                for action in range(self.actions):
                    reward = float(self.rewards[state, action])
                    for target, share in enumerate(self.transitions[state, action].tolist()):
                        if share > 0:
                            longer.append(
                                (
                                    [*seen, state],
                                    [*chosen, action],
                                    [*earned, reward],
                                    [*after, target],
                                    chance * share,
                                )
                            )
            rows = longer
        T = self.horizon

        def padded(column: int, first: int, dtype: torch.dtype) -> torch.Tensor:
            values = [row[column][first:] for row in rows]  # type: ignore[index]
            return torch.tensor([v + [0] * (T - len(v)) for v in values], dtype=dtype)

        lengths = torch.tensor([len(row[1]) for row in rows])
        return Trajectories(
            padded(0, 0, torch.int64),
            padded(1, 0, torch.int64),
            padded(2, 0, torch.float64),
            padded(3, 1, torch.int64),
            torch.arange(T) < lengths[:, None],
            torch.tensor([row[4] for row in rows], dtype=torch.float64),
        )

    def log_policy(self, found: Trajectories, logits: torch.Tensor) -> torch.Tensor:
        """log pi(a_t | s_t) of softmax logits (S, A), for every step, (M, T); 0 after the end."""
        table = torch.log_softmax(logits.double(), -1)
        return table[found.states, found.actions] * found.mask

    def probabilities(self, found: Trajectories, logits: torch.Tensor) -> torch.Tensor:
        """The probability of each trajectory, (M,); they add up to 1."""
        return found.dynamics * self.log_policy(found, logits).sum(-1).exp()

    def objective(self, logits: torch.Tensor, discount: float = 1.0) -> torch.Tensor:
        """The expected return from the start, sum of gamma^t r_t; differentiable in the logits."""
        found = self.trajectories()
        weights = discount ** torch.arange(self.horizon, dtype=torch.float64)
        returns = (found.rewards * found.mask * weights).sum(-1)
        return (self.probabilities(found, logits) * returns).sum()

    def gradient(self, logits: torch.Tensor, discount: float = 1.0) -> torch.Tensor:
        """The exact policy gradient with respect to the logits, float64, (S, A)."""
        leaf = logits.detach().double().requires_grad_()
        (found,) = torch.autograd.grad(self.objective(leaf, discount), leaf)
        return found

    def action_values(self, logits: torch.Tensor, discount: float = 1.0) -> torch.Tensor:
        """Q(t, s, a): the expected discounted return of the steps from t on, float64, (T, S, A)."""
        policy = torch.softmax(logits.detach().double(), -1)
        value = torch.zeros(self.states, dtype=torch.float64)
        alive = torch.ones(self.states, dtype=torch.float64)
        alive[list(self.terminal)] = 0.0
        rows = []
        for _ in range(self.horizon):
            q = (self.rewards + discount * self.transitions @ value) * alive[:, None]
            value = (policy * q).sum(-1)
            rows.append(q)
        return torch.stack(rows[::-1])

    def values(self, logits: torch.Tensor, discount: float = 1.0) -> torch.Tensor:
        """V(t, s), float64, (T, S)."""
        policy = torch.softmax(logits.detach().double(), -1)
        return (self.action_values(logits, discount) * policy).sum(-1)


def batches(probabilities: torch.Tensor, size: int) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every ordered batch of so many independent trajectories, with its probability: for estimators that need several
    (a batch mean, a leave-one-out baseline).

    Raises:
        GraderFault: there are too many.
    """
    if len(probabilities) ** size > MOST_TRAJECTORIES:
        raise GraderFault(f"{len(probabilities)} trajectories make too many batches of {size}")
    shares = probabilities.tolist()
    for rows in itertools.product(range(len(shares)), repeat=size):
        yield rows, float(np.prod([shares[row] for row in rows]))
