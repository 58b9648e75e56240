"""A toy of hard attention: an image of which only one quarter may be looked at, and learning where to look.

A cue in the corner of the whole picture says which quarter holds the digit-like sign; the others hold signs of other
classes. The classifier sees the chosen quarter only. Looking at random is right as often as chance puts the glimpse
on the right place; learning where to look needs REINFORCE, because a sampled place has no derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

PLACES, CLASSES, SIDE = 4, 4, 4
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]


@dataclass(frozen=True)
class GlimpseSettings:
    """All sizes of the experiment."""

    batch_size: int = 128
    steps: int = 400
    learning_rate: float = 0.02
    noise: float = 0.3  # standard deviation of the pixels' noise

    def fast(self) -> GlimpseSettings:
        """Small enough for a test."""
        return replace(self, steps=30)


def signs() -> torch.Tensor:
    """Give the sign of each class: a bar in one of four directions, shape (CLASSES, SIDE, SIDE)."""
    images = torch.zeros(CLASSES, SIDE, SIDE)
    images[0, 1:3] = 1.0
    images[1, :, 1:3] = 1.0
    images[2] = torch.eye(SIDE)
    images[3] = torch.eye(SIDE).flip(1)
    return images


def glimpse_images(
    count: int, noise: float = 0.3, generator: torch.Generator | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw pictures of four quarters with a sign in each, a cue that says which one counts, and its class.

    Args:
        count: N.
        noise: standard deviation of the noise on each pixel.
        generator: source of randomness on the CPU.

    Returns:
        Quarters (N, 4, SIDE, SIDE), cues (N, 4), which are noisy one-hot rows, and labels, int64, (N,): the class of
        the sign in the quarter of the cue.

    Source: lecture 15, hard attention. L15.18.
    """
    classes = torch.randint(CLASSES, (count, PLACES), generator=generator)
    where = torch.randint(PLACES, (count,), generator=generator)
    quarters = signs()[classes]
    quarters = quarters + noise * torch.randn(quarters.shape, generator=generator)
    cues = nn.functional.one_hot(where, PLACES).float()
    cues = cues + noise * torch.randn(cues.shape, generator=generator)
    return quarters, cues, classes.gather(1, where[:, None]).squeeze(1)


class GlimpseNet(nn.Module):
    """Where to look, from the cue; and what it is, from the quarter that was looked at."""

    def __init__(self, generator: torch.Generator | None = None) -> None:
        """Draw small weights."""
        super().__init__()
        self.where = nn.Linear(PLACES, PLACES)
        self.what = nn.Linear(SIDE * SIDE, CLASSES)
        with torch.no_grad():
            for layer in (self.where, self.what):
                layer.weight.copy_(0.1 * torch.randn(layer.weight.shape, generator=generator))
                layer.bias.zero_()

    def forward(
        self, quarters: torch.Tensor, cues: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Look once.

        Args:
            quarters: (N, 4, SIDE, SIDE).
            cues: (N, 4).
            generator: source of randomness for the glimpse.

        Returns:
            Logits of the places (N, 4), the places that were looked at, int64, (N,), and logits of the classes (N,
            4).
        """
        places = self.where(cues)
        looked = torch.multinomial(places.detach().softmax(1), 1, generator=generator).squeeze(1)
        seen = quarters[torch.arange(len(quarters)), looked].flatten(1)
        return places, looked, self.what(seen)


def train_glimpses(
    net: GlimpseNet,
    loss: Loss,
    settings: GlimpseSettings | None = None,
    generator: torch.Generator | None = None,
    on_step: Callable[[int, float], Any] | None = None,
) -> list[float]:
    """Train a glimpse network on fresh pictures at each step, with the running mean of the rewards as baseline.

    Args:
        net: trained in place.
        loss: called as loss(place logits, places, class logits, labels, baseline).
        settings: sizes.
        generator: source of randomness on the CPU.
        on_step: if given, called as on_step(step, accuracy).

    Returns:
        The share of pictures that were classified right, one number a step.

    Source: lecture 15, hard attention. L15.18.
    """
    settings = settings or GlimpseSettings()
    optimizer = torch.optim.Adam(net.parameters(), lr=settings.learning_rate)
    history: list[float] = []
    baseline = 1 / CLASSES
    for step in range(settings.steps):
        quarters, cues, labels = glimpse_images(settings.batch_size, settings.noise, generator)
        places, looked, classes = net(quarters, cues, generator)
        optimizer.zero_grad()
        loss(places, looked, classes, labels, baseline).backward()
        optimizer.step()
        history.append(float((classes.argmax(1) == labels).float().mean()))
        baseline = 0.9 * baseline + 0.1 * history[-1]
        if on_step is not None:
            on_step(step, history[-1])
    return history
