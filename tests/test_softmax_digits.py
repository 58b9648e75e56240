"""The headline numbers of softmax regression, gated by the benchmark that measures them."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest
from benchmark_scripts import load_benchmark


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return load_benchmark("softmax_digits")


def test_digits_reach_94_per_cent(benchmark: ModuleType) -> None:
    """Over 30 seeds: 96.6 % on average, standard deviation 1.1, lowest 94.7; over these five 96.3, lowest 94.7. The
    seeds are fixed: only the rounding of another processor could move an image or two of 360."""
    accuracies = benchmark.digits_accuracies(benchmark.Settings())
    assert len(accuracies) == 5
    assert accuracies.mean() >= 0.955
    assert accuracies.min() >= 0.94


def test_mnist_reaches_90_per_cent(benchmark: ModuleType, mnist_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained on the first 9,000 images of the test set, judged on its last 1,000: 90.7 %, standard deviation 0.3 over
    five seeds; two of them here."""
    monkeypatch.setenv("COURSE_DATA_DIR", str(mnist_folder))
    accuracies = benchmark.mnist_accuracies(benchmark.mnist(), benchmark.Settings(seeds=(0, 1)))
    assert accuracies.mean() >= 0.90


def test_the_benchmark_runs_and_says_what_it_left_out(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    benchmark.main(benchmark.Settings.fast())
    printed = capsys.readouterr().out
    assert "digits" in printed
    assert "MNIST left out" in printed
    assert "gradient in closed form" in printed
    assert os.listdir(tmp_path) == []
