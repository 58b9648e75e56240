"""Probe environments: each is so small that one thing alone can be wrong, and then it shows.

A learner that fails the first probe cannot pass the others, so try them in order. Values of states are exact and
named in each docstring, gamma being the discount.
"""

from __future__ import annotations

import numpy as np

from course_lib.kit.environments.tables import Tables


def _world(
    after: list[list[int]],
    r: list[list[float]],
    starts: list[float],
    seen: list[int] | None = None,
    time_limit: int = 10,
) -> Tables:
    """Deterministic tables; `after` names the next state, and the last state is terminal if it stays where it is."""
    states = len(r)
    P = np.eye(states)[np.array(after)]
    over = (np.arange(states) == states - 1) & (np.array(after)[-1] == states - 1).all() & (states > 1)
    emission = None if seen is None else np.eye(max(seen) + 1)[np.array(seen)]
    return Tables(P, np.array(r, dtype=float), np.array(starts), over, emission, time_limit)


def constant_reward() -> Tables:
    """Every episode is one step and pays 1, whatever is done: V = 1. A critic that misses it cannot fit a number."""
    return _world([[1, 1], [1, 1]], [[1.0, 1.0], [0.0, 0.0]], [1.0, 0.0])


def observation_reward() -> Tables:
    """One step that pays -1 in state 0 and 1 in state 1: V = -1 and 1. Who fails does not look at the input."""
    return _world([[2, 2], [2, 2], [2, 2]], [[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]], [0.5, 0.5, 0.0])


def delayed_reward() -> Tables:
    """Two steps, and the second pays 1: V = gamma, then 1. Discounting and the reward's time step show."""
    return _world([[1, 1], [2, 2], [2, 2]], [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]], [1.0, 0.0, 0.0])


def action_reward() -> Tables:
    """One step: action 1 pays 1 and action 0 pays -1. The sign of the policy's gradient shows."""
    return _world([[1, 1], [1, 1]], [[-1.0, 1.0], [0.0, 0.0]], [1.0, 0.0])


def observation_and_action() -> Tables:
    """One step: the action that equals the state pays 1, the other -1. Wrongly paired actions show."""
    return _world([[2, 2], [2, 2], [2, 2]], [[1.0, -1.0], [-1.0, 1.0], [0.0, 0.0]], [0.5, 0.5, 0.0])


def end_looks_like_the_start() -> Tables:
    """One step that pays 1; what is seen after the end is what was seen before: V = 1.

    Who bootstraps through termination finds V = 1 + gamma V, which is 1 / (1 - gamma).
    """
    return _world([[1, 1], [1, 1]], [[1.0, 1.0], [0.0, 0.0]], [1.0, 0.0], seen=[0, 0])


def cut_short() -> Tables:
    """One state for ever, every step pays 1, and the time limit cuts after three: V = 1 / (1 - gamma).

    Who takes truncation for termination finds at most 1 + gamma + gamma^2.
    """
    return _world([[0, 0]], [[1.0, 1.0]], [1.0], time_limit=3)


def rich_and_poor() -> Tables:
    """Poor episodes take two steps and pay nothing, rich ones take one and pay 10: V = 0, 0 and 10.

    Who adds up rewards across the end of an episode gives the poor a share of the next one.
    """
    return _world(
        [[1, 1], [3, 3], [3, 3], [3, 3]], [[0.0, 0.0], [0.0, 0.0], [10.0, 10.0], [0.0, 0.0]], [0.5, 0.0, 0.5, 0.0]
    )
