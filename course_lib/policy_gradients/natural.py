"""Steps measured by how much the policy changes, not by how far its parameters move."""

from __future__ import annotations

import torch


def natural_gradient_step(
    theta: torch.Tensor, gradient: torch.Tensor, state_weights: torch.Tensor, delta: float
) -> torch.Tensor:
    """Take the step uphill that changes a softmax policy by a given KL divergence.

    The Fisher matrix of row s is F_s = d_s (diag(pi_s) - pi_s pi_s^T), with
    pi_s = softmax(theta[s]) and d_s the weight of state s. The direction is
    x_s = F_s^+ gradient[s] (pseudo-inverse), and

    theta_new = theta + sqrt(2 delta / sum_s gradient[s] . x_s) x

    Then sum_s d_s KL(pi_s || pi_new_s) is about delta, to second order in the step.

    Args:
        theta: logits, shape (S, A).
        gradient: dJ / dtheta, shape (S, A); each row sums to 0.
        state_weights: d_s >= 0, how often each state is visited, shape (S,).
        delta: the KL divergence that the step may cost, above 0, in nats.

    Returns:
        The new logits, shape (S, A). Rows with d_s = 0 stay as they are; so does everything
        when the gradient is zero.

    >>> theta, gradient = torch.zeros(1, 2), torch.tensor([[0.5, -0.5]])
    >>> natural_gradient_step(theta, gradient, torch.ones(1), 0.02)
    tensor([[ 0.2000, -0.2000]])

    Source: lecture 15, trust region policy optimization (Schulman et al., 2015). L15.19.
    """
    policy = theta.softmax(-1)  # (S, A)
    fisher = torch.diag_embed(policy) - policy.unsqueeze(-1) * policy.unsqueeze(-2)  # (S, A, A)
    inverse = torch.linalg.pinv(fisher * state_weights[:, None, None], hermitian=True)
    direction = torch.einsum("sab,sb->sa", inverse, gradient)
    slope = (gradient * direction).sum()
    if slope <= 0:
        return theta.clone()
    return theta + (2 * delta / slope).sqrt() * direction


def policy_kl(theta: torch.Tensor, other: torch.Tensor, state_weights: torch.Tensor) -> torch.Tensor:
    """Compute sum_s d_s KL(softmax(theta[s]) || softmax(other[s])) in nats.

    Args:
        theta: logits, shape (S, A).
        other: logits, shape (S, A).
        state_weights: d_s, shape (S,).

    Returns:
        A tensor without axes.

    >>> policy_kl(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1))
    tensor(0.)

    Source: lecture 15, trust regions. L15.19.
    """
    logs, others = theta.log_softmax(-1), other.log_softmax(-1)
    return ((logs.exp() * (logs - others)).sum(-1) * state_weights).sum()
