"""What the readable optimizers cost beside torch.optim, and what they reach on the digits in odd units.

    python benchmarks/optimizers.py

A step is what training does: forward, backward and update of a small net on one batch, on one CPU thread. Times are CPU
time, which a busy machine disturbs least; ratios are what carries over. The losses are those of the experiment in the
notebook on optimization.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.benchmark import Timer

from course_lib.kit.data import digits
from course_lib.optimization import (
    AdaGrad,
    Adam,
    GradientDescent,
    Momentum,
    Nesterov,
    RMSProp,
    SkipNet,
    filter_normalized_direction,
    loss_surface,
    random_direction,
    roughness,
)
from course_lib.softmax_regression import minibatches, train

Maker = Callable[[list[torch.Tensor]], Any]

# Too small to learn anything: a net that has learned its batch has gradients of denormal numbers, which are slow.
RATE = 1e-6

# Ours, and the one of torch.optim that does the same.
PAIRS: dict[str, tuple[Maker, Maker]] = {
    "gradient descent": (lambda p: GradientDescent(p, RATE), lambda p: torch.optim.SGD(p, RATE)),
    "momentum": (lambda p: Momentum(p, RATE, 0.9), lambda p: torch.optim.SGD(p, RATE, momentum=0.9)),
    "Nesterov": (lambda p: Nesterov(p, RATE, 0.9), lambda p: torch.optim.SGD(p, RATE, momentum=0.9, nesterov=True)),
    "AdaGrad": (lambda p: AdaGrad(p, RATE), lambda p: torch.optim.Adagrad(p, RATE)),
    "RMSProp": (lambda p: RMSProp(p, RATE, 0.9), lambda p: torch.optim.RMSprop(p, RATE, alpha=0.9)),
    "Adam": (lambda p: Adam(p, RATE), lambda p: torch.optim.Adam(p, RATE)),
}


@dataclass(frozen=True)
class Settings:
    """Every number of this benchmark."""

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    epochs: int = 8
    timing_seconds: float = 0.5  # for each of the functions that are timed
    rounds: int = 3  # timings of ours and theirs in turn; the lowest of each counts, for a busy machine only adds time
    landscape_epochs: int = 15
    grid_points: int = 31

    @classmethod
    def fast(cls) -> "Settings":
        """Two seeds and short timings: to see that it runs, not for numbers."""
        return cls((0, 1), 1, 0.02, 1, 1, 5)


def step_ratios(batch_size: int, width: int, settings: Settings) -> dict[str, float]:
    """Give our time divided by that of torch.optim, for forward, backward and step of a net 64-width-width-10."""
    draw = torch.Generator().manual_seed(0)
    x, labels = torch.randn(batch_size, 64, generator=draw), torch.randint(10, (batch_size,), generator=draw)
    net = SkipNet(64, 10, width, depth=1, skips=False)

    def median(make: Maker) -> float:
        parameters = [p.requires_grad_() for p in net.initialize(torch.Generator().manual_seed(0))]
        optimizer = make(parameters)

        def one_step() -> None:
            optimizer.zero_grad()
            F.cross_entropy(net.logits(parameters, x), labels).backward()
            optimizer.step()

        return (
            Timer("step()", globals={"step": one_step}, timer=time.process_time)
            .blocked_autorange(min_run_time=settings.timing_seconds)
            .median
        )

    ratios = {}
    for name, (ours, theirs) in PAIRS.items():
        times = [(median(ours), median(theirs)) for _ in range(settings.rounds)]
        ratios[name] = min(own for own, _ in times) / min(other for _, other in times)
    return ratios


def odd_units_loss(make: Maker, seed: int, settings: Settings) -> float:
    """Train on the digits with every pixel in a unit of its own; give the mean loss of the last tenth of the
    updates."""
    images = digits(seed=seed)
    draw = torch.Generator().manual_seed(seed)
    x = images.x_train * 10 ** (2 * torch.rand(64, generator=draw) - 1)
    net = SkipNet(64, 10, width=32, depth=1, skips=False)
    parameters = [p.requires_grad_() for p in net.initialize(draw)]
    batches = [b for _ in range(settings.epochs) for b in minibatches(len(x), 32, draw)]
    losses = train(
        parameters,
        lambda p, batch: F.cross_entropy(net.logits(p, x[batch]), images.y_train[batch]),
        make(parameters),
        batches,
    )
    tail = losses[-(len(losses) // 10) :]
    return sum(tail) / len(tail)


def odd_units(settings: Settings) -> dict[str, torch.Tensor]:
    """Give the final losses by optimizer, each at the learning rate that a seed of its own has chosen; shape
    (seeds,)."""
    makers: dict[str, Maker] = {
        "gradient descent": lambda p: GradientDescent(p, 0.1),
        "momentum": lambda p: Momentum(p, 0.01, 0.9),
        "RMSProp": lambda p: RMSProp(p, 0.00316228),
        "Adam": lambda p: Adam(p, 0.01),
    }
    return {
        name: torch.tensor([odd_units_loss(make, seed, settings) for seed in settings.seeds])
        for name, make in makers.items()
    }


def landscape_roughness(skips: bool, seed: int, settings: Settings) -> float:
    """Train a net of twelve blocks of 16 units and give the roughness of its loss on a random plane."""
    images = digits(seed=0)
    draw = torch.Generator().manual_seed(seed)
    net = SkipNet(64, 10, 16, 12, skips)
    parameters = [p.requires_grad_() for p in net.initialize(draw)]
    batches = [b for _ in range(settings.landscape_epochs) for b in minibatches(len(images.x_train), 64, draw)]
    train(
        parameters,
        lambda p, batch: F.cross_entropy(net.logits(p, images.x_train[batch]), images.y_train[batch]),
        Adam(parameters, 0.003),
        batches,
    )
    parameters = [p.detach() for p in parameters]
    x, labels = images.x_train[:500], images.y_train[:500]
    first, second = (filter_normalized_direction(parameters, random_direction(parameters, draw)) for _ in range(2))
    grid = torch.linspace(-1, 1, settings.grid_points)
    surface = loss_surface(lambda p: F.cross_entropy(net.logits(p, x), labels), parameters, first, second, grid)
    return roughness(surface, grid)


def main(settings: Settings | None = None) -> None:
    """Measure and print."""
    settings = settings or Settings()
    torch.set_num_threads(1)
    print("forward, backward and step: time divided by that of torch.optim")
    for batch_size, width in ((32, 32), (128, 512)):
        ratios = step_ratios(batch_size, width, settings)
        shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
        print(f"    batch {batch_size}, width {width}: {shown}")
    print("digits in odd units, final training loss by seed:")
    for name, losses in odd_units(settings).items():
        print(f"    {name:>17}: mean {losses.mean():.3f}, from {losses.min():.3f} to {losses.max():.3f}")
    for skips in (True, False):
        found = [landscape_roughness(skips, seed, settings) for seed in settings.seeds]
        print(f"roughness {'with' if skips else 'without'} skips: from {min(found):.1f} to {max(found):.1f}")


if __name__ == "__main__":
    main()
