"""Actor and critic: two networks, or one with two heads."""

import torch
from torch import nn

from course_lib.policy_gradients.policies import small_network


class SeparateAC(nn.Module):
    """Two networks, an actor and a critic: simple and stable, and nothing is shared.

    Args:
        inputs: width of an observation.
        actions: how many actions there are.
        hidden: units of each hidden layer.

    >>> logits, values = SeparateAC(4, 2)(torch.zeros(3, 4))
    >>> logits.shape, values.shape
    (torch.Size([3, 2]), torch.Size([3]))

    Source: lecture 16, architecture design: two networks. L16.10.
    """

    def __init__(self, inputs: int, actions: int, hidden: int = 64) -> None:
        super().__init__()
        self.actor = small_network(inputs, (hidden, hidden), actions)
        self.critic = small_network(inputs, (hidden, hidden), 1)

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give logits (N, actions) and values (N,) for observations (N, inputs)."""
        return self.actor(observations), self.critic(observations).squeeze(-1)


class SharedAC(nn.Module):
    """One network with two heads: what the actor and the critic see in an observation is
    computed, and learned, once.

    Args:
        inputs: width of an observation.
        actions: how many actions there are.
        hidden: units of each hidden layer.

    Attributes:
        trunk: a module from (N, inputs) to features (N, hidden): two hidden layers, tanh after
            each.
        policy_head: one linear layer from the features to the logits of the actions.
        value_head: another one from the features to one number.

    >>> network = SharedAC(4, 2, hidden=8)
    >>> logits, values = network(torch.zeros(3, 4))
    >>> logits.shape, values.shape
    (torch.Size([3, 2]), torch.Size([3]))
    >>> sum(parameter.numel() for parameter in network.parameters())
    139

    Source: lecture 16, architecture design: shared network. L16.10.
    """

    def __init__(self, inputs: int, actions: int, hidden: int = 64) -> None:
        """Make `trunk`, `policy_head` and `value_head`, in this order; any first weights will
        do.
        """
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.policy_head = nn.Linear(hidden, actions)
        self.value_head = nn.Linear(hidden, 1)

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give logits (N, actions), before any softmax, and values (N,) for observations (N,
        inputs).
        """
        features = self.trunk(observations)  # (N, hidden), once for both heads
        return self.policy_head(features), self.value_head(features).squeeze(-1)


def joint_loss(
    logits: torch.Tensor,
    values: torch.Tensor,
    actions: torch.Tensor,
    advantages: torch.Tensor,
    targets: torch.Tensor,
    value_weight: float = 0.5,
    entropy_weight: float = 0.0,
) -> torch.Tensor:
    """Give one loss for an actor and a critic that share parameters.

    It is the sum of three means over the N steps: actor: -log pi(a|s) A, where the advantage is
    data; critic: value_weight times 1/2 (V(s) - y)^2, where the target is data; and
    -entropy_weight times the entropy -sum_a pi(a|s) log pi(a|s), which rewards a policy for
    staying undecided. In a shared trunk the gradients of the first two add up, and value_weight
    decides who is heard.

    Args:
        logits: of all actions, shape (N, actions).
        values: V(s), shape (N,).
        actions: those that were taken, int64, shape (N,).
        advantages: shape (N,); gets no gradient, even if it was computed from `values`.
        targets: y, shape (N,); gets no gradient either.
        value_weight: 0 or more.
        entropy_weight: 0 or more.

    Returns:
        The loss, a tensor without axes.

    >>> a, one = torch.tensor([0]), torch.ones(1)
    >>> joint_loss(torch.zeros(1, 2), torch.zeros(1), a, one, 4 * one, value_weight=0.5)
    tensor(4.6931)

    Source: lecture 16, architecture design: shared network; Mnih et al. (2016). L16.10.
    """
    log_policy = torch.log_softmax(logits, dim=-1)  # (N, actions)
    taken = log_policy.gather(1, actions.unsqueeze(1)).squeeze(1)  # (N,)
    actor = -(taken * advantages.detach()).mean()
    critic = 0.5 * (values - targets.detach()).square().mean()
    entropy = -(log_policy.exp() * log_policy).sum(dim=1).mean()
    return actor + value_weight * critic - entropy_weight * entropy
