"""The headline numbers of backpropagation, gated by the benchmark that measures them."""

from __future__ import annotations

from types import ModuleType

import pytest
from benchmark_scripts import load_benchmark


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return load_benchmark("backprop_digits")


def test_five_seeds_reach_the_stated_accuracy(benchmark: ModuleType) -> None:
    """97.5 % in the mean, 96.1 to 99.4: fixed seeds, so that only the rounding of another processor can move an image
    or two of 360. The promise is 96 %."""
    accuracies = benchmark.digits_accuracies(benchmark.Settings())
    assert float(accuracies.mean()) == pytest.approx(0.975, abs=0.004)
    assert float(accuracies.mean()) >= 0.96
    assert float(accuracies.min()) >= 0.955


@pytest.mark.parametrize("sizes", [[64, 64, 10], [100, 50, 50, 10]])
def test_recipes_and_engine_give_pytorchs_gradients(benchmark: ModuleType, sizes: list[int]) -> None:
    functions = benchmark.ways(32, sizes)
    expected = functions["autograd"]()
    for name in ("recipes", "engine"):
        assert benchmark.largest_difference(functions[name](), expected) < 1e-5, name
