"""What the mini course builds: a function, one that builds on it, a class, and one that takes a function."""

from __future__ import annotations

import torch


def softmax(logits: torch.Tensor) -> torch.Tensor:
    """Turn logits into probabilities along the last axis.

    Args:
        logits: (N, C).

    Returns:
        Probabilities (N, C); rows add up to one.
    """
    shifted = logits - logits.max(-1, keepdim=True).values
    powers_of_e = shifted.exp()
    return powers_of_e / powers_of_e.sum(-1, keepdim=True)


def entropy(logits: torch.Tensor) -> torch.Tensor:
    """Give the entropy of each row's softmax, in nats.

    Args:
        logits: (N, C).

    Returns:
        Entropies (N,).
    """
    share_of_mass = softmax(logits)
    return -(share_of_mass * share_of_mass.log()).sum(-1)


class Counter:
    """Count upwards from a start."""

    def __init__(self, start: int):
        """Begin at `start`."""
        self.value = start

    def add(self, n: int) -> int:
        """Add `n` and return the new value."""
        self.value += n
        return self.value


def descend(gradient, start: torch.Tensor, steps: int) -> torch.Tensor:
    """Walk down a slope with steps of 0.1 times the gradient.

    Args:
        gradient: gives the gradient (D,) at a point (D,).
        start: (D,), which stays as it is.
        steps: how many.

    Returns:
        Where the walk ends, (D,).
    """
    place_on_the_slope = start.clone()
    for _ in range(steps):
        place_on_the_slope = place_on_the_slope - 0.1 * gradient(place_on_the_slope)
    return place_on_the_slope
