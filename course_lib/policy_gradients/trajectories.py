"""Acting in a world, and how probable it was: Markov decision processes, trajectories, their probability and return."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from course_lib.kit.environments import Tables


@dataclass(frozen=True)
class MDP:
    """A Markov decision process with S states and A actions, as tensors; with an emission table, a POMDP.

    Attributes:
        P: P[s, a, s'], probability of the next state, shape (S, A, S).
        r: r[s, a], reward for taking action a in state s, shape (S, A).
        rho0: probability of the first state, shape (S,).
        emission: emission[s, o], probability of seeing o in state s, shape (S, O). The identity where states are
            seen.

    Source: lecture 15, definitions. L15.01, L15.02.
    """

    P: torch.Tensor
    r: torch.Tensor
    rho0: torch.Tensor
    emission: torch.Tensor

    @classmethod
    def of(cls, tables: Tables) -> MDP:
        """Make tensors of a world of `course_lib.kit.environments`."""
        return cls(*(torch.from_numpy(part) for part in (tables.P, tables.r, tables.rho0, tables.seen)))


def sample_trajectories(
    mdp: MDP,
    policy: torch.Tensor,
    count: int,
    steps: int,
    generator: torch.Generator | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Act in a (partially observed) MDP for so many steps, in many copies at once.

    The first state comes from rho0. At each time, in this order: an observation o_t of the
    present state is drawn from its row of `emission`; an action a_t from the policy's row of
    that OBSERVATION; the reward is r[s_t, a_t]; the next state is drawn from P[s_t, a_t].
    Every copy draws for itself.

    Args:
        mdp: the process, with S states, A actions, O observations.
        policy: pi[o, a], probability of each action, float64, shape (O, A).
        count: N, number of trajectories.
        steps: T.
        generator: source of randomness on the CPU; None means torch's global one.

    Returns:
        A tuple (states, observations, actions, rewards), each of shape (T, N): time first. The
        first three are int64, rewards have the dtype of `mdp.r`.

    >>> r, rho0 = torch.tensor([[1.0], [5.0]]), torch.tensor([0.0, 1.0])
    >>> stay = MDP(torch.eye(2)[:, None], r, rho0, torch.eye(2))
    >>> states, _, _, rewards = sample_trajectories(stay, torch.ones(2, 1), 3, 2)
    >>> states.tolist(), rewards.tolist()
    ([[1, 1, 1], [1, 1, 1]], [[5.0, 5.0, 5.0], [5.0, 5.0, 5.0]])

    Source: lecture 15, (partially observed) Markov decision processes. L15.01, L15.02, L15.03.
    """

    def draw(probabilities: torch.Tensor) -> torch.Tensor:  # (N, K) -> (N,)
        return torch.multinomial(probabilities, 1, generator=generator).squeeze(1)

    state = draw(mdp.rho0.expand(count, -1))
    rows = []
    for _ in range(steps):
        observation = draw(mdp.emission[state])
        action = draw(policy[observation])
        rows.append((state, observation, action, mdp.r[state, action]))
        state = draw(mdp.P[state, action])
    states, observations, actions, rewards = (torch.stack(part) for part in zip(*rows, strict=True))
    return states, observations, actions, rewards


def trajectory_logprob(mdp: MDP, policy: torch.Tensor, states: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Compute the log probability of trajectories in an MDP whose states are seen.

    log p(s_1, a_1, ..., s_T, a_T) = log rho0[s_1] + sum_t log pi[s_t, a_t]
                                     + sum_{t < T} log P[s_t, a_t, s_{t+1}]

    There is no factor for a state after the last action.

    Args:
        mdp: the process; its `emission` is not used.
        policy: pi[s, a], shape (S, A).
        states: int64, shape (T, N).
        actions: int64, shape (T, N).

    Returns:
        Natural logarithms, shape (N,): -inf for what cannot happen, finite for trajectories of
        any length that can, such as 5,000 steps of probability 1/2 each.

    >>> P, rho0 = torch.full((2, 1, 2), 0.5), torch.tensor([1.0, 0.0])
    >>> coin = MDP(P, torch.zeros(2, 1), rho0, torch.eye(2))
    >>> states = torch.tensor([[0, 1], [1, 0]])
    >>> trajectory_logprob(coin, torch.ones(2, 1), states, torch.zeros_like(states))
    tensor([-0.6931,    -inf])

    Source: lecture 15, the goal of reinforcement learning. L15.03.
    """
    first = mdp.rho0[states[0]].log()  # (N,)
    acted = policy[states, actions].log().sum(0)
    moved = mdp.P[states[:-1], actions[:-1], states[1:]].log().sum(0)  # an empty sum for T = 1
    return first + acted + moved


def softmax_scores(theta: torch.Tensor, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Compute the score of each action, grad_theta log pi(a | o), for the policy softmax(theta[o]).

    In closed form: in the row of the observation, one-hot(a) - pi(. | o); zero in all others.

    Args:
        theta: logits, shape (O, A).
        observations: int64, shape (T, N).
        actions: int64, shape (T, N).

    Returns:
        Shape (T, N, O * A): theta is laid out flat, row by row.

    >>> softmax_scores(torch.zeros(2, 2), torch.tensor([[1]]), torch.tensor([[0]]))
    tensor([[[ 0.0000,  0.0000,  0.5000, -0.5000]]])

    Source: lecture 15, direct policy differentiation. L15.04.
    """
    scores = theta.new_zeros(*observations.shape, *theta.shape)
    difference = torch.nn.functional.one_hot(actions, theta.shape[1]) - theta[observations].softmax(-1)
    index = observations[..., None, None].expand(*observations.shape, 1, theta.shape[1])
    return scores.scatter(-2, index, difference.to(theta.dtype).unsqueeze(-2)).flatten(-2)


def estimate_return(rewards: torch.Tensor) -> torch.Tensor:
    """Estimate J: the mean over trajectories of the SUM of their rewards, neither divided by T nor discounted.

    Args:
        rewards: shape (T, N), zero after the end of an episode.

    Returns:
        A tensor without axes.

    >>> estimate_return(torch.tensor([[1.0, 0.0], [1.0, 4.0]]))
    tensor(3.)

    Source: lecture 15, evaluating the objective. L15.03.
    """
    return rewards.sum(0).mean()
