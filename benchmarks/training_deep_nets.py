"""What batch normalization, layer normalization and dropout cost beside PyTorch's; the ensemble table.

    python benchmarks/training_deep_nets.py

Times are forward plus backward on one thread of this machine; ratios are what carries over. Ours are written out as
tensor operations with a backward pass by hand, readable and fused; PyTorch's are its built-ins with autograd.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F

from course_lib.kit.data import digits
from course_lib.training_deep_nets import (
    TableSettings,
    batch_norm,
    batch_norm_backward,
    dropout,
    ensemble_table,
    fused_batch_norm,
    fused_batch_norm_backward,
    fused_layer_norm,
    fused_layer_norm_backward,
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


def rivals(samples: int, features: int) -> dict[str, dict[str, Callable[[], object]]]:
    """Give, for each layer, forward plus backward in several forms, PyTorch's among them."""
    generator = torch.Generator().manual_seed(0)
    x, delta = (torch.randn(samples, features, generator=generator) for _ in range(2))
    gamma, beta = torch.ones(features), torch.zeros(features)
    leaves = [tensor.clone().requires_grad_() for tensor in (x, gamma, beta)]

    def both(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[[], object]:
        def run() -> object:
            _, kept = forward(x, gamma, beta)
            return backward(delta, gamma, *kept)

        return run

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
        "batch normalization": {
            "PyTorch": their_batch_norm,
            "readable": both(batch_norm, batch_norm_backward),
            "fused": both(fused_batch_norm, fused_batch_norm_backward),
        },
        "layer normalization": {
            "PyTorch": their_layer_norm,
            "readable": both(layer_norm, layer_norm_backward),
            "fused": both(fused_layer_norm, fused_layer_norm_backward),
        },
        "dropout": {"PyTorch": their_dropout, "readable": our_dropout},
    }


def ratios(forms: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Give the CPU time of each form divided by that of PyTorch's: all in turn, and the median over the rounds."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, function in forms.items():
            start = time.process_time()
            function()
            times[name].append(time.process_time() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {name: value / medians["PyTorch"] for name, value in medians.items() if name != "PyTorch"}


def main(settings: Settings | None = None) -> None:
    """Measure and print."""
    settings = settings or Settings()
    torch.set_num_threads(1)
    print("forward plus backward, CPU time divided by that of PyTorch's built-in:")
    for samples, features in SHAPES:
        for name, forms in rivals(samples, features).items():
            found = ", ".join(f"{form} {value:.2f}" for form, value in ratios(forms, settings.rounds).items())
            print(f"    {samples} x {features}, {name}: {found}")
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
