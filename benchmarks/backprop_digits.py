"""What the notebook on backpropagation states: accuracy with our engine, agreement with PyTorch, and cost.

python benchmarks/backprop_digits.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from timeit import Timer

import torch

from course_lib.backprop import (
    Linear,
    ReLU,
    Variable,
    backward_pass,
    forward_pass,
    initial_parameters,
    logistic_regression_loss,
    mlp_features,
    mlp_logits,
    softmax_cross_entropy,
    train_mlp,
)
from course_lib.kit.data import digits


@dataclass(frozen=True)
class Settings:
    """All sizes in one place."""

    seeds: tuple[int, ...] = tuple(range(5))
    hidden: int = 64
    learning_rate: float = 0.2
    epochs: int = 40
    batch_size: int = 32
    timing_seconds: float = 0.5


def digits_accuracies(settings: Settings) -> torch.Tensor:
    """Train a network with one hidden layer on scikit-learn's digits once for each seed; shape (seeds,)."""
    results = []
    for seed in settings.seeds:
        data = digits(seed=seed)
        generator = torch.Generator().manual_seed(seed)
        parameters = [Variable(value) for value in initial_parameters([64, settings.hidden, 10], generator)]
        train_mlp(
            parameters,
            data.x_train,
            data.y_train,
            settings.learning_rate,
            settings.epochs,
            settings.batch_size,
            generator,
        )
        guesses = mlp_logits([parameter.value for parameter in parameters], data.x_test).argmax(dim=1)
        results.append((guesses == data.y_test).double().mean().item())
    return torch.tensor(results, dtype=torch.float64)


Gradients = Sequence[torch.Tensor]


def ways(samples: int, sizes: Sequence[int]) -> dict[str, Callable[[], Gradients]]:
    """Give three functions that compute the same gradients: PyTorch's autograd, our recipes, our engine."""
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(samples, sizes[0], generator=draw)
    labels = torch.randint(sizes[-1], (samples,), generator=draw)
    values = initial_parameters(sizes, draw)
    tracked = [value.clone().requires_grad_() for value in values]

    def by_pytorch() -> Gradients:
        loss = torch.nn.functional.cross_entropy(mlp_logits(tracked, x), labels)
        return torch.autograd.grad(loss, tracked)

    layers: list[Linear | ReLU] = []
    for weight, bias in zip(values[::2], values[1::2], strict=True):
        layers += [Linear(weight, bias), ReLU()]
    layers.pop()

    def by_recipes() -> Gradients:
        activations = forward_pass(layers, x)
        _, delta = softmax_cross_entropy(activations[-1], labels)
        gradients, _ = backward_pass(layers, activations, delta)
        return [gradient for layer in gradients for gradient in layer]

    def by_engine() -> Gradients:
        variables = [Variable(value) for value in values]
        features = mlp_features(variables, x)
        logistic_regression_loss(features, labels, variables[-2], variables[-1]).backward()
        return [variable.gradient for variable in variables if variable.gradient is not None]

    return {"autograd": by_pytorch, "recipes": by_recipes, "engine": by_engine}


def largest_difference(found: Gradients, expected: Gradients) -> float:
    """Give the largest absolute difference of two lists of gradients, relative to the largest entry."""
    scale = max(float(tensor.abs().max()) for tensor in expected)
    return max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True)) / scale


def speed_ratios(samples: int, sizes: Sequence[int], settings: Settings) -> dict[str, float]:
    """Give the time of one forward and backward pass divided by that of PyTorch's autograd (medians)."""
    times = {}
    for name, function in ways(samples, sizes).items():
        timer = Timer("function()", globals={"function": function})
        count, _ = timer.autorange()
        repeats = max(5, round(settings.timing_seconds / 0.1))
        each = sorted(timer.timeit(max(1, count // 4)) / max(1, count // 4) for _ in range(repeats))
        times[name] = each[len(each) // 2]
    return {name: times[name] / times["autograd"] for name in ("recipes", "engine")}


def summary(accuracies: torch.Tensor) -> str:
    """Say mean, spread and range in per cent."""
    mean, spread = 100 * accuracies.mean(), 100 * accuracies.std()
    lowest, highest = 100 * accuracies.min(), 100 * accuracies.max()
    return f"{mean:.1f} % (standard deviation {spread:.1f}, {lowest:.1f} to {highest:.1f}, {len(accuracies)} seeds)"


def main(settings: Settings | None = None) -> None:
    """Measure and print."""
    settings = settings or Settings()
    torch.set_num_threads(1)
    start = time.perf_counter()
    print(f"digits, 64-{settings.hidden}-10, our engine: {summary(digits_accuracies(settings))}")
    print(f"    {(time.perf_counter() - start) / len(settings.seeds):.2f} s a training run")
    print("forward and backward pass, time divided by that of PyTorch's autograd; largest relative difference:")
    for samples, sizes in ((32, [64, 64, 10]), (512, [784, 512, 512, 10])):
        functions = ways(samples, sizes)
        expected = functions["autograd"]()
        for name, ratio in speed_ratios(samples, sizes, settings).items():
            difference = largest_difference(functions[name](), expected)
            print(f"    {samples} x {'-'.join(map(str, sizes))}, {name}: {ratio:.2f}, {difference:.0e}")


if __name__ == "__main__":
    main()
