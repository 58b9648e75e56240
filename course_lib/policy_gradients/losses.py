"""Losses whose gradients are policy gradients, so that automatic differentiation does the work."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def pg_loss(logits: torch.Tensor, actions: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Compute the pseudo-loss of discrete actions: cross entropy, weighted with q.

    loss = -(1/N) sum_i sum_t log softmax(logits[t, i])[a_ti] * q[t, i]

    Its value means nothing; its gradient is minus the policy gradient, since losses are
    minimised. Sums run over time; only the number N of trajectories divides. q is data: no
    gradient flows into it, even if it is attached to a graph.

    Args:
        logits: of the policy, shape (T, N, A).
        actions: int64, shape (T, N).
        q: weight of each action, shape (T, N); zero after the end of an episode.

    Returns:
        A tensor without axes.

    >>> logits = torch.zeros(2, 1, 2, requires_grad=True)
    >>> pg_loss(logits, torch.tensor([[0], [1]]), torch.tensor([[3.0], [-2.0]])).backward()
    >>> logits.grad.squeeze(1)
    tensor([[-1.5000,  1.5000],
            [-1.0000,  1.0000]])

    Source: lecture 15, policy gradient with automatic differentiation. L15.15.
    """
    taken = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)  # (T, N)
    return -(taken * q.detach()).sum(0).mean()


def gaussian_logprob(mean: torch.Tensor, log_std: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Compute the log density of actions with D independent normal components.

    log p(a) = sum_d [ -(a_d - mean_d)^2 / (2 sigma_d^2) - log sigma_d - log(2 pi) / 2 ]

    Args:
        mean: shape (..., D).
        log_std: log sigma, natural logarithm, shape (D,) or (..., D).
        actions: shape (..., D).

    Returns:
        Shape (...): the components are summed, nothing else is. Differentiable in `mean` and
        `log_std`.

    >>> actions = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]])
    >>> gaussian_logprob(torch.zeros(3, 2), torch.zeros(2), actions)
    tensor([-1.8379, -2.3379, -4.3379])

    Source: lecture 15, squared error (Gaussian). L15.16.
    """
    standardized = (actions - mean) * (-log_std).exp()
    return (-0.5 * standardized**2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)


def hard_attention_loss(
    glimpse_logits: torch.Tensor,
    glimpses: torch.Tensor,
    class_logits: torch.Tensor,
    labels: torch.Tensor,
    baseline: float = 0.0,
) -> torch.Tensor:
    """Compute one loss for a network that looks at one place and then names a class.

    Where to look was sampled, and sampling has no derivative: that part learns by REINFORCE,
    with reward R = 1 if the most probable class is right and 0 if not. Naming the class is
    differentiable as usual.

    loss = (1/N) sum_i [ cross entropy of class_logits[i] and labels[i]
                         - (R_i - baseline) log softmax(glimpse_logits[i])[glimpses[i]] ]

    Args:
        glimpse_logits: of the places, shape (N, L).
        glimpses: the places that were looked at, int64, shape (N,).
        class_logits: shape (N, C); how they depend on glimpse_logits does not matter, since no
            gradient flows through R.
        labels: int64, shape (N,).
        baseline: subtracted from every reward.

    Returns:
        A tensor without axes.

    >>> where = torch.zeros(2, 2, requires_grad=True)
    >>> looked, labels = torch.tensor([0, 0]), torch.tensor([0, 1])
    >>> classes = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
    >>> hard_attention_loss(where, looked, classes, labels, baseline=0.5).backward()
    >>> where.grad
    tensor([[-0.1250,  0.1250],
            [ 0.1250, -0.1250]])

    Source: lecture 15, what are policy gradients used for? (Mnih et al., 2014). L15.18.
    """
    rewards = (class_logits.detach().argmax(-1) == labels).to(glimpse_logits.dtype)
    looked = glimpse_logits.log_softmax(-1).gather(-1, glimpses.unsqueeze(-1)).squeeze(-1)  # (N,)
    return F.cross_entropy(class_logits, labels) - ((rewards - baseline) * looked).mean()
