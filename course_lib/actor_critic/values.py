"""What a state is worth, exactly: Q, V and A of a decision process given as tables, and what a discount factor is."""

import torch


def exact_q_v_a(
    transitions: torch.Tensor,
    rewards: torch.Tensor,
    policy: torch.Tensor,
    gamma: float = 1.0,
    horizon: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give Q, V and A of a policy in a decision process whose tables are known.

    Q(s, a) is the expected sum of rewards from now on, if a is taken in s and the policy acts
    afterwards; the reward k steps from now counts gamma^k. V(s) is the mean of Q(s, a) under
    the policy, and A = Q - V.

    Args:
        transitions: probability of s' after a in s, shape (S, A, S).
        rewards: expected reward of a in s, shape (S, A).
        policy: probability of a in s, shape (S, A).
        gamma: discount factor, 0 to 1.
        horizon: how many rewards there are to come, the one of a included, at least 1. None:
            infinitely many.

    Returns:
        Q of shape (S, A), V of shape (S,), A of shape (S, A).

    Raises:
        ValueError: gamma = 1 without a horizon, where sums need not be finite.

    One state, two actions with rewards 1 and 3, each half of the time:

    >>> stay, r = torch.ones(1, 2, 1), torch.tensor([[1.0, 3.0]])
    >>> exact_q_v_a(stay, r, torch.tensor([[0.5, 0.5]]), gamma=0.5)
    (tensor([[3., 5.]]), tensor([4.]), tensor([[-1.,  1.]]))
    >>> exact_q_v_a(stay, r, torch.tensor([[0.5, 0.5]]), horizon=2)[1]
    tensor([4.])

    Source: lecture 16, state and state-action value functions. L16.01.
    """
    if horizon is None and gamma >= 1:
        raise ValueError(f"found gamma = {gamma} and no horizon, expected gamma < 1 or a horizon")
    if horizon is None:
        chain = torch.einsum("sa,sat->st", policy, transitions)  # (S, S): from state to state under the policy
        per_step = (policy * rewards).sum(dim=1)  # (S,)
        identity = torch.eye(len(chain), dtype=chain.dtype, device=chain.device)
        v = torch.linalg.solve(identity - gamma * chain, per_step)
        q = rewards + gamma * transitions @ v  # (S, A)
    else:
        v = torch.zeros_like(rewards[:, 0])  # nothing is left to come
        for _ in range(horizon):
            q = rewards + gamma * transitions @ v
            v = (policy * q).sum(dim=1)
    return q, v, q - v.unsqueeze(1)


def discounted_return(rewards: torch.Tensor, gamma: float) -> torch.Tensor:
    """Give r_0 + gamma r_1 + gamma^2 r_2 + ..., the return seen from the first step.

    Args:
        rewards: in the order of time along the FIRST axis, shape (T, ...); T may be 0.
        gamma: 0 to 1. The first reward counts in full, also for gamma = 0.

    Returns:
        Shape (...): one return for each of the trajectories that stand beside each other.

    >>> discounted_return(torch.tensor([1.0, 1.0, 4.0]), 0.5)
    tensor(2.5000)

    Source: lecture 16, discount factors. L16.08.
    """
    total = torch.zeros_like(rewards.sum(dim=0))
    for reward in rewards.flip(0):  # Horner's rule: G_t = r_t + gamma G_{t+1}
        total = reward + gamma * total
    return total


def death_state(transitions: torch.Tensor, rewards: torch.Tensor, gamma: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Build the decision process in which life may end: its UNDISCOUNTED values are the
    discounted ones of the original.

    After each step, when its reward has been received, one dies with probability 1 - gamma;
    otherwise all goes on as before. The dead stay dead, whatever they do, and receive nothing.

    Args:
        transitions: probability of s' after a in s, shape (S, A, S).
        rewards: expected reward of a in s, shape (S, A).
        gamma: probability of living on, 0 to 1.

    Returns:
        Transitions (S + 1, A, S + 1) and rewards (S + 1, A); the death state is the last one.

    >>> transitions, rewards = death_state(torch.ones(1, 1, 1), torch.tensor([[2.0]]), 0.75)
    >>> transitions[:, 0], rewards[:, 0]
    (tensor([[0.7500, 0.2500],
            [0.0000, 1.0000]]), tensor([2., 0.]))

    Source: lecture 16, gamma changes the MDP. L16.08.
    """
    states, actions = rewards.shape
    with_death = transitions.new_zeros(states + 1, actions, states + 1)
    with_death[:states, :, :states] = gamma * transitions
    with_death[:states, :, states] = 1 - gamma
    with_death[states, :, states] = 1
    return with_death, torch.cat([rewards, rewards.new_zeros(1, actions)])
