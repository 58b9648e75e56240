"""What softmax regression reaches on handwritten digits, and what the readable code costs beside PyTorch's own.

    python benchmarks/softmax_digits.py
    COURSE_DATA_DIR=<folder that holds mnist/> python benchmarks/softmax_digits.py

Accuracies are on images that were not trained on, with mean, standard deviation and lowest value over the seeds. MNIST
is measured if it is in the data folder. Times are of one thread on this machine; ratios are what carries over.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch.utils.benchmark import Timer

from course_lib.kit.data import DataError, Dataset, digits, mnist
from course_lib.softmax_regression import SoftmaxRegression, negative_log_likelihood, softmax_regression_gradient


@dataclass(frozen=True)
class Settings:
    """Every number of this benchmark. The digits are trained with the defaults of `SoftmaxRegression.fit`."""

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)  # of the minibatches; for the digits of the division into sets, too
    mnist_learning_rate: float = 0.1
    mnist_epochs: int = 20
    mnist_batch_size: int = 32
    timing_seconds: float = 0.5  # for each of the functions that are timed

    @classmethod
    def fast(cls) -> "Settings":
        """Two seeds and short timings: to see that it runs, not for numbers."""
        return cls(seeds=(0, 1), mnist_epochs=2, timing_seconds=0.02)


def accuracy(model: SoftmaxRegression, data: Dataset) -> float:
    """Give the share of test images whose class is predicted rightly."""
    return (model.predict(data.x_test) == data.y_test).double().mean().item()


def digits_accuracies(settings: Settings) -> torch.Tensor:
    """Train on scikit-learn's digits once for each seed, with default settings; shape (seeds,)."""
    results = []
    for seed in settings.seeds:
        data = digits(seed=seed)
        model = SoftmaxRegression(data.x_train.shape[1], len(data.class_names))
        model.fit(data.x_train, data.y_train, generator=torch.Generator().manual_seed(seed))
        results.append(accuracy(model, data))
    return torch.tensor(results, dtype=torch.float64)


def mnist_accuracies(data: Dataset, settings: Settings) -> torch.Tensor:
    """Train on MNIST, or on the part of it that is there, once for each seed; shape (seeds,)."""
    results = []
    for seed in settings.seeds:
        model = SoftmaxRegression(data.x_train.shape[1], len(data.class_names))
        model.fit(
            data.x_train,
            data.y_train,
            learning_rate=settings.mnist_learning_rate,
            epochs=settings.mnist_epochs,
            batch_size=settings.mnist_batch_size,
            generator=torch.Generator().manual_seed(seed),
        )
        results.append(accuracy(model, data))
    return torch.tensor(results, dtype=torch.float64)


def speed_ratios(samples: int, features: int, settings: Settings, classes: int = 10) -> dict[str, float]:
    """Give our time divided by that of PyTorch's cross_entropy for the same result (medians; below 1 is faster)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(samples, features, generator=generator)
    labels = torch.randint(classes, (samples,), generator=generator)
    weights = torch.randn(features, classes, generator=generator, requires_grad=True)
    constant = weights.detach()

    def gradient_of(loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        return torch.autograd.grad(loss(x @ weights, labels), weights)[0]

    def median(function: Callable[[], object]) -> float:
        timer = Timer("function()", globals={"function": function})
        return timer.blocked_autorange(min_run_time=settings.timing_seconds).median

    builtin = median(lambda: gradient_of(F.cross_entropy))
    return {
        "loss and gradient by autograd": median(lambda: gradient_of(negative_log_likelihood)) / builtin,
        "gradient in closed form": median(lambda: softmax_regression_gradient(x, labels, constant)) / builtin,
    }


def summary(accuracies: torch.Tensor) -> str:
    """Say mean, spread and lowest value in per cent."""
    mean, spread, lowest = 100 * accuracies.mean(), 100 * accuracies.std(), 100 * accuracies.min()
    return f"{mean:.1f} % (standard deviation {spread:.1f}, lowest {lowest:.1f}, {len(accuracies)} seeds)"


def main(settings: Settings | None = None) -> None:
    """Measure and print."""
    settings = settings or Settings()
    torch.set_num_threads(1)

    start = time.perf_counter()
    print(f"digits, 1,437 to train, 360 to test, default settings: {summary(digits_accuracies(settings))}")
    print(f"    {(time.perf_counter() - start) / len(settings.seeds):.2f} s a training run")
    try:
        data = mnist()
    except DataError as error:
        print(f"MNIST left out: {error}")
    else:
        start = time.perf_counter()
        print(f"{data.description}: {summary(mnist_accuracies(data, settings))}")
        print(f"    {(time.perf_counter() - start) / len(settings.seeds):.2f} s a training run")

    print("time divided by that of torch.nn.functional.cross_entropy with autograd:")
    for samples, features in ((32, 65), (4096, 785)):
        for name, ratio in speed_ratios(samples, features, settings).items():
            print(f"    {samples} x {features}, {name}: {ratio:.2f}")


if __name__ == "__main__":
    main()
