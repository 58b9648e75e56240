"""Learning from what somebody else did: importance sampling, for one number and for whole trajectories."""

from __future__ import annotations

import torch


def importance_estimate(
    values: torch.Tensor, log_p: torch.Tensor, log_q: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Estimate E_p[f] from samples of q, and say what the estimate is worth.

    (1/N) sum_i w_i f(x_i),  w_i = p(x_i) / q(x_i)

    The weights are not divided by their sum: that would be biased. The effective sample size
    is (sum_i w_i)^2 / sum_i w_i^2, between 1 and N: N for equal weights, 1 when one outweighs
    all.

    Args:
        values: f(x_i), shape (N,).
        log_p: log density of the samples where the mean is wanted, shape (N,); may be -inf.
        log_q: log density where they came from, shape (N,). Each may be thousands below zero,
            as long as their difference is moderate.

    Returns:
        A tuple of two tensors without axes: the estimate, and the effective sample size. The
        latter is right also where the weights themselves are too large or small for a float.

    Raises:
        ValueError: an entry of log_q is -inf: q cannot have drawn that sample.

    >>> p, q = torch.tensor([0.1, 0.3]), torch.tensor([0.2, 0.2])
    >>> importance_estimate(torch.tensor([1.0, 3.0]), p.log(), q.log())
    (tensor(2.5000), tensor(1.6000))

    Source: lecture 15, importance sampling. L15.11.
    """
    if torch.isneginf(log_q).any():
        raise ValueError("a sample has probability 0 under q, so q cannot have drawn it")
    log_weights = log_p - log_q
    size = (2 * log_weights.logsumexp(0) - (2 * log_weights).logsumexp(0)).exp()
    return (log_weights.exp() * values).mean(), size


def off_policy_gradient(
    scores: torch.Tensor, rewards: torch.Tensor, log_p: torch.Tensor, log_q: torch.Tensor
) -> torch.Tensor:
    """Estimate the gradient at a NEW policy from trajectories of an old one, each weighted.

    (1/N) sum_i (prod_t p_ti / q_ti) (sum_t scores[t, i]) (sum_t rewards[t, i])

    p and q are the probabilities of the ACTIONS; those of first states and transitions cancel.
    A product of thousands of small probabilities is computed as a sum of logarithms.

    Args:
        scores: of the new policy, grad log p(a_t | s_t), shape (T, N, K).
        rewards: shape (T, N).
        log_p: log probability of each action under the new policy, shape (T, N).
        log_q: the same under the policy that acted, shape (T, N).

    Returns:
        Shape (K,).

    >>> scores, rewards = torch.ones(2, 1, 1), torch.tensor([[1.0], [2.0]])
    >>> p, q = torch.tensor([[0.5], [0.5]]), torch.tensor([[0.25], [0.5]])
    >>> off_policy_gradient(scores, rewards, p.log(), q.log())
    tensor([12.])

    Source: lecture 15, the off-policy policy gradient. L15.12.
    """
    weights = (log_p - log_q).sum(0).exp()  # (N,)
    return ((weights * rewards.sum(0)).unsqueeze(-1) * scores.sum(0)).mean(0)


def per_step_gradient(
    scores: torch.Tensor,
    rewards: torch.Tensor,
    log_p: torch.Tensor,
    log_q: torch.Tensor,
    future: bool = True,
) -> torch.Tensor:
    """Estimate the off-policy gradient with causality: later actions do not weigh a reward.

    (1/N) sum_i sum_t scores[t, i] sum_{t' >= t} rewards[t', i] prod_{k <= t'} p_ki / q_ki

    With future=False the product ends at t instead of t', so that what happened between action
    and reward is not corrected: biased, but it varies much less.

    Args:
        scores: of the new policy, grad log p(a_t | s_t), shape (T, N, K).
        rewards: shape (T, N).
        log_p: log probability of each action under the new policy, shape (T, N).
        log_q: the same under the policy that acted, shape (T, N).
        future: whether the ratios after time t are included.

    Returns:
        Shape (K,).

    >>> scores, rewards = torch.ones(2, 1, 1), torch.tensor([[1.0], [1.0]])
    >>> ratios = torch.tensor([[2.0], [3.0]]).log()
    >>> old = torch.zeros(2, 1)
    >>> per_step_gradient(scores, rewards, ratios, old)  # (2 * 1 + 6 * 1) + 6 * 1
    tensor([14.])
    >>> per_step_gradient(scores, rewards, ratios, old, future=False)  # 2 * (1 + 1) + 6 * 1
    tensor([10.])

    Source: lecture 15, the off-policy policy gradient: what about causality? L15.13.
    """
    weights = (log_p - log_q).cumsum(0).exp()  # (T, N): of all actions up to t
    earned = weights * rewards if future else rewards
    to_go = earned.flip(0).cumsum(0).flip(0)
    if not future:
        to_go = weights * to_go
    return (to_go.unsqueeze(-1) * scores).sum(0).mean(0)


def surrogate_loss(log_probs: torch.Tensor, old_log_probs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Compute a loss whose gradient is the first-order off-policy gradient.

    loss = -(1/N) sum_i sum_t pi_new(a_ti | s_ti) / pi_old(a_ti | s_ti) * weights[t, i]

    Each step has the ratio of its own action only; that of the probabilities of the STATES is
    left out: wrong, but not by much while the new policy is close to the old one. The ratio is
    not clipped. Gradients flow through `log_probs` alone, whatever the other two are attached
    to.

    Args:
        log_probs: log pi_new(a | s), with a graph, shape (T, N).
        old_log_probs: log pi_old(a | s), shape (T, N).
        weights: of each action, for example its reward to go minus a baseline, shape (T, N);
            zero after the end of an episode.

    Returns:
        A tensor without axes. Where the two policies agree its gradient is that of the policy
        gradient, with a minus sign, for it is to be minimised.

    >>> now = torch.tensor([[0.0, 0.0]], requires_grad=True)
    >>> surrogate_loss(now, torch.tensor([[0.0, 0.0]]), torch.tensor([[4.0, 6.0]])).backward()
    >>> now.grad
    tensor([[-2., -3.]])

    Source: lecture 15, a first-order approximation for IS. L15.14.
    """
    ratios = (log_probs - old_log_probs.detach()).exp()
    return -(ratios * weights.detach()).sum(0).mean()
