"""What batch normalization, layer normalization and dropout cost beside PyTorch's; the ensemble table.

    python benchmarks/training_deep_nets.py

Times are forward plus backward on one thread of this machine; ratios are what carries over. Ours are written out as
tensor operations with a backward pass by hand, PyTorch's are its built-ins with autograd.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from course_lib.kit.data import digits
from course_lib.training_deep_nets import (
    TableSettings,
    batch_norm,
    batch_norm_backward,
    dropout,
    ensemble_table,
    layer_norm,
    layer_norm_backward,
)

SHAPES = ((32, 64), (256, 512), (1024, 1024))


@dataclass(frozen=True)
class Settings:
    """All sizes in one place."""

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    rounds: int = 200
    test_size: int = 1297  # of the digits, so that 500 images are left to learn from
    table: TableSettings = field(default_factory=TableSettings)


def pairs(samples: int, features: int) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Give, for each layer, our forward plus backward and PyTorch's."""
    generator = torch.Generator().manual_seed(0)
    x, delta = (torch.randn(samples, features, generator=generator) for _ in range(2))
    gamma, beta = torch.ones(features), torch.zeros(features)
    leaves = [tensor.clone().requires_grad_() for tensor in (x, gamma, beta)]

    def our_batch_norm() -> object:
        _, kept = batch_norm(x, gamma, beta)
        return batch_norm_backward(delta, gamma, *kept)

    def our_layer_norm() -> object:
        _, kept = layer_norm(x, gamma, beta)
        return layer_norm_backward(delta, gamma, *kept)

    def our_dropout() -> object:
        _, mask = dropout(x, 0.5, True)
        return delta * mask

    def their_batch_norm() -> object:
        return torch.autograd.grad(F.batch_norm(leaves[0], None, None, *leaves[1:], training=True), leaves, delta)

    def their_layer_norm() -> object:
        return torch.autograd.grad(F.layer_norm(leaves[0], (features,), *leaves[1:]), leaves, delta)

    def their_dropout() -> object:
        return torch.autograd.grad(F.dropout(leaves[0], 0.5), leaves[:1], delta)

    return {
        "batch normalization": (our_batch_norm, their_batch_norm),
        "layer normalization": (our_layer_norm, their_layer_norm),
        "dropout": (our_dropout, their_dropout),
    }


def ratio(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> float:
    """Give our time divided by theirs: both in turn, the fastest of all rounds, so that a busy machine hurts both."""
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for which, function in enumerate((ours, theirs)):
            start = time.perf_counter()
            function()
            best[which] = min(best[which], time.perf_counter() - start)
    return best[0] / best[1]


def main(settings: Settings | None = None) -> None:
    """Measure and print."""
    settings = settings or Settings()
    torch.set_num_threads(1)
    print("forward plus backward, time divided by that of PyTorch's built-in:")
    for samples, features in SHAPES:
        for name, (ours, theirs) in pairs(samples, features).items():
            print(f"    {samples} x {features}, {name}: {ratio(ours, theirs, settings.rounds):.2f}")
    rows: dict[str, list[float]] = {}
    for seed in settings.seeds:
        for name, accuracy in ensemble_table(digits(seed, settings.test_size), seed, settings.table).items():
            rows.setdefault(name, []).append(accuracy)
    print(f"digits, {1797 - settings.test_size} to train, {settings.test_size} to test, {len(settings.seeds)} seeds:")
    for name, found in rows.items():
        values = 100 * torch.tensor(found, dtype=torch.float64)
        error = values.std() / len(values) ** 0.5
        print(
            f"    {name}: {values.mean():.2f} %, standard error {error:.2f}, {values.min():.1f} to {values.max():.1f}"
        )


if __name__ == "__main__":
    main()
