"""Estimators of the policy gradient, as weighted sums of scores; and what may be subtracted from the weights.

Time is the first axis, trajectories are the second. `scores` are the gradients grad_theta log pi(a_t | o_t), flat:
(T, N, K) for K parameters. After the end of an episode, rewards and scores are zero.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


def score_function_gradient(
    f: Callable[[torch.Tensor], torch.Tensor],
    log_prob: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    theta: torch.Tensor,
    samples: torch.Tensor,
) -> torch.Tensor:
    """Estimate the gradient of E[f(x)], x ~ p_theta, in theta from samples x_i.

    (1/N) sum_i f(x_i) grad_theta log p_theta(x_i)

    Only log p is differentiated, and only with respect to theta. The samples are data: if they
    happen to have been computed from theta, that must not matter. f need not be
    differentiable.

    Args:
        f: maps samples (N, ...) to numbers (N,).
        log_prob: called as log_prob(samples, theta), gives log p_theta(x), shape (N,).
        theta: parameters of any shape, a plain tensor or one that requires gradients.
        samples: drawn from p_theta, shape (N, ...).

    Returns:
        The estimate, of the shape of theta, without a graph. The caller's tensors keep their
        values and get no `.grad`.

    >>> log_normal = lambda x, mean: -0.5 * (x - mean) ** 2
    >>> samples = torch.tensor([0.0, 2.0, 4.0])
    >>> score_function_gradient(lambda x: x**2, log_normal, torch.tensor(1.0), samples)
    tensor(17.3333)

    Source: lecture 15, a convenient identity. L15.04.
    """
    leaf, data = theta.detach().clone().requires_grad_(), samples.detach()
    weights = f(data).detach()
    with torch.enable_grad():
        weighted = (weights * log_prob(data, leaf)).mean()
    return torch.autograd.grad(weighted, leaf)[0]


def reinforce_gradient(scores: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
    """Estimate the policy gradient from whole trajectories, each weighted with its return.

    (1/N) sum_i (sum_t scores[t, i]) (sum_t rewards[t, i])

    It points uphill: theta is moved by + learning rate times this. Neither the weights nor the
    result are divided by the length T. The formula is the same when the policy sees
    observations instead of states.

    Args:
        scores: grad log pi(a_t | o_t), shape (T, N, K).
        rewards: shape (T, N).

    Returns:
        Shape (K,).

    >>> scores = torch.tensor([[[1.0], [0.0]], [[1.0], [2.0]]])
    >>> reinforce_gradient(scores, torch.tensor([[1.0, 0.0], [2.0, 4.0]]))
    tensor([7.])

    Source: lecture 15, REINFORCE (Williams, 1992). L15.05, L15.07.
    """
    return (scores.sum(0) * rewards.sum(0).unsqueeze(-1)).mean(0)


def likelihood_gradient(scores: torch.Tensor) -> torch.Tensor:
    """Give the gradient of maximum likelihood on the same trajectories: REINFORCE with every return equal to 1.

    Args:
        scores: shape (T, N, K).

    Returns:
        Shape (K,).

    >>> likelihood_gradient(torch.tensor([[[1.0], [0.0]], [[1.0], [2.0]]]))
    tensor([2.])

    Source: lecture 15, comparison to maximum likelihood. L15.06.
    """
    return scores.sum(0).mean(0)


def weighted_gradient(scores: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Give (1/N) sum_i sum_t weights[t, i] scores[t, i]: any policy gradient whose weights have been found.

    Args:
        scores: shape (T, N, K).
        weights: of each action, for example its reward to go, shape (T, N).

    Returns:
        Shape (K,).

    Source: lecture 15, a better estimator. L15.08.
    """
    return torch.einsum("tnk,tn->nk", scores, weights.to(scores.dtype)).mean(0)


def reward_to_go(rewards: torch.Tensor, ends: torch.Tensor | None = None, discount: float = 1.0) -> torch.Tensor:
    """Sum the rewards from each time on: Q_t = r_t + discount * Q_{t+1}.

    The reward of time t itself is included in full; a reward k steps later counts discount^k.
    Where an episode ends, the sum ends too: nothing of the next episode in the same column
    belongs to it, inf and NaN included.

    Args:
        rewards: shape (T, N), one column for each environment.
        ends: after which steps an episode ended, bool, shape (T, N); None where no episode
            ends before the last row.
        discount: gamma, from 0 to 1, both included. T may be in the thousands.

    Returns:
        Shape (T, N). The rewards of the caller are not changed.

    >>> reward_to_go(torch.tensor([[1.0], [2.0], [3.0]])).squeeze(1)
    tensor([6., 5., 3.])
    >>> ends = torch.tensor([[False], [True], [False]])
    >>> reward_to_go(torch.tensor([[1.0], [2.0], [3.0]]), ends, discount=0.5).squeeze(1)
    tensor([2., 2., 3.])

    Source: lecture 15, causality. L15.08.
    """
    totals, later = [], torch.zeros_like(rewards[0])
    for time in reversed(range(len(rewards))):
        if ends is not None:
            later = torch.where(ends[time], torch.zeros_like(later), later)
        later = rewards[time] + discount * later
        totals.append(later)
    return torch.stack(totals[::-1])


