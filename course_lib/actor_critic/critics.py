"""Policy evaluation by regression, and one step of learning while acting."""

import torch
from torch import nn


def fit_value(
    critic: nn.Module,
    observations: torch.Tensor,
    targets: torch.Tensor,
    optimizer: torch.optim.Optimizer,
    steps: int,
) -> list[float]:
    """Fit a critic to targets by regression: so many steps of the optimiser, each on ALL the
    samples.

    The loss is 1/2 the MEAN over the samples of (V(s) - y)^2.

    Args:
        critic: maps observations (N, D) to values of shape (N, 1), as a network with one output
            does.
        observations: shape (N, D).
        targets: y, shape (N,), never (N, 1). Data: nothing flows back into whatever computed
            them.
        optimizer: holds the critic's parameters.
        steps: how many times the optimiser steps.

    Returns:
        The loss before each step, as many numbers as there are steps.

    >>> critic = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.zeros_(critic.weight)
    >>> sgd = torch.optim.SGD(critic.parameters(), lr=0.5)
    >>> fit_value(critic, torch.ones(2, 1), torch.tensor([1.0, 3.0]), sgd, steps=2)
    [2.5, 1.0]

    Source: lecture 16, Monte Carlo evaluation with function approximation. L16.03.
    """
    losses = []
    for _ in range(steps):
        errors = critic(observations).squeeze(-1) - targets.detach()  # (N,); (N, 1) - (N,) would be (N, N)
        loss = 0.5 * errors.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def online_ac_step(
    actor: nn.Module,
    critic: nn.Module,
    actor_optimizer: torch.optim.Optimizer,
    critic_optimizer: torch.optim.Optimizer,
    observations: torch.Tensor,
    actions: torch.Tensor,
    rewards: torch.Tensor,
    next_observations: torch.Tensor,
    terminated: torch.Tensor,
    gamma: float,
) -> torch.Tensor:
    """Learn from ONE time step of B actors that run beside each other: one step of each
    optimiser.

    The TD error d = r + gamma V(s') - V(s), with V(s') = 0 where the world ended, is computed
    once, with the critic as it was BEFORE this step, and used by both: the critic descends 1/2
    mean (V(s) - y)^2 towards y = r + gamma V(s'), and the actor descends -mean log pi(a|s) d.
    Neither y nor d has a gradient.

    Args:
        actor: maps observations (B, D) to logits (B, actions).
        critic: maps observations (B, D) to values (B, 1).
        actor_optimizer: holds the actor's parameters.
        critic_optimizer: holds the critic's parameters.
        observations: s, shape (B, D).
        actions: those that WERE taken in s, int64, shape (B,).
        rewards: r, shape (B,).
        next_observations: s', shape (B, D).
        terminated: bool, shape (B,): the world ended in s'. A step that was merely truncated is
            False here.
        gamma: discount factor, 0 to 1.

    Returns:
        The TD errors d, shape (B,), without a gradient.

    >>> actor, critic = nn.Linear(1, 2, bias=False), nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.zeros_(actor.weight), nn.init.ones_(critic.weight)
    >>> sgd = [torch.optim.SGD(network.parameters(), lr=1.0) for network in (actor, critic)]
    >>> s, a, r, last = torch.ones(1, 1), torch.tensor([0]), torch.tensor([3.0]), torch.tensor([True])
    >>> online_ac_step(actor, critic, *sgd, s, a, r, s, last, gamma=0.5)
    tensor([2.])
    >>> critic.weight.item(), actor.weight.flatten().tolist()
    (3.0, [1.0, -1.0])

    Source: lecture 16, online actor-critic algorithm. L16.09.
    """
    with torch.no_grad():
        to_come = critic(next_observations).squeeze(-1)
        targets = rewards + gamma * torch.where(terminated, torch.zeros_like(to_come), to_come)
    values = critic(observations).squeeze(-1)
    errors = (targets - values).detach()
    critic_loss = 0.5 * (values - targets).square().mean()
    critic_optimizer.zero_grad()
    critic_loss.backward()
    critic_optimizer.step()

    log_policy = torch.log_softmax(actor(observations), dim=-1)
    taken = log_policy.gather(1, actions.unsqueeze(1)).squeeze(1)  # (B,)
    actor_loss = -(taken * errors).mean()
    actor_optimizer.zero_grad()
    actor_loss.backward()
    actor_optimizer.step()
    return errors
