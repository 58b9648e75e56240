"""What the notebook on bias and variance claims: the measured decomposition, and penalties on the diabetes study.

    python benchmarks/bias_variance.py

Decomposition: polynomials fitted to 20 points of sin(pi x) with noise of standard deviation 0.3, 200 data sets for each
seed. Diabetes: 102 rows to train, 119 to choose lambda, 221 to test; test errors relative to predicting the mean of the
training targets, medians over ten divisions.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from course_lib.bias_variance import (
    GuardedTestSet,
    Predictor,
    bias_variance,
    fit_degree,
    fit_ridge,
    lasso,
    product_map,
    select_lambda,
    split,
)
from course_lib.kit.tables import diabetes


@dataclass(frozen=True)
class Settings:
    """Every number of this benchmark; those of the experiments are the notebook's."""

    decomposition_seeds: tuple[int, ...] = tuple(range(10))
    degrees: tuple[int, ...] = (1, 2, 3, 12)
    data_sets: int = 200
    divisions: int = 40  # medians are over ten neighbours each
    fractions: tuple[float, float, float] = (0.23, 0.27, 0.5)
    degree: int = 2  # products of so many measurements
    ridge_lams: tuple[float, ...] = tuple(10 ** (k / 3) for k in range(-3, 13))
    lasso_lams: tuple[float, ...] = tuple(10 ** (k / 4) for k in range(8, 17))
    lasso_steps: int = 500

    @classmethod
    def fast(cls) -> "Settings":
        """Two seeds and two divisions: to see that it runs, not for numbers."""
        return cls(decomposition_seeds=(0, 1), data_sets=20, divisions=2, lasso_steps=50)


def decomposition(settings: Settings) -> dict[int, np.ndarray]:
    """Variance, squared bias and total, means over x, for each degree; shape (seeds, 3) each."""

    def truth(x: torch.Tensor) -> torch.Tensor:
        return torch.sin(math.pi * x)

    def draw(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        inside = torch.rand(20, generator=generator, dtype=torch.float64)
        x = -1 + 2 * (torch.arange(20) + inside) / 20
        return x, truth(x) + 0.3 * torch.randn(20, generator=generator, dtype=torch.float64)

    grid = torch.linspace(-1, 1, 101, dtype=torch.float64)
    found = {}
    for degree in settings.degrees:
        rows = []
        for seed in settings.decomposition_seeds:
            make_data = partial(draw, torch.Generator().manual_seed(seed))
            parts = bias_variance(make_data, partial(fit_degree, degree=degree), grid, truth, settings.data_sets)
            rows.append([part.mean().item() for part in parts])
        found[degree] = np.array(rows)
    return found


def relative_errors(settings: Settings) -> dict[str, np.ndarray]:
    """Test errors relative to predicting the mean, one for each division; shape (divisions,) each."""

    def by_ridge(x: torch.Tensor, y: torch.Tensor, lam: float) -> Predictor:
        expand = product_map(x, settings.degree)
        predict = fit_ridge(expand(x), y, lam)
        return lambda new: predict(expand(new))

    def by_lasso(x: torch.Tensor, y: torch.Tensor, lam: float) -> Predictor:
        expand = product_map(x, settings.degree)
        features = expand(x)
        mean, spread = features.mean(dim=0), features.std(dim=0, correction=0)
        theta = lasso((features - mean) / spread, y - y.mean(), lam, settings.lasso_steps)
        return lambda new: y.mean() + (expand(new) - mean) / spread @ theta

    def error(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (predictions - targets) ** 2

    table = diabetes()
    scores: dict[str, list[float]] = {"almost no penalty": [], "ridge regression": [], "lasso": []}
    for seed in range(settings.divisions):
        training, validation, test = split(table.x, table.y, settings.fractions, seed)
        reference = error(training[1].mean(), test[1]).mean().item()
        predictors: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
            "almost no penalty": by_ridge(*training, 1e-6),
            "ridge regression": by_ridge(
                *training, select_lambda(settings.ridge_lams, by_ridge, training, validation)[0]
            ),
            "lasso": by_lasso(*training, select_lambda(settings.lasso_lams, by_lasso, training, validation)[0]),
        }
        for name, predict in predictors.items():
            scores[name].append(GuardedTestSet(*test).evaluate(predict, error) / reference)
    return {name: np.array(values) for name, values in scores.items()}


def main(settings: Settings | None = None) -> None:
    """Measure and print."""
    settings = settings or Settings()
    torch.set_num_threads(1)
    start = time.perf_counter()
    print(f"decomposition, {settings.data_sets} data sets of 20 points, {len(settings.decomposition_seeds)} seeds:")
    for degree, rows in decomposition(settings).items():
        low, high = rows.min(axis=0), rows.max(axis=0)
        ranges = (f"{a:.4f} to {b:.4f}" for a, b in zip(low, high, strict=True))
        print("    degree {:2}: variance {}, squared bias {}, together {}".format(degree, *ranges))
    print(f"    {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    print(f"diabetes, products of up to {settings.degree} measurements, {settings.divisions} divisions:")
    for name, values in relative_errors(settings).items():
        tens = [np.median(values[i : i + 10]) for i in range(0, len(values), 10)]
        medians = ", ".join(f"{value:.2f}" for value in tens)
        print(f"    {name}: medians of ten {medians}; single ones {values.min():.2f} to {values.max():.2f}")
    print(f"    {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
