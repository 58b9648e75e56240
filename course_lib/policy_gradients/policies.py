"""Policies: for each observation a distribution over actions, to sample from and to differentiate.

All have the same four methods. `sample` and `best` map observations (N, *obs) to actions, as
`course_lib.kit.rollouts` wants them; `log_prob` and `entropy` accept any leading axes, such as (time, environment).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import nn

Density = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class Policy(Protocol):
    """What training needs of a policy."""

    def sample(self, observations: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw an action for each observation."""

    def best(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the most probable action for each observation."""

    def log_prob(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Give log pi(a | o), natural logarithm, without the axes of observation and action."""

    def entropy(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the entropy of pi(. | o) in nats."""

    def parameters(self) -> object:
        """Give the parameters, for an optimizer."""


def small_network(
    inputs: int, hidden: Sequence[int], outputs: int, generator: torch.Generator | None = None, last_scale: float = 0.01
) -> nn.Sequential:
    """Make a network of linear layers with tanh between them.

    Weights are normal with standard deviation 1 / sqrt(inputs of the layer), biases 0. The last layer is scaled down,
    so that a policy begins undecided, whatever it sees.

    Args:
        inputs: D.
        hidden: units of each hidden layer.
        outputs: K.
        generator: source of randomness on the CPU; None means torch's global one.
        last_scale: factor of the last layer's weights.

    Returns:
        A module that maps (..., D) to (..., K).
    """
    layers: list[nn.Module] = []
    sizes = [inputs, *hidden, outputs]
    for number, (before, after) in enumerate(pairwise(sizes)):
        layer = nn.Linear(before, after)
        scale = (last_scale if number == len(sizes) - 2 else 1.0) / math.sqrt(before)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(after, before, generator=generator) * scale)
            layer.bias.zero_()
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class CategoricalPolicy(nn.Module):
    """A policy for A actions: the softmax of logits, from any module that makes them.

    >>> policy = CategoricalPolicy(small_network(4, (32,), 2, torch.Generator().manual_seed(0)))
    >>> policy.sample(torch.zeros(3, 4), torch.Generator().manual_seed(0))
    tensor([0, 1, 0])
    >>> policy.log_prob(torch.zeros(5, 3, 4), torch.ones(5, 3, dtype=torch.int64)).shape
    torch.Size([5, 3])

    Source: lecture 15, policies over discrete actions. L15.01, L15.15.
    """

    def __init__(self, network: nn.Module) -> None:
        """Keep the network, which maps observations (..., *obs) to logits (..., A)."""
        super().__init__()
        self.network = network

    def logits(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the logits (..., A)."""
        return self.network(observations)

    def sample(self, observations: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw an action for each observation: int64, shape (N,)."""
        sums = self.logits(observations).softmax(-1).cumsum(-1)  # (N, A)
        uniform = torch.rand(sums.shape[:-1], generator=generator).to(sums).unsqueeze(-1)
        # The last sum is 1 up to rounding, and is left out: the last action gets what remains.
        return (uniform >= sums[..., :-1]).sum(-1)

    def best(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the most probable action for each observation: int64, shape (N,)."""
        return self.logits(observations).argmax(-1)

    def log_prob(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Give log pi(a | o), shape (...); actions are int64, shape (...)."""
        return self.logits(observations).log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)

    def entropy(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the entropy in nats, shape (...)."""
        logs = self.logits(observations).log_softmax(-1)
        return -(logs.exp() * logs).sum(-1)


class Table(nn.Module):
    """Logits for each of O observations that are numbers: theta, shape (O, A). All zero at first: a uniform policy."""

    def __init__(self, observations: int, actions: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(observations, actions))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Look the rows up: int64 (...) to (..., A)."""
        return self.theta[observations]


def table_policy(observations: int, actions: int) -> CategoricalPolicy:
    """Make a policy with a row of logits for each observation, for the small worlds.

    >>> table_policy(3, 2).log_prob(torch.tensor([0, 2]), torch.tensor([1, 0]))
    tensor([-0.6931, -0.6931], grad_fn=<SqueezeBackward1>)
    """
    return CategoricalPolicy(Table(observations, actions))


def torch_density(mean: torch.Tensor, log_std: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Give the log density of independent normal components by torch.distributions, summed over the last axis."""
    return torch.distributions.Normal(mean, log_std.exp()).log_prob(actions).sum(-1)


class GaussianPolicy(nn.Module):
    """A policy for D real actions: independent normal components; the mean depends on the observation, sigma does not.

    Actions are not squashed into the bounds of the environment, which clips what it gets: the log probability is that
    of the action as it was drawn.

    >>> policy = GaussianPolicy(small_network(3, (32,), 1, torch.Generator().manual_seed(0)), 1)
    >>> policy.sample(torch.zeros(3, 3), torch.Generator().manual_seed(0)).shape
    torch.Size([3, 1])

    Source: lecture 15, squared error (Gaussian). L15.16.
    """

    def __init__(self, network: nn.Module, size: int, log_std: float = 0.0, density: Density = torch_density) -> None:
        """Keep the network and make one log sigma for each component.

        Args:
            network: maps observations (..., *obs) to means (..., D).
            size: D.
            log_std: natural logarithm of sigma at first.
            density: log density of actions, called as density(mean, log_std, actions).
        """
        super().__init__()
        self.network = network
        self.log_std = nn.Parameter(torch.full((size,), log_std))
        self.density = density

    def sample(self, observations: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw an action for each observation: shape (N, D)."""
        mean = self.network(observations)
        return mean + self.log_std.exp() * torch.randn(mean.shape, generator=generator).to(mean)

    def best(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the mean: shape (N, D)."""
        return self.network(observations)

    def log_prob(self, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        """Give the log density, shape (...); actions have shape (..., D)."""
        return self.density(self.network(observations), self.log_std, actions)

    def entropy(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the (differential) entropy in nats, the same for each observation; shape (N,) for (N, *obs)."""
        entropy = (self.log_std + 0.5 * math.log(2 * math.pi * math.e)).sum()
        return entropy.expand(self.network(observations).shape[:-1])
