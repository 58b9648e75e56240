"""Small worlds as tables: what happens, what it earns, where it starts. Everything in them can be computed exactly.

A world has S states, A actions and O observations. Terminal states are absorbing: whoever is there stays, and earns
nothing more. `terminal` says which they are; an episode that enters one has terminated. A time limit is no property
of the world: an episode that it ends is truncated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# Actions of the grid: up, right, down, left, as steps (row, column).
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))


@dataclass(frozen=True, eq=False)
class Tables:
    """A world with finitely many states.

    Attributes:
        P: probability of the next state, P[s, a, s'], shape (S, A, S); each row sums to 1.
        r: reward for action a in state s, r[s, a], shape (S, A). It does not depend on the next state.
        rho0: probability of the first state, shape (S,).
        terminal: which states end an episode, bool, shape (S,).
        emission: probability of each observation, emission[s, o], shape (S, O); None where the state is seen itself.
        time_limit: steps after which an episode is truncated.

    Raises:
        ValueError: a shape does not fit, a row is no distribution, or a terminal state can be left or earns
        something.
    """

    P: np.ndarray
    r: np.ndarray
    rho0: np.ndarray
    terminal: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    emission: np.ndarray | None = None
    time_limit: int = 100

    def __post_init__(self) -> None:
        states, actions = self.r.shape
        if self.P.shape != (states, actions, states):
            raise ValueError(f"P has shape {self.P.shape}, expected {(states, actions, states)} to go with r")
        if self.terminal.size == 0:
            object.__setattr__(self, "terminal", np.zeros(states, dtype=bool))
        for name, rows in (("P", self.P), ("rho0", self.rho0), ("emission", self.emission)):
            if rows is not None and not ((rows >= 0).all() and np.allclose(rows.sum(-1), 1.0)):
                raise ValueError(
                    f"a row of {name} is no distribution: entries of at least 0 that sum to 1 are expected"
                )
        ends = np.flatnonzero(self.terminal)
        if not np.allclose(self.P[ends, :, ends], 1.0) or self.r[ends].any():
            raise ValueError(
                "a terminal state can be left or earns something; it is expected to be absorbing, with reward 0"
            )

    @property
    def states(self) -> int:
        """S, the number of states."""
        return len(self.rho0)

    @property
    def actions(self) -> int:
        """A, the number of actions."""
        return self.r.shape[1]

    @property
    def observations(self) -> int:
        """O, the number of observations; S where the state is seen."""
        return self.states if self.emission is None else self.emission.shape[1]

    @property
    def seen(self) -> np.ndarray:
        """The emission table, shape (S, O); the identity where the state is seen."""
        return np.eye(self.states) if self.emission is None else self.emission


def chain(length: int = 5, slip: float = 0.1, time_limit: int = 20) -> Tables:
    """A corridor: action 1 goes right and 0 left, and with probability `slip` the other way. The right end pays 1.

    Args:
        length: number of states, at least 2; the last one is terminal.
        slip: probability of going the wrong way, 0 to 1.
        time_limit: steps of an episode.

    Returns:
        S = length, A = 2. The reward of state length - 2 is the probability of stepping onto the end; else 0.
    """
    P = np.zeros((length, 2, length))
    for state in range(length - 1):
        for action, step in ((0, -1), (1, 1)):
            P[state, action, max(state + step, 0)] += 1 - slip
            P[state, action, max(state - step, 0)] += slip
    P[-1, :, -1] = 1.0
    r = P[:, :, -1].copy()
    r[-1] = 0.0
    return Tables(P, r, np.eye(length)[0], np.arange(length) == length - 1, time_limit=time_limit)


def grid(
    rows: Sequence[str] = ("S...", ".#..", "...G"), slip: float = 0.1, step_reward: float = -1.0, time_limit: int = 50
) -> Tables:
    """A grid with walls, to be crossed in few steps.

    Args:
        rows: one string a row of equal length; S a start, G a goal (terminal), # a wall, X a pit (terminal, costs
            10), anything else is floor. States are numbered row by row, walls included (they cannot be reached).
        slip: probability that a move goes to one of the two sides instead, half of it to each.
        step_reward: reward of every move.
        time_limit: steps of an episode.

    Returns:
        A = 4: up, right, down, left. Moves into a wall or off the grid leave one where one is. The reward of a move
        is `step_reward`, minus 10 times the probability that it ends in a pit.

    Raises:
        ValueError: the rows differ in length, or there is no start.
    """
    height, width = len(rows), len(rows[0])
    if any(len(row) != width for row in rows):
        raise ValueError(f"the rows of a grid are equally long; found {[len(row) for row in rows]}")
    cells = np.array([list(row) for row in rows]).reshape(-1)
    starts = np.isin(cells, ["S"])
    if not starts.any():
        raise ValueError("a grid needs a start: write S into one of its rows")
    terminal, states = np.isin(cells, ["G", "X"]), height * width
    lands = np.empty((states, 4), dtype=int)  # where a move leads when nothing slips
    for state in range(states):
        row, column = divmod(state, width)
        for action, (down, right) in enumerate(MOVES):
            there = (min(max(row + down, 0), height - 1), min(max(column + right, 0), width - 1))
            target = there[0] * width + there[1]
            lands[state, action] = state if cells[target] == "#" else target
    P = np.zeros((states, 4, states))
    for action in range(4):
        for turn, share in ((0, 1 - slip), (1, slip / 2), (3, slip / 2)):
            P[np.arange(states), action, lands[:, (action + turn) % 4]] += share
    P[terminal] = np.eye(states)[terminal][:, None]
    r = np.full((states, 4), step_reward) - 10.0 * P[:, :, cells == "X"].sum(2)
    r[terminal] = 0.0
    return Tables(P, r, starts / starts.sum(), terminal, time_limit=time_limit)


def random_world(
    states: int = 4, actions: int = 3, seed: int = 0, observations: int = 0, time_limit: int = 10
) -> Tables:
    """A world drawn at random: nothing in it is special, so a formula that is wrong gives a wrong number.

    Args:
        states: S.
        actions: A.
        seed: the same seed gives the same world.
        observations: O; 0 where the state is seen itself.
        time_limit: steps of an episode.

    Returns:
        Rewards are standard normal; distributions are uniform over all of their kind. No state is terminal.
    """
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.ones(states), size=(states, actions))
    r, rho0 = rng.normal(size=(states, actions)), rng.dirichlet(np.ones(states))
    emission = rng.dirichlet(np.ones(observations), size=states) if observations else None
    return Tables(P, r, rho0, emission=emission, time_limit=time_limit)


def bandit(means: Sequence[float] = (0.0, 0.5, 1.0)) -> Tables:
    """One state and one decision: each action pays its mean, and the episode is over.

    Args:
        means: reward of each action.

    Returns:
        S = 2 (the second is terminal), A = len(means).
    """
    actions = len(means)
    P = np.zeros((2, actions, 2))
    P[:, :, 1] = 1.0
    return Tables(P, np.array([means, np.zeros(actions)]), np.array([1.0, 0.0]), np.array([False, True]), time_limit=1)


def corridor_with_a_look(noise: float = 0.15, time_limit: int = 10) -> Tables:
    """A POMDP: the goal is behind the left or the right door, and what is seen is only a noisy hint.

    Args:
        noise: probability that the hint names the wrong door.
        time_limit: steps of an episode.

    Returns:
        S = 3 (goal on the left, on the right, over), A = 3 (open left, open right, wait for another hint), O = 3
        (hint left, hint right, nothing). The right door pays 1, the wrong one -1, waiting costs 0.1.
    """
    P = np.zeros((3, 3, 3))
    P[:, :2, 2] = 1.0
    P[:2, 2] = np.eye(3)[:2]
    P[2, 2, 2] = 1.0
    r = np.array([[1.0, -1.0, -0.1], [-1.0, 1.0, -0.1], [0.0, 0.0, 0.0]])
    emission = np.array([[1 - noise, noise, 0.0], [noise, 1 - noise, 0.0], [0.0, 0.0, 1.0]])
    return Tables(P, r, np.array([0.5, 0.5, 0.0]), np.array([False, False, True]), emission, time_limit)