def leave_one_out(values: torch.Tensor) -> torch.Tensor:
    """Give each trajectory the mean of the OTHER trajectories as its baseline.

    A baseline must not depend on the trajectory from whose weight it is subtracted. The mean
    over all N does, and shrinks the gradient by (N - 1) / N; the mean over the others does
    not.

    Args:
        values: returns, shape (N,), or rewards to go, shape (T, N): the last axis counts
            trajectories, and each row has means of its own.

    Returns:
        The baselines, of the shape of `values`.

    Raises:
        ValueError: there are fewer than two trajectories.

    >>> leave_one_out(torch.tensor([1.0, 2.0, 6.0]))
    tensor([4.0000, 3.5000, 1.5000])

    Source: lecture 15, baselines. L15.09.
    """
    count = values.shape[-1]
    if count < 2:
        raise ValueError(f"{count} trajectory has no others; collect at least 2")
    return (values.sum(-1, keepdim=True) - values) / (count - 1)


def optimal_baseline(scores: torch.Tensor, returns: torch.Tensor) -> torch.Tensor:
    """Compute the constant with the smallest variance of the estimate, for each parameter.

    With g = sum_t scores[t], the score of a whole trajectory, and means over trajectories,

    b_k = E[g_k^2 R] / E[g_k^2]

    It is a mean of the returns, weighted with the squared scores.

    Args:
        scores: shape (T, N, K).
        returns: R, the total reward of each trajectory, shape (N,).

    Returns:
        Shape (K,): 0 for a parameter whose score is zero in every trajectory.

    >>> scores = torch.tensor([[[1.0, 0.0], [2.0, 0.0]]])
    >>> optimal_baseline(scores, torch.tensor([5.0, 10.0]))
    tensor([9., 0.])

    Source: lecture 15, the best baseline (Peters and Schaal, 2008). L15.09.
    """
    squares = scores.sum(0) ** 2  # (N, K)
    total = squares.sum(0)
    weighted = (squares * returns.unsqueeze(-1)).sum(0)
    return torch.where(total > 0, weighted / total.clamp_min(torch.finfo(total.dtype).tiny), torch.zeros_like(total))


def state_baseline(observations: torch.Tensor, values: torch.Tensor, count: int) -> torch.Tensor:
    """Give each step the mean of the rewards to go of all steps with the same observation: V-hat(o), from a table.

    A function of the state alone may be subtracted from every weight; that this one is estimated from the same steps
    biases it a little, as the mean over all does.

    Args:
        observations: int64, shape (T, N).
        values: rewards to go, shape (T, N).
        count: O.

    Returns:
        Shape (T, N).

    >>> state_baseline(torch.tensor([[0, 1], [1, 1]]), torch.tensor([[2.0, 0.0], [3.0, 6.0]]), 2)
    tensor([[2., 3.],
            [3., 3.]])

    Source: lecture 15, baselines. L15.09.
    """
    where = observations.flatten()
    sums = values.new_zeros(count).index_add(0, where, values.flatten())
    visits = values.new_zeros(count).index_add(0, where, torch.ones_like(values).flatten())
    return (sums / visits.clamp_min(1))[observations]


def gradient_variance(
    estimate: Callable[[int, torch.Generator], torch.Tensor],
    batch_sizes: list[int],
    repeats: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Measure how much a gradient estimate varies: its variance over repeats, summed over the parameters.

    Every repeat draws new data from the one generator, and the policy stays as it is.

    Args:
        estimate: called as estimate(batch_size, generator), gives a gradient (K,).
        batch_sizes: the sizes to try.
        repeats: estimates for each size, at least 2.
        generator: source of randomness.

    Returns:
        One variance (divided by repeats - 1) for each size. It falls as 1 / N.

    >>> noise = lambda size, generator: torch.randn(size, 1, generator=generator).mean(0)
    >>> found = gradient_variance(noise, [1, 100], 400, torch.Generator().manual_seed(0))
    >>> bool(80 < found[0] / found[1] < 125)
    True

    Source: lecture 15, policy gradient in practice. L15.17.
    """
    found = [torch.stack([estimate(size, generator) for _ in range(repeats)]) for size in batch_sizes]
    return torch.stack([gradients.var(0).sum() for gradients in found])
