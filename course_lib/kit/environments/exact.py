"""What can be computed exactly in a world of tables: all trajectories, the objective, its gradient, values.

These are the oracles with which estimators are compared. A policy is a table of probabilities pi[o, a], shape (O, A),
of observations; where the state is seen, O = S.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from course_lib.kit.environments.tables import Tables


class Trajectories(NamedTuple):
    """Every trajectory of T steps that has a chance, one a column.

    Attributes:
        states: int64, shape (T, M).
        observations: int64, shape (T, M); the states themselves where they are seen.
        actions: int64, shape (T, M).
        rewards: float64, shape (T, M).
        probability: of each trajectory, float64, shape (M,); they sum to 1.
        ended: the state after the last action, int64, shape (M,); trajectories that differ only in it are told apart.
    """

    states: torch.Tensor
    observations: torch.Tensor
    actions: torch.Tensor
    rewards: torch.Tensor
    probability: torch.Tensor
    ended: torch.Tensor


def enumerate_trajectories(tables: Tables, policy: np.ndarray, steps: int, last_state: bool = True) -> Trajectories:
    """List all trajectories of so many steps, with their probabilities.

    Args:
        tables: the world.
        policy: pi[o, a], shape (O, A).
        steps: T.
        last_state: whether the state after the last action belongs to a trajectory. Without it there are fewer, and
            `ended` is -1.

    Returns:
        The trajectories; those of probability 0 are left out.
    """
    seen = tables.seen
    state = np.flatnonzero(tables.rho0)
    chance = tables.rho0[state]
    columns = [np.empty((0, len(state)), dtype=np.int64) for _ in range(3)]
    for step in range(steps):
        # Every observation and every action: indices (trajectory so far, o, a), kept where possible.
        branch = chance[:, None, None] * seen[state][:, :, None] * policy[None]
        who, o, a = np.nonzero(branch)
        columns = [np.vstack([past[:, who], new]) for past, new in zip(columns, (state[who], o, a), strict=True)]
        chance, here = branch[who, o, a], state[who]
        if step == steps - 1 and not last_state:
            state = np.full(len(who), -1)
            break
        follow = chance[:, None] * tables.P[here, a]
        who, state = np.nonzero(follow)
        columns = [past[:, who] for past in columns]
        chance = follow[who, state]
    states, observations, actions = columns
    rewards = tables.r[states, actions]
    parts = (states, observations, actions, rewards, chance, state.astype(np.int64))
    return Trajectories._make(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)


def expected_return(tables: Tables, policy: torch.Tensor, steps: int, discount: float = 1.0) -> torch.Tensor:
    """Compute J: the expected sum of T rewards, by carrying the distribution of the state forward.

    Args:
        tables: the world.
        policy: pi[o, a], float64, shape (O, A); may require gradients.
        steps: T.
        discount: gamma; the reward of the first step counts in full.

    Returns:
        J, a tensor without axes, through which autograd finds the exact policy gradient.
    """
    P, r, rho0, seen = (torch.from_numpy(part) for part in (tables.P, tables.r, tables.rho0, tables.seen))
    acts = seen @ policy  # (S, A): the probability of each action in each state
    where, total = rho0, policy.new_zeros(())
    for step in range(steps):
        joint = where[:, None] * acts  # (S, A)
        total = total + discount**step * (joint * r).sum()
        where = torch.einsum("sa,sat->t", joint, P)
    return total


def exact_gradient(tables: Tables, theta: torch.Tensor, steps: int, discount: float = 1.0) -> torch.Tensor:
    """Compute the gradient of J for the policy softmax(theta[o]): what every policy-gradient estimator estimates.

    Args:
        tables: the world.
        theta: logits, float64, shape (O, A).
        steps: T.
        discount: gamma.

    Returns:
        dJ / dtheta, shape (O, A).
    """
    leaf = theta.detach().clone().requires_grad_()
    return torch.autograd.grad(expected_return(tables, leaf.softmax(-1), steps, discount), leaf)[0]


def exact_values(tables: Tables, policy: np.ndarray, discount: float) -> np.ndarray:
    """Solve for the value of each state, without a time limit: V = r_pi + gamma P_pi V, with V = 0 where it is over.

    Args:
        tables: the world; the policy must reach an end surely if `discount` is 1.
        policy: pi[o, a], shape (O, A).
        discount: gamma, 0 to 1.

    Returns:
        V, shape (S,).
    """
    acts = tables.seen @ policy
    going_on = np.flatnonzero(~tables.terminal)
    P = np.einsum("sa,sat->st", acts, tables.P)[np.ix_(going_on, going_on)]
    values = np.zeros(tables.states)
    values[going_on] = np.linalg.solve(np.eye(len(going_on)) - discount * P, (acts * tables.r).sum(1)[going_on])
    return values
